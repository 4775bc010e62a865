
# Copyright (c) 2026, the mlpipe authors

# What an activity costs does not grow with the length of its document or loop, also as
# long as somebody holds an old snapshot, as whoever waits for the run does: by
# counts of buffers, which no noise can touch.  And the order is kept.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $SHORT = 300;
my $LONG = 3000;
my $TOLERANCE = 1.5;

my $node = PostgreSQL::Test::Cluster->new('long_documents');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'mlpipe'
max_worker_processes = 32
mlpipe.max_executors = 2
autovacuum = off
shared_buffers = 256MB
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION mlpipe');

# Layers are of 50 activities, each of which waits for three of the layer before.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION document(shape text, length integer) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('activities', jsonb_agg(jsonb_build_object('name', 'a' || i, 'type', 'sql', 'sql',
		CASE WHEN shape = 'chain' AND i > 1 THEN format('SELECT ${{ activities.a%s.output.row_count }}', i - 1) ELSE 'SELECT 1' END,
		'depends_on', CASE
			WHEN i = 1 OR shape = 'leaves' THEN '[]'::jsonb
			WHEN shape = 'chain' THEN jsonb_build_array('a' || i - 1)
			WHEN shape = 'join' AND i = length THEN (SELECT jsonb_agg('a' || j) FROM generate_series(2, length - 1) j)
			WHEN shape = 'join' THEN '["a1"]'
			WHEN i <= 50 THEN '[]'
			ELSE (SELECT jsonb_agg(DISTINCT 'a' || (((i - 1) / 50 - 1) * 50 + 1 + (i * 7 + k * k * 11) % 50)) FROM generate_series(1, 3) k) END)
		ORDER BY i)) FROM generate_series(1, length) i
	WHERE shape <> 'loop'
	HAVING count(*) > 0
	UNION ALL
	SELECT jsonb_build_object('activities', jsonb_build_array(jsonb_build_object('name', 'each', 'type', 'for_each',
		'items', jsonb_build_object('query', format('SELECT generate_series(1, %s) AS i', length / 3)), 'activities', '[
			{"name": "check", "type": "if", "condition": "true", "then": [{"name": "bad", "type": "fail", "message": "no"}]},
			{"name": "handler", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "check", "conditions": ["failed"]}]}]'::jsonb)))
	WHERE shape = 'loop'
$$;
SQL

# The loop has three activities for each item: a container that fails, what fails in it, and what handles that.
for my $shape ('chain', 'join', 'leaves', 'layers', 'loop')
{
	run($shape, $SHORT);
	my $short = buffers($shape, $SHORT);
	my $long = buffers($shape, $LONG);
	cmp_ok($long, '<=', $short * $TOLERANCE,
		sprintf('%s: %.1f buffers for each of %d activities, %.1f for each of %d', $shape, $short, $SHORT, $long, $LONG));
}

is($node->safe_psql('postgres', <<'SQL'), '0', 'no activity started before all that it waits for had ended');
SELECT count(*) FROM mlpipe.run r JOIN mlpipe.activity_dependency d USING (version_id)
JOIN mlpipe.activity_run a ON a.run_id = r.run_id AND a.no = d.no
JOIN mlpipe.activity_run b ON b.run_id = r.run_id AND b.no = d.depends_on
WHERE a.started_at < b.finished_at
SQL
is($node->safe_psql('postgres', 'SELECT count(*) FROM mlpipe.tally'), '0', 'nothing is left of what was counted apart');

is($node->safe_psql('postgres', <<'SQL'), '301|t', 'what is nested deep is not stored once for each level around it');
SELECT format('{"activities": [%s{"name": "leaf", "type": "sql", "sql": "SELECT 1"}%s]}',
	repeat('{"name": "i", "type": "if", "condition": "true", "then": [', 300), repeat(']}', 300)) AS nested \gset
SELECT mlpipe_create_pipeline('nested', :'nested') \g /dev/null
SELECT count(*), sum(length(activity.definition::text)) <= length(:'nested') FROM mlpipe.activity JOIN mlpipe.pipeline_version USING (version_id)
WHERE pipeline_id = (SELECT pipeline_id FROM mlpipe.pipeline WHERE name = 'nested')
SQL

$node->stop;
done_testing();

# Of all processes, for each activity.
sub buffers
{
	my ($shape, $length) = @_;
	my $before = counter();
	run($shape, $length);
	return (counter() - $before) / $length;
}

sub run
{
	my ($shape, $length) = @_;
	my $status = $node->safe_psql('postgres', <<SQL);
SELECT mlpipe_submit(document('$shape', $length)) AS run \\gset
SELECT mlpipe_wait(:run, '2 min');
SQL
	is($status, 'succeeded', "$shape of $length activities");

	# Executors have told their statistics when they are idle.
	$node->poll_query_until('postgres', q(SELECT bool_and(state = 'idle') FROM mlpipe_executors))
	  or die 'the executors did not become idle';
}

sub counter
{
	return $node->safe_psql('postgres', <<'SQL');
SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))
FROM pg_statio_user_tables WHERE relname IN ('run', 'activity_run', 'tally')
SQL
}

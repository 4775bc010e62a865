
# Copyright (c) 2026, the mlpipe authors

# Many runs at once, also while a session holds an old snapshot.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('many_runs', 'mlpipe.max_executors' => 8);
my @activities = ([ 'backup', "INSERT INTO hits VALUES (mlpipe_run_id(), 'backup')" ]);
for my $segment ('part', 'load', 'care')
{
	my $before = 'backup';
	for my $step ('load', 'flag', 'classify', 'write')
	{
		push @activities, [ "${segment}_$step", "INSERT INTO hits VALUES (mlpipe_run_id(), '${segment}_$step')", $before ];
		$before = "${segment}_$step";
	}
}
push @activities, [ 'end', "INSERT INTO hits VALUES (mlpipe_run_id(), 'end')", 'part_write', 'load_write', 'care_write' ];
my $document = pipeline(@activities);
$document =~ s/'/''/g;
$node->safe_psql('postgres', 'CREATE TABLE hits (run_id bigint, activity text)');
$node->safe_psql('postgres', "SELECT mlpipe_create_pipeline('p', '$document')");

sub run_many
{
	my $note = shift;
	$node->safe_psql('postgres', "TRUNCATE hits; SELECT mlpipe_submit('p') FROM generate_series(1, 200)");
	ok(wait_until($node, 'NOT EXISTS (SELECT FROM mlpipe_runs WHERE finished_at IS NULL)'), "$note: all end");
	is($node->safe_psql('postgres', 'SELECT status, count(*) FROM mlpipe_runs GROUP BY 1'), 'succeeded|200', "$note: all succeed");
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT (run_id, activity)) FROM hits'), '2800|2800', "$note: each activity is done once");
	is($node->safe_psql('postgres', 'SELECT status, attempt, count(*) FROM mlpipe_activities GROUP BY 1, 2'), 'succeeded|1|2800', "$note: at the first attempt");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM mlpipe.activity_dependency d JOIN mlpipe.run USING (version_id)
		JOIN mlpipe.activity_run a ON a.run_id = run.run_id AND a.no = d.no JOIN mlpipe.activity_run b ON b.run_id = run.run_id AND b.no = d.depends_on
		WHERE a.started_at < b.finished_at'), '0', "$note: and none before its turn");
	ok(wait_until($node, 'NOT EXISTS (SELECT FROM mlpipe_executors WHERE run_id IS NOT NULL)'), "$note: no executor holds on to work");
	is($node->safe_psql('postgres', "SELECT mlpipe_purge('0')"), '200', "$note: and all can be purged");
	is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM mlpipe.run) + (SELECT count(*) FROM mlpipe.activity_run)'), '0', "$note: nothing is left");
}

# No time goes by without somebody taking work, as none of it takes long.
my $sleepers = submit($node, pipeline(map { [ "sleep_$_", 'SELECT pg_sleep(0.003)' ] } 1 .. 3000));
ok(wait_until($node, '(SELECT count(*) FROM mlpipe_executors) = 8'), 'short activities that only sleep get all the executors there can be');
is(wait_run($node, $sleepers), 'succeeded', 'and are done');
$node->safe_psql('postgres', "SELECT mlpipe_purge('0')");

run_many('at once');
my $holder = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'BEGIN ISOLATION LEVEL REPEATABLE READ',
	'-c', 'SELECT 1', '-c', 'SELECT pg_sleep(100)' ], '>', \my $out, '2>', \my $err);
ok(wait_until($node, "EXISTS (SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(100)' AND backend_xmin IS NOT NULL)"), 'a session holds a snapshot');
run_many('beside an old snapshot');
$holder->kill_kill;
ok(all_executors_work($node), 'no executor is lost');
ok(!log_has($node, qr/(ERROR|FATAL|PANIC|deadlock)(?!.*canceling)/), 'and the log has no errors');

done_testing();

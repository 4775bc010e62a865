
# Copyright (c) 2026, the mlpipe authors

# A crash of the server in the middle of a rerun: what had been taken over is
# not done again, and what was left is done exactly once.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('rerun', 'restart_after_crash' => 'on', 'mlpipe.max_executors' => 3);

# Kills a worker that is at work for the run, which takes the server down.
sub kill_worker
{
	my ($run) = @_;
	my $offset = -s $node->logfile;
	my $pid = $node->safe_psql('postgres', "SELECT pid FROM mlpipe_executors WHERE run_id = $run AND state <> 'idle' LIMIT 1");

	return 0 if $pid eq '';
	kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	await_server($node);
	return 1;
}

$node->safe_psql('postgres', q(
	CREATE TABLE broken (id integer);
	CREATE TABLE done (id integer);
	CREATE TABLE looped (id integer);
	CREATE TABLE input AS SELECT i AS id FROM generate_series(1, 4000) i;
	CREATE FUNCTION act(id integer) RETURNS integer LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM broken) AND id % 20 >= 10 THEN
			RAISE 'row % is broken', id;
		END IF;
		RETURN id;
	END $$;
	INSERT INTO broken VALUES (1)));

my $run = submit($node, q({"activities": [
	{"name": "step", "type": "parallel", "input": {"table": "input"}, "mini_batch_size": "10 rows", "append_row_to": "done",
		"retry_settings": {"max_retries": 0, "timeout": 60}, "mini_batch_error_threshold": 399,
		"run": "SELECT act(id - 1) + 1 FROM mini_batch, (SELECT pg_sleep(0.005)) s"},
	{"name": "each", "type": "for_each", "items": {"query": "SELECT id FROM input WHERE id <= 400"}, "activities": [
		{"name": "one", "type": "sql", "sql": "INSERT INTO looped SELECT act(${{ item.id }}) FROM pg_sleep(0.005)"}]}]}));
is($node->safe_psql('postgres', "SELECT mlpipe_wait($run, '60 s')"), 'failed', 'half of it fails');
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM done), (SELECT count(*) FROM looped)'), '2000|200', 'and half is done');

$node->safe_psql('postgres', 'TRUNCATE broken');
my $rerun = $node->safe_psql('postgres', "SELECT mlpipe_rerun($run)");
my $kills = 0;
for my $share (2100, 2500)
{
	wait_until($node, "(SELECT count(*) + (SELECT count(*) FROM looped) >= $share + 300 FROM done)");
	$kills += kill_worker($rerun);
}
cmp_ok($kills, '>=', 1, "the server was killed $kills times in the middle of the rerun");
is($node->safe_psql('postgres', "SELECT mlpipe_wait($rerun, '60 s')"), 'succeeded', 'the rerun ends');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM done'), '4000|4000', 'every row is in the output once');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM looped'), '400|400', 'every item was done once');
is($node->safe_psql('postgres', "SELECT output - '{seconds,batches_per_second,retried}'::text[] FROM mlpipe_activities WHERE run_id = $rerun AND activity = 'step'"),
	'{"items": 4000, "failed": 0, "batches": 400, "verdict": "succeeded", "succeeded": 400, "items_done": 4000, "items_failed": 0}', 'and the summary has all of them');
is($node->safe_psql('postgres', "SELECT count(*) FILTER (WHERE reused_from = $run), count(*) FROM mlpipe_activities WHERE run_id = $rerun AND activity LIKE 'each[%'"),
	'200|400', 'half of the iterations were taken over');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relnamespace = 'mlpipe'::regnamespace AND relname ~ '^(stage|keys)_'"),
	'0', 'nothing that was staged is left');

$node->stop;
done_testing();

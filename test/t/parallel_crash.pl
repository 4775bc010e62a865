
# Copyright (c) 2026, the mlpipe authors

# A mini-batch that takes the whole server down each time is given up, and the
# step ends with all others done once.  So is a step whose init does that.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('parallel_crash', 'restart_after_crash' => 'on', 'mlpipe.max_executors' => 3);
$node->safe_psql('postgres', q(
	CREATE TABLE part AS SELECT i AS id, i % 50 AS k FROM generate_series(1, 2000) i;
	CREATE TABLE nothing (x integer);
	CREATE FUNCTION crash_at(id integer, at integer) RETURNS integer LANGUAGE plpgsql AS $$
	BEGIN
		IF id = at THEN
			COPY nothing FROM PROGRAM 'kill -9 $PPID; sleep 10';
		END IF;
		RETURN id;
	END $$));

sub step
{
	my ($keys) = @_;

	return submit($node, '{"activities": [{"name": "p", "type": "parallel", "input": {"table": "part"}, "max_concurrency_per_instance": 2, ' . $keys . '}]}');
}

# The server is down now and then.
sub wait_through_crashes
{
	my ($run) = @_;

	for (1 .. 900)
	{
		my $status = ask($node, "SELECT status FROM mlpipe_runs WHERE run_id = $run AND finished_at IS NOT NULL");

		return $status if $status;
		select(undef, undef, undef, 0.1);
	}
	return 'unfinished';
}

sub crashes
{
	my ($offset) = @_;

	return scalar(() = slurp_file($node->logfile, $offset) =~ /all server processes terminated; reinitializing/g);
}

my $offset = -s $node->logfile;
my $run = step(q("mini_batch_size": "4 rows", "run": "SELECT crash_at(id, 777) FROM mini_batch", "append_row_to": "out_1"));
is(wait_through_crashes($run), 'succeeded', 'a step ends one of whose mini-batches crashes the server');
cmp_ok(crashes($offset), '<=', 7, 'after ' . crashes($offset) . ' crashes');
is($node->safe_psql('postgres', "SELECT output->'batches', output->'succeeded', output->'failed', output->'items_failed' FROM mlpipe_activities WHERE run_id = $run"),
	'500|499|1|4', 'all others are done');
is($node->safe_psql('postgres', "SELECT string_agg(attempt || ' ' || status, ', ' ORDER BY attempt), bool_and(error LIKE 'the server crashed%') FROM mlpipe_batches WHERE run_id = $run AND batch = 195"),
	'1 failed, 2 failed, 3 failed|t', 'this one has had its attempts');
is($node->safe_psql('postgres', "SELECT count(*) FROM mlpipe_errors WHERE run_id = $run AND batch = 195 AND sqlstate = '57P02'"), '3', 'which are listed');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT crash_at) FROM out_1'), '1996|1996', 'every other row is in the output once');
is($node->safe_psql('postgres', 'SELECT count(*) FROM mlpipe.batch_claim'), '0', 'nothing of it is left');

# The very first one, in a step that is staged again each time
$run = step(q("partition_keys": ["k"], "run": "SELECT crash_at(min(id), 50) FROM mini_batch", "retry_settings": {"max_retries": 3}, "append_row_to": "out_2"));
is(wait_through_crashes($run), 'succeeded', 'a step by partition keys');
is($node->safe_psql('postgres', "SELECT output->'batches', output->'succeeded', output->'failed' FROM mlpipe_activities WHERE run_id = $run"), '50|49|1', 'loses one of them');
is($node->safe_psql('postgres', "SELECT max(attempt), count(*) FILTER (WHERE error LIKE 'the server crashed%') FROM mlpipe_batches WHERE run_id = $run"), '4|4', 'after its retries');

# init
$run = step(q("init": "SELECT crash_at(1, 1)", "run": "SELECT id FROM mini_batch", "mini_batch_size": "100 rows"));
is(wait_through_crashes($run), 'failed', 'a step fails whose init crashes the server');
like($node->safe_psql('postgres', "SELECT error FROM mlpipe_activities WHERE run_id = $run"), qr/^the server crashed or was stopped 3 times while a worker was prepared/, 'and says so');

# Workers of an innocent step, killed at any time
$node->safe_psql('postgres', 'CREATE TABLE large AS SELECT i AS id FROM generate_series(1, 20000) i');
$run = submit($node, '{"activities": [{"name": "p", "type": "parallel", "input": {"table": "large"}, "mini_batch_size": "4 rows", "max_concurrency_per_instance": 3,
	"retry_settings": {"max_retries": 0}, "run": "SELECT id FROM mini_batch, (SELECT pg_sleep(0.001)) s", "append_row_to": "out_3"}]}');
my $kills = 0;
for (1 .. 100)
{
	select(undef, undef, undef, 0.3 * rand());
	my @pids = split ' ', ask($node, "SELECT string_agg(pid::text, ' ') FROM mlpipe_executors WHERE run_id = $run") // '';
	next if !@pids;
	$kills += kill 'KILL', $pids[ rand @pids ];
	last if $kills == 8;
}
is(wait_through_crashes($run), 'succeeded', "a step ends whose workers were killed $kills times");
is($node->safe_psql('postgres', "SELECT output->'batches', output->'succeeded' FROM mlpipe_activities WHERE run_id = $run"), '5000|5000', 'all mini-batches are done');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM out_3'), '20000|20000', 'and every row is in the output once');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT batch) FROM mlpipe.mini_batch WHERE run_id = $run AND final"), '5000|5000', 'each has one final row');

# After a crash rows may be vacuumed away before the snapshot of the step that
# reads them is held again; here, for the library was not even loaded.
$node->safe_psql('postgres', q(
	CREATE TABLE pruned AS SELECT i AS id, 0 AS v FROM generate_series(1, 1000) i));
make_gate($node);
$run = submit($node, '{"activities": [{"name": "p", "type": "parallel", "input": {"table": "pruned"}, "mini_batch_size": "100 rows", "max_concurrency_per_instance": 1,
	"run": "SELECT id FROM mini_batch, (SELECT pass_gate()) g", "append_row_to": "out_4"}]}');
wait_until($node, "to_regclass('out_4') IS NOT NULL");
wait_until($node, '(SELECT count(*) = 100 FROM out_4)');
$node->safe_psql('postgres', 'UPDATE pruned SET v = 1 WHERE id > 500');
$node->stop('immediate');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->start;
$node->safe_psql('postgres', 'VACUUM pruned; INSERT INTO gate VALUES (true)');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mlpipe'");
$node->restart;
is(wait_through_crashes($run), 'failed', 'a step fails some of whose rows are gone');
is($node->safe_psql('postgres', "SELECT message, detail FROM mlpipe_errors WHERE run_id = $run"),
	'rows of the input were vacuumed away after a crash|Mini-batch 6 had 100 rows when the input was split, and has 0 of them now.', 'and says so');
is(wait_run($node, $node->safe_psql('postgres', "SELECT mlpipe_rerun($run)")), 'succeeded', 'a rerun does the rest');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM out_4'), '1000|1000', 'and every row is in the output once');

is(wait_run($node, step(q("run": "SELECT id FROM mini_batch"))), 'succeeded', 'others go on');
$node->stop;
done_testing();

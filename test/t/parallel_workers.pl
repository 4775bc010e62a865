
# Copyright (c) 2026, the mlpipe authors

# Workers of a parallel step come and go as others' work does, and a process
# runs init and shutdown of a step once.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('parallel_workers', 'mlpipe.max_executors' => 2);
$node->safe_psql('postgres', q(
	CREATE TABLE part AS SELECT i AS id FROM generate_series(1, 400) i;
	CREATE TABLE many AS SELECT i AS id FROM generate_series(1, 5000) i;
	CREATE TABLE pace AS SELECT 0.01 AS pause;
	CREATE TABLE scored (id integer);
	CREATE TABLE calls (what text, run_id bigint DEFAULT mlpipe_run_id(), pid integer DEFAULT pg_backend_pid());
	CREATE SEQUENCE tries;
	CREATE FUNCTION fails(often integer) RETURNS integer LANGUAGE plpgsql AS $$
	BEGIN
		IF nextval('tries') <= often THEN
			RAISE EXCEPTION 'not yet';
		END IF;
		RETURN 1;
	END $$));

sub step
{
	my ($run, $workers, $more, $table) = @_;

	$table //= 'part';
	return submit($node, qq({"activities": [{"name": "p", "type": "parallel", "input": {"table": "$table"}, "mini_batch_size": "1 row",
		"init": "INSERT INTO calls VALUES ('init'); CREATE TEMP TABLE model AS SELECT 1 AS factor", "run": "$run", "count": "none",
		"shutdown": "INSERT INTO calls SELECT 'shutdown' FROM model", "append_row_to": "scored", "max_concurrency_per_instance": $workers)
		. ($more // '') . '}]}');
}

# Processes that worked on it, and calls of init and shutdown.
sub calls
{
	my ($run) = @_;

	return $node->safe_psql('postgres', qq(
		SELECT bool_and(n = 1) AS once, bool_and(pid IN (SELECT pid FROM calls WHERE what = 'init' AND run_id = $run)) AS each,
			count(*) FILTER (WHERE what = 'init') = count(*) FILTER (WHERE what = 'shutdown') AS both,
			(SELECT bool_and(executor_pid IN (SELECT pid FROM calls WHERE run_id = $run)) FROM mlpipe_batches WHERE run_id = $run) AS workers
		FROM (SELECT what, pid, count(*) AS n FROM calls WHERE run_id = $run GROUP BY 1, 2) c));
}

sub scored
{
	return $node->safe_psql('postgres', 'WITH gone AS (DELETE FROM scored RETURNING id) SELECT count(*), count(DISTINCT id) FROM gone');
}

# Other work comes again and again, and takes all workers away from the step.
my $run = step('SELECT id * factor FROM mini_batch, model, pace, pg_sleep(pause)', 2, undef, 'many');
for my $visit (1 .. 4)
{
	ok(wait_until($node, "(SELECT count(*) >= 40 * $visit FROM mlpipe.mini_batch WHERE run_id = $run)"), "the step is in the middle ($visit)");
	my $urgent = submit($node, pipeline([ 'a', 'SELECT pg_sleep(0.1)' ], [ 'b', 'SELECT pg_sleep(0.1)' ]), 'priority => 5');
	is(wait_run($node, $urgent), 'succeeded', 'what is more urgent goes first');
	is(run_status($node, $run), 'in_progress', 'and the step waits');
}
$node->safe_psql('postgres', 'UPDATE pace SET pause = 0');
is(wait_run($node, $run), 'succeeded', 'the step ends');
is(calls($run), 't|t|t|t', 'each process has run init and shutdown once');
cmp_ok($node->safe_psql('postgres', "SELECT count(DISTINCT pid) FROM calls WHERE run_id = $run"), '>=', 5, 'though workers had to leave');
is(scored(), '5000|5000', 'every row is there once');

# Mini-batches that come back when all have been handed out.
$node->safe_psql('postgres', q(SELECT setval('tries', 1, false)));
$run = step('SELECT id * factor * CASE WHEN id > 390 THEN fails(30) ELSE 1 END FROM mini_batch, model, pg_sleep(0.01)', 2, ', "retry_settings": {"max_retries": 30}');
is(wait_run($node, $run), 'succeeded', 'a step with failures at its end');
is(calls($run), 't|t|t|t', 'init and shutdown were run once');
is($node->safe_psql('postgres', "SELECT output->>'retried' FROM mlpipe_activities WHERE run_id = $run"), '30', 'and not for each of them');
is(scored(), '400|400', 'every row is there once');

# A worker that has nothing to do in the step but wait is there for others.
$run = step('SELECT id FROM mini_batch, pg_sleep(CASE WHEN id = 400 THEN 60 ELSE 0 END)', 2, ', "retry_settings": {"timeout": 100}');
ok(wait_until($node, "(SELECT count(*) = 399 FROM mlpipe.mini_batch WHERE run_id = $run)"), 'one mini-batch is left');
is(wait_run($node, submit($node, pipeline([ 'a', 'SELECT 1' ]), 'priority => -5')), 'succeeded', 'the other worker does something else');
$node->safe_psql('postgres', 'CREATE ROLE other LOGIN; GRANT pg_monitor TO other');
is($node->safe_psql('postgres', "SET SESSION AUTHORIZATION other; SELECT mlpipe_submit('{\"activities\": [{\"name\": \"a\", \"type\": \"sql\", \"sql\": \"SELECT 1\"}]}'::jsonb)") > 0, 1, 'another role has work');
is(wait_run($node, '(SELECT max(run_id) FROM mlpipe.run)'), 'succeeded', 'and a worker for it');
$node->safe_psql('postgres', "SELECT mlpipe_cancel($run)");
is(wait_run($node, $run), 'cancelled', 'the step is cancelled');
is(calls($run), 't|t|t|t', 'and each process has run shutdown');

# A worker may be in its shutdown already when another finds that the step has
# failed: it finishes that.
$node->safe_psql('postgres', q(
	CREATE FUNCTION fail_after_the_other() RETURNS integer LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. 6000 LOOP
			EXIT WHEN EXISTS (SELECT FROM mlpipe.mini_batch WHERE run_id = mlpipe_run_id() AND status = 'succeeded');
			PERFORM pg_sleep(0.01);
		END LOOP;
		RAISE 'as it should';
	END $$));
for my $limit ('"mini_batch_error_threshold": 0', '"error_threshold": 0, "count": "items"')
{
	$run = submit($node, qq({"activities": [{"name": "p", "type": "parallel", "input": {"query": "SELECT generate_series(1, 2) AS id"}, "mini_batch_size": "1 row",
		"run": "SELECT CASE WHEN id = 1 THEN fail_after_the_other() ELSE id END FROM mini_batch", "max_concurrency_per_instance": 2, "retry_settings": {"max_retries": 0},
		"init": "INSERT INTO calls VALUES ('init')", "shutdown": "SELECT pg_sleep(0.5); INSERT INTO calls VALUES ('shutdown')", $limit}]}));
	is(wait_run($node, $run), 'failed', "a step fails in its last mini-batch ($limit)");
	is(calls($run), 't|t|t|t', 'and each process has run shutdown');
	is($node->safe_psql('postgres', "SELECT output->>'verdict', output->>'succeeded', output->>'failed', output->>'items_failed', items_in, items_out FROM mlpipe_activities WHERE run_id = $run"),
		'failed|1|1|1|2|1', 'it says what it came to');
}

# Time limits hold while no worker serves the step, as all do something better:
# from the beginning, or once it has begun.
$node->safe_psql('postgres', q(
	CREATE FUNCTION wait_for_urgent() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		WHILE NOT EXISTS (SELECT FROM mlpipe_runs WHERE priority = 5 AND finished_at IS NULL) LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
		PERFORM pg_sleep(0.3);
	END $$));
sub left_alone
{
	my ($limit, $retry) = @_;
	my $split = $limit =~ /first/ ? 'wait_for_urgent()' : 'pg_sleep(0.3)';
	my $step = submit($node, qq({"activities": [{"name": "p", "type": "parallel", "input": {"query": "SELECT 1 FROM $split, generate_series(1, 100)"}, "mini_batch_size": "1 row",
		"run": "SELECT pg_sleep(0.1) FROM mini_batch", "max_concurrency_per_instance": 2, $limit}]}));
	my $urgent;

	ok(wait_until($node, "(SELECT count(*) > 0 FROM mlpipe.mini_batch WHERE run_id = $step)"), 'a step has begun') if $limit !~ /first/;
	$urgent = submit($node, pipeline(map { [ "a$_", 'SELECT pg_sleep(30)' ] } 1 .. 2), 'priority => 5');
	is(wait_run($node, $step), 'failed', "a step that is left alone fails ($limit)");
	is(run_status($node, $urgent), 'in_progress', 'while the executors do something else');
	$node->safe_psql('postgres', "SELECT mlpipe_cancel($urgent)");
	wait_run($node, $urgent);
	return $node->safe_psql('postgres', "SELECT attempt, error FROM mlpipe_activities WHERE run_id = $step");
}

is(left_alone('"timeout": "2 s"'), '1|timeout: the attempt took longer than 2 s', 'timeout');
is(left_alone('"progress_update_timeout": 2'), '1|no mini-batch was finished and no progress reported for 2 s, and "progress_update_timeout" is 2', 'progress_update_timeout');
is(left_alone('"first_task_creation_timeout": 1'), '1|no mini-batch was started in 1 s, and "first_task_creation_timeout" is 1', 'first_task_creation_timeout');
is(left_alone('"timeout": "2 s", "retry": {"max_retries": 1, "interval": 0}'), '2|timeout: the attempt took longer than 2 s', 'a further attempt');

# A pause before the next attempt is kept, by the scheduler too, and nobody has
# to wait in it.
$node->safe_psql('postgres', 'UPDATE pace SET pause = 0.1');
$run = submit($node, q({"activities": [{"name": "p", "type": "parallel", "input": {"query": "SELECT 1 FROM generate_series(1, 100)"}, "mini_batch_size": "1 row",
	"run": "SELECT pg_sleep(pause) FROM mini_batch, pace", "timeout": "2 s", "retry": {"max_retries": 10, "interval": 3}}]}));
ok(wait_until($node, "(SELECT count(*) > 0 FROM mlpipe.mini_batch WHERE run_id = $run)"), 'a step has begun');
my $busy = submit($node, pipeline(map { [ "a$_", 'SELECT pg_sleep(600)' ] } 1 .. 2), 'priority => 5');
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe.failure WHERE run_id = $run)"), 'and fails while nobody works on it');
$node->safe_psql('postgres', "UPDATE pace SET pause = 0; SELECT mlpipe_cancel($busy)");
is(wait_run($node, $run), 'succeeded', 'a further attempt succeeds');
is($node->safe_psql('postgres', "SELECT count(*) FROM mlpipe.mini_batch b JOIN mlpipe.failure f USING (run_id)
	WHERE f.run_id = $run AND coalesce(f.batch, 0) = 0 AND b.started_at > f.at AND b.started_at < f.at + interval '3 s'"), '0', 'and none begins before the pause is over');

$run = submit($node, q({"activities": [{"name": "p", "type": "parallel", "input": {"query": "SELECT 1"}, "mini_batch_error_threshold": 0, "retry_settings": {"max_retries": 0},
	"run": "SELECT 1 / 0 FROM mini_batch", "retry": {"max_retries": 1, "interval": 600}}]}));
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_activities WHERE run_id = $run AND attempt = 2)"), 'a step waits for its next attempt');
like($node->safe_psql('postgres', "SELECT wait_reason FROM mlpipe_activities WHERE run_id = $run"), qr/^retry 1 of 1 at/, 'says so');
ok(wait_until($node, "NOT EXISTS (SELECT FROM mlpipe_executors WHERE run_id = $run)"), 'keeps no executor');
$node->restart;
is(wait_run($node, submit($node, pipeline([ 'a', 'SELECT 1' ]))), 'succeeded', 'other work goes on when the server has been restarted');
is($node->safe_psql('postgres', "SELECT status, attempt FROM mlpipe_activities WHERE run_id = $run"), 'in_progress|2', 'and the step waits still');
$node->safe_psql('postgres', "SELECT mlpipe_cancel($run)");
is(wait_run($node, $run), 'cancelled', 'and can be cancelled meanwhile');

# but a suspended one need not make progress
$run = step('SELECT id FROM mini_batch, pg_sleep(0.05)', 2, ', "progress_update_timeout": 2');
ok(wait_until($node, "(SELECT count(*) > 0 FROM mlpipe.mini_batch WHERE run_id = $run)"), 'a step has begun');
$node->safe_psql('postgres', "SELECT mlpipe_suspend($run)");
is($node->safe_psql('postgres', "SELECT mlpipe_wait($run, '3.5 s')"), 'suspended', 'and is suspended');
$node->safe_psql('postgres', "SELECT mlpipe_resume($run)");
my $before = $node->safe_psql('postgres', "SELECT count(*) FROM mlpipe.mini_batch WHERE run_id = $run");
ok(wait_until($node, "(SELECT count(*) > $before + 5 FROM mlpipe.mini_batch WHERE run_id = $run)"), 'goes on later');
$node->safe_psql('postgres', "SELECT mlpipe_cancel($run)");
is(wait_run($node, $run), 'cancelled', 'and did not fail');

$node->stop;
done_testing();

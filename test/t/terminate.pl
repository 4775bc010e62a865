
# Copyright (c) 2026, the mlpipe authors

# What ends a process of the extension does not end its work.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('terminate', 'mlpipe.max_executors' => 3);
$node->safe_psql('postgres', 'CREATE TABLE done (activity text, run_id bigint DEFAULT mlpipe_run_id())');

sub first_attempt_sleeps
{
	my $name = shift;

	return "INSERT INTO done SELECT '$name' FROM pg_sleep((SELECT CASE WHEN attempt = 1 THEN 60 ELSE 0 END FROM mlpipe_activities WHERE run_id = mlpipe_run_id() AND activity = '$name'))";
}

sub terminate
{
	my $type = shift;

	return $node->safe_psql('postgres',
		"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'mlpipe $type'");
}

# An executor
my $run = submit($node, pipeline([ 'a', first_attempt_sleeps('a') ], [ 'b', "INSERT INTO done VALUES ('b')", 'a' ]));
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_executors WHERE run_id = $run AND activity = 'a')"), 'an executor works');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM mlpipe_executors WHERE run_id = $run");
is(wait_run($node, $run), 'succeeded', 'a run whose executor was terminated ends by itself');
is(ends($node, $run), 'a succeeded 2, b succeeded 1', 'what it had in hand is tried again');
is($node->safe_psql('postgres', "SELECT string_agg(activity, ' ' ORDER BY activity) FROM done WHERE run_id = $run"), 'a b', 'and done once');
is($node->safe_psql('postgres', "SELECT activity, attempt, sqlstate FROM mlpipe_errors WHERE run_id = $run"), 'a|1|57P01', 'the lost attempt is listed');

# One that is terminated every time is given up.
$run = submit($node, pipeline([ 'a', 'SELECT pg_sleep(60)' ]));
for my $attempt (1 .. 3)
{
	ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_activities WHERE run_id = $run AND attempt = $attempt AND executor_pid IS NOT NULL)"), "attempt $attempt");
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(executor_pid) FROM mlpipe_activities WHERE run_id = $run");
}
is(wait_run($node, $run), 'failed', 'after three lost attempts it has failed');

# Cancelled and terminated at once
$run = submit($node, pipeline([ 'a', 'SELECT pg_sleep(60)' ], [ 'b', 'SELECT 1', 'a' ]));
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_executors WHERE run_id = $run AND activity = 'a')"), 'an executor works');
$node->safe_psql('postgres', "SELECT mlpipe_cancel($run)", extra_params => ['-c', '']);
is(wait_run($node, $run), 'cancelled', 'a run that was cancelled is cancelled');
$run = submit($node, pipeline([ 'a', 'SELECT pg_sleep(60)' ], [ 'b', 'SELECT 1', 'a' ]));
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_executors WHERE run_id = $run AND activity = 'a')"), 'an executor works');
$node->safe_psql('postgres', qq{
	BEGIN;
	SELECT mlpipe_cancel($run);
	SELECT pg_terminate_backend(pid, 10000) FROM mlpipe_executors WHERE run_id = $run;
	COMMIT;});
is(wait_run($node, $run), 'cancelled', 'a run is cancelled whose executor died meanwhile');
is(ends($node, $run), 'a cancelled 1, b cancelled 0', 'and nothing of it is tried again');

# The scheduler
$run = submit($node, '{"activities": [{"name": "w", "type": "wait", "duration": 0.5}, {"name": "s", "type": "sql", "sql": "SELECT pg_sleep(0.5)"}, {"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": ["w", "s"]}]}');
ok(wait_until($node, "(SELECT count(*) = 2 FROM mlpipe_activities WHERE run_id = $run AND status = 'in_progress')"), 'a run is in the middle');
is(terminate('scheduler'), 't', 'the scheduler is terminated');
is(wait_run($node, $run), 'succeeded', 'a run ends whose scheduler was terminated');
is(ends($node, $run), 'b succeeded 1, s succeeded 1, w succeeded 1', 'and nothing of it is done twice');
ok(wait_until($node, "(SELECT scheduler_pid IS NOT NULL FROM mlpipe.facts())"), 'there is a scheduler again');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mlpipe scheduler'"), '1', 'and one alone');

# The launcher
is(terminate('launcher'), 't', 'the launcher is terminated');
is(wait_run($node, submit($node, pipeline([ 'a', 'SELECT 1' ]))), 'succeeded', 'runs go on without a launcher');
is(terminate('scheduler'), 't', 'and the scheduler too');
ok(wait_until($node, "EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'mlpipe launcher')"), 'there is a launcher again');
ok(wait_until($node, "EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'mlpipe scheduler')"), 'and a scheduler');
is(wait_run($node, submit($node, '{"activities": [{"name": "w", "type": "wait", "duration": 0.1}]}')), 'succeeded', 'that does its work');

# All of it, while runs go on
my @runs = map { submit($node, pipeline([ 'a', "INSERT INTO done VALUES ('x')" ], [ 'b', 'SELECT pg_sleep(0.05)', 'a' ], [ 'c', "INSERT INTO done VALUES ('y')", 'b' ])) } 1 .. 10;
for (1 .. 3)
{
	terminate('scheduler');
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'mlpipe executor' LIMIT 1");
}
is(join(' ', map { wait_run($node, $_) } @runs), join(' ', ('succeeded') x 10), 'all runs end');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT (run_id, activity)) FROM done WHERE activity IN ('x', 'y')"), '20|20', 'with everything done once');
ok(all_executors_work($node), 'no executor is lost');

done_testing();


# Copyright (c) 2026, the mlpipe authors

# What a crash of the server, or a stop without a shutdown, leaves of runs.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('crash', 'restart_after_crash' => 'on', 'mlpipe.max_executors' => 4, 'synchronous_commit' => 'on');
$node->safe_psql('postgres', 'CREATE TABLE done (activity text, run_id bigint DEFAULT mlpipe_run_id())');

# Lasts until another activity of the run has that status.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION await(other text, is_so text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT EXISTS (SELECT FROM mlpipe_activities WHERE run_id = mlpipe_run_id() AND activity = other AND status = is_so) LOOP
		PERFORM pg_sleep(0.02);
	END LOOP;
END $$
SQL

# Kills the executor of an activity, which takes the server down, and waits for
# its return.
sub kill_executor
{
	my ($run, $activity) = @_;
	my $pid = $node->safe_psql('postgres',
		"SELECT executor_pid FROM mlpipe_activities WHERE run_id = $run AND activity = '$activity'");
	my $offset = -s $node->logfile;

	kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	await_server($node);
}

# Of a run that is going to fail, while the server goes down and comes back.
sub status_after_crashes
{
	my ($run) = @_;
	my $answer = '';

	for (1 .. 600)
	{
		$answer = ask($node, "SELECT status FROM mlpipe_runs WHERE run_id = $run") // '';
		last if $answer eq 'failed';
		select(undef, undef, undef, 0.1);
	}
	return $answer;
}

my $run = submit($node, pipeline(
	[ 'first', "INSERT INTO done VALUES ('first')" ],
	[ 'slow', "INSERT INTO done SELECT 'slow' FROM pg_sleep((SELECT 60 WHERE (SELECT attempt = 1 FROM mlpipe_activities WHERE run_id = mlpipe_run_id() AND activity = 'slow')))", 'first' ],
	[ 'other', "INSERT INTO done VALUES ('other')", 'first' ],
	[ 'last', "INSERT INTO done VALUES ('last')", 'slow', 'other' ]));
ok(wait_until($node, "(SELECT count(*) = 2 FROM mlpipe_activities WHERE run_id = $run AND (activity, status) IN (('slow', 'in_progress'), ('other', 'succeeded')))"),
	'a run is in the middle');
# By now the claim would have been written; until then a crash takes it back.
$node->safe_psql('postgres', 'CHECKPOINT');
kill_executor($run, 'slow');
is(wait_run($node, $run), 'succeeded', 'a run whose executor was killed ends by itself');
is($node->safe_psql('postgres', "SELECT string_agg(activity, ' ' ORDER BY activity) FROM done WHERE run_id = $run"),
	'first last other slow', 'each activity was done exactly once');
is(ends($node, $run), 'first succeeded 1, last succeeded 1, other succeeded 1, slow succeeded 2', 'only what was cut short was tried again');
is($node->safe_psql('postgres', "SELECT activity, attempt, sqlstate, message FROM mlpipe_errors WHERE run_id = $run"),
	'slow|1|57P02|the server crashed or was stopped during this attempt', 'the lost attempt is listed');

# What takes the server down every time is given up, however soon it does.
$run = submit($node, pipeline([ 'killer', 'SELECT pg_sleep(60)' ]));
my $killed = 0;
for (1 .. 5)
{
	last unless wait_until($node, "(SELECT attempt > $killed AND status = 'in_progress' OR status = 'failed' FROM mlpipe_activities WHERE run_id = $run)");
	last if run_status($node, $run) eq 'failed';
	kill_executor($run, 'killer');
	$killed++;
}
is(run_status($node, $run), 'failed', 'an activity that takes the server down is given up');
is($killed, 3, 'after three attempts');
is($node->safe_psql('postgres', "SELECT error FROM mlpipe_runs WHERE run_id = $run"),
	'killer: the server crashed or was stopped during this attempt', 'the run says so');

# Even if it does so at once, before its claim can have been written, and
# wherever it is: the first crash may take the claim back, none after that.
for my $way (
	[ 'by itself', sub { qq({"activities": [$_[0]]}) } ],
	[ 'after another activity', sub { qq({"activities": [{"name": "before", "type": "sql", "sql": "SELECT 1"}, ) . ($_[0] =~ s/"name"/"depends_on": ["before"], "name"/r) . ']}' } ],
	[ 'in a loop', sub { qq({"activities": [{"name": "each", "type": "for_each", "items": [1, 2], "sequential": true, "activities": [$_[0]]}]}) } ],
	[ 'with a policy of its own', sub { qq({"activities": [) . ($_[0] =~ s/"name"/"retry": {"max_retries": 1, "interval": 0.1}, "name"/r) . ']}' } ])
{
	my ($how, $wrap) = @$way;
	my $offset = -s $node->logfile;

	$run = submit($node, $wrap->(q({"name": "suicide", "type": "sql", "sql": "COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'"})));
	my $answer = status_after_crashes($run);
	my $crashes = () = slurp_file($node->logfile, $offset) =~ /all server processes terminated; reinitializing/g;
	is($answer, 'failed', "what kills the server at once is given up ($how)");
	cmp_ok($crashes, '<=', $how eq 'in a loop' ? 8 : 4, 'soon');
}

# What is at work meanwhile is not to blame, however often it happens.
$run = submit($node, pipeline(
	[ 'suicide', q(COPY (SELECT await('bystander', 'in_progress')) TO PROGRAM 'cat; kill -9 $PPID') ],
	[ 'bystander', "INSERT INTO done SELECT 'bystander' FROM await('suicide', 'failed')" ]));
is(status_after_crashes($run), 'failed', 'a run with an activity that kills the server ends');
is(ask($node, "SELECT string_agg(activity || ' ' || status, ', ' ORDER BY activity) FROM mlpipe_activities WHERE run_id = $run"),
	'bystander succeeded, suicide failed', 'and what was at work beside it each time succeeds');
is(ask($node, "SELECT count(*) FROM done WHERE run_id = $run"), '1', 'once');
is(ask($node, "SELECT string_agg(DISTINCT message, ', ') FROM mlpipe_errors WHERE run_id = $run AND activity = 'bystander'"),
	'the server crashed during this attempt, by another activity', 'its lost attempts say why');

# A process that goes without a word, as a library may have it do, has not let
# go of what it shares with others: to the server that is a crash, whatever it
# calls its exit.
SKIP:
{
	skip 'plpython3u is not installed', 4
	  if $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'plpython3u'") eq '0';
	$node->safe_psql('postgres', 'CREATE EXTENSION plpython3u; CREATE FUNCTION leave(status integer) RETURNS void LANGUAGE plpython3u AS $$import os; os._exit(status)$$');
	for my $status (0, 1)
	{
		$run = submit($node, pipeline([ 'leaver', "SELECT leave($status)" ], [ 'other', 'SELECT 1' ]));
		is(status_after_crashes($run), 'failed', "so is what ends its process with status $status");
		is(ask($node, "SELECT string_agg(concat_ws(' ', activity, status, error), ', ' ORDER BY activity) FROM mlpipe_activities WHERE run_id = $run"),
			'leaver failed the server crashed or was stopped during this attempt, other succeeded', 'alone');
	}
}

# Lasts until it is cut short; the next attempt takes no time.
my $cut_short = 'SELECT pg_sleep(60) FROM mlpipe_activities WHERE run_id = mlpipe_run_id()'
  . ' AND activity = mlpipe_activity_name() AND attempt = 1';

# An immediate stop; the run goes on with the next start.
$run = submit($node, pipeline(
	[ 'a', "INSERT INTO done VALUES ('a')" ], [ 'b', $cut_short, 'a' ], [ 'c', "INSERT INTO done VALUES ('c')", 'b' ]));
my $parked = submit($node, '{"activities": [{"name": "w", "type": "wait", "duration": 1}]}');
my $later = submit($node, pipeline([ 'a', 'SELECT 1' ]), "not_before => clock_timestamp() + '1 s'");
my $retry = submit($node, '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1/(SELECT attempt - 1 FROM mlpipe_activities WHERE run_id = mlpipe_run_id())", "retry": {"max_retries": 1, "interval": 1}}]}');
my $cancelled = submit($node, pipeline([ 'a', 'SELECT pg_sleep(60)' ]));
ok(wait_until($node, "(SELECT status = 'in_progress' FROM mlpipe_activities WHERE run_id = $run AND activity = 'b')"), 'a run is in the middle');
ok(wait_until($node, "(SELECT bool_and(attempt >= 1) FROM mlpipe_activities WHERE run_id IN ($parked, $retry, $cancelled))"), 'others wait');
$node->safe_psql('postgres', "SELECT mlpipe_cancel($cancelled)");
$node->safe_psql('postgres', 'CHECKPOINT');
$node->stop('immediate');
$node->start;
is(wait_run($node, $run), 'succeeded', 'a run goes on after an immediate stop');
is($node->safe_psql('postgres', "SELECT string_agg(activity, ' ' ORDER BY activity) FROM done WHERE run_id = $run"), 'a c', 'with everything done once');
is(wait_run($node, $parked), 'succeeded', 'a wait goes on');
is(wait_run($node, $later), 'succeeded', 'a run that had not started starts');
is(wait_run($node, $retry), 'succeeded', 'a retry is made');
is(wait_run($node, $cancelled), 'cancelled', 'a cancel that was committed holds');

# A fast stop, too.
$run = submit($node, pipeline([ 'a', $cut_short ], [ 'b', "INSERT INTO done VALUES ('b')", 'a' ]));
ok(wait_until($node, "(SELECT status = 'in_progress' FROM mlpipe_activities WHERE run_id = $run AND activity = 'a')"), 'a run is in the middle');
$node->restart;
is(wait_run($node, $run), 'succeeded', 'a run goes on after a restart');
is(ends($node, $run), 'a succeeded 2, b succeeded 1', 'with another attempt at what was cut short');
ok(all_executors_work($node), 'nothing is left in shared memory');

done_testing();

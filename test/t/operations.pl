
# Copyright (c) 2026, the mlpipe authors

# What an administrator does to databases whose workers are alive: rename, move,
# copy, drop; and many databases at once.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('operations', 'mlpipe.max_executors' => 4, 'mlpipe.executor_idle_timeout' => '1h');
my $space = $node->basedir . '/space';
mkdir $space;
$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '$space'");
$node->safe_psql('postgres', 'CREATE ROLE owner LOGIN CREATEDB; CREATE ROLE other LOGIN CREATEDB; CREATE ROLE plain LOGIN;
	GRANT CREATE ON TABLESPACE space TO owner, other');
$node->safe_psql('postgres', 'CREATE DATABASE work OWNER owner');
$node->safe_psql('work', 'CREATE EXTENSION mlpipe; CREATE TABLE done (run_id bigint, activity text)');

# Three attempts cut short would be too many, if they counted.
my $document = pipeline(
	[ 'first', "INSERT INTO done VALUES (mlpipe_run_id(), 'first')" ],
	[ 'slow', "INSERT INTO done SELECT mlpipe_run_id(), 'slow' FROM pg_sleep((SELECT 300 WHERE (SELECT attempt <= 6 FROM mlpipe_activities WHERE run_id = mlpipe_run_id() AND activity = 'slow')))", 'first' ]);
my $run = submit($node, $document, undef, 'work');
my $attempts = 0;

# All sorts of workers are there, and one is in the middle of something.
sub works
{
	my $database = shift // 'work';

	$attempts++;
	return ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_activities WHERE run_id = $run AND activity = 'slow' AND attempt = $attempts AND executor_pid IS NOT NULL)", $database),
		"workers are connected (attempt $attempts)");
}

sub in_time
{
	my ($statement, $what, $role) = @_;
	my $start = time;
	my ($status, $out, $err) = $node->psql('postgres', ($role ? "SET ROLE $role;" : '') . "\n$statement");

	is($err, '', $what);
	# Who waits for them in vain is told so after 5 s.
	cmp_ok(time - $start, '<', 20, 'without waiting for them');
}

sub refused
{
	my ($statement, $role, $pattern) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "SET ROLE $role;\n$statement");

	like($err, $pattern, "$role may not: $statement");
}

# Who has no right to it does not stop anybody.
works();
my $pids = $node->safe_psql('work', "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE datname = 'work' AND backend_type LIKE 'mlpipe%'");
refused('ALTER DATABASE work RENAME TO mine', 'other', qr/must be owner of database work/);
refused('ALTER DATABASE work SET TABLESPACE space', 'other', qr/must be owner of database work/);
refused('CREATE DATABASE mine TEMPLATE work', 'other', qr/permission denied to copy database/);
refused('CREATE DATABASE mine TEMPLATE work', 'plain', qr/permission denied to create database/);
refused('DROP DATABASE work', 'other', qr/must be owner of database work/);
is($node->safe_psql('work', "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE datname = 'work' AND backend_type LIKE 'mlpipe%'"),
	$pids, 'and none of the workers has gone');

in_time('ALTER DATABASE work RENAME TO moved', 'a database is renamed', 'owner');
works('moved');
in_time('ALTER DATABASE moved SET TABLESPACE space', 'it is moved', 'owner');
works('moved');
refused('BEGIN; ALTER DATABASE moved RENAME TO work; PREPARE TRANSACTION $$x$$', 'owner', qr/cannot PREPARE a transaction that workers of mlpipe have made way for/);
works('moved');
in_time('CREATE DATABASE copy TEMPLATE moved', 'it is copied', 'owner');
works('moved');
in_time("BEGIN; ALTER DATABASE moved RENAME TO work; ROLLBACK", 'it keeps its name', 'owner');
works('moved');
is($node->psql('moved', 'CREATE DATABASE another TEMPLATE moved'), 0, 'it is copied from the inside');
$node->safe_psql('postgres', 'ALTER DATABASE moved RENAME TO work');
is(wait_run($node, $run, 'work'), 'succeeded', 'its run ends after all of it');
is($node->safe_psql('work', "SELECT string_agg(activity, ' ' ORDER BY activity) FROM done"), 'first slow', 'with everything done once');
is($node->safe_psql('work', "SELECT DISTINCT sqlstate, message FROM mlpipe_errors"), '57000|the executor made way for a statement during this attempt', 'and says what cut it short');
is($node->safe_psql('copy', "SELECT status FROM mlpipe_runs WHERE run_id = $run"), 'in_progress', 'the copy has it as it was');

# Who names no template copies template1.
$node->safe_psql('template1', 'CREATE EXTENSION mlpipe');
is(wait_run($node, submit($node, pipeline([ 'a', 'SELECT 1' ]), undef, 'template1'), 'template1'), 'succeeded', 'template1 has workers');
in_time('CREATE DATABASE heir', 'a database is made from it', 'owner');
is(wait_run($node, submit($node, pipeline([ 'a', 'SELECT 1' ]), undef, 'heir'), 'heir'), 'succeeded', 'and has the extension');
in_time('DROP DATABASE heir', 'it is dropped', 'owner');
$node->safe_psql('template1', 'DROP EXTENSION mlpipe');

# A session in the way: the workers come back.
$node->safe_psql('work', 'CREATE TABLE gate ()');
my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('work'), '-c', 'SELECT pg_sleep(60)' ], '>', \my $out, '2>', \my $err);
ok(wait_until($node, "EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'work' AND query LIKE '%pg_sleep(60)')"), 'a session is connected');
like(($node->psql('postgres', 'ALTER DATABASE work RENAME TO mine'))[2], qr/is being accessed by other users/, 'a database with sessions is not renamed');
is(wait_run($node, submit($node, pipeline([ 'a', 'SELECT 1' ]), undef, 'work'), 'work'), 'succeeded', 'and works on');
$session->kill_kill;
$node->safe_psql('work', q(SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND pid <> pg_backend_pid()));

# Nor does it pause for the next time somebody ends its scheduler.
for (1 .. 5)
{
	ok(wait_until($node, '(SELECT scheduler_pid IS NOT NULL FROM mlpipe.facts())', 'work'), 'there is a scheduler');
	$node->safe_psql('work', q(SELECT pg_terminate_backend(scheduler_pid, 10000) FROM mlpipe.facts()));
}
is(wait_run($node, submit($node, '{"activities": [{"name": "w", "type": "wait", "duration": 0.1}]}', undef, 'work'), 'work'), 'succeeded', 'a scheduler that is terminated comes back at once');

# DROP DATABASE, with work in the way
$run = submit($node, pipeline([ 'a', 'SELECT pg_sleep(300)' ]), undef, 'work');
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_executors WHERE run_id = $run)", 'work'), 'a run goes on');
in_time('DROP DATABASE work', 'a database is dropped', 'owner');
submit($node, pipeline([ 'a', 'SELECT pg_sleep(300)' ]), undef, 'copy');
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_executors WHERE run_id IS NOT NULL)", 'copy'), 'a run goes on');
in_time('DROP DATABASE copy WITH (FORCE)', 'or by force', 'owner');
ok(wait_until($node, "(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlpipe scheduler')"), 'their schedulers are gone');
ok(all_executors_work($node), 'their executors are free');

# Many pipelines in one database, and a database without the extension
$node->safe_psql('postgres', 'CREATE DATABASE bare');
$node->safe_psql('postgres', q(SELECT mlpipe_create_pipeline('p' || i, '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}, {"name": "b", "type": "sql", "depends_on": ["a"], "sql": "SELECT 2"}]}')
	FROM generate_series(1, 1000) i));
$node->safe_psql('postgres', 'CREATE DATABASE first');
$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql($_, 'CREATE EXTENSION mlpipe') foreach 'first', 'second';
$node->safe_psql('postgres', q(SELECT mlpipe_submit('p' || i) FROM generate_series(1, 1000) i));
my %runs = map { $_ => submit($node, pipeline([ 'a', 'SELECT pg_sleep(0.1)' ], [ 'b', 'SELECT 1', 'a' ]), undef, $_) } 'first', 'second';
is(wait_run($node, $runs{$_}, $_), 'succeeded', "a run in one of several databases ends ($_)") foreach sort keys %runs;
ok(wait_until($node, '(SELECT count(*) = 1000 AND bool_and(last_status = $$succeeded$$) FROM mlpipe_pipelines WHERE last_run_id IS NOT NULL)'), 'a thousand pipelines run beside them');
$node->restart;
ok(wait_until($node, "(SELECT string_agg(datname, ' ' ORDER BY datname) = 'another first postgres second' FROM pg_stat_activity WHERE backend_type = 'mlpipe scheduler')"),
	'after a restart each database that has the extension gets its scheduler, and no other does');
is($node->safe_psql('bare', 'SELECT 1'), '1', 'one without it is left alone');
in_time('DROP DATABASE bare', 'it is dropped');

# Every setting takes a reload, but for the one that sizes memory.
is($node->safe_psql('postgres', "SELECT string_agg(name, ' ' ORDER BY name) FROM pg_settings WHERE name LIKE 'mlpipe.%' AND context = 'postmaster'"), 'mlpipe.max_executors', 'settings can be reloaded');
wait_run($node, submit($node, pipeline([ 'a', 'SELECT 1' ])));
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_executors WHERE state = 'idle')"), 'an executor is idle');
$node->safe_psql('postgres', 'ALTER SYSTEM SET mlpipe.executor_idle_timeout = 1');
$node->reload;
ok(wait_until($node, 'NOT EXISTS (SELECT FROM mlpipe_executors)'), 'a shorter idle timeout counts for it at once');
$node->safe_psql('postgres', 'ALTER SYSTEM SET mlpipe.retention = 1');
$node->reload;
ok(wait_until($node, 'NOT EXISTS (SELECT FROM mlpipe_runs)'), 'so does mlpipe.retention for runs');
$node->safe_psql('postgres', $_) foreach 'ALTER SYSTEM RESET mlpipe.retention', 'ALTER SYSTEM SET mlpipe.notify = on', "ALTER SYSTEM SET mlpipe.durability = 'activity'",
  "ALTER SYSTEM SET mlpipe.log_min_level = 'warning'";
$node->reload;
my $noisy = pipeline([ 'a', q(DO $$ BEGIN RAISE NOTICE 'quiet'; RAISE WARNING 'loud'; END $$) ]) =~ s/'/''/gr;
my $heard = '';
for (1 .. 100)
{
	# A notification is shown with the answer to the next statement.
	$heard = $node->safe_psql('postgres', qq{
		LISTEN mlpipe;
		SELECT mlpipe_submit('$noisy'::jsonb) AS run \\gset
		SELECT mlpipe_wait(:run, '20 s');
		SELECT pg_sleep(0.05) \\g /dev/null
		SELECT message FROM mlpipe_logs WHERE run_id = :run;});
	last if $heard =~ /notification/ && $heard !~ /quiet/;
}
like($heard, qr/\nloud$/, 'messages are kept from the new level on');
like($heard, qr/Asynchronous notification "mlpipe" .*"status": "succeeded"/, 'ends of runs are notified');
is(wait_run($node, submit($node, pipeline([ 'a', 'SELECT 1' ], [ 'b', 'SELECT 1', 'a' ]))), 'succeeded', 'each end is flushed');
end_without_notifying();

# Somebody listens, in whatever database, and does not read.
sub end_without_notifying
{
  SKIP:
	{
		skip 'the queue has eight gigabytes before PostgreSQL 17', 3 if $node->pg_version < 17;
		$node->safe_psql('postgres', 'ALTER SYSTEM SET max_notify_queue_pages = 64');
		$node->restart;

		my $listener = $node->background_psql('second');
		$listener->query_safe('LISTEN anything; BEGIN; SELECT 1');
		my $note = q(SELECT count(pg_notify('anything', i || repeat('x', 7000))) FROM generate_series(1, 10) i);
		my ($status, $stderr) = (0, '');
		for (my $i = 0; $i < 100 && $status == 0; $i++)
		{
			$status = $node->psql('postgres', $note, stderr => \$stderr);
		}
		like($stderr, qr/too many notifications in the NOTIFY queue/, 'the queue of notifications is full');
		my $from = -s $node->logfile;
		is(wait_run($node, submit($node, pipeline([ 'a', 'SELECT 1' ]))), 'succeeded', 'a run ends all the same');
		like(slurp_file($node->logfile, $from), qr/ends of runs are not notified/, 'and the log says what nobody hears');
		$listener->quit;
		$node->safe_psql('postgres', 'ALTER SYSTEM RESET max_notify_queue_pages');
		$node->restart;
	}
	return;
}

# While there is nothing to do nobody wakes up.
sub wakeups
{
	my $sum = 0;

	slurp_file("/proc/$_/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m and $sum += $1 foreach @_;
	return $sum;
}

SKIP:
{
	skip 'wake-ups are counted in /proc', 1 unless -e "/proc/$$/status";
	$node->safe_psql('postgres', $_) foreach 'ALTER SYSTEM RESET ALL', 'ALTER SYSTEM SET mlpipe.executor_idle_timeout = $$1h$$';
	$node->restart;
	is(wait_run($node, submit($node, pipeline(map { [ "a$_", 'SELECT pg_sleep(0.2)' ] } 1 .. 4))), 'succeeded', 'executors have worked');
	$node->safe_psql('postgres', 'SELECT pg_sleep(2)');
	my @pids = split /\n/, $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'mlpipe%'");
	my $wakeups = 1e9;

	# A busy machine wakes them too, say for a page that it has taken away.
	for (my $try = 0; $try < 3 && $wakeups > 4; $try++)
	{
		my $before = wakeups(@pids);

		$node->safe_psql('postgres', 'SELECT pg_sleep(5)');
		$wakeups = wakeups(@pids) - $before;
		note(scalar(@pids) . " idle processes woke up $wakeups times in five seconds");
	}
	cmp_ok($wakeups, '<=', 4, 'idle processes hardly ever wake up');
}

# What builds up unseen is told.
$node->safe_psql('postgres', "UPDATE pg_class SET reltuples = 2000000 WHERE oid = 'mlpipe.run'::regclass");
like($node->safe_psql('postgres', 'SELECT problem FROM mlpipe_health'), qr/^mlpipe.retention is 0, and there are about 2000000 runs$/, 'mlpipe_health tells of runs that nothing deletes');
$node->safe_psql('postgres', 'ANALYZE mlpipe.run; CREATE TABLE input AS SELECT generate_series(1, 100) AS id');
my $step = submit($node, '{"activities": [{"name": "p", "type": "parallel", "input": {"table": "input"}, "mini_batch_size": "1 rows", "run": "SELECT id FROM mini_batch, pg_sleep(0.05)"}]}');
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe.mini_batch WHERE run_id = $step)"), 'a step is in the middle');
$node->safe_psql('postgres', "SELECT mlpipe_suspend($step); UPDATE mlpipe.activity_run SET started_at = started_at - interval '2 days' WHERE run_id = $step");
like($node->safe_psql('postgres', "SELECT problem || ': ' || hint FROM mlpipe_health"), qr/^activity p of run $step has kept dead rows from being vacuumed for 2 days.*mlpipe_resume/, 'and of steps that hold back vacuum');
$node->safe_psql('postgres', "SELECT mlpipe_cancel($step)");

# Connections run out; executors are none.
$node->append_conf('postgresql.conf', qq(max_connections = 10\nsuperuser_reserved_connections = 0));
$node->restart;
my @sessions = map { IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT pg_sleep(30)' ], '>', \my $o, '2>', \my $e) } 1 .. 9;
ok(wait_until($node, "(SELECT count(*) = 9 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)')"), 'all connections but one are in use');
my $chain = pipeline([ 'a', 'SELECT pg_sleep(0.5)' ], [ 'b', 'SELECT 1', 'a' ], [ 'c', 'SELECT 1', 'a' ]) =~ s/'/''/gr;
is($node->safe_psql('postgres', qq{
	SELECT mlpipe_submit('$chain'::jsonb) AS run \\gset
	SELECT mlpipe_wait(:run, '20 s');}), 'succeeded', 'runs go on when connections have run out');
$_->kill_kill foreach @sessions;
ok(!log_has($node, qr/(PANIC|TRAP):/), 'nothing has crashed');
$node->stop;

done_testing();

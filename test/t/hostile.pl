
# Copyright (c) 2026, the mlpipe authors

# What others get to know of values, and what they can do to the processes: in
# the server's log, in pg_stat_activity, in what other extensions gather.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

# What else is installed of what looks at statements
my ($stdout) = run_command([ 'pg_config', '--pkglibdir' ]);
my %has = map { $_ => -e "$stdout/$_.so" } 'auto_explain', 'pg_stat_statements';
my $node = new_node('hostile',
	'shared_preload_libraries' => "'" . join(',', 'mlpipe', grep { $has{$_} } sort keys %has) . "'",
	'pg_stat_statements.track' => 'all',
	'auto_explain.log_nested_statements' => 'on',
	'max_connections' => 20,
	'max_locks_per_transaction' => 10);
my $plain = 'never-to-be-shown';
my $place = quotemeta('${{ parameters.word }}');
my $secret_place = quotemeta('${{ activities.secret.output.first_row.word }}');

sub value
{
	return $node->safe_psql('postgres', shift);
}

sub error_of
{
	my ($role, $sql) = @_;
	my ($status, undef, $stderr) = $node->psql('postgres', "SET ROLE $role; $sql");

	return $status == 0 ? 'none' : $stderr =~ /ERROR:  (.*)/ ? $1 : $stderr;
}

$node->safe_psql('postgres', q{
	CREATE ROLE job LOGIN;
	CREATE ROLE owner LOGIN IN ROLE job;
	CREATE ROLE colleague LOGIN IN ROLE job;
	CREATE ROLE signaller LOGIN IN ROLE pg_signal_backend;
	CREATE SCHEMA work AUTHORIZATION job;
	SET ROLE owner;
	SELECT mlpipe_create_pipeline('p', '{"parameters": {"word": {"type": "text"}, "file": {"type": "text", "default": "x"}}, "activities": [
		{"name": "secret", "type": "lookup", "secure_output": true, "query": "SELECT ${{ parameters.word }} AS word"},
		{"name": "run", "type": "sql", "depends_on": ["secret"], "sql": ["CREATE TABLE work.t AS SELECT ${{ parameters.word }} AS w", "DO $$ BEGIN PERFORM 1; END $$",
			"INSERT INTO work.t VALUES (${{ parameters.word }}), (${{ activities.secret.output.first_row.word }})", "SELECT pg_advisory_xact_lock_shared(4711), ${{ parameters.word }}"]},
		{"name": "step", "type": "parallel", "depends_on": ["secret"], "input": {"query": "SELECT ${{ parameters.word }} AS w"}, "mini_batch_size": "1 row",
			"init": "SELECT ${{ parameters.word }}", "run": "SELECT w, pg_advisory_xact_lock_shared(4711), ${{ activities.secret.output.first_row.word }} FROM mini_batch", "shutdown": "SELECT ${{ parameters.word }}"},
		{"name": "copy", "type": "copy", "depends_on": ["run"], "source": {"query": "SELECT ${{ parameters.word }} || pg_advisory_xact_lock_shared(4711) AS w"}, "sink": {"table": "work.c", "mode": "create"}},
		{"name": "bad", "type": "sql", "depends_on": ["run"], "sql": "SELECT ${{ parameters.word }} || ${{ activities.secret.output.first_row.word }}, 1/0"},
		{"name": "syntax", "type": "sql", "depends_on": ["run"], "sql": "SELECT ${{ parameters.word }} FROM FROM"}]}');
	SELECT mlpipe_alter_pipeline('p', run_as => 'job');});

$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements') if $has{pg_stat_statements};
$node->safe_psql('postgres', 'ALTER ROLE job SET auto_explain.log_min_duration = 0') if $has{auto_explain};

# Statements are looked at while they run, by one who has the rights of their role
my $blocker = $node->background_psql('postgres');
$blocker->query_safe('SELECT pg_advisory_lock(4711)');
my $run = value(qq(SET ROLE owner; SELECT mlpipe_submit('p', '{"word": "$plain"}')));
ok(wait_until($node, "(SELECT count(*) = 2 FROM pg_stat_activity WHERE usename = 'job' AND wait_event = 'advisory')"), 'two activities are running');
my $seen = value(q(SET ROLE colleague; SELECT string_agg(query, E'\n' ORDER BY query) FROM pg_stat_activity WHERE usename = 'job'));
like($seen, qr/$secret_place FROM mini_batch/, 'a mini-batch shows as it was written');
like($seen, qr/SELECT pg_advisory_xact_lock_shared\(4711\), $place$/m, 'so does a statement');
unlike($seen, qr/$plain/, 'nobody sees the values');
is(value("SET ROLE colleague; SELECT count(*) FROM mlpipe_runs"), '0', 'to whom the run does not exist');
$blocker->query_safe('SELECT pg_advisory_unlock(4711)');
$blocker->quit;

is(wait_run($node, $run), 'failed', 'the run ends');
is(value("SELECT string_agg(activity || ' ' || sqlstate, ', ' ORDER BY activity) FROM mlpipe_errors WHERE run_id = $run"), 'bad 22012, syntax 42601', 'as it should');
like(value("SELECT context FROM mlpipe_errors WHERE run_id = $run AND activity = 'bad'"), qr/$place/, 'errors quote statements as they were written');
is(value("SELECT count(*) FROM mlpipe_errors e WHERE e::text LIKE '%$plain%'"), '0', 'without values');
is(value("SELECT count(*) FROM mlpipe_activities a WHERE activity = 'secret' AND status = 'succeeded' AND a.output IS NULL"), '1', 'a secure output is in no view');
is(value("SELECT count(*) FROM mlpipe_logs l WHERE l::text LIKE '%$plain%'"), '0', 'nor in the log of the run');
is(value("SELECT count(*) FROM work.t WHERE w = '$plain'"), '3', 'yet the values have been there');
ok(!log_has($node, qr/(STATEMENT|CONTEXT):.*$plain/), 'nor in the server\'s log');
SKIP:
{
	skip 'auto_explain is not installed', 2 unless $has{auto_explain};
	ok(log_has($node, qr/Query Text:.*$place/), 'auto_explain logs what is executed');
	ok(!log_has($node, qr/Query Text:.*$plain/), 'without values');
}
SKIP:
{
	skip 'pg_stat_statements is not installed', 2 unless $has{pg_stat_statements};
	is(value("SELECT count(*) > 3 FROM pg_stat_statements WHERE query LIKE '%pg_advisory_xact_lock_shared%' OR query LIKE '%work.t%'"), 't', 'pg_stat_statements has what was executed');
	is(value("SELECT string_agg(query, ' | ') FROM pg_stat_statements WHERE query LIKE '%$plain%' AND query NOT LIKE '%mlpipe_submit%' AND query NOT LIKE '%pg_stat_statements%'"), '', 'without values');
}

# Who answers has plans made for the run's values, and may have them shown
$run = submit($node, qq({"variables": {"v": {"type": "text"}}, "output": {"v": "\${{ variables.v }}"}, "activities": [
	{"name": "set", "type": "set_variable", "variable": "v", "value": "$plain"},
	{"name": "ok", "type": "approval", "message": "?", "approvers": ["colleague"], "depends_on": ["set"]}]}));
ok(wait_until($node, "(SELECT count(*) = 1 FROM mlpipe_approvals WHERE run_id = $run)"), 'a run asks');
my ($status, undef, $plans) = $node->psql('postgres', "SET SESSION AUTHORIZATION colleague; SET plan_cache_mode = force_custom_plan; SET client_min_messages = log; SET debug_pretty_print = off; SET debug_print_plan = on; SELECT mlpipe_approve($run, 'ok')");
$plans =~ s/\s+/ /g;
is($status, 0, 'and is answered by one who may not see it');
like($plans, qr/PLANNEDSTMT/, 'who sees plans');
my $bytes = join ' ', map { ord } split //, $plain;
unlike($plans, qr/$bytes/, 'but none that have values in them');
is(value("SELECT output->>'v' FROM mlpipe_runs WHERE run_id = $run"), $plain, 'yet there were some');

# Signals: executors belong to their role, the others to nobody
$run = submit($node, pipeline([ 'a', 'SELECT pg_sleep(60)' ]));
$node->safe_psql('postgres', 'SET ROLE job; CREATE SEQUENCE work.s');
my $sleeps = value(q(SET ROLE job; SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT pg_sleep(CASE WHEN nextval(''work.s'') = 1 THEN 60 ELSE 0 END)"}]}'::jsonb)));
ok(wait_until($node, "(SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'mlpipe executor' AND wait_event = 'PgSleep')"), 'two executors sleep');
my $job = value("SELECT pid FROM pg_stat_activity WHERE usename = 'job' AND wait_event = 'PgSleep'");
my $super = value("SELECT pid FROM mlpipe_executors WHERE run_id = $run");
like(error_of('owner', "SELECT pg_terminate_backend($super)"), qr/superuser|permission denied/, 'a role cannot end another\'s executor');
like(error_of('signaller', "SELECT pg_terminate_backend($super)"), qr/superuser|permission denied/, 'nor a superuser\'s with pg_signal_backend');
for my $type ('scheduler', 'launcher')
{
	my $pid = value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'mlpipe $type'");

	like(error_of('signaller', "SELECT pg_terminate_backend($pid)"), qr/superuser|permission denied/, "nor the $type");
}
is(error_of('colleague', "SELECT pg_terminate_backend($job, 10000)"), 'none', 'one\'s own role\'s one can be ended');
is(wait_run($node, $sleeps), 'succeeded', 'and the activity is done again');
value("SELECT mlpipe_cancel($run)");
is(wait_run($node, $run), 'cancelled', 'a cancel is another thing');

# An administrator's event triggers are not for the engine's own tables
$node->safe_psql('postgres', q{
	CREATE FUNCTION no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no DDL, % %', tg_event, tg_tag; END $$;
	CREATE EVENT TRIGGER a ON ddl_command_start EXECUTE FUNCTION no_ddl();
	CREATE EVENT TRIGGER b ON ddl_command_end EXECUTE FUNCTION no_ddl();
	CREATE EVENT TRIGGER c ON sql_drop EXECUTE FUNCTION no_ddl();});
$run = submit($node, '{"activities": [{"name": "a", "type": "parallel", "input": {"query": "SELECT generate_series(1, 10) AS n"}, "mini_batch_size": "5 rows", "run": "SELECT n FROM mini_batch"},
	{"name": "b", "type": "parallel", "input": {"query": "SELECT n, n % 2 AS k FROM generate_series(1, 10) n"}, "partition_keys": ["k"], "run": "SELECT n FROM mini_batch"}]}');
is(wait_run($node, $run), 'succeeded', 'rows are kept for steps whatever event triggers say');
is(value("SELECT count(*) FROM pg_class WHERE relname ~ '^(stage|keys)_$run'"), '0', 'and are gone');
$node->safe_psql('postgres', 'DROP EVENT TRIGGER a; DROP EVENT TRIGGER b; DROP EVENT TRIGGER c');

# A tablespace that the role may not use is not one for the rows of its steps
my $space = $node->basedir . '/space';
mkdir $space;
$node->safe_psql('postgres', "CREATE TABLESPACE private LOCATION '$space'");
$node->safe_psql('postgres', "ALTER ROLE job SET default_tablespace = 'private'");
$node->safe_psql('postgres', q(SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'job'));
$run = value(q(SET ROLE job; SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "parallel", "input": {"query": "SELECT 1 AS n"}, "mini_batch_size": "5 rows", "run": "SELECT n FROM mini_batch"}]}'::jsonb)));
is(wait_run($node, $run), 'failed', 'rows are not kept where the role may not write');
is(value("SELECT error FROM mlpipe_activities WHERE run_id = $run"), 'permission denied for tablespace private', 'and it hears why');
$node->safe_psql('postgres', 'ALTER ROLE job RESET default_tablespace');

# What an activity leaves and nobody can remove does not reach the next one
$node->safe_psql('postgres', q{
	SET ROLE job;
	CREATE PROCEDURE work.fill() LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. 3000 LOOP
			EXECUTE format('CREATE TEMP TABLE left_%s ()', i);
			IF i % 100 = 0 THEN COMMIT; END IF;
		END LOOP;
	END $$;});
$run = value(q(SET ROLE job; SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "transaction": "none", "sql": "CALL work.fill()"},
	{"name": "b", "type": "sql", "sql": "SELECT 1 / (1 - count(*)) FROM pg_class WHERE relname = ''left_1'' AND relnamespace = pg_my_temp_schema()", "depends_on": ["a"]}, {"name": "c", "type": "sql", "sql": "SELECT 1", "depends_on": ["b"]}]}'::jsonb)));
is(wait_run($node, $run), 'succeeded', 'others have another session');
is(ends($node, $run), 'a succeeded 1, b succeeded 2, c succeeded 1', 'and are not to blame');

# Where everybody gets everything by default, our tables are no part of that
$node->safe_psql('postgres', 'CREATE DATABASE generous');
$node->safe_psql('generous', 'ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO job; ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC; CREATE EXTENSION mlpipe');
is($node->safe_psql('generous', q(SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'mlpipe'::regnamespace AND a.grantee <> c.relowner AND a.privilege_type <> 'SELECT')),
	'0', 'nobody may write them');
is($node->safe_psql('generous', q(SELECT string_agg(c.relname, ' ') FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'mlpipe'::regnamespace AND a.grantee <> c.relowner AND (a.grantee <> 0 OR NOT c.relrowsecurity OR c.relname IN ('run', 'activity_run', 'run_variable', 'scope', 'step', 'source_change')))),
	'', 'nor read what is secret');

# Runs that somebody keeps locked do not keep the scheduler from those of others
$node->safe_psql('postgres', 'CREATE ROLE bystander LOGIN');
my $locker = $node->background_psql('postgres');
$locker->query_safe(q(SET ROLE job; SELECT count(mlpipe_submit('{"activities": [{"name": "w", "type": "wait", "duration": 3}]}'::jsonb)) FROM generate_series(1, 1100)));
$locker->query_safe(q(BEGIN; SELECT count(mlpipe_suspend(run_id)) FROM mlpipe_runs WHERE status IN ('queued', 'in_progress')));
ok(wait_until($node, "(SELECT count(*) = 0 FROM mlpipe.activity_run a JOIN mlpipe.run r USING (run_id) WHERE r.finished_at IS NULL AND a.due_at > clock_timestamp())"), 'the time of all has come');
$run = value(q(SET ROLE bystander; SELECT mlpipe_submit('{"activities": [{"name": "w", "type": "wait", "duration": 0.2}]}'::jsonb)));
is(wait_run($node, $run), 'succeeded', 'a run of another role starts and ends');
$locker->query_safe('ROLLBACK');
$locker->quit;
ok(wait_until($node, '(SELECT count(*) = 0 FROM mlpipe.run WHERE finished_at IS NULL)'), 'and the others when they can');

# It makes no copy of every document that work waits for
$node->safe_psql('postgres', 'ALTER SYSTEM SET mlpipe.enabled = off');
$node->reload;
ok(wait_until($node, "(SELECT count(*) = 1 FROM mlpipe_health WHERE problem LIKE 'mlpipe.enabled is off%')"), 'nothing starts');
$node->safe_psql('postgres', q(SET ROLE bystander; SELECT mlpipe_submit(format('{"description": "%s", "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}', n)::jsonb) FROM generate_series(1, 5) n));
$node->safe_psql('postgres', q(SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE backend_type = 'mlpipe scheduler' AND datname = 'postgres'));
ok(wait_until($node, q((SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlpipe scheduler' AND datname = 'postgres' AND state = 'idle'))), 'a new scheduler has looked');
$node->safe_psql('postgres', q(SELECT pg_log_backend_memory_contexts(pid) FROM pg_stat_activity WHERE backend_type = 'mlpipe scheduler' AND datname = 'postgres'));
ok($node->wait_for_log(qr/Grand total: .* used/), 'it tells what it has in memory');
ok(!log_has($node, qr/level: \d+; mlpipe document/), 'which are no documents');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET mlpipe.enabled');
$node->reload;
ok(wait_until($node, '(SELECT count(*) = 0 FROM mlpipe.run WHERE finished_at IS NULL)'), 'all are done');

# The scheduler works out no output, where an executor can; else in no time
$run = submit($node, '{"parameters": {"a": {"type": "jsonb"}}, "activities": [{"name": "w", "type": "wait", "duration": 0.2}],
	"output": {"x": "${{ parameters.a[*] ? (exists($.parameters.a[*] ? (@ < 0))) }}"}}',
	q(parameters => (SELECT jsonb_build_object('a', jsonb_agg(n)) FROM generate_series(1, 100000) n)));
my $other = submit($node, '{"activities": [{"name": "w", "type": "wait", "duration": 0.5}]}');
is(wait_run($node, $run), 'failed', 'an output that takes too long fails its run');
is(value("SELECT error FROM mlpipe_runs WHERE run_id = $run"), 'output: it took longer than 5 s', 'and says so');
is(wait_run($node, $other), 'succeeded', 'others go on');
$run = submit($node, '{"parameters": {"a": {"type": "jsonb"}}, "activities": [{"name": "w", "type": "approval", "timeout": 0.2},
	{"name": "h", "type": "sql", "sql": "SELECT 1", "active": false, "depends_on": [{"activity": "w", "conditions": ["failed"]}]}],
	"output": {"x": "${{ parameters.a[*] ? (exists($.parameters.a[*] ? (@ < 0))) }}"}}',
	q(parameters => (SELECT jsonb_build_object('a', jsonb_agg(n)) FROM generate_series(1, 100000) n)));
is(wait_run($node, $run), 'failed', 'so is one that nobody else can work out');
is(value("SELECT error FROM mlpipe_runs WHERE run_id = $run"), 'output: it took longer than 0.2 s', 'which has less time');
ok(!log_has($node, qr/(PANIC|TRAP|exited with exit code [^01])/), 'nothing has crashed');

done_testing();

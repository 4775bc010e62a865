
# Copyright (c) 2026, the mlpipe authors

# Roles that cannot connect, while the server runs.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('roles', 'mlpipe.max_executors' => 4);
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');

sub submit_as
{
	my $role = shift;

	return $node->safe_psql('postgres', qq(SET ROLE $role; SELECT mlpipe_submit('{"activities": [
		{"name": "a", "type": "sql", "sql": "SELECT 1"}, {"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": ["a"]}]}'::jsonb)));
}

sub error_of
{
	my $run = shift;

	return $node->safe_psql('postgres', "SELECT activity, error FROM mlpipe_activities WHERE run_id = $run AND status = 'failed'");
}

$node->safe_psql('postgres', 'CREATE ROLE nologin NOLOGIN; CREATE ROLE noconnect LOGIN; CREATE ROLE dropped LOGIN; CREATE ROLE fine LOGIN; CREATE ROLE odd LOGIN; REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO fine, dropped, odd, nologin');
SKIP:
{
	skip 'from 17 on workers may be of a role without LOGIN', 3 if $version >= 170000;
	my $run = submit_as('nologin');
	is(wait_run($node, $run), 'failed', 'a role without LOGIN runs nothing');
	is(error_of($run), 'a|role "nologin" is not permitted to log in', 'and the activity says why');
	$node->safe_psql('postgres', 'ALTER ROLE nologin LOGIN');
	is(wait_run($node, submit_as('nologin')), 'succeeded', 'with LOGIN it does');
}
my $run = submit_as('noconnect');
is(wait_run($node, $run), 'failed', 'a role without CONNECT runs nothing');
is(error_of($run), 'a|role "noconnect" has no CONNECT privilege on the database', 'and the activity says why');

# The role goes while its run waits.
$run = $node->safe_psql('postgres', q(SET ROLE dropped; SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'::jsonb, not_before => clock_timestamp() + '0.5 s')));
$node->safe_psql('postgres', 'REVOKE CONNECT ON DATABASE postgres FROM dropped; DROP ROLE dropped');
is(wait_run($node, $run), 'failed', 'a role that was dropped runs nothing');
like(error_of($run), qr/^a\|role with OID \d+ does not exist$/, 'and the activity says why');
is(wait_run($node, submit_as('fine')), 'succeeded', 'others are not held up');

# Executors that are connected already look again.
$node->safe_psql('postgres', 'ALTER ROLE fine NOLOGIN');
$run = submit_as('fine');
is(wait_run($node, $run), 'failed', 'a warm executor does not work for a role that may not log in any more');
is(error_of($run), 'a|role "fine" is not permitted to log in', 'and the activity says why');
$node->safe_psql('postgres', 'ALTER ROLE fine LOGIN');
is(wait_run($node, submit_as('fine')), 'succeeded', 'when it may again, one does');

# A role's own settings, which its executors get, do not confuse the engine.
$node->safe_psql('postgres', qq(
	ALTER ROLE odd SET search_path = nowhere;
	ALTER ROLE odd SET default_transaction_isolation = serializable;
	ALTER ROLE odd SET default_transaction_read_only = on;
	ALTER ROLE odd SET statement_timeout = '250 ms';
	ALTER ROLE odd SET lock_timeout = '1 ms';
	ALTER ROLE odd SET idle_in_transaction_session_timeout = '1 ms';
	ALTER ROLE odd SET idle_session_timeout = '1 ms';
	ALTER ROLE odd SET enable_indexscan = off;
	ALTER ROLE odd SET client_min_messages = error;
	ALTER ROLE odd SET DateStyle = 'German, DMY';
	ALTER ROLE odd SET TimeZone = 'Asia/Kathmandu';
	ALTER ROLE odd SET bytea_output = escape;
	ALTER ROLE odd SET standard_conforming_strings = off;));
is(wait_run($node, $node->safe_psql('postgres', q(SET ROLE odd; SELECT mlpipe_submit('{"parameters": {"d": {"type": "timestamptz"}, "t": {"type": "text", "default": "\\\\'' OR true; --"}},
	"activities": [{"name": "a", "type": "wait", "duration": 0.1}, {"name": "b", "type": "lookup", "depends_on": ["a"], "query": "SELECT ${{ parameters.d }} = timestamptz ''2026-03-02 00:00+00'' AS same, ${{ parameters.t }} AS t"},
	{"name": "c", "type": "fail", "message": "no", "depends_on": ["b"]}, {"name": "d", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "c", "conditions": ["failed"]}]}]}'::jsonb, '{"d": "2026-03-02T00:00:00Z"}')))),
	'succeeded', 'whatever a role has set for its sessions');
is($node->safe_psql('postgres', "SELECT output->'first_row' = jsonb_build_object('same', true, 't', E'\\\\'' OR true; --') FROM mlpipe_activities WHERE activity = 'b' AND status = 'succeeded' AND type = 'lookup'"), 't', 'values are what was given');

# transaction_timeout is one for the user's statements: it neither ends the
# executor nor keeps it from its own work, however small it is.
SKIP:
{
	skip 'from 17 on there is transaction_timeout', 8 if $version < 170000;
	$node->safe_psql('postgres', q(
		CREATE ROLE hasty LOGIN; CREATE ROLE tiny LOGIN; GRANT CONNECT ON DATABASE postgres TO hasty, tiny;
		ALTER ROLE hasty SET transaction_timeout = '3 s'; ALTER ROLE tiny SET transaction_timeout = '1 ms';
		ALTER SYSTEM SET transaction_timeout = '1 h'; SELECT pg_reload_conf()));
	my $offset = -s $node->logfile;
	my %run = map {
		my ($name, $role, $sql, $more) = @$_;
		$name => $node->safe_psql('postgres', qq(SET ROLE $role; SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": $sql, "retry": {"max_retries": 1, "interval": 0, "on": ["40"]} $more},
			{"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "a", "conditions": ["completed"]}]}]}'::jsonb)))
	} (
		[ 'long', 'hasty', '"SELECT pg_sleep(60)"', '' ],
		[ 'caught', 'hasty', '"DO $$BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END$$"', '' ],
		[ 'lifted', 'hasty', '["SET transaction_timeout = 0", "SELECT pg_sleep(3.2)"]', '' ],
		[ 'set', 'fine', '["SET transaction_timeout = 200", "SELECT pg_sleep(60)"]', '' ],
		[ 'each', 'hasty', '["SELECT pg_sleep(1.6)", "SELECT pg_sleep(1.6)"]', ', "transaction": "none"' ],
		[ 'one', 'hasty', '["SELECT 1", "SELECT pg_sleep(60)"]', ', "transaction": "none"' ],
		[ 'none', 'tiny', '"SELECT pg_sleep(60)"', '' ]);
	my $late = 'a failed 1 25P04 canceling statement due to transaction timeout';
	my %expected = ((map { $_ => $late } 'long', 'caught', 'set', 'one', 'none'), lifted => 'a succeeded 1', each => 'a succeeded 1');
	foreach my $name (sort keys %run)
	{
		wait_run($node, $run{$name});
		is($node->safe_psql('postgres', qq(SELECT concat_ws(' ', activity, a.status, a.attempt, e.sqlstate, a.error) FROM mlpipe_activities a
			LEFT JOIN mlpipe_errors e USING (run_id, activity) WHERE a.run_id = $run{$name} AND activity = 'a')), $expected{$name}, "transaction_timeout: $name");
	}

	# One that is still connecting may.
	my $deaths = () = slurp_file($node->logfile, $offset) =~ /terminating connection due to transaction timeout/g;
	cmp_ok($deaths, '<', 5, 'executors do not die of it');
}

# Neither do those of the database, which the scheduler gets too, and who keeps
# the horizon of a step.
{
	my @timeouts = (qw(lock_timeout idle_session_timeout idle_in_transaction_session_timeout statement_timeout),
		$version < 170000 ? () : 'transaction_timeout');
	local $ENV{PGOPTIONS} = join ' ', map { "-c $_=0" } @timeouts;
	$node->safe_psql('postgres', "ALTER DATABASE postgres SET $_ = '1 ms'; ALTER ROLE fine SET $_ = 0") foreach @timeouts;
	$node->safe_psql('postgres', q(CREATE TABLE items AS SELECT generate_series(1, 20000) AS id; GRANT SELECT ON items TO fine;
		SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'mlpipe %' AND datname IS NOT NULL));
	$run = $node->safe_psql('postgres', q(SET ROLE fine; SELECT mlpipe_submit('{"activities": [{"name": "w", "type": "wait", "duration": 0.1},
		{"name": "p", "type": "parallel", "depends_on": ["w"], "input": {"table": "items"}, "mini_batch_size": "5000 rows", "run": "SELECT id FROM mini_batch"},
		{"name": "again", "type": "sql", "sql": "SELECT 1 / (attempt - 1) FROM mlpipe_activities WHERE run_id = mlpipe_run_id() AND activity = ''again''", "retry": {"max_retries": 1, "interval": 0.1}}]}'::jsonb)));
	is(wait_run($node, $run), 'succeeded', 'whatever a database has set');
	$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET ALL');
}

# Nothing that an activity leaves in its session reaches the next one.
$run = submit($node, pipeline([ 'a', "CREATE TEMP TABLE t (n int); SET work_mem = '1 MB'; PREPARE p AS SELECT 1; SELECT pg_advisory_lock(5), set_config('search_path', 'nowhere', false); SET ROLE fine; DECLARE c CURSOR WITH HOLD FOR SELECT 1" ],
	[ 'b', "SELECT (SELECT count(*) FROM pg_class WHERE relname = 't' AND relpersistence = 't') || ' ' || (SELECT count(*) FROM pg_prepared_statements WHERE name = 'p') || ' ' || current_user || ' ' || current_setting('search_path') || ' ' || (SELECT count(*) FROM pg_cursors WHERE is_holdable) || ' ' || (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5) AS left", 'a' ]));
is(wait_run($node, $run), 'succeeded', 'an activity may leave things in its session');
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
is($node->safe_psql('postgres', "SELECT output#>>'{rows,0,left}' FROM mlpipe_activities WHERE run_id = $run AND activity = 'b'"), qq(0 0 $superuser "\$user", public 0 0), 'the next one finds none of them');
ok(!log_has($node, qr/(PANIC|TRAP|exited with exit code [^01])/), 'nothing has crashed');

done_testing();

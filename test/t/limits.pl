
# Copyright (c) 2026, the mlpipe authors

# Too few executors or workers, the library not loaded, the engine switched off.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

# Not in shared_preload_libraries
my $plain = PostgreSQL::Test::Cluster->new('plain');
$plain->init;
$plain->start;
my ($status, $stdout, $stderr) = $plain->psql('postgres', 'CREATE EXTENSION mlpipe');
is($status, 0, 'the extension can be created without the library at server start');
like($stderr, qr/WARNING: .*mlpipe was not loaded at server start.*HINT: .*shared_preload_libraries/s, 'and warns of that');
is($plain->safe_psql('postgres', q(SELECT mlpipe_create_pipeline('p', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'))),
	'1', 'pipelines can be defined');
($status, $stdout, $stderr) = $plain->psql('postgres', q(SELECT mlpipe_submit('p')));
like($stderr, qr/mlpipe must be loaded at server start/, 'but not run');
like($stderr, qr/HINT: .*shared_preload_libraries/, 'and the hint says what to do');
is($plain->safe_psql('postgres', 'SELECT severity FROM mlpipe_health'), 'error', 'so does mlpipe_health');
is($plain->safe_psql('postgres', 'SELECT count(*) FROM mlpipe_runs'), '0', 'nothing was submitted');
$plain->stop;

# One executor: the order of starts
my $node = new_node('limits', 'mlpipe.max_executors' => 1, 'max_worker_processes' => 8);
$node->safe_psql('postgres', 'CREATE TABLE starts (no serial, note text)');
my $gate = submit($node, pipeline([ 'gate', 'SELECT pg_sleep(60)' ]));
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_executors WHERE run_id = $gate)"), 'the only executor is busy');
for ([ 'low', -5 ], [ 'first', 0 ], [ 'second', 0 ], [ 'high', 5 ])
{
	my ($note, $priority) = @$_;
	submit($node, qq({"activities": [
		{"name": "a", "type": "sql", "sql": "INSERT INTO starts (note) VALUES ('$note a')"},
		{"name": "b", "type": "sql", "priority": 1, "sql": "INSERT INTO starts (note) VALUES ('$note b')"},
		{"name": "c", "type": "sql", "depends_on": ["b"], "sql": "INSERT INTO starts (note) VALUES ('$note c')"}]}), "priority => $priority");
}
is($node->safe_psql('postgres', "SELECT string_agg(wait_reason, '; ' ORDER BY run_id) FROM mlpipe_activities WHERE activity = 'b'"),
	'all 1 executors are busy, 7th in the queue; all 1 executors are busy, 3rd in the queue; all 1 executors are busy, 5th in the queue; all 1 executors are busy, 1st in the queue',
	'what waits says for what');
$node->safe_psql('postgres', "SELECT mlpipe_cancel($gate)");
ok(wait_until($node, 'NOT EXISTS (SELECT FROM mlpipe_runs WHERE finished_at IS NULL)'), 'all end');
is($node->safe_psql('postgres', "SELECT string_agg(note, ', ' ORDER BY no) FROM starts"),
	join(', ', map { ("$_ b", "$_ a", "$_ c") } 'high', 'first', 'second', 'low'), 'by priority, then by age; within a run by priority, then in order');

# Two roles share one executor
$node->safe_psql('postgres', 'CREATE ROLE other LOGIN');
my $mine = submit($node, pipeline([ 'a', 'SELECT pg_sleep(0.3)' ], [ 'b', 'SELECT 1', 'a' ]));
my $theirs = $node->safe_psql('postgres', q(SET ROLE other; SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'::jsonb)));
is(wait_run($node, $theirs), 'succeeded', 'a role without an executor gets one');
is(wait_run($node, $mine), 'succeeded', 'and the other goes on');
is(wait_run($node, submit($node, pipeline([ 'a', 'SELECT 1' ]))), 'succeeded', 'an idle executor of another role makes room');

# mlpipe.enabled
$node->append_conf('postgresql.conf', 'mlpipe.enabled = off');
$node->safe_psql('postgres', 'CREATE TABLE gate ()');
my $long = submit($node, pipeline(
	[ 'a', 'DO $$BEGIN WHILE NOT EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.02); END LOOP; END$$' ], [ 'b', 'SELECT 1', 'a' ]));
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_executors WHERE run_id = $long)"), 'a run is in progress');
$node->reload;
ok(wait_until($node, "(SELECT NOT enabled FROM mlpipe.facts())"), 'it is switched off');
my $off = submit($node, pipeline([ 'a', 'SELECT 1' ]));
$node->safe_psql('postgres', 'INSERT INTO gate DEFAULT VALUES');
ok(wait_until($node, "(SELECT status = 'succeeded' FROM mlpipe_activities WHERE run_id = $long AND activity = 'a')"), 'what runs goes on');
is($node->safe_psql('postgres', "SELECT mlpipe_wait($off, '0.3 s')"), 'queued', 'nothing new starts');
is(ends($node, $long), 'a succeeded 1, b queued 0', 'also of runs in progress');
is($node->safe_psql('postgres', "SELECT wait_reason FROM mlpipe_activities WHERE run_id = $off"), 'mlpipe.enabled is off', 'and says why');
is($node->safe_psql('postgres', "SELECT problem FROM mlpipe_health WHERE problem LIKE 'mlpipe.enabled%'"), 'mlpipe.enabled is off: nothing new starts', 'mlpipe_health, too');
$node->append_conf('postgresql.conf', 'mlpipe.enabled = on');
$node->reload;
is(wait_run($node, $off), 'succeeded', 'switched on, it goes on');
is(wait_run($node, $long), 'succeeded', 'with all of it');

# No worker to be had: of four, logical replication's launcher, ours and the
# scheduler take three.
$node->append_conf('postgresql.conf', qq(max_worker_processes = 4\nmlpipe.max_executors = 4\nmax_parallel_workers_per_gather = 1));
$node->restart;
$node->safe_psql('postgres', 'CREATE DATABASE taker');
$node->safe_psql('taker', 'CREATE EXTENSION mlpipe');
ok(wait_until($node, "(SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'mlpipe scheduler')"), 'another scheduler takes the last worker');
my $offset = -s $node->logfile;
my $starved = submit($node, pipeline([ 'a', 'SELECT 1' ]));
$node->wait_for_log(qr/could not start an executor: no background worker slot is free/, $offset);
is($node->safe_psql('postgres', "SELECT mlpipe_wait($starved, '1.5 s')"), 'queued', 'without a worker the run waits');
like($node->safe_psql('postgres', 'SELECT problem FROM mlpipe_health'), qr/all 4 worker processes of the server are taken/, 'mlpipe_health says so');
my @said = slurp_file($node->logfile, $offset) =~ /could not start an executor/g;
is(scalar(@said), 1, 'the log says it once');
$node->safe_psql('postgres', 'DROP DATABASE taker');
is(wait_run($node, $starved), 'succeeded', 'and runs when there is one');
$node->stop;

done_testing();

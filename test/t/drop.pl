
# Copyright (c) 2026, the mlpipe authors

# DROP DATABASE and DROP EXTENSION with runs in progress.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('drop', 'mlpipe.max_executors' => 3);
my $sleepers = pipeline(map { [ "a$_", 'SELECT pg_sleep(60)' ] } 1 .. 5);

# A database, with workers in it
$node->safe_psql('postgres', 'CREATE DATABASE dropped');
$node->safe_psql('dropped', 'CREATE EXTENSION mlpipe');
my $run = submit($node, $sleepers, undef, 'dropped');
ok(wait_until($node, "(SELECT count(*) = 3 FROM mlpipe_executors WHERE run_id = $run)", 'dropped'), 'all executors work in the database');
$node->safe_psql('postgres', 'DROP DATABASE dropped');
pass('a database can be dropped while its runs go on');
ok(all_executors_work($node), 'its executors are free for other databases');
ok(wait_until($node, "(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlpipe scheduler')"), 'its scheduler is gone');

# One that cannot be dropped goes on.
$node->safe_psql('postgres', 'CREATE DATABASE busy');
$node->safe_psql('busy', 'CREATE EXTENSION mlpipe');
my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('busy'), '-c', 'SELECT pg_sleep(60)' ], '>', \my $out, '2>', \my $err);
ok(wait_until($node, "EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'busy' AND query LIKE '%pg_sleep(60)')"), 'a session is connected');
$run = submit($node, pipeline([ 'a', "SELECT pg_sleep(CASE attempt WHEN 1 THEN 60 ELSE 0 END) FROM mlpipe_activities WHERE run_id = mlpipe_run_id()" ]), undef, 'busy');
ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_executors WHERE run_id = $run)", 'busy'), 'a run goes on');
my ($status, $stdout, $stderr) = $node->psql('postgres', 'DROP DATABASE busy');
like($stderr, qr/is being accessed by other users/, 'a database with sessions is not dropped');
is(wait_run($node, $run, 'busy'), 'succeeded', 'and its runs go on');
$session->kill_kill;
$node->safe_psql('postgres', 'DROP DATABASE busy WITH (FORCE)');
pass('by force it is');

# The extension
$run = submit($node, $sleepers);
ok(wait_until($node, "(SELECT count(*) = 3 FROM mlpipe_executors WHERE run_id = $run)"), 'all executors work');
$node->safe_psql('postgres', 'DROP EXTENSION mlpipe');
ok(wait_until($node, "(SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type IN ('mlpipe scheduler', 'mlpipe executor'))"), 'without the extension there are no workers');
$node->safe_psql('postgres', 'CREATE EXTENSION mlpipe');
$run = submit($node, pipeline([ 'a', 'SELECT 1' ], [ 'b', 'SELECT 1', 'a' ]));
is(wait_run($node, $run), 'succeeded', 'made again it works');
is(ends($node, $run), 'a succeeded 1, b succeeded 1', 'and nothing of the old runs gets in its way');
ok(all_executors_work($node), 'nor are executors lost');

# In one session, whose caches know the old one
is($node->safe_psql('postgres', q{
	SELECT mlpipe_create_pipeline('p', '{"activities": [{"name": "old", "type": "sql", "sql": "SELECT 1"}]}') \g /dev/null
	SELECT mlpipe_submit('p') AS run \gset
	SELECT mlpipe_wait(:run, '20 s') \g /dev/null
	DROP EXTENSION mlpipe;
	CREATE EXTENSION mlpipe;
	SELECT setval('mlpipe.pipeline_version_version_id_seq', 1, false), setval('mlpipe.run_run_id_seq', 1, false) \g /dev/null
	SELECT mlpipe_create_pipeline('p', '{"activities": [{"name": "new", "type": "sql", "sql": "SELECT 1"}, {"name": "more", "type": "sql", "sql": "SELECT 1"}]}') \g /dev/null
	SELECT mlpipe_submit('p') AS run \gset
	SELECT mlpipe_wait(:run, '20 s');
	SELECT string_agg(activity, ' ' ORDER BY activity) FROM mlpipe_activities WHERE run_id = :run;}),
	"succeeded\nmore new", 'a session does not take new pipelines for old ones');

# A drop that is rolled back
my $again = pipeline([ 'a', "SELECT pg_sleep(CASE attempt WHEN 1 THEN 60 ELSE 0 END) FROM mlpipe_activities WHERE run_id = mlpipe_run_id() AND activity = 'a'" ], [ 'b', 'SELECT 1', 'a' ]);
for my $end ('ROLLBACK', 'ROLLBACK TO s; COMMIT')
{
	$run = submit($node, $again);
	ok(wait_until($node, "EXISTS (SELECT FROM mlpipe_executors WHERE run_id = $run)"), 'a run goes on');
	$node->safe_psql('postgres', "BEGIN; SAVEPOINT s; DROP EXTENSION mlpipe; $end");
	is(wait_run($node, $run), 'succeeded', "after DROP EXTENSION and $end it still does");
}
ok(all_executors_work($node), 'with all executors');

done_testing();

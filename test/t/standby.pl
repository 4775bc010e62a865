
# Copyright (c) 2026, the mlpipe authors

# A standby, and what is done after its promotion.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $primary = new_node('primary', streaming => 1, 'mlpipe.max_executors' => 3, 'max_prepared_transactions' => 1);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

$primary->safe_psql('postgres', 'CREATE TABLE done (activity text)');
my $run = submit($primary, pipeline([ 'a', "INSERT INTO done VALUES ('a')" ], [ 'b', 'SELECT pg_sleep(60)', 'a' ]));
my $again = submit($primary, pipeline([ 'a', "INSERT INTO done SELECT 'again' FROM mlpipe_activities, pg_sleep(CASE attempt WHEN 1 THEN 60 ELSE 0 END) WHERE run_id = mlpipe_run_id()" ]));
my $waits = submit($primary, '{"activities": [{"name": "w", "type": "wait", "duration": 1}]}');
ok(wait_until($primary, "(SELECT count(*) = 2 FROM mlpipe_activities WHERE status = 'in_progress' AND executor_pid IS NOT NULL AND (run_id, activity) IN (($run, 'b'), ($again, 'a')))"), 'runs are in progress');

# Its rows are updated, and its table vacuumed on the server that takes over,
# before that has found the step.
make_gate($primary);
$primary->safe_psql('postgres', 'CREATE TABLE part AS SELECT i AS id, 0 AS v FROM generate_series(1, 2000) i; CREATE TABLE scored (id integer, v integer)');
my $step = submit($primary, '{"activities": [{"name": "p", "type": "parallel", "input": {"table": "part"}, "mini_batch_size": "8 kB",
	"max_concurrency_per_instance": 1, "run": "SELECT id, v FROM mini_batch, (SELECT pass_gate()) g", "append_row_to": "scored"}]}');
ok(wait_until($primary, 'EXISTS (SELECT FROM scored)'), 'and so is a step');
$primary->safe_psql('postgres', 'UPDATE part SET v = 1');
$primary->safe_psql('postgres', "BEGIN; LOCK TABLE mlpipe.batch_claim IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'late'");
my $queued = submit($primary, pipeline([ 'a', "INSERT INTO done VALUES ('queued')" ]), "not_before => clock_timestamp() + '1 h'");
# The next synchronous commit takes the asynchronous ones along.
$primary->safe_psql('postgres', 'CREATE TABLE flush ()');
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', "SELECT status FROM mlpipe_runs WHERE run_id = $run"), 'in_progress', 'the views work on a standby');
is($standby->safe_psql('postgres', 'SELECT count(*) >= 0 FROM mlpipe_health'), 't', 'mlpipe_health, too');
ok(!log_has($standby, qr/mlpipe launcher/), 'no statement has waited there for the launcher');
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'mlpipe%'"), '0', 'nothing runs there');
my ($status, $stdout, $stderr) = $standby->psql('postgres', q(SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'::jsonb)));
like($stderr, qr/cannot submit a run on a standby server/, 'nor is anything submitted');
($status, $stdout, $stderr) = $standby->psql('postgres', "SELECT mlpipe_wait($run)");
like($stderr, qr/cannot wait for a run during recovery/, 'or waited for');
($status, $stdout, $stderr) = $standby->psql('postgres', "SELECT mlpipe_cancel($run)");
like($stderr, qr/(read-only|recovery|standby)/, 'or cancelled');

$primary->stop('immediate');
$standby->promote;
$standby->safe_psql('postgres', 'VACUUM part');
$standby->safe_psql('postgres', "COMMIT PREPARED 'late'");
$standby->safe_psql('postgres', 'VACUUM part; INSERT INTO gate VALUES (true)');
is(wait_run($standby, $step), 'succeeded', 'after promotion a step goes on');
is($standby->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id), sum(v) FROM scored'), '2000|2000|0', 'with each row once, as it was');
ok(wait_until($standby, "(SELECT backend_xmin IS NULL FROM pg_stat_activity WHERE backend_type = 'mlpipe launcher')"), 'and nothing is held for it any more');
is(wait_run($standby, $again), 'succeeded', 'after promotion what was in progress is tried again');
is(wait_run($standby, $waits), 'succeeded', 'waits go on');
ok(wait_until($standby, "(SELECT attempt = 2 FROM mlpipe_activities WHERE run_id = $run AND activity = 'b')"), 'all of it');
is($standby->safe_psql('postgres', "SELECT mlpipe_cancel($run)"), 't', 'it can be cancelled');
is(wait_run($standby, $run), 'cancelled', 'at once');
is(run_status($standby, $queued), 'queued', 'what had not started yet waits for its time');
is($standby->safe_psql('postgres', "SELECT string_agg(activity, ' ' ORDER BY activity) FROM done"), 'a again', 'and everything was done once');
is(wait_run($standby, submit($standby, pipeline([ 'a', 'SELECT 1' ]))), 'succeeded', 'new runs run');

done_testing();

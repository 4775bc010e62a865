
# Copyright (c) 2026, the mlpipe authors

# pg_dump and restore: definitions and history come back, unfinished runs wait.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('dump', 'mlpipe.max_executors' => 8);
my $dump = $node->basedir . '/dump';
$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', q{
	CREATE EXTENSION mlpipe;
	CREATE TABLE done (run_id bigint, activity text);
	SELECT mlpipe_create_pipeline('p', '{"activities": [
		{"name": "a", "type": "sql", "sql": "INSERT INTO done VALUES (mlpipe_run_id(), ''a'')"},
		{"name": "b", "type": "sql", "sql": "SELECT pg_sleep(CASE WHEN current_database() = ''old'' THEN 60 ELSE 0 END)", "depends_on": ["a"]},
		{"name": "c", "type": "sql", "sql": "INSERT INTO done VALUES (mlpipe_run_id(), ''c'')", "depends_on": ["b"]}]}');
	SELECT mlpipe_create_pipeline('finished', '{"variables": {"v": {"type": "integer", "default": 1}}, "activities": [{"name": "a", "type": "sql", "sql": "SELECT mlpipe_log(''a line''), mlpipe_log_metric(''m'', 1.5)"}, {"name": "h", "type": "fail", "message": "no", "depends_on": ["a"]}]}');
	SELECT mlpipe_create_pipeline('finished', '{"activities": [{"name": "v2", "type": "sql", "sql": "SELECT 2"}]}');
	SELECT mlpipe_alter_pipeline('finished', default_version => 1);});
my %run = map { $_ => $node->safe_psql('old', "SELECT mlpipe_submit('p')") } 'resumed', 'cancelled', 'stays';
$run{later} = $node->safe_psql('old', q(SELECT mlpipe_submit('p', not_before => now() + '1 h')));
$run{past} = $node->safe_psql('old', q(SELECT mlpipe_submit('p', not_before => clock_timestamp() + '1 h')));
$run{finished} = $node->safe_psql('old', q(SELECT mlpipe_submit('finished')));
is(wait_run($node, $run{finished}, 'old'), 'failed', 'a run ends');
ok(wait_until($node, "(SELECT count(*) = 3 FROM mlpipe_activities WHERE activity = 'b' AND status = 'in_progress')", 'old'), 'others are in the middle');
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('old') ], 'a dump is made');
$node->safe_psql('postgres', 'CREATE DATABASE new');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('new'), $dump ], 'and restored');

sub both_have
{
	my ($query, $what) = @_;

	is($node->safe_psql('new', $query), $node->safe_psql('old', $query), "$what come back");
}

both_have('SELECT pipeline, version, enabled, run_as, owner FROM mlpipe_pipelines', 'pipelines');
both_have("SELECT mlpipe_definition('finished', 1), mlpipe_definition('finished', 2), mlpipe_definition('finished')", 'definitions');
both_have("SELECT run_id, pipeline, version, status, submitted_at, finished_at, error FROM mlpipe_runs WHERE run_id = $run{finished}", 'finished runs');
both_have("SELECT run_id, activity, type, status, attempt, started_at, finished_at, output, error FROM mlpipe_activities WHERE run_id = $run{finished}", 'their activities');
both_have('SELECT run_id, activity, at, sqlstate, message FROM mlpipe_errors', 'errors');
both_have('SELECT * FROM mlpipe_logs', 'logs');
both_have('SELECT * FROM mlpipe_metrics', 'metrics');

# Its time comes after it has been restored, however long that takes.
$node->safe_psql('new', "UPDATE mlpipe.run SET due_at = clock_timestamp() WHERE run_id = $run{past}");
ok(wait_until($node, '(SELECT scheduler_pid IS NOT NULL FROM mlpipe.facts())', 'new'), 'a scheduler has started');
my $other = $node->safe_psql('new', q(SELECT mlpipe_submit('finished', version => 2)));
is(wait_run($node, $other, 'new'), 'succeeded', 'new runs run');
cmp_ok($other, '>', $run{finished}, 'with numbers of their own');
is($node->safe_psql('new', "SELECT mlpipe_wait($run{past}, '1.5 s')"), 'queued', 'what was unfinished does not start, not even when its time comes');
is($node->safe_psql('new', "SELECT DISTINCT split_part(wait_reason, ':', 1) FROM mlpipe_activities WHERE wait_reason IS NOT NULL"), 'came with a dump', 'and says why');
is($node->safe_psql('new', 'SELECT count(*) FROM mlpipe_health WHERE hint LIKE $$%mlpipe_resume%$$'), '1', 'so does mlpipe_health');

is($node->safe_psql('new', "SELECT mlpipe_resume($run{resumed}), mlpipe_resume($run{resumed})"), 't|f', 'it can be resumed');
is(wait_run($node, $run{resumed}, 'new'), 'succeeded', 'what was in progress is tried again');
is($node->safe_psql('new', "SELECT string_agg(activity, ' ' ORDER BY activity) FROM done WHERE run_id = $run{resumed}"), 'a c', 'and what was done is not');
is($node->safe_psql('new', "SELECT mlpipe_cancel($run{cancelled})"), 't', 'it can be cancelled');
is($node->safe_psql('new', "SELECT mlpipe_wait($run{cancelled}, '5 s')"), 'cancelled', 'and ends at once');
is($node->safe_psql('new', "SELECT mlpipe_resume($run{past})"), 't', 'one whose time has come');
is(wait_run($node, $run{past}, 'new'), 'succeeded', 'starts when it is resumed');
is($node->safe_psql('new', "SELECT mlpipe_resume($run{later})"), 't', 'one whose time has not');
is($node->safe_psql('new', "SELECT mlpipe_wait($run{later}, '0.3 s')"), 'queued', 'waits for it');
is($node->safe_psql('new', "SELECT mlpipe_wait($run{stays}, '0')"), 'in_progress', 'others stay as they are');
is($node->safe_psql('old', "SELECT count(*) FROM mlpipe_runs WHERE status = 'in_progress'"), '3', 'the old ones do not notice');

# A copy of the database
$node->safe_psql('old', "SELECT mlpipe_cancel(run_id) FROM mlpipe_runs WHERE finished_at IS NULL AND run_id <> $run{later}");
wait_run($node, $_, 'old') for @run{'resumed', 'cancelled', 'stays', 'past'};
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE old');
$run{copy} = $node->safe_psql('copy', q(SELECT mlpipe_submit('finished', version => 2)));
is(wait_run($node, $run{copy}, 'copy'), 'succeeded', 'a copied database gets its scheduler with the first submit');
is($node->safe_psql('copy', "SELECT split_part(wait_reason, ':', 1) FROM mlpipe_activities WHERE run_id = $run{later} AND activity = 'a'"), 'came with a dump', 'unfinished runs that it brought along wait, too');

done_testing();


# Copyright (c) 2026, the mlpipe authors

# Workers are killed again and again, the server stops in between, and at last a
# standby takes over: activities and mini-batches are still done exactly once.
#
# STORM_ACTIVITIES and STORM_BATCHES make it a longer one.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $ACTIVITIES = $ENV{STORM_ACTIVITIES} // 1500;
my $BATCHES = $ENV{STORM_BATCHES} // 5000;
my $STORM = $ENV{STORM_SECONDS} // 15;
my $node = new_node('storm', streaming => 1, 'restart_after_crash' => 'on', 'mlpipe.max_executors' => 4, 'wal_keep_size' => '1GB');
$node->safe_psql('postgres', qq{
	CREATE TABLE effect (what text, id integer);
	CREATE TABLE input AS SELECT i AS id FROM generate_series(1, $BATCHES) i;
	CREATE TABLE output (id integer)});
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('after_storm');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

# Loops, graphs and steps; none of it so long that a kill would hit it twice.
my $loop = submit($node, qq({"activities": [{"name": "each", "type": "for_each", "items": {"query": "SELECT g FROM generate_series(1, $ACTIVITIES / 2) g"}, "batch_count": 4,
	"activities": [{"name": "a", "type": "sql", "sql": "INSERT INTO effect SELECT 'loop', \${{ item.g }} FROM pg_sleep(0.005)", "retry": {"max_retries": 100, "interval": 0.01}}]}]}));
my $step = submit($node, qq({"activities": [{"name": "p", "type": "parallel", "input": {"table": "input"}, "mini_batch_size": "1 rows", "max_concurrency_per_instance": 2,
	"retry": {"max_retries": 100, "interval": 0.01}, "retry_settings": {"max_retries": 100, "timeout": 60}, "run": "SELECT id FROM mini_batch", "append_row_to": "output"}]}));
my $keys = submit($node, qq({"activities": [{"name": "p", "type": "parallel", "input": {"table": "input"}, "partition_keys": ["id"], "max_concurrency_per_instance": 2,
	"retry": {"max_retries": 100, "interval": 0.01}, "retry_settings": {"max_retries": 100, "timeout": 60}, "run": "SELECT -id FROM mini_batch", "append_row_to": "output"}]}));
my $document = '{"activities": [' . join(', ', map {
	qq({"name": "a$_", "type": "sql", "sql": "INSERT INTO effect VALUES (mlpipe_run_id() || 'a', $_)", "retry": {"max_retries": 100, "interval": 0.01}) . ($_ > 4 ? ', "depends_on": ["a' . ($_ - 4) . '"]}' : '}') } 1 .. 20) . ']}';
my $chains = int($ACTIVITIES / 40);
$node->safe_psql('postgres', "SELECT mlpipe_submit('" . ($document =~ s/'/''/gr) . "'::jsonb) FROM generate_series(1, $chains)");

sub answer
{
	my $query = shift;
	local $SIG{PIPE} = 'IGNORE';
	my ($status, $out) = eval { $node->psql('postgres', $query, timeout => 30) };
	return defined $status && $status == 0 ? $out : '';
}

# The storm
my ($kills, $stops, $started, $stopped_at) = (0, 0, time, time);
while (time - $started < $STORM || $kills < 5)
{
	if (time - $stopped_at > 3)
	{
		sleep(0.1) until answer('SELECT 1');
		$node->stop('immediate');
		$node->start;
		$stopped_at = time;
		$stops++;
	}
	my $done = answer('SELECT (SELECT count(*) FROM effect) + (SELECT count(*) FROM output)') || 0;
	last if $done > 0.4 * ($ACTIVITIES + 2 * $BATCHES) && $kills >= 5;
	my @pids = split /\n/, answer("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'mlpipe%' ORDER BY random()");
	$kills += kill 'KILL', $pids[0] if @pids;
	sleep(0.2);
}
sleep(0.1) until answer('SELECT 1');
note("$kills kills, $stops stops; in " . int(time - $started) . ' s ' . answer('SELECT (SELECT count(*) FROM effect), (SELECT count(*) FROM output)'));
cmp_ok($kills, '>=', 5, 'workers are killed again and again');

# The standby takes over in the middle of it, and of what may be all that is left.
submit($node, '{"activities": [{"name": "pause", "type": "wait", "duration": 5}, {"name": "last", "type": "sql", "sql": "SELECT 1", "depends_on": ["pause"]}]}');
$node->wait_for_catchup($standby);
$node->stop('immediate');
$standby->promote;
cmp_ok($standby->safe_psql('postgres', 'SELECT count(*) FROM mlpipe_runs WHERE finished_at IS NULL'), '>', 0, 'a standby is promoted in the middle of runs');
my $deadline = time + 120;
my $left;
while (($left = $standby->safe_psql('postgres', 'SELECT count(*) FROM mlpipe_runs WHERE finished_at IS NULL')) ne '0' && time < $deadline)
{
	sleep(0.1);
}
is($left, '0', 'all runs end on the standby that was promoted');
is($standby->safe_psql('postgres', 'SELECT DISTINCT status FROM mlpipe_runs'), 'succeeded', 'and succeed');
is($standby->safe_psql('postgres', "SELECT count(*), count(DISTINCT id) FROM effect WHERE what = 'loop'"), int($ACTIVITIES / 2) . '|' . int($ACTIVITIES / 2), 'each iteration is done once');
is($standby->safe_psql('postgres', "SELECT count(*), count(DISTINCT (what, id)) FROM effect WHERE what <> 'loop'"), 20 * $chains . '|' . 20 * $chains, 'each activity is done once');
is($standby->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id), min(id), max(id) FROM output'), 2 * $BATCHES . '|' . 2 * $BATCHES . "|-$BATCHES|$BATCHES", 'each mini-batch is done once');
is($standby->safe_psql('postgres', 'SELECT run_id, count(*) FILTER (WHERE final) FROM mlpipe.mini_batch GROUP BY 1 ORDER BY 1'), "$step|$BATCHES\n$keys|$BATCHES", 'and has one last word');
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relnamespace = 'mlpipe'::regnamespace AND relname ~ '^(stage|keys)_[0-9]'"), '0', 'nothing that was staged is left');
ok(all_executors_work($standby), 'all executors can be had');
diag($standby->safe_psql('postgres', $_)) foreach !Test::More->builder->is_passing ? ('SELECT run_id, status, error FROM mlpipe_runs WHERE status IN ($$failed$$, $$in_progress$$)', 'SELECT sqlstate, message, max(attempt), count(*) FROM mlpipe_errors GROUP BY 1, 2 ORDER BY 4 DESC LIMIT 10') : ();
$standby->stop;

done_testing();

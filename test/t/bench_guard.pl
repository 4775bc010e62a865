
# Copyright (c) 2026, the mlpipe authors

# What an empty activity and an empty mini-batch cost does not get worse, by
# counts that no noise can touch: commits, WAL, plans, rows, buffers, flushes.
#
# The numbers are those of the table in bench/README.md; whoever makes something
# better lowers them there.  A rate would depend on the machine, these do not.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;

my $TOLERANCE = 1.05;
my $RUNS = 100;
my $MANY_RUNS = 3000;
my $BATCHES = 20000;
my $OLD_RUNS = 1_000_000;

my %limit = read_limits("$FindBin::RealBin/../../bench/README.md");
my %not_measured = %limit;
my $node = PostgreSQL::Test::Cluster->new('guard');
my $executor;

# A server that was built by hand may come without it; then plans are not counted.
my $has_statements = -e $node->config_data('--pkglibdir') . '/pg_stat_statements.so';
start_server();
create_pipelines();

run_many('fan_out', 10);
run_many('one', 10);
run_batches(100);

my $fan_out = measure(sub { run_many('fan_out', $RUNS) }, $RUNS * 14);
my $one = measure(sub { run_many('one', $RUNS) }, $RUNS);
my $queue = measure(sub { run_many('one', $MANY_RUNS) }, $MANY_RUNS);
my $batch = best_of_three(sub { measure(sub { run_batches($BATCHES) }, $BATCHES) });
make_old_runs();
run_many('one', 10);
my $past = measure(sub { run_many('one', $RUNS) }, $RUNS);

check('fan-out', $fan_out, 'activity');
check('single', $one, 'activity');
check('deep queue', { buffers => $queue->{buffers} }, 'activity');
check('mini-batch', $batch, 'mini-batch');
check('a million old runs', { buffers => $past->{buffers} }, 'activity');
check_looks();
is(join(', ', sort keys %not_measured), '', 'each limit that bench/README.md states is of something that was counted');

$node->stop;
done_testing();

# Rows "| what | count | number |" of the README's table of the guard.
sub read_limits
{
	my %found = slurp_file($_[0]) =~ /^\| (.+? \| .+?) \| ([0-9.]+) \|$/mg;
	return %found;
}

# Nothing but what is measured writes WAL: no autovacuum, no snapshots for
# standbys, no checkpoint; and the walwriter keeps quiet, so that a flush is one
# that somebody waited for.
sub start_server
{
	$node->init;
	$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'mlpipe'
max_worker_processes = 32
mlpipe.max_executors = 1
mlpipe.executor_idle_timeout = 1h
autovacuum = off
wal_level = minimal
max_wal_senders = 0
full_page_writes = off
fsync = on
shared_buffers = 256MB
max_wal_size = 8GB
checkpoint_timeout = 1h
wal_writer_delay = 10s
wal_writer_flush_after = 2GB
wal_buffers = 64MB
CONF
	$node->append_conf('postgresql.conf', <<'CONF') if $has_statements;
shared_preload_libraries = 'mlpipe, pg_stat_statements'
pg_stat_statements.track = all
pg_stat_statements.track_planning = on
CONF
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION mlpipe');
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements') if $has_statements;
}

sub create_pipelines
{
	my @activities = (activity('backup'));
	my @last;
	for my $branch (qw(wine cancer digits))
	{
		my $before = 'backup';
		for my $step (qw(load flag classify write))
		{
			push @activities, activity("${branch}_$step", $before);
			$before = "${branch}_$step";
		}
		push @last, $before;
	}
	create_pipeline('fan_out', @activities, activity('report', @last));
	create_pipeline('one', activity('only'));
	create_pipeline('batches', '{"name": "step", "type": "parallel", "input": {"table": "item"},'
		. ' "mini_batch_size": "1 rows", "run": "SELECT i FROM mini_batch WHERE i < 0", "count": "none"}');
}

sub activity
{
	my ($name, @depends_on) = @_;
	my $list = join(', ', map { qq("$_") } @depends_on);
	return qq({"name": "$name", "type": "sql", "sql": "SELECT 1", "depends_on": [$list]});
}

sub create_pipeline
{
	my ($name, @activities) = @_;
	my $list = join(', ', @activities);
	$node->safe_psql('postgres', qq(SELECT mlpipe_create_pipeline('$name', '{"activities": [$list]}')));
}

# Nothing that waits looks at the tables meanwhile: on a slow machine it would
# look, and be counted, more often.  Nor does it have a snapshot, which keeps dead
# versions in pages that then have no room for new ones.
sub run_many
{
	my ($pipeline, $count) = @_;
	my $deadline = time + 2 * $PostgreSQL::Test::Utils::timeout_default;

	$node->safe_psql('postgres', "SELECT count(mlpipe_submit('$pipeline')) FROM generate_series(1, $count)");
	do
	{
		die "$pipeline did not end" if time > $deadline;
		await_rest();
		$node->poll_query_until('postgres', 'SELECT executors > 0 AND executors = idle FROM mlpipe.facts()')
		  or die "$pipeline did not end";
	} while ($node->safe_psql('postgres', 'SELECT EXISTS (SELECT FROM mlpipe.run WHERE finished_at IS NULL)') eq 't');
}

# Until the executor does nothing, by what the system tells of its process: it
# neither runs nor is woken.  It has told its statistics when it is idle.
sub await_rest
{
	my $before = '';

	$executor ||= $node->safe_psql('postgres', 'SELECT pid FROM mlpipe_executors LIMIT 1');
	return if !$executor;
	for (my $still = 0; $still < 3; select(undef, undef, undef, 0.1))
	{
		my $status = slurp_file("/proc/$executor/status");
		my ($state) = $status =~ /^State:\s+(\S)/m;
		my $switches = join ' ', $status =~ /_ctxt_switches:\s+(\d+)/g;

		$still = $state eq 'S' && $switches eq $before ? $still + 1 : 0;
		$before = $switches;
	}
}

sub run_batches
{
	my ($count) = @_;
	$node->safe_psql('postgres', "DROP TABLE IF EXISTS item; CREATE TABLE item AS SELECT generate_series(1, $count) AS i");
	run_many('batches', 1);
}

# A commit's mini-batches are fewer while others take the processor away.
sub best_of_three
{
	my ($try) = @_;
	my ($best) = sort { $a->{commits} <=> $b->{commits} } map { $try->() } 1 .. 3;
	return $best;
}

# Rows as runs of one activity leave them.
sub make_old_runs
{
	$node->safe_psql('postgres', <<SQL);
INSERT INTO mlpipe.run (run_id, version_id, pipeline_id, status, home, remaining, run_as, submitted_by,
	submitted_at, started_at, finished_at, group_id, parameters, tags, trigger)
SELECT 1000000 + i, version_id, pipeline_id, status, home, 0, run_as, submitted_by,
	submitted_at, started_at, finished_at, 1000000 + i, parameters, tags, trigger
FROM (SELECT * FROM mlpipe.run ORDER BY run_id DESC LIMIT 1) r, generate_series(1, $OLD_RUNS) i;
INSERT INTO mlpipe.activity_run (run_id, no, activity_no, status, remaining, attempt, started_at, finished_at, output, name)
SELECT 1000000 + i, 0, 0, 'succeeded', 0, 1, now(), now(), '{"rows": [{"?column?": 1}], "row_count": 1}', 'only'
FROM generate_series(1, $OLD_RUNS) i;
SELECT setval('mlpipe.run_run_id_seq', 3000000);
SQL
}

# What the work costs for each of its $units, submits included.
sub measure
{
	my ($work, $units) = @_;
	my @before = counters();
	my %buffers = buffers_of_relations();
	my $from = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
	$work->();
	my @after = counters();
	my %buffers_after = buffers_of_relations();
	note sprintf('%s: %.2f buffers', $_, ($buffers_after{$_} - $buffers{$_}) / $units) foreach sort keys %buffers;

	my $to = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');

	# Flushes what was written asynchronously, for pg_waldump to read.
	$node->safe_psql('postgres', 'CREATE TABLE flush (); DROP TABLE flush');
	my %cost = (wal_counts($from, $to), map { $_ => $after[0]{$_} - $before[0]{$_} } keys %{ $after[0] });
	return { map { $_ => $cost{$_} / $units } keys %cost };
}

sub counters
{
	my $flushes = $node->pg_version >= 18
	  ? q(SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal' AND context = 'normal' AND backend_type = 'background worker')
	  : q(SELECT wal_sync FROM pg_stat_wal);
	my $plans = $has_statements
	  ? q(SELECT sum(plans) FROM pg_stat_statements WHERE query !~ 'generate_series|pg_stat')
	  : 'SELECT 0';
	my %counter = (
		plans => $plans,
		flushes => $flushes,
		'rows inserted' => q(SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE schemaname = 'mlpipe'),
		'rows updated' => q(SELECT sum(n_tup_upd) FROM pg_stat_user_tables WHERE schemaname = 'mlpipe'),
		'updates not HOT' => q(SELECT sum(n_tup_upd - n_tup_hot_upd) FROM pg_stat_user_tables WHERE schemaname = 'mlpipe'),
		buffers => q(SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))
			FROM pg_statio_user_tables WHERE schemaname = 'mlpipe'));
	return { map { $_ => $node->safe_psql('postgres', $counter{$_}) } keys %counter };
}

# Of tables and their indexes, to look at where a limit is passed.
sub buffers_of_relations
{
	my $counts = $node->safe_psql('postgres', <<'SQL');
SELECT relname, heap_blks_read + heap_blks_hit FROM pg_statio_user_tables WHERE schemaname = 'mlpipe'
UNION ALL SELECT indexrelname, idx_blks_read + idx_blks_hit FROM pg_statio_user_indexes WHERE schemaname = 'mlpipe'
SQL
	return map { split /\|/ } split /\n/, $counts;
}

# By kind of record, as pg_waldump counts them.
sub wal_counts
{
	my ($from, $to) = @_;
	my ($stdout) = run_command(
		[ 'pg_waldump', '--stats=record', '--start', $from, '--end', $to, '--path', $node->data_dir . '/pg_wal' ]);
	my ($commits) = $stdout =~ m{^Transaction/COMMIT\s+(\d+)}m;
	my ($records, $bytes) = $stdout =~ /^Total\s+(\d+)\s+(\d+)/m;
	return (commits => $commits, 'WAL records' => $records, 'WAL bytes' => $bytes);
}

# What somebody sees who watches, with a million old runs of another pipeline; for
# the second time, as the first time in a session reads the server's catalogs too.
sub check_looks
{
	my ($last) = $node->safe_psql('postgres', 'ANALYZE; SELECT max(run_id) FROM mlpipe.run');
	my @looks = (
		'mlpipe_pipelines',
		'mlpipe_runs LIMIT 20',
		'mlpipe_runs WHERE finished_at IS NULL',
		"mlpipe_activities WHERE run_id = $last",
		'mlpipe_activities LIMIT 20',
		"mlpipe_timeline WHERE run_id = $last",
		'mlpipe_timeline LIMIT 20',
		'mlpipe_health');
	my %buffers;

	foreach my $look (@looks)
	{
		my ($view) = $look =~ /^(\w+)/;
		my $plan = $node->safe_psql('postgres',
			"SELECT * FROM $look \\g /dev/null\nEXPLAIN (ANALYZE, BUFFERS, COSTS off) SELECT * FROM $look");

		# Of the topmost node: planning's come after it, where there are any.
		my ($counts) = $plan =~ /^\s*Buffers: (.*)$/m or die "no buffers in: $plan";
		$buffers{$view} += $1 while $counts =~ /(?:hit|read)=(\d+)/g;
		note $plan;
	}
	check("looks at $_", { buffers => $buffers{$_} }, 'look') foreach sort keys %buffers;
}

sub check
{
	my ($what, $cost, $unit) = @_;
	for my $count (sort keys %$cost)
	{
		my $limit = delete $not_measured{"$what | $count"};
		note sprintf("| %s | %s | %.3f |", $what, $count, $cost->{$count});
		next if !defined $limit;
		cmp_ok($cost->{$count}, '<=', $limit * $TOLERANCE + 0.001,
			sprintf('%s: %s for each %s are %.2f, at most %s', $what, $count, $unit, $cost->{$count}, $limit));
	}
	fail("bench/README.md states the limits of $what") if !grep { /^\Q$what\E \|/ } keys %limit;
}


# Copyright (c) 2026, the mlpipe authors

# Havoc: a mixed load, things that kill, stop, starve and interrupt at random
# while it runs, and the question whether everything is in order afterwards.
#
# All choices come from the seed, so the same seed does the same things in the
# same order; what the server makes of them depends on its timing, so a failure
# may need a few tries to be seen again.
package Havoc;

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use HavocInvariants;
use HavocLoad;
use Mlpipe;

# Without any progress for so long a run counts as stuck; a busy machine that
# recovers from a crash needs its time.
use constant STUCK_AFTER => 60;

# Weights of what is done; what takes the server down costs the most time.
my @ACTIONS = (
	[ 6, 'terminate_executor' ],
	[ 3, 'cancel_executor' ],
	[ 3, 'terminate_scheduler' ],
	[ 2, 'terminate_launcher' ],
	[ 2, 'terminate_keeper' ],
	[ 3, 'kill_executor' ],
	[ 1, 'kill_scheduler' ],
	[ 1, 'kill_launcher' ],
	[ 1, 'kill_keeper' ],
	[ 2, 'stop_immediately' ],
	[ 1, 'restart' ],
	[ 2, 'take_all_workers' ],
	[ 2, 'revoke_login' ],
	[ 2, 'revoke_connect' ],
	[ 2, 'drop_table' ],
	[ 4, 'cancel_runs' ],
	[ 3, 'suspend_runs' ],
	[ 1, 'switch_off' ],
	[ 2, 'copy_database' ],
	[ 2, 'rewrite_source' ],
	[ 3, 'update_source' ],
	[ 3, 'change_watched' ],
	[ 2, 'checkpoint' ]);

sub new
{
	my ($class, $seed) = @_;
	my $self = bless { seed => $seed, state => $seed & 0x7fffffff, ended => {}, started => time, offset => 0 }, $class;

	$self->{node} = new_node('havoc', 'restart_after_crash' => 'on', 'mlpipe.max_executors' => 6, 'max_worker_processes' => 16,
		'max_connections' => 60, 'max_parallel_workers' => 16, 'autovacuum' => 'on', 'autovacuum_naptime' => '1s', 'synchronous_commit' => 'on',
		'log_line_prefix' => "'%m [%p] %b %e '", 'mlpipe.pack_mem' => "'1MB'");
	$self->sql(HavocLoad::setup_sql());
	$self->sql(HavocInvariants::setup_sql());
	$self->{pipelines} = { HavocLoad::pipelines() };
	# Those that others start come first.
	for my $name ('graph', 'narrow', sort keys %{ $self->{pipelines} })
	{
		my ($role, $document) = @{ $self->{pipelines}{$name} };
		$document =~ s/'/''/g;
		$self->sql("SET ROLE $role; SELECT mlpipe_create_pipeline('$name', '$document')");
	}
	$self->sql(q(CREATE TRIGGER t AFTER INSERT ON soak.watched FOR EACH STATEMENT EXECUTE FUNCTION mlpipe_submit_on_change('changed', '{"debounce": "50 ms"}')));
	return $self;
}

# One round: load, havoc, rest, and a look at everything.
sub round
{
	my ($self, $round, %how) = @_;

	$self->{round} = $round;
	$self->submit_load($how{runs});
	for (1 .. $how{actions})
	{
		sleep(0.05 + 0.5 * $self->draw(1000) / 1000);
		$self->act($how{only});
		$self->submit_load(1 + $self->draw(3));
		next unless $self->draw(4) == 0;
		$self->hold_always('in the middle');
		$self->ends_have_stayed;
	}
	$self->restore;
	return 0 unless $self->settle;
	return 0 unless $self->hold_always('at the end') & $self->hold_at_rest & $self->ends_have_stayed & $self->log_is_clean;
	$self->forget if $round % 4 == 0;
	return 1;
}

# What is kept makes the questions slower from round to round.
sub forget
{
	my $self = shift;

	$self->sql(q(SELECT mlpipe_purge('0'); TRUNCATE soak.effect, soak.batch_effect, soak.copied));
	$self->{ended} = {};
}

# Numbers from 0 to n - 1.
sub draw
{
	my ($self, $n) = @_;

	$self->{state} = ($self->{state} * 1103515245 + 12345) & 0x7fffffff;
	return ($self->{state} >> 8) % $n;
}

sub say_what
{
	my ($self, $what) = @_;

	note(sprintf 'seed %d round %d %.1f s: %s', $self->{seed}, $self->{round}, time - $self->{started}, $what);
}

sub sql
{
	my ($self, $query) = @_;

	return $self->{node}->safe_psql('postgres', $query);
}

# May fail: the server may be down, or go down just now.
sub try_sql
{
	my ($self, $query) = @_;

	return ask($self->{node}, $query, timeout => 60);
}

sub wait_for_server
{
	my $self = shift;

	for (1 .. 1200)
	{
		return 1 if defined $self->try_sql('SELECT 1');
		sleep(0.05);
	}
	BAIL_OUT('the server does not come back');
}

sub submit_load
{
	my ($self, $runs) = @_;
	my @names = sort keys %{ $self->{pipelines} };
	my $calls = join ' ', map { "SELECT mlpipe_submit('$names[$self->draw(scalar @names)]', priority => " . ($self->draw(3) - 1) . ');' } 1 .. $runs;

	# In one transaction, as it may be lost as a whole.
	$self->try_sql("BEGIN; $calls COMMIT");
}

sub act
{
	my ($self, $only) = @_;
	my @actions = map { ($_->[1]) x $_->[0] } grep { !$only || $_->[1] =~ $only } @ACTIONS;
	my $action = $actions[ $self->draw(scalar @actions) ];

	$self->say_what($action);
	$self->$action;
}

# What is killed takes the server down, which comes back by itself.
sub pid_of
{
	my ($self, $type) = @_;
	my @pids = split /\n/, $self->try_sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'mlpipe $type' ORDER BY backend_start") // '';
	my $choice = $self->draw(1000);

	return @pids ? $pids[ $choice % @pids ] : undef;
}

sub send_signal
{
	my ($self, $signal, $type) = @_;
	my $pid = $self->pid_of($type) // return;
	my $offset = -s $self->{node}->logfile;

	return unless kill $signal, $pid;
	return if $signal ne 'KILL';
	$self->{node}->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	$self->wait_for_server;
}

sub terminate_executor  { $_[0]->send_signal('TERM', 'executor') }
sub cancel_executor     { $_[0]->send_signal('INT', 'executor') }
sub terminate_scheduler { $_[0]->send_signal('TERM', 'scheduler') }
sub terminate_launcher  { $_[0]->send_signal('TERM', 'launcher') }
sub terminate_keeper    { $_[0]->send_signal('TERM', 'keeper') }
sub kill_executor       { $_[0]->send_signal('KILL', 'executor') }
sub kill_scheduler      { $_[0]->send_signal('KILL', 'scheduler') }
sub kill_launcher       { $_[0]->send_signal('KILL', 'launcher') }
sub kill_keeper         { $_[0]->send_signal('KILL', 'keeper') }

sub stop_immediately
{
	my $self = shift;

	$self->wait_for_server;
	$self->{node}->stop('immediate');
	$self->{node}->start;
}

sub restart
{
	my $self = shift;

	$self->wait_for_server;
	$self->{node}->restart;
}

# A parallel query with a worker for each free slot, for a second.
sub take_all_workers
{
	my $self = shift;

	$self->try_sql(q{SET max_parallel_workers_per_gather = 16; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0;
		SET parallel_tuple_cost = 0; SET statement_timeout = '1.5s'; ALTER TABLE soak.source SET (parallel_workers = 16);
		SELECT count(*) FROM (SELECT pg_sleep(0.1) FROM soak.source OFFSET 0) s});
}

sub revoke_login   { $_[0]->try_sql('ALTER ROLE soak_b NOLOGIN') }
sub revoke_connect { $_[0]->try_sql('REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO soak_b') }
sub drop_table     { $_[0]->try_sql('DROP TABLE IF EXISTS soak.doomed') }
sub checkpoint     { $_[0]->try_sql('CHECKPOINT') }
sub rewrite_source { $_[0]->try_sql("SET lock_timeout = '2s'; VACUUM FULL soak.source") }
sub change_watched { $_[0]->try_sql('INSERT INTO soak.watched DEFAULT VALUES') }

# All workers make way, and come back.
sub copy_database
{
	my $self = shift;

	ask($self->{node}, $_, database => 'template1', timeout => 60) foreach 'CREATE DATABASE copy TEMPLATE postgres', 'DROP DATABASE IF EXISTS copy';
}

sub update_source
{
	my $self = shift;

	$self->try_sql('UPDATE soak.source SET pad = md5(pad) WHERE id % 7 = ' . $self->draw(7));
}

# Some of those that are unfinished, the same for the same seed.
sub unfinished
{
	my $self = shift;

	return 'FROM mlpipe_runs WHERE finished_at IS NULL AND run_id % ' . (4 + $self->draw(5)) . ' = ' . $self->draw(4);
}

sub cancel_runs  { my $from = $_[0]->unfinished; $_[0]->try_sql("SELECT mlpipe_cancel(run_id) $from") }
sub suspend_runs { my $from = $_[0]->unfinished; $_[0]->try_sql("SELECT mlpipe_suspend(run_id) $from") }

sub switch_off
{
	my $self = shift;

	$self->try_sql('ALTER SYSTEM SET mlpipe.enabled = off');
	$self->try_sql('SELECT pg_reload_conf()');
}

# Everything that keeps runs from ending is taken back.
sub restore
{
	my $self = shift;

	$self->say_what('restores');
	$self->wait_for_server;
	$self->sql($_) foreach
	  'ALTER SYSTEM RESET mlpipe.enabled', 'SELECT pg_reload_conf()', 'ALTER ROLE soak_b LOGIN', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC',
	  'CREATE TABLE IF NOT EXISTS soak.doomed (id integer); GRANT ALL ON soak.doomed TO PUBLIC';
}

# Waits until all runs have ended; false where nothing moves any more.
sub settle
{
	my $self = shift;
	my $moved_at = time;
	my $before = '';

	while (1)
	{
		my $now = $self->sql(q{
			SELECT mlpipe_resume(run_id) FROM mlpipe_runs WHERE status = 'suspended' \g /dev/null
			SELECT mlpipe_approve(run_id, activity) FROM mlpipe_activities WHERE type = 'approval' AND status = 'in_progress' \g /dev/null
			SELECT count(*) FILTER (WHERE finished_at IS NULL), (SELECT count(*) FROM mlpipe.activity_run WHERE finished_at IS NOT NULL),
				(SELECT count(*) FROM mlpipe.mini_batch), (SELECT sum(attempt) FROM mlpipe.activity_run) FROM mlpipe.run});

		return ok(1, "seed $self->{seed} round $self->{round}: all runs end") if $now =~ /^0\|/;
		$moved_at = time if $now ne $before;
		$before = $now;
		last if time - $moved_at > STUCK_AFTER;
		sleep(0.1);
	}
	ok(0, "seed $self->{seed} round $self->{round}: all runs end");
	diag($self->sql($_)) foreach
	  'SELECT run_id, pipeline, status, error FROM mlpipe_runs WHERE finished_at IS NULL LIMIT 20',
	  q(SELECT run_id, activity, status, attempt, wait_reason, executor_pid, error FROM mlpipe_activities WHERE finished_at IS NULL AND status <> 'waiting' LIMIT 20),
	  'SELECT * FROM mlpipe.executor_slots()', 'SELECT * FROM mlpipe.batches_in_hand()', 'SELECT * FROM mlpipe_health';
	return 0;
}

# All of it in one statement, and so in one snapshot.
sub hold_always
{
	my ($self, $when) = @_;
	my @claims = HavocInvariants::always();
	my $query = join ' UNION ALL ', map { "(SELECT $_ AS claim, broken::text FROM ($claims[$_][1]) broken LIMIT 5)" } 0 .. $#claims;

	# In the middle the server may be down, at the end it may not.
	my $found = $when eq 'at the end' ? $self->sql($query) : $self->try_sql($query) // '';
	my @broken = map { /^(\d+)\|(.*)/ ? "$claims[$1][0], but: $2" : $_ } split /\n/, $found;

	ok(!@broken, "seed $self->{seed} round $self->{round}: nothing is lost, done twice or counted wrongly ($when)");
	diag($_) foreach @broken;
	return !@broken;
}

sub hold_at_rest
{
	my $self = shift;
	my @broken;

	for (HavocInvariants::at_rest())
	{
		my ($what, $query) = @$_;
		my $until = time + 30;
		my $found;

		while (($found = $self->sql("SELECT * FROM ($query) broken LIMIT 5")) ne '' && time < $until)
		{
			sleep(0.1);
		}
		push @broken, "$what, but:\n$found" if $found ne '';
	}
	ok(!@broken, "seed $self->{seed} round $self->{round}: nothing is left behind");
	diag($_) foreach @broken;
	return !@broken;
}

# Whoever has seen a run's end can rely on it, also after a crash.
sub ends_have_stayed
{
	my $self = shift;
	my %now = map { split /\|/ } split /\n/, $self->try_sql('SELECT run_id, status FROM mlpipe_runs WHERE finished_at IS NOT NULL') // return 1;
	my @changed = grep { ($now{$_} // '') ne $self->{ended}{$_} } sort keys %{ $self->{ended} };

	$self->{ended} = \%now;
	ok(!@changed, "seed $self->{seed} round $self->{round}: ends of runs stay");
	diag("these have changed: @changed") if @changed;
	return !@changed;
}

# Nothing that is not foreseen: no crash but those that were made, no internal
# error, no deadlock.
sub log_is_clean
{
	my $self = shift;
	my @lines = grep {
		/\b(PANIC|TRAP):|terminated by signal (?!9\b)\d|deadlock detected| XX\d{3} /
	} split /\n/, slurp_file($self->{node}->logfile, $self->{offset});

	$self->{offset} = -s $self->{node}->logfile;
	ok(!@lines, "seed $self->{seed} round $self->{round}: the log has nothing but what was to be expected");
	diag(join "\n", splice(@lines, 0, 10)) if @lines;
	return !@lines;
}

sub finish
{
	my $self = shift;

	$self->{round} = 'last';
	ok(all_executors_work($self->{node}), "seed $self->{seed}: all executors can be had");
	note($self->sql('SELECT status, count(*) FROM mlpipe_runs GROUP BY 1 ORDER BY 1'));
	note($self->sql('SELECT status, count(*), sum(attempt) FROM mlpipe_activities GROUP BY 1 ORDER BY 1'));
	note($self->sql('SELECT status, count(*) FROM mlpipe_batches GROUP BY 1 ORDER BY 1'));
	$self->sql(q(SELECT mlpipe_purge('0')));
	is($self->sql(join ' UNION ALL ', map { "SELECT '$_' FROM mlpipe.$_" } qw(run activity_run run_variable scope step mini_batch failure log metric)),
		'', "seed $self->{seed}: all can be purged");
	$self->{node}->stop;
}

1;


# Copyright (c) 2026, the mlpipe authors

# What the tests that start servers of their own share.
package Mlpipe;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_node submit wait_run run_status wait_until ask await_server ends all_executors_work log_has pipeline make_gate);

# Seconds that anything is waited for: 60, or more where the server is one that
# a check has made slow.
my $patience = $PostgreSQL::Test::Utils::timeout_default / 3;

# A server with the extension in its database postgres.
sub new_node
{
	my ($name, %settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	%settings = (
		'shared_preload_libraries' => "'mlpipe'",
		'max_worker_processes' => 24,
		'autovacuum' => 'off',
		%settings);
	$node->init(allows_streaming => delete $settings{streaming} // 0);
	$node->append_conf('postgresql.conf', "$_ = $settings{$_}") foreach sort keys %settings;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION mlpipe');
	return $node;
}

# A document of activities, each [name, SQL, dependency...].
sub pipeline
{
	my @activities = map {
		my ($name, $sql, @needs) = @$_;
		$sql =~ s/"/\\"/g;
		sprintf '{"name": "%s", "type": "sql", "sql": "%s", "depends_on": [%s]}', $name, $sql, join(', ', map { "\"$_\"" } @needs)
	} @_;

	return '{"activities": [' . join(', ', @activities) . ']}';
}

sub submit
{
	my ($node, $document, $more, $database) = @_;

	$document =~ s/'/''/g;
	return $node->safe_psql($database // 'postgres', "SELECT mlpipe_submit('$document'::jsonb" . ($more ? ", $more" : '') . ')');
}

sub wait_run
{
	my ($node, $run, $database) = @_;

	return $node->safe_psql($database // 'postgres', "SELECT mlpipe_wait($run, '$patience s')");
}

sub run_status
{
	my ($node, $run) = @_;

	return $node->safe_psql('postgres', "SELECT status FROM mlpipe_runs WHERE run_id = $run");
}

# The answer to a query that may fail, or undef.  Where the server takes no
# connection, psql may have gone before it is told what to ask, which raises.
sub ask
{
	my ($node, $query, %options) = @_;
	my $database = delete $options{database} // 'postgres';
	my $answer = '';
	my $status = eval { $node->psql($database, $query, %options, stdout => \$answer, stderr => \my $errors) };

	return defined $status && $status == 0 ? $answer : undef;
}

# Until the server takes connections again.
sub await_server
{
	my ($node) = @_;

	for (1 .. 600)
	{
		return if ask($node, 'SELECT true');
		select(undef, undef, undef, 0.1);
	}
	die 'the server does not come back';
}

# A condition that comes true in time.
sub wait_until
{
	my ($node, $condition, $database) = @_;

	for (my $deadline = time + $patience; time < $deadline;)
	{
		return 1 if $node->safe_psql($database // 'postgres', "SELECT $condition") eq 't';
		select(undef, undef, undef, 0.05);
	}
	diag("this did not come true: $condition");
	diag(ask($node, $_, database => $database) // '')
	  foreach 'SELECT run_id, status, error FROM mlpipe_runs LIMIT 20', 'SELECT run_id, activity, status, attempt, wait_reason, error FROM mlpipe_activities LIMIT 20';
	return 0;
}

sub ends
{
	my ($node, $run) = @_;

	return $node->safe_psql('postgres',
		"SELECT string_agg(activity || ' ' || status || ' ' || attempt, ', ' ORDER BY activity) FROM mlpipe_activities WHERE run_id = $run");
}

# Are all executors that the server may have to be had, all at once?
sub all_executors_work
{
	my ($node, $database) = @_;
	my $count = $node->safe_psql('postgres', 'SHOW mlpipe.max_executors');
	my $run = submit($node, pipeline(map { [ "a$_", 'SELECT pg_sleep(60)' ] } 1 .. $count), undef, $database);
	my $all = wait_until($node, "(SELECT count(*) FROM mlpipe_executors WHERE run_id = $run) = $count", $database);

	$node->safe_psql($database // 'postgres', "SELECT mlpipe_cancel($run)");
	return $all && wait_run($node, $run, $database) eq 'cancelled';
}

# Mini-batches that call pass_gate() wait for a row in table gate; the first of a
# step goes on at once.
sub make_gate
{
	my ($node) = @_;

	$node->safe_psql('postgres', sprintf(q(
		CREATE TABLE gate (open boolean);
		CREATE FUNCTION pass_gate() RETURNS void LANGUAGE plpgsql AS $$
		DECLARE
			deadline timestamptz := clock_timestamp() + interval '%d s';
		BEGIN
			WHILE (mlpipe_batch()->>'number')::integer > 1 AND NOT EXISTS (SELECT FROM gate) LOOP
				IF clock_timestamp() > deadline THEN
					RAISE 'the gate was not opened';
				END IF;
				PERFORM pg_sleep(0.01);
			END LOOP;
		END $$), $PostgreSQL::Test::Utils::timeout_default));
}

sub log_has
{
	my ($node, $pattern, $offset) = @_;

	return slurp_file($node->logfile, $offset // 0) =~ $pattern;
}

1;

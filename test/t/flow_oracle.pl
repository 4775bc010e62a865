
# Copyright (c) 2026, the mlpipe authors

# Pipelines made by chance, nested three deep, against what has to follow from the
# published rules (FlowOracle): the end, the attempts, the output and the error of
# every activity, what values its placeholders had, what variables and child runs
# come to.  Then what made activities fail is mended, and reruns have to take over
# what still stands, and only that: from what failed, and from an activity anywhere.
# nested.pl does the same for the bare graph.  MLPIPE_SEED makes others.

use strict;
use warnings;
use JSON::PP;
use List::Util qw(any);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use FlowCases;
use FlowOracle;
use Mlpipe;

my $CASES = 200;
my $seed = $ENV{MLPIPE_SEED} // 4711;
my $CHILD = '{"parameters": {"n": {"type": "integer"}}, "activities": [{"name": "one", "type": "sql", "sql": "SELECT child(${{ parameters.n }}) AS k"}],'
  . ' "output": {"n": "${{ parameters.n }}", "k": "${{ activities.one.output.rows[0].k }}"}}';
my $json = JSON::PP->new->canonical->allow_nonref;

srand($seed);
my @cases = map { a_case($_) } 1 .. $CASES;
my $node = new_node('flow_oracle', 'mlpipe.max_executors' => 4);
my $note = "seed $seed";

$node->safe_psql('postgres', join(";\n",
	'CREATE TABLE behaviour (no integer, path text, fails integer, counter text, PRIMARY KEY (no, path))',
	'CREATE TABLE broken_child (remainder integer)', 'INSERT INTO broken_child VALUES (1)',
	'CREATE TABLE effect (run_id bigint, path text)',
	'CREATE TABLE turn (run_id bigint, path text, n integer, PRIMARY KEY (run_id, path))',
	q(CREATE FUNCTION act(no integer) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		this behaviour;
	BEGIN
		PERFORM mlpipe_log('attempt');
		SELECT * INTO this FROM behaviour b WHERE b.no = act.no AND b.path = mlpipe_activity_name();
		IF this.counter IS NOT NULL AND nextval(this.counter) <= this.fails THEN
			RAISE '% fails', mlpipe_activity_name();
		END IF;
		INSERT INTO effect VALUES (mlpipe_run_id(), mlpipe_activity_name());
		RETURN mlpipe_activity_name();
	END $$),
	q(CREATE FUNCTION child(n integer) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM broken_child WHERE n % 3 = remainder) THEN
			RAISE 'child % fails', n;
		END IF;
		RETURN 'k' || n;
	END $$),
	q(CREATE FUNCTION turn() RETURNS integer LANGUAGE sql AS $$
		INSERT INTO turn VALUES (mlpipe_run_id(), mlpipe_activity_name(), 1)
			ON CONFLICT (run_id, path) DO UPDATE SET n = turn.n + 1 RETURNING n $$),
	"DO \$do\$ BEGIN PERFORM mlpipe_create_pipeline('child', '$CHILD'); END \$do\$",
	'BEGIN', (map { behaviour_of($_) } @cases), 'COMMIT'));

check('as they are', sub { $_[0]{first} }, map { 'mlpipe_submit(' . quoted($json->encode($_->{document})) . '::jsonb)' } @cases);
$_->{run} = $_->{last_run} foreach @cases;
$node->safe_psql('postgres', 'TRUNCATE behaviour, broken_child');
check('mended and rerun', sub { what_follows($_[0], before => $_[0]{first}) }, map { "mlpipe_rerun($_->{run})" } @cases);
$_->{from} = one_that_ran($_) foreach @cases;
check('rerun from one activity', sub { what_follows($_[0], before => $_[0]{first}, from => $_[0]{from} // '') },
	map { "mlpipe_rerun($_->{run}, " . (defined $_->{from} ? quoted($_->{from}) : 'NULL') . ')' } @cases);
delete $_->{from} foreach @cases;
check('all done again', sub { what_follows($_[0]) }, map { "mlpipe_rerun($_->{run}, only_failed => false)" } @cases);
ok(all_executors_work($node), 'no executor is lost');

$node->stop;
done_testing();

sub quoted
{
	my $text = shift;

	$text =~ s/'/''/g;
	return "'$text'";
}

sub behaviour_of
{
	my $case = shift;
	my ($no, $ends) = ($case->{no}, $case->{first}{ends});
	my @paths = grep { $ends->{$_}{fails} } sort keys %$ends;

	return map { ("CREATE SEQUENCE failures_${no}_$_", "INSERT INTO behaviour VALUES ($no, '$paths[$_]', $ends->{ $paths[$_] }{fails}, 'failures_${no}_$_')") } 0 .. $#paths;
}

# Rounds are not gone on with, so what is in them cannot be where one begins.
sub one_that_ran
{
	my $case = shift;
	my $ends = $case->{first}{ends};
	my @rounds = map { "$_\[" } grep { my $path = $_; any { index($_, "$path\[") == 0 } keys %$ends } grep { !$ends->{$_}{done} } keys %$ends;

	return one_of(grep { my $path = $_; $ends->{$path}{attempt} > 0 && !any { index($path, $_) == 0 } @rounds } sort keys %$ends);
}

# All at once; then each is compared, and what differs is told.
sub check
{
	my ($what, $follows, @calls) = @_;
	my @runs = split ' ', $node->safe_psql('postgres', join(";\n", 'SET client_min_messages = error', 'BEGIN', map({ "SELECT $_" } @calls), 'COMMIT'));
	my $list = join ',', @runs;
	my (@wrong, $found);

	ok(wait_until($node, "NOT EXISTS (SELECT FROM mlpipe_runs WHERE run_id IN ($list) AND finished_at IS NULL)"), "$what: all end");
	$found = $json->decode($node->safe_psql('postgres', <<"SQL"));
SELECT json_object_agg(run_id, json_build_object('status', status, 'output', output,
	'ends', (SELECT json_object_agg(activity, json_build_object('status', status, 'attempt', attempt, 'output', output, 'error', error, 'reused', reused_from))
		FROM mlpipe_activities a WHERE a.run_id = r.run_id),
	'attempts', (SELECT coalesce(json_object_agg(activity, n), '{}') FROM (SELECT activity, count(*) AS n FROM mlpipe_logs l WHERE l.run_id = r.run_id AND message = 'attempt' GROUP BY 1) l),
	'effects', (SELECT coalesce(json_object_agg(path, n), '{}') FROM (SELECT path, count(*) AS n FROM effect e WHERE e.run_id = r.run_id GROUP BY 1) e)))
FROM mlpipe_runs r WHERE run_id IN ($list)
SQL
	for my $i (0 .. $#cases)
	{
		my @differs = differences($found->{ $runs[$i] }, $follows->($cases[$i]));

		$cases[$i]{last_run} = $runs[$i];
		push @wrong, map { "case $cases[$i]{no}, from " . ($cases[$i]{from} // 'nothing') . ", $_" } @differs;
		diag($json->encode($cases[$i]{document})) if @differs;
	}
	is(join("\n", @wrong[ 0 .. ($#wrong > 9 ? 9 : $#wrong) ]), '', "$what: each comes to what it should ($note)");
}

sub differences
{
	my ($is, $should) = @_;
	my %paths = map { $_ => 1 } keys %{ $is->{ends} }, keys %{ $should->{ends} };
	my @differs = map { my $path = $_; map { "$path: $_" } end_differs($is, $path, $should->{ends}{$path}) } sort keys %paths;
	my $values = $should->{values}{''};
	my $k = $values->{k};

	push @differs, "status: $is->{status}" if $is->{status} ne ($should->{succeeds} ? 'succeeded' : 'failed');
	return @differs if @differs || !$should->{succeeds};
	return map { "output: $_" } another_value({ %{ $is->{output} }, seen => in_order($is->{output}{seen}[0]) }, { k => 0 + $k, text => "k is $k", seen => in_order($values->{seen}) });
}

sub in_order { return [ sort map { $json->encode(without_runs($_)) } @{ $_[0] // [] } ] }

sub end_differs
{
	my ($is, $path, $should) = @_;
	my $end = $is->{ends}{$path};
	my @differs;

	return $end ? "is $end->{status}, and should not be" : 'is not there' if !$end || !$should;
	return "$end->{status} instead of $should->{status}" if $end->{status} ne $should->{status};
	my $error = $end->{status} eq 'failed' ? $should->{error} : undef;
	my $output = !$should->{hidden} && ($end->{status} eq 'succeeded' || $should->{shows_failure}) ? $should->{output} : undef;
	my $tries = $should->{tried} && !$should->{copied} ? $should->{attempt} : 0;
	my $effects = $tries > 0 && $end->{status} eq 'succeeded' ? 1 : 0;

	push @differs, "attempt $end->{attempt} instead of $should->{attempt}" if $end->{attempt} != $should->{attempt};
	push @differs, 'taken over or not' if !$should->{reused} != !$end->{reused};
	push @differs, another_value($end->{output}, $output);
	push @differs, "error $end->{error}" if defined $error && (ref $error ? $end->{error} !~ $error : $end->{error} ne $error);
	push @differs, "$is->{attempts}{$path} attempts were made instead of $tries" if ($is->{attempts}{$path} // 0) != $tries;
	push @differs, "$is->{effects}{$path} effects instead of $effects" if ($is->{effects}{$path} // 0) != $effects;
	return @differs;
}

sub another_value
{
	my ($is, $should) = map { $json->encode(without_runs($_)) } @_;

	return $is eq $should ? () : "$is instead of $should";
}

# Whichever numbers child runs have.
sub without_runs
{
	my $value = shift;

	return [ map { without_runs($_) } @$value ] if ref $value eq 'ARRAY';
	return { map { $_ => $_ eq 'run_id' ? 'some' : without_runs($value->{$_}) } keys %$value } if ref $value eq 'HASH';
	return $value;
}

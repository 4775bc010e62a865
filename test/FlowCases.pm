
# Copyright (c) 2026, the mlpipe authors

# Pipelines made by chance, of nearly all that is not about moving data: activities
# and containers, nested three deep, with placeholders wherever there may be one.
#
# Each activity has its part of the document as json, the lists that it contains,
# what it waits_for, and for the others what it reads and what they may read of it:
# numbers, and others.
package FlowCases;

use strict;
use warnings;
use Exporter 'import';
use FlowOracle;
use JSON::PP;
use List::Util qw(any);

our @EXPORT = qw(a_case one_of);

use constant MOST_ENDS => 100;
use constant ALWAYS => 99;

my %CONTAINERS = (if => \&an_if, switch => \&a_switch, for_each => \&a_loop, until => \&an_until);
my @LEAVES = (\&an_act, \&an_act, \&an_act, \&a_lookup, \&a_setting, \&an_append, \&a_filter, \&a_failure, \&a_child);

# A document, and what has to follow from it; not too long.
sub a_case
{
	my $no = shift;

	for (;;)
	{
		my %parameters = (n => between(0, 4), word => one_of(q(it's), '"\\', '${{ x }}', ''), list => [ map { between(0, 5) } 1 .. between(0, 3) ]);
		my $case = { no => $no, parameters => \%parameters };
		my $ordered = chance(0.5);

		$case->{list} = a_list({ no => $no, depth => 0, ordered => $ordered, k => $ordered, around => [], loops => [] }, between(2, 5));
		$case->{document} = {
			parameters => { map { $_ => { type => { n => 'integer', word => 'text', list => 'jsonb' }->{$_}, default => $parameters{$_} } } keys %parameters },
			variables => { k => { type => 'integer', default => 0 }, seen => { type => 'jsonb' } },
			activities => in_json($case->{list}),
			output => { k => '${{ variables.k }}', text => 'k is ${{ variables.k }}', seen => [ '${{ variables.seen }}' ] } };
		$case->{first} = what_follows($case, breaks => 1);
		return $case if keys %{ $case->{first}{ends} } <= MOST_ENDS;
	}
}

sub in_json
{
	my @list = map {
		my $activity = $_;
		my %lists = map { $_ => in_json($activity->{lists}{$_}) } sort keys %{ $activity->{lists} };
		my %waits_for = %{ $activity->{waits_for} };
		my $cases = delete $activity->{json}{cases} ? { cases => { map { $_ => delete $lists{$_} } grep { $_ ne 'default' } keys %lists } } : {};

		+{ %{ $activity->{json} }, %$cases, %lists, depends_on => [ map { { activity => $_, conditions => $waits_for{$_} } } sort keys %waits_for ] }
	} @{ $_[0] };

	return chance(0.5) ? \@list : [ reverse @list ];
}

# In an ordered one each waits for the one before, so that variables have one value
# at each.  Names are the same in all lists: inner ones hide others.
sub a_list
{
	my ($scope, $count) = @_;
	my (@list, %upstream);

	for my $no (1 .. $count)
	{
		my $name = "n$no";
		my @before = map { "n$_" } 1 .. $no - 1;
		my %waits_for = map { $_ => some_conditions() } grep { $scope->{ordered} && $_ eq "n@{[$no - 1]}" || chance($scope->{ordered} ? 0.2 : 0.4) } @before;
		my $any = !$scope->{ordered} && keys %waits_for > 1 && chance(0.3);
		my @visible = grep { my $other = $_->{json}{name}; !$any && any { $_ eq $other || $upstream{$_}{$other} } keys %waits_for } @list;
		my $inside = { %$scope, around => [ [ \@visible, $count ], @{ $scope->{around} } ] };
		my $makes = $scope->{depth} < 3 && chance(0.35) ? $CONTAINERS{ one_of(sort keys %CONTAINERS) } : one_of(@LEAVES);
		my $activity = $makes->($inside, $name);

		@{ $activity->{json} }{ 'name', 'join' } = ($name, $any ? 'any' : 'all');
		@{ $activity->{json} }{ 'active', 'on_inactive' } = (JSON::PP::false, one_of('succeeded', 'failed', 'skipped')) if chance(0.06);
		$activity->{waits_for} = \%waits_for;
		$upstream{$name} = { map { $_->{json}{name} => 1 } @visible };
		push @list, $activity;
	}
	return \@list;
}

sub some_conditions
{
	my %some = map { $_ => 1 } chance(0.5) ? 'succeeded' : map { one_of(sort keys %FlowOracle::CONDITIONS) } 0 .. int rand 3;

	return [ sort keys %some ];
}

# A path that may be written there, and often those that lead to activities and
# loops; of a whole number, where one is asked for.  Only the errors of those that
# are made to fail are known to the letter.
sub a_path
{
	my ($scope, $whole) = @_;
	my @near = $scope->{k} ? 'variables.k' : ();
	my @other = $whole ? () : ('parameters.word', 'parameters.list');
	my ($hidden, %named) = (0);

	for my $level (@{ $scope->{around} })
	{
		my ($visible, $count) = @$level;

		for my $activity (grep { substr($_->{json}{name}, 1) > $hidden } @$visible)
		{
			my $path = "activities.$activity->{json}{name}";

			push @near, map { "$path.output.$_" } @{ $activity->{numbers} };
			push @near, "$path.status", ($activity->{flaky} ? "$path.error" : ()), map { "$path.output" . ($_ eq '' ? '' : ".$_") } @{ $activity->{others} } if !$whole;
		}
		$hidden = $count if $count > $hidden;
	}
	push @near, 'index', ($scope->{loops}[0]{whole} || !$whole ? 'item' : ()) if @{ $scope->{loops} };
	push @near, map { $named{ $_->{name} }++ ? () : ("loops.$_->{name}.index", $_->{whole} || !$whole ? "loops.$_->{name}.item" : ()) } @{ $scope->{loops} };
	return @near && chance(0.8) ? one_of(@near) : one_of('parameters.n', @other);
}

sub inside { my ($scope, %more) = @_; return { %$scope, depth => $scope->{depth} + 1, %more } }

# What it can do: fail always or at first, try again, hide its output, say what it is.
sub an_act
{
	my $scope = shift;
	my $flaky = chance(0.4);
	my @reads = $flaky ? 'parameters.word' : map { a_path($scope) } 1 .. between(0, 3);
	my $retries = $flaky && chance(0.6) ? between(0, 2) : 0;
	my $sql = "SELECT act($scope->{no}) AS path, jsonb_build_array(" . join(', ', map { "\${{ $_ }}" } @reads) . ') AS v';
	my $json = { type => 'sql', sql => chance(0.2) ? [ 'SELECT 1', $sql ] : $sql };

	$json->{retry} = { max_retries => $retries, interval => 0 } if $retries > 0;
	$json->{secure_output} = JSON::PP::true if chance(0.08);
	return { json => $json, reads => \@reads, flaky => $flaky, retries => $retries, secret => $json->{secure_output},
		fails => [ map { !$flaky ? 0 : chance(0.5) ? ALWAYS : between(0, 3) } 1 .. 7 ], numbers => ['row_count'], others => [ '', 'rows[0].v', 'rows[0].path' ] };
}

sub a_lookup
{
	my $path = a_path($_[0]);

	return { json => { type => 'lookup', query => "SELECT 7 AS seven, jsonb_build_array(\${{ $path }})->0 AS v" }, reads => [$path], numbers => ['first_row.seven'], others => ['first_row.v'] };
}

sub a_setting
{
	my $scope = shift;
	my $path = a_path($scope, 1);

	return an_append($scope) if !$scope->{k};
	return { json => { type => 'set_variable', variable => 'k', expression => "\${{ variables.k }} + \${{ $path }}" }, reads => [ 'variables.k', $path ], numbers => ['value'], others => [] };
}

sub an_append
{
	my $path = a_path($_[0]);

	return { json => { type => 'append_variable', variable => 'seen', value => { here => "\${{ $path }}" } }, reads => [$path], numbers => [], others => ['value.here'] };
}

sub a_filter
{
	my $path = a_path($_[0], 1);

	return { json => { type => 'filter', items => [ 0, "\${{ $path }}", 4 ], condition => '${{ item }} > 2' }, reads => [$path], numbers => [ 'count', 'total' ], others => ['items'] };
}

sub a_failure
{
	my $path = a_path($_[0], 1);

	return { json => { type => 'fail', message => "because of \${{ $path }}" }, reads => [$path], numbers => [], others => [] };
}

sub a_child
{
	my $path = a_path($_[0], 1);

	return { json => { type => 'pipeline', pipeline => 'child', parameters => { n => "\${{ $path }}" } }, reads => [$path], numbers => ['output.n'], others => [ 'output', 'status' ] };
}

sub an_if
{
	my $scope = shift;
	my ($path, $limit) = (a_path($scope, 1), between(0, 4));

	return { json => { type => 'if', condition => "\${{ $path }} > $limit" }, reads => [$path], limit => $limit, numbers => [], others => ['branch'],
		lists => { map { $_ => a_list(inside($scope), between(0, 3)) } @{ one_of(['then'], [ 'then', 'else' ]) } } };
}

sub a_switch
{
	my $scope = shift;
	my $path = a_path($scope, 1);

	return { json => { type => 'switch', on => "\${{ $path }}", cases => 1 }, reads => [$path], numbers => [], others => ['branch'],
		lists => { map { $_ => a_list(inside($scope), between(0, 2)) } '1', '2', chance(0.7) ? 'default' : () } };
}

# An iteration that is done again comes after the others, so only what is its own
# may be read in it.
sub a_loop
{
	my ($scope, $name) = @_;
	my $path = a_path($scope, 1);
	my ($json, $own, $ordered) = ({ type => 'for_each' }, chance(0.4), chance(0.6));
	my $kind = one_of('list', 'query', 'values');
	my $list = a_list(inside($scope, ordered => $ordered, k => $own && $ordered, loops => [ { name => $name, whole => $kind ne 'query' }, @{ $scope->{loops} } ]), between(1, 3));

	$json->{items} = '${{ parameters.list }}' if $kind eq 'list';
	$json->{items} = { query => "SELECT i AS c FROM generate_series(1, least(3, \${{ $path }})) i" } if $kind eq 'query';
	$json->{items} = [ "\${{ $path }}", 1 ] if $kind eq 'values';
	$json->{variables} = { k => { type => 'integer', default => 100 } } if $own;
	$json->{ chance(0.5) ? 'sequential' : 'batch_count' } = JSON::PP::true;
	$json->{batch_count} = between(1, 3) if exists $json->{batch_count};
	$json->{max_failures} = between(0, 1) if $json->{sequential} && chance(0.3);
	$json->{collect} = 'n1' if chance(0.4);
	return { json => $json, kind => $kind, reads => [ $kind eq 'list' ? 'parameters.list' : $path ], lists => { activities => $list },
		numbers => [ 'count', 'succeeded', 'failed' ], others => $json->{collect} && !has_runs($list->[0]) ? ['outputs'] : [] };
}

# The numbers of child runs are not known before.
sub has_runs
{
	my $activity = shift;

	return $activity->{json}{type} eq 'pipeline' || any { has_runs($_) } map { @$_ } values %{ $activity->{lists} };
}

sub an_until
{
	my $scope = shift;
	my $rounds = between(1, 3);
	my ($condition, %more) = @{ one_of([ "turn() >= $rounds" ], [ "turn() >= $rounds" ], [ 'NULL', max_rounds => $rounds ], ['1 / 0 = 1']) };

	$more{fail_on_error} = JSON::PP::true if chance(0.3);
	$more{interval} = 0.01 if chance(0.3);
	return { json => { type => 'until', condition => $condition, %more }, reads => [], rounds => $rounds, numbers => ['rounds'], others => [],
		lists => { activities => a_list(inside($scope, ordered => $scope->{ordered}), between(1, 2)) } };
}

sub one_of { return $_[ int rand @_ ] }

sub chance { return rand() < $_[0] }

sub between { return $_[0] + int rand($_[1] - $_[0] + 1) }

1;

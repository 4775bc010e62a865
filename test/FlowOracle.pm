
# Copyright (c) 2026, the mlpipe authors

# What has to come of the pipelines of FlowCases, worked out from the published
# rules alone.
package FlowOracle;

use strict;
use warnings;
use Exporter 'import';
use List::Util qw(all any first);

our @EXPORT = qw(what_follows);

our %CONDITIONS = (succeeded => { succeeded => 1 }, failed => { failed => 1 }, skipped => { skipped => 1 },
	completed => { succeeded => 1, failed => 1 });
my %DOES = (
	sql => \&act, lookup => \&look, set_variable => \&set, append_variable => \&append, filter => \&filter, fail => \&fail_so,
	pipeline => \&run_child, if => \&branch, switch => \&branch, for_each => \&each_item, until => \&rounds);

# How a run of the case ends, where activities fail that are to (breaks), or one
# that takes over from such a run (before), but does what was asked for (from).
sub what_follows
{
	my ($case, %how) = @_;
	my $run = { from => '', %how, ends => {}, writes => [], values => { '' => { k => 0, seen => undef } } };
	my $scope = { prefix => '', variables => [''], context => { parameters => $case->{parameters}, activities => {}, loops => {} } };

	$run->{succeeds} = follow($run, $case->{list}, $scope, $how{before})->{succeeds};
	return $run;
}

# How all of a list ends.  What stands has ended as it did in the run before, and
# nothing that it follows from is done again.
sub follow
{
	my ($run, $list, $scope, $may_stand) = @_;
	my (%counts_as, %stands, %asked_for, %outputs, %waited_for);
	my $context = { %{ $scope->{context} }, activities => { %{ $scope->{context}{activities} } } };

	for my $activity (@$list)
	{
		my ($json, $waits_for) = @$activity{ 'json', 'waits_for' };
		my ($name, @names) = ($json->{name}, sort keys %$waits_for);
		my $path = "$scope->{prefix}$name";
		my @met = grep { my $as = $counts_as{$_}; any { $CONDITIONS{$_}{$as} } @{ $waits_for->{$_} } } @names;
		my $ready = $json->{join} eq 'any' ? @met > 0 : @met == @names;
		my $grounded = $may_stand && ($json->{join} eq 'any' && @met > 0 ? any { $stands{$_} } @met : all { $stands{$_} } @names);
		my $before = $run->{before}{ends}{$path};
		my $end;

		$waited_for{$_} = 1 foreach @names;
		$asked_for{$name} = $run->{from} eq $path || any { $asked_for{$_} } @names;
		if (!$ready || exists $json->{active})
		{
			$end = { status => $ready ? 'inactive' : 'skipped', attempt => 0 };
			$stands{$name} = $grounded;
		}
		elsif ($grounded && $before && $before->{status} eq 'succeeded' && !$asked_for{$name} && !is_inside($run->{from}, $path))
		{
			$end = take_over($run, $path);
			$stands{$name} = 1;
		}
		else
		{
			my $goes_on = $grounded && $before && !$asked_for{$name} && $activity->{lists} ? $before : undef;

			$end = { attempt => 1, does($run, $activity, $path, { %$scope, context => $context }, $goes_on) };
			$end->{status} //= 'succeeded';
		}
		$asked_for{$name} ||= is_inside($run->{from}, $path);
		$counts_as{$name} = $end->{status} eq 'inactive' ? $json->{on_inactive} : $end->{status};
		$outputs{$name} = $end->{status} eq 'succeeded' ? $end->{output} : undef;
		$context->{activities}{$name} = { status => $end->{status}, output => $outputs{$name}, error => $end->{error} };
		$run->{ends}{$path} = $end;
	}
	my %waits = map { $_->{json}{name} => [ keys %{ $_->{waits_for} } ] } @$list;
	my $judge;
	$judge = sub { $counts_as{ $_[0] } eq 'skipped' ? all { $judge->($_) } @{ $waits{ $_[0] } } : $counts_as{ $_[0] } eq 'succeeded' };
	return { succeeds => (all { $waited_for{$_} || $judge->($_) } keys %counts_as) ? 1 : 0, outputs => \%outputs };
}

sub is_inside { my ($path, $container) = @_; return $path =~ /^\Q$container\E[.\[]/ }

# With all that is inside, and what that has done to variables.
sub take_over
{
	my ($run, $path) = @_;
	my $before = $run->{before};

	foreach (grep { $_ eq $path || is_inside($_, $path) } keys %{ $before->{ends} })
	{
		my $end = $before->{ends}{$_};

		$run->{ends}{$_} = { %$end, attempt => 0, copied => 1, reused => $end->{status} eq 'succeeded' };
	}
	write_value($run, @$_) foreach grep { $_->[0] eq $path || is_inside($_->[0], $path) } @{ $before->{writes} };
	return $run->{ends}{$path};
}

sub write_value
{
	my ($run, $path, $scope, $name, $value) = @_;
	my $values = $run->{values}{$scope};

	push @{ $run->{writes} }, [ $path, $scope, $name, $value ];
	$values->{$name} = $name eq 'seen' ? [ @{ $values->{seen} // [] }, $value ] : $value;
}

# Its values first: a path that finds nothing is what it fails of.
sub does
{
	my ($run, $activity, $path, $scope, $goes_on) = @_;
	my @values;

	# What goes on knows its branch, or its items.
	foreach ($goes_on && $goes_on->{begun} ? () : @{ $activity->{reads} })
	{
		my @found = value_at($run, $scope, $_);
		return (status => 'failed', error => qr/\$\{\{ \Q$_\E \}\} finds nothing/) if !@found;
		push @values, $found[0];
	}
	return $DOES{ $activity->{json}{type} }->($run, $activity, $path, $scope, \@values, $goes_on);
}

# A list of one value, or an empty one.
sub value_at
{
	my ($run, $scope, $path) = @_;
	my $owner = first { exists $run->{values}{$_}{k} } @{ $scope->{variables} };
	my $at = { %{ $scope->{context} }, variables => { k => $run->{values}{$owner}{k} } };

	for my $step ($path =~ /\w+/g)
	{
		return if ref $at eq 'ARRAY' ? $step > $#$at : ref $at ne 'HASH' || !exists $at->{$step};
		$at = ref $at eq 'ARRAY' ? $at->[$step] : $at->{$step};
	}
	return $at;
}

sub act
{
	my ($run, $activity, $path, $scope, $values) = @_;
	my $retries = $activity->{retries};
	my $fails = $run->{breaks} ? $activity->{fails}[ unpack('%32C*', $path) % @{ $activity->{fails} } ] : 0;
	my %tried = (fails => $fails, tried => 1, attempt => ($fails > $retries ? $retries : $fails) + 1);

	return (%tried, status => 'failed', error => "$path fails") if $fails > $retries;
	return (%tried, hidden => $activity->{secret}, output => { row_count => 1, rows => [ { path => $path, v => $values } ] });
}

sub look { return (output => { first_row => { seven => 7, v => $_[4][0] } }) }

sub set
{
	my ($run, $activity, $path, $scope, $values) = @_;
	my $owner = first { exists $run->{values}{$_}{k} } @{ $scope->{variables} };
	my $sum = $values->[0] + $values->[1];

	write_value($run, $path, $owner, 'k', $sum);
	return (output => { value => $sum });
}

sub append
{
	my ($run, $activity, $path, $scope, $values) = @_;

	write_value($run, $path, '', 'seen', { here => $values->[0] });
	return (output => { value => { here => $values->[0] } });
}

sub filter
{
	my @items = grep { $_ > 2 } $_[4][0], 4;

	return (output => { items => \@items, count => scalar @items, total => 3 });
}

sub fail_so { return (status => 'failed', error => "because of $_[4][0]") }

sub run_child
{
	my ($run, $activity, $path, $scope, $values) = @_;
	my $n = $values->[0];

	return (status => 'failed', error => "one: child $n fails") if $run->{breaks} && $n % 3 == 1;
	return (output => { run_id => 'some', status => 'succeeded', output => { n => 0 + $n, k => "k$n" } });
}

sub branch
{
	my ($run, $activity, $path, $scope, $values, $goes_on) = @_;
	my ($lists, $is_if) = ($activity->{lists}, $activity->{json}{type} eq 'if');
	my $branch = $goes_on && $goes_on->{begun} // ($is_if ? ($values->[0] > $activity->{limit} ? 'then' : 'else') : $lists->{"$values->[0]"} ? "$values->[0]" : 'default');
	my $found = follow($run, $lists->{$branch} // [], { %$scope, prefix => "$path.$branch." }, $goes_on && $goes_on->{begun});

	return (status => $found->{succeeds} ? 'succeeded' : 'failed', begun => @{ $lists->{$branch} // [] } ? $branch : undef, hidden => is_secret($activity),
		output => { branch => $is_if || $lists->{$branch} ? $branch : undef, activities => $found->{outputs} });
}

sub is_secret
{
	my $activity = shift;

	return $activity->{secret} || any { is_secret($_) } map { @$_ } values %{ $activity->{lists} };
}

sub each_item
{
	my ($run, $activity, $path, $scope, $values, $goes_on) = @_;
	my ($json, $name) = ($activity->{json}, $activity->{json}{name});
	my @items = $goes_on && $goes_on->{begun} ? @{ $goes_on->{begun} } : $activity->{kind} eq 'list' ? @{ $values->[0] } :
	  $activity->{kind} eq 'values' ? ($values->[0], 1) : map { { c => $_ } } 1 .. ($values->[0] < 3 ? $values->[0] : 3);
	my ($succeeded, $failed, @outputs, @done) = (0, 0);

	for my $no (1 .. @items)
	{
		my $iteration = "$path\[$no]";
		my %loop = (item => $items[ $no - 1 ], index => 0 + $no);
		my $context = { %{ $scope->{context} }, %loop, loops => { %{ $scope->{context}{loops} }, $name => \%loop } };
		my $before = $goes_on && $goes_on->{begun} && $goes_on->{done}[ $no - 1 ];
		my $found;

		last if defined $json->{max_failures} && $failed > $json->{max_failures};
		$run->{values}{$iteration} = $json->{variables} ? { k => 100 } : {};
		if ($before && $before->{succeeds} && !is_inside($run->{from}, $iteration))
		{
			take_over($run, $iteration);
			$found = $before;
		}
		else
		{
			$found = follow($run, $activity->{lists}{activities}, { prefix => "$iteration.", variables => [ $iteration, @{ $scope->{variables} } ], context => $context }, $before);
		}
		$found->{succeeds} ? $succeeded++ : $failed++;
		push @done, $found;
		$outputs[ $no - 1 ] = $found->{outputs}{n1};
	}
	$#outputs = $#items;
	return (status => $failed ? 'failed' : 'succeeded', begun => @items ? \@items : undef, done => \@done, hidden => is_secret($activity), shows_failure => 1,
		output => { count => scalar @items, succeeded => $succeeded, failed => $failed, $json->{collect} ? (outputs => \@outputs) : () });
}

sub rounds
{
	my ($run, $activity, $path, $scope) = @_;
	my $json = $activity->{json};

	for my $no (1 .. $activity->{rounds})
	{
		my $found = follow($run, $activity->{lists}{activities}, { %$scope, prefix => "$path\[$no]." });

		return (status => 'failed') if $json->{fail_on_error} && !$found->{succeeds};
		return (status => 'failed', error => 'condition: division by zero') if $json->{condition} =~ m{/};
		return (hidden => is_secret($activity), output => { rounds => 0 + $no, activities => $found->{outputs} }) if $no == $activity->{rounds} && !$json->{max_rounds};
	}
	return (status => 'failed', error => qr/^max_rounds: .* $activity->{rounds} round/);
}

1;

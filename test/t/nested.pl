
# Copyright (c) 2026, the mlpipe authors

# Documents made by chance, nested three deep, against what has to follow from
# the published rules, which is worked out here: what ends how in each branch,
# iteration and round, and the verdict.  The same has to come of their reruns,
# also where a run was cancelled or lost its executors.  MLPIPE_SEED makes others.

use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $DOCUMENTS = 80;
my $MOST_ENDS = 100;
my $seed = $ENV{MLPIPE_SEED} // 4711;
my %CONDITIONS = (succeeded => { succeeded => 1 }, failed => { failed => 1 }, skipped => { skipped => 1 },
	completed => { succeeded => 1, failed => 1 });
my $json = JSON::PP->new->canonical;

srand($seed);
my @documents = map { a_document() } 1 .. $DOCUMENTS;
my $node = new_node('nested', 'mlpipe.max_executors' => 4);
my $note = "seed $seed";

my @runs = submit_all(map { 'mlpipe_submit(' . quoted($_->{document}) . ')' } @documents);
check('as they are', 0, @runs);
check('rerun', 0, submit_all(map { "mlpipe_rerun($_)" } @runs));
check('all done again', 0, submit_all(map { "mlpipe_rerun($_, only_failed => false)" } @runs));
check('done again from one activity', 0, submit_all(map { "mlpipe_rerun($runs[$_], " . one_of_those_that_ran($documents[$_]) . ')' } 0 .. $#runs));
check('with fail_fast', 1, submit_all(map { 'mlpipe_submit(' . quoted($_->{document}, fail_fast => JSON::PP::true) . ')' } @documents));

my @disturbed = submit_all(map { 'mlpipe_submit(' . quoted($_->{document}) . ')' } @documents);
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM mlpipe_executors; SELECT mlpipe_cancel(run) FROM unnest('{@{[join ',', @disturbed[0 .. $#disturbed / 2]]}}'::bigint[]) run");
await(@disturbed);
check('rerun after they were cancelled', 0, submit_all(map { "mlpipe_rerun($_)" } @disturbed));
ok(all_executors_work($node), 'no executor is lost');

$node->stop;
done_testing();

sub one_of { return $_[ int rand @_ ] }

sub chance { return rand() < $_[0] }

# With what has to follow from it; not too long.
sub a_document
{
	for (;;)
	{
		my %ends;
		my %document = (document => { activities => a_list(0, 1) }, ends => \%ends, unhandled => 0);

		$document{succeeds} = follows($document{document}{activities}, '', \%document);
		return \%document if keys %ends <= $MOST_ENDS;
	}
}

sub a_list
{
	my ($depth, $least) = @_;
	my @list;

	for my $no (1 .. $least + int rand($depth < 2 ? 5 : 3))
	{
		my $activity = { name => "n$no", $depth < 3 && chance(0.35) ? a_container($depth + 1) : chance(0.5) ?
				(type => 'sql', sql => 'SELECT 1') : (type => 'fail', message => 'as it should') };

		@$activity{ 'active', 'on_inactive' } = (JSON::PP::false, one_of('succeeded', 'failed', 'skipped')) if chance(0.12);
		my @before = grep { chance(@list > 2 ? 0.4 : 0.6) } map { $_->{name} } @list;
		$activity->{depends_on} = [ map { chance(0.45) ? $_ : { activity => $_, conditions => some_conditions() } } @before ] if @before;
		$activity->{join} = 'any' if @before && chance(0.3);
		push @list, $activity;
	}
	return [ sort { $a->{name} cmp $b->{name} } @list ] if chance(0.5);
	return [ reverse @list ];
}

sub some_conditions
{
	my %some = map { $_ => 1 } map { one_of(sort keys %CONDITIONS) } 0 .. int rand 2;

	return [ sort keys %some ];
}

sub a_container
{
	my $depth = shift;
	my $type = one_of('if', 'switch', 'for_each', 'until');

	return (type => $type, condition => one_of('true', 'false', 'NULL'), then => a_list($depth, 0), chance(0.6) ? (else => a_list($depth, 0)) : ())
	  if $type eq 'if';
	return (type => $type, on => one_of("'x'", "'y'", 'NULL::text'), cases => { x => a_list($depth, 0) }, chance(0.6) ? (default => a_list($depth, 0)) : ())
	  if $type eq 'switch';
	return (type => $type, items => [ 1 .. int rand 4 ], activities => a_list($depth, 1), chance(0.5) ? (sequential => JSON::PP::true) : (batch_count => 2),
		chance(0.3) ? (break => 'false') : ())
	  if $type eq 'for_each';
	return (type => $type, condition => 'true', activities => a_list($depth, 1), fail_on_error => chance(0.4) ? JSON::PP::true : JSON::PP::false);
}

# How all of the list ends, by path; true where that is a success.
sub follows
{
	my ($list, $prefix, $result) = @_;
	my %waits_for = map {
		$_->{name} => { map { ref $_ ? ($_->{activity} => $_->{conditions}) : ($_ => ['succeeded']) } @{ $_->{depends_on} // [] } }
	} @$list;
	my %waited_for = map { $_ => 1 } map { keys %$_ } values %waits_for;
	my %handled = map { $_ => 1 } map { my $waits = $_; grep { grep { $CONDITIONS{$_}{failed} } @{ $waits->{$_} } } keys %$waits } values %waits_for;
	my %counts_as;

	# Their names are in an order that fits.
	for my $activity (sort { $a->{name} cmp $b->{name} } @$list)
	{
		my ($name, $waits) = ($activity->{name}, $waits_for{ $activity->{name} });
		my @met = grep { my $as = $counts_as{$_}; grep { $CONDITIONS{$_}{$as} } @{ $waits->{$_} } } keys %$waits;
		my $ready = ($activity->{join} // '') eq 'any' ? @met > 0 : @met == keys %$waits;

		$counts_as{$name} = !$ready ? 'skipped' : exists $activity->{active} ? $activity->{on_inactive} :
		  does($activity, "$prefix$name", $result) ? 'succeeded' : 'failed';
		$result->{ends}{"$prefix$name"} = $ready && exists $activity->{active} ? 'inactive' : $counts_as{$name};
		$result->{unhandled}++ if $counts_as{$name} eq 'failed' && !$handled{$name};
	}
	my $judge;
	$judge = sub {
		my $as = $counts_as{ $_[0] };

		return $as eq 'succeeded' if $as ne 'skipped';
		return !grep { !$judge->($_) } keys %{ $waits_for{ $_[0] } };
	};
	return !grep { !$waited_for{$_} && !$judge->($_) } keys %counts_as;
}

sub does
{
	my ($activity, $path, $result) = @_;
	my $type = $activity->{type};

	return $type eq 'sql' if $type eq 'sql' || $type eq 'fail';
	if ($type eq 'if')
	{
		my $branch = $activity->{condition} eq 'true' ? 'then' : 'else';
		return follows($activity->{$branch} // [], "$path.$branch.", $result);
	}
	return follows($activity->{cases}{x}, "$path.x.", $result) if $type eq 'switch' && $activity->{on} eq "'x'";
	return follows($activity->{default} // [], "$path.default.", $result) if $type eq 'switch';
	return !grep { !follows($activity->{activities}, "$path\[$_].", $result) } 1 .. @{ $activity->{items} } if $type eq 'for_each';
	return follows($activity->{activities}, "$path\[1].", $result) || !$activity->{fail_on_error};
}

sub quoted
{
	my ($document, %more) = @_;
	my $text = $json->encode({ %$document, %more });

	$text =~ s/'/''/g;
	return "'$text'::jsonb";
}

sub one_of_those_that_ran
{
	my $document = shift;
	my @ran = grep { $document->{ends}{$_} =~ /ed$/ && $document->{ends}{$_} ne 'skipped' } sort keys %{ $document->{ends} };

	return @ran ? "'" . one_of(@ran) . "'" : 'NULL';
}

# All at once; documents warn of what is inactive.
sub submit_all
{
	return split ' ', $node->safe_psql('postgres', join(";\n", 'SET client_min_messages = error', 'BEGIN', map({ "SELECT $_" } @_), 'COMMIT'));
}

sub await
{
	my $list = join ',', @_;

	return wait_until($node, "NOT EXISTS (SELECT FROM mlpipe_runs WHERE run_id IN ($list) AND finished_at IS NULL)");
}

# With fail_fast the rest is cancelled after a failure that nothing handles.
sub check
{
	my ($what, $fail_fast, @ids) = @_;
	my @wrong;

	ok(await(@ids), "$what: all end");
	my $found = $json->decode($node->safe_psql('postgres', sprintf <<'SQL', join ',', @ids));
SELECT json_object_agg(r.run_id, json_build_object('status', r.status, 'handled', r.failures_handled,
	'failed', (SELECT count(*) FROM mlpipe_activities a WHERE a.run_id = r.run_id AND a.status = 'failed' AND a.type IN ('sql', 'fail')),
	'ends', (SELECT coalesce(json_object_agg(a.activity, a.status), '{}') FROM mlpipe_activities a WHERE a.run_id = r.run_id)))
FROM mlpipe_runs r WHERE run_id IN (%s)
SQL
	for my $no (0 .. $#ids)
	{
		my ($run, $document) = ($found->{ $ids[$no] }, $documents[$no]);
		my $stopped = $fail_fast && $document->{unhandled} > 0;
		my $verdict = $document->{succeeds} && !$stopped ? 'succeeded' : 'failed';
		my %paths = map { $_ => 1 } keys %{ $run->{ends} }, $stopped ? () : keys %{ $document->{ends} };
		my @differ = grep {
			my ($is, $should) = ($run->{ends}{$_} // 'none', $document->{ends}{$_} // 'none');
			$is ne $should && !($stopped && $is eq 'cancelled')
		} sort keys %paths;

		push @wrong, "run $ids[$no] is $run->{status}, not $verdict" if $run->{status} ne $verdict;
		push @wrong, "run $ids[$no] counts $run->{handled} of $run->{failed} failures as handled"
		  if $run->{handled} != ($verdict eq 'succeeded' ? $run->{failed} : 0);
		push @wrong, map { "run $ids[$no]: $_ is " . ($run->{ends}{$_} // 'none') . ', not ' . ($document->{ends}{$_} // 'none') } @differ;
	}
	is(join("\n", @wrong[ 0 .. ($#wrong > 9 ? 9 : $#wrong) ]), '', "$what: each activity ends as it should, and the verdict is right ($note)");
}

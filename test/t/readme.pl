
# Copyright (c) 2026, the mlpipe authors

# What the documentation tells people to type works as it stands there: the
# README in its order, in one psql session; each document of the reference is
# valid; and the reference has all functions and views, and no other.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;

# Tests may run from another folder than the top one.
my $readme = slurp_file("$FindBin::RealBin/../../README.md");

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'mlpipe'
max_worker_processes = 32
CONF
$node->start;

my @blocks = $readme =~ /^```sql\n(.*?)^```$/msg;
cmp_ok(scalar(@blocks), '>', 6, 'the README has SQL to type');

my ($stdout, $stderr) = ('', '');
my $status = $node->psql(
	'postgres', join("\n", @blocks),
	stdout => \$stdout,
	stderr => \$stderr,
	timeout => 120,
	on_error_die => 0,
	extra_params => ['--no-align']);
is($status, 0, 'every statement of the README succeeds')
  or diag($stderr);

like($stdout, qr/^evens\|50$/m, 'the first pipeline finds the even numbers');
like($stdout, qr/^sum\|5050$/m, 'and their sum');
like($stderr, qr/run 1 +succeeded/, 'the watch shows its end');
like($stdout, qr/^activities\[1\].*laod/m, 'a misspelt name is told with its place');
like($stdout, qr/^heavy\|1176$/m, 'the parallel step classifies every part once');
like($stdout, qr/^light\|3824$/m, 'and appends the rows');

$node->poll_query_until('postgres',
	q(SELECT count(*) = 1 FROM mlpipe_runs WHERE trigger->>'name' = 'reclassify' AND status = 'succeeded')
) or diag('the trigger made no run');
is($node->safe_psql('postgres', q(SELECT trigger->>'type' FROM mlpipe_runs ORDER BY run_id DESC LIMIT 1)),
	'table', 'a change of the table has run the pipeline');

# Every make target that it names is there.
my $makefile = slurp_file("$FindBin::RealBin/../../Makefile");
for my $target (sort keys %{ { map { $_ => 1 } $readme =~ /\bmake ([a-z-]+)/g } })
{
	like($makefile, qr/^[a-z -]*\b\Q$target\E\b[a-z -]*:|^include \$\(PGXS\)/m,
		"the Makefile has $target");
}

examples_of_parallel_steps();
documents_are_valid();
reference_is_complete();

$node->stop;
done_testing();

# As they stand, but that their files are nobody else's.
sub examples_of_parallel_steps
{
	my $examples = slurp_file("$FindBin::RealBin/../../docs/parallel.md");
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my $typed = join("\n", $examples =~ /^```sql\n(.*?)^```$/msg);

	$typed =~ s{/tmp/}{$folder/}g;
	$node->safe_psql('postgres', 'CREATE DATABASE examples');
	$node->safe_psql('examples', 'CREATE EXTENSION mlpipe');
	$status = $node->psql(
		'examples', $typed,
		stdout => \$stdout,
		stderr => \$stderr,
		timeout => 120,
		on_error_die => 0,
		extra_params => ['--no-align']);
	is($status, 0, 'every statement of the examples succeeds') or diag($stderr);
	is(scalar(() = $stdout =~ /^succeeded$/mg), 3, 'and so do their three runs');
	like($stdout, qr/^200000\|200000\|0$/m, 'by size: every item is done');
	like($stdout, qr/^200000\|34\.75$/m, 'and scored once');
	like($stdout, qr/^140\|70000\|-1\.500$/m, 'by partition keys: a model for each');
	like($stdout, qr/^9\|450$/m, 'of files: those that can be read are loaded');
	like($stdout, qr/reading-3\.csv\|invalid input syntax/, 'and the other one is named');
}

# An example is a document, or one activity, which may use these parameters.
sub documents_are_valid
{
	my $reference = slurp_file("$FindBin::RealBin/../../docs/pipeline-document.md");
	my @examples = $reference =~ /^```json\n(.*?)^```$/msg;
	my $around = '{"parameters": {"region": {"type": "text"}, "regions": {"type": "jsonb"},'
	  . ' "orders": {"type": "jsonb"}, "size": {"type": "text"}},'
	  . ' "variables": {"notes": {"type": "jsonb"}}, "activities": [%s]}';

	cmp_ok(scalar(@examples), '>', 15, 'the reference has examples');
	for my $example (@examples)
	{
		my ($name) = $example =~ /"name": "(\w+)"/;
		my $document = $example =~ /"activities"/ && $example !~ /^\{"name"/ ? $example : sprintf($around, $example);

		is( $node->safe_psql('postgres',
				"SELECT path, message FROM mlpipe_validate(\$\$$document\$\$) WHERE severity = 'error'"),
			'', "example \"$name\" is valid");
	}
}

sub reference_is_complete
{
	my $reference = slurp_file("$FindBin::RealBin/../../docs/functions.md");
	my %documented = map { $_ => 1 } $reference =~ /`(?:CALL )?(mlpipe_[a-z_]+)/g;
	my %there = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT DISTINCT coalesce(p.proname, c.relname)
  FROM pg_depend d
  LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
       AND p.pronamespace <> 'mlpipe'::regnamespace AND p.prorettype <> 'internal'::regtype
  LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relkind = 'v'
       AND c.relnamespace <> 'mlpipe'::regnamespace
 WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mlpipe') AND d.deptype = 'e'
   AND coalesce(p.proname, c.relname) IS NOT NULL
SQL

	is(join(' ', grep { !$documented{$_} } sort keys %there), '', 'the reference has all functions and views');
	is(join(' ', grep { !$there{$_} } sort keys %documented), '', 'and no other');
}

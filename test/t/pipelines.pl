
# Copyright (c) 2026, the mlpipe authors

# Pipelines of real projects, translated: test/pipelines has one in each file, with
# stand-ins for what they do.  Every activity fails in turn, and what came of each
# run is compared with what an oracle works out from the rules of the document.  Some
# are run again with nothing broken: only what had failed, and what follows from it,
# is done again.
# PIPELINES=REGEX in the environment chooses some of them.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $folder = "$FindBin::RealBin/../pipelines";
my $node = new_node('pipelines');

sub sql
{
	my ($statement) = @_;

	return $node->safe_psql('postgres', $statement);
}

# Runs, and the children that nobody waits for.
sub wait_for_all
{
	sql(q(SELECT mlpipe_wait(coalesce(rerun, run_id), '5 min') FROM scenario));
	wait_until($node, q(NOT EXISTS (SELECT FROM mlpipe_runs WHERE status IN ('queued', 'in_progress'))));
	sql('ANALYZE oracle.told');
}

sql(slurp_file("$folder/$_.sql")) foreach qw(stand_ins oracle scenarios);

my @names = sort map { m{([^/]+)\.json$} } glob("$folder/*.json");
@names = grep { $_ =~ /$ENV{PIPELINES}/ } @names if $ENV{PIPELINES};
sql(join '', map { my $file = slurp_file("$folder/$_.json"); "INSERT INTO translated VALUES ('$_', \$file\$$file\$file\$);\n" } @names);
sql(q(
	CREATE VIEW pipeline AS
		SELECT key AS name, value AS document FROM translated, jsonb_each(file->'children') UNION ALL SELECT name, file->'document' FROM translated));
is(sql(q(
	SELECT string_agg(name || ': ' || path || ': ' || message, E'\n') FROM pipeline, mlpipe_validate(document)
	WHERE severity = 'error')), '', 'every document is valid');
sql(q(
	SET client_min_messages = warning;
	SELECT mlpipe_create_pipeline(name, document) FROM pipeline;
	INSERT INTO oracle.pipeline SELECT name, oracle.prepare(document) FROM pipeline));

sql(join '', map { "CALL try_all('$_->[0]', '$_->[1]', 4);\n" } map { [ split /\|/, $_, 2 ] } split /\n/,
	sql(q(SELECT name, runs FROM translated, jsonb_array_elements(coalesce(file->'runs', '[{}]')) runs ORDER BY name)));

wait_for_all();
sql('CALL compare()');
sql('CALL rerun(4)');
wait_for_all();
sql('CALL compare_reruns()');

foreach (split /\n/, sql(q(
	SELECT name, count(*), count(what), coalesce(replace(left(string_agg(format('%s %s run %s: %s', broken, parameters, run_id, what), '; ' ORDER BY no) FILTER (WHERE what IS NOT NULL), 2000), E'\n', ' '), '')
	FROM scenario LEFT JOIN (SELECT scenario AS no, string_agg(d.what, '; ' ORDER BY d.what) AS what FROM difference d GROUP BY 1) d USING (no) GROUP BY 1 ORDER BY 1)))
{
	my ($name, $count, $wrong, $how) = split /\|/, $_, 4;

	is($wrong, 0, "$name: $count scenarios end as the rules say") or diag($how);
}
if ($ENV{PIPELINES})
{
	diag(sql(q(SELECT count(*) || ' scenarios, ' || (SELECT count(*) FROM ended) || ' activities, ' || (SELECT count(*) FROM worked) || ' at work, ' || count(rerun) || ' reruns' FROM scenario)));
	diag(sql(q(SELECT name || ' ' || parameters || ' fails by itself: ' || error FROM scenario JOIN run USING (run_id) WHERE broken = '{}' AND status = 'failed' ORDER BY 1)));
}

$node->stop;
done_testing();

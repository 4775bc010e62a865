
# Copyright (c) 2026, the mlpipe authors

# Pipelines of real projects, translated: test/pipelines has one in each file, with
# stand-ins for what they do.  Every activity fails in turn, and what came of each
# run is compared with what an oracle works out from the rules of the document.
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

sql(join '', map { "CALL try_all('$_->[0]', '$_->[1]', 5);\n" } map { [ split /\|/, $_, 2 ] } split /\n/,
	sql(q(SELECT name, runs FROM translated, jsonb_array_elements(coalesce(file->'runs', '[{}]')) runs ORDER BY name)));

sql(q(
	SELECT count(*) FROM (SELECT mlpipe_wait(run_id, '5 min') FROM scenario) w;
	ANALYZE oracle.told));
wait_until($node, q(NOT EXISTS (SELECT FROM mlpipe_runs WHERE status IN ('queued', 'in_progress'))));

sql('CALL compare()');

foreach my $name (@names)
{
	my ($count, $wrong) = split /\|/, sql(qq(SELECT count(*), count(*) FILTER (WHERE no IN (SELECT scenario FROM difference)) FROM scenario WHERE name = '$name'));

	is($wrong, 0, "$name: $count scenarios end as the rules say")
	  or diag(sql(qq(SELECT broken::text || ' ' || parameters || ' run ' || run_id || ': ' || string_agg(what, '; ' ORDER BY what) FROM scenario JOIN difference ON scenario = no
		WHERE name = '$name' GROUP BY no ORDER BY no LIMIT 5)));
}
if ($ENV{PIPELINES})
{
	diag(sql(q(SELECT count(*) || ' scenarios, ' || (SELECT count(*) FROM ended) || ' activities, ' || (SELECT count(*) FROM worked) || ' at work' FROM scenario)));
	diag(sql(q(SELECT name || ' ' || parameters || ' fails by itself: ' || error FROM scenario JOIN run USING (run_id) WHERE broken = '{}' AND status = 'failed' ORDER BY 1)));
}

$node->stop;
done_testing();

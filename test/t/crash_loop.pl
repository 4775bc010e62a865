
# Copyright (c) 2026, the mlpipe authors

# Crashes in the middle of loops and of what waits: each iteration is done once.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib "$FindBin::RealBin/..";
use Mlpipe;

my $node = new_node('crash_loop', 'restart_after_crash' => 'on', 'mlpipe.max_executors' => 4);
$node->safe_psql('postgres', 'CREATE TABLE done (run_id bigint, item integer); CREATE TABLE flag (x integer); CREATE TABLE crash (n integer)');

# However quick it is, the loop has not ended before the last crash: after each
# it may go on to the next quarter.
$node->safe_psql('postgres', q{CREATE FUNCTION work(item integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	WHILE (SELECT count(*) FROM crash) < (item - 1) / 750 LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
	INSERT INTO done SELECT mlpipe_run_id(), item FROM pg_sleep(0.004);
END $$});

my $until = submit($node, '{"variables": {"n": {"type": "integer", "default": 0}}, "activities": [
	{"name": "poll", "type": "until", "condition": "${{ variables.n }} >= 40", "interval": 0.05, "activities": [
		{"name": "add", "type": "set_variable", "variable": "n", "expression": "${{ variables.n }} + 1"}]}], "output": {"n": "${{ variables.n }}"}}');
my $waits = submit($node, '{"activities": [{"name": "ok", "type": "approval"}, {"name": "v", "type": "validation", "query": "SELECT EXISTS (SELECT FROM flag)", "interval": 0.1}]}');
$node->safe_psql('postgres', q(SELECT mlpipe_create_pipeline('kid', '{"activities": [{"name": "s", "type": "validation", "query": "SELECT EXISTS (SELECT FROM flag)", "interval": 0.1}]}')));
my $parent = submit($node, '{"activities": [{"name": "p", "type": "pipeline", "pipeline": "kid"}]}');

ok(wait_until($node, "(SELECT status = 'in_progress' AND output IS NOT NULL FROM mlpipe_activities WHERE run_id = $parent AND activity = 'p')"), 'a parent waits');
ok(wait_until($node, "(SELECT status = 'in_progress' AND wait_reason IS NOT NULL FROM mlpipe_activities WHERE run_id = $waits AND activity = 'ok')"), 'an approval waits');

# The oldest run goes first, so the loop is the youngest.
my $run = submit($node, '{"variables": {"all": {"type": "jsonb"}}, "activities": [
	{"name": "each", "type": "for_each", "items": {"query": "SELECT g FROM generate_series(1, 3000) g"}, "batch_count": 4, "activities": [
		{"name": "gate", "type": "if", "condition": "${{ item.g }} % 2 = 0",
			"then": [{"name": "even", "type": "sql", "sql": "SELECT work(${{ item.g }})"}],
			"else": [{"name": "odd", "type": "sql", "sql": "SELECT work(${{ item.g }})"}]}]},
	{"name": "after", "type": "sql", "sql": "SELECT 1", "depends_on": ["each"]}]}');

# Three crashes, each of them a while after the last.
my $seen = 0;
for my $crash (1 .. 3)
{
	ok(wait_until($node, "(SELECT count(*) > $seen + 200 FROM done)"), "the loop is in the middle ($crash)");
	$node->stop('immediate');
	$node->start;
	$seen = $node->safe_psql('postgres', "SELECT count(*) FROM done; INSERT INTO crash VALUES ($crash)");
}
cmp_ok($seen, '<', 3000, 'it had not ended before the last crash');
is(wait_run($node, $run), 'succeeded', 'a loop goes on after a crash');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT item) FROM done WHERE run_id = $run"), '3000|3000', 'with each iteration done once');
is($node->safe_psql('postgres', "SELECT output FROM mlpipe_activities WHERE run_id = $run AND activity = 'each'"),
	'{"count": 3000, "failed": 0, "succeeded": 3000}', 'and each counted once');
is($node->safe_psql('postgres', "SELECT count(*) FROM mlpipe_activities WHERE run_id = $run AND finished_at IS NULL"), '0', 'nothing is left over');
is(wait_run($node, $until), 'succeeded', 'so does an until');
is($node->safe_psql('postgres', "SELECT output, (SELECT count(*) FROM mlpipe_activities a WHERE a.run_id = $until AND type = 'set_variable') FROM mlpipe_runs WHERE run_id = $until"),
	'{"n": 40}|40', 'with each round done once');

$node->safe_psql('postgres', "INSERT INTO flag VALUES (1); SELECT mlpipe_approve($waits, 'ok')");
is(wait_run($node, $waits), 'succeeded', 'an approval and a validation have waited through it');
is(wait_run($node, $parent), 'succeeded', 'so has the parent of a child run');

$node->stop;
done_testing();

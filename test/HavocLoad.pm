
# Copyright (c) 2026, the mlpipe authors

# The load that havoc is played with: pipelines of every kind, whose activities
# leave traces that can be counted.
#
# An activity whose name begins with e_ leaves one row in soak.effect each time
# that it is done; what a parallel step returns goes to soak.batch_effect.  A
# pipeline's activities are slow enough to be caught in the middle, and fail by
# chance where they have retries.
package HavocLoad;

use strict;
use warnings;
use Exporter 'import';

our @EXPORT_OK = qw(setup_sql pipelines ROWS);

use constant ROWS => 2000;

sub setup_sql
{
	my $rows = ROWS;

	return qq{
CREATE SCHEMA soak;
CREATE TABLE soak.effect (run_id bigint, activity text);
CREATE TABLE soak.batch_effect (run_id bigint, activity text, batch integer, id integer);
CREATE TABLE soak.source (id integer PRIMARY KEY, grp integer, pad text) WITH (fillfactor = 90);
INSERT INTO soak.source SELECT i, i % 60, repeat('x', 200) FROM generate_series(1, $rows) i;
CREATE TABLE soak.copied (run_id bigint, activity text, id integer);
CREATE TABLE soak.kept (id integer PRIMARY KEY, run_id bigint);
CREATE TABLE soak.latest (id integer);
CREATE TABLE soak.doomed (id integer);
CREATE TABLE soak.watched (at timestamptz DEFAULT clock_timestamp());
CREATE TABLE soak.flag (up boolean);
INSERT INTO soak.flag VALUES (true);
CREATE FUNCTION soak.effect(nap double precision) RETURNS void LANGUAGE sql
	AS 'INSERT INTO soak.effect SELECT mlpipe_run_id(), mlpipe_activity_name() FROM pg_sleep(nap)';
CREATE FUNCTION soak.flaky(chance double precision, nap double precision DEFAULT 0) RETURNS integer LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM pg_sleep(nap);
	IF random() < chance THEN RAISE 'by chance'; END IF;
	RETURN 1;
END \$\$;
CREATE ROLE soak_a LOGIN; CREATE ROLE soak_b LOGIN;
GRANT ALL ON SCHEMA soak TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA soak TO PUBLIC;
ALTER TABLE soak.latest OWNER TO soak_a;
};
}

# A parallel step over the source, whose rows say where they came from.
sub step
{
	my ($input, $more) = @_;

	return qq({"name": "step", "type": "parallel", $input, "append_row_to": "soak.batch_effect", "max_concurrency_per_instance": 3,
		"retry_settings": {"max_retries": 10, "timeout": 60}, "retry": {"max_retries": 5, "interval": 0.1},
		"run": "SELECT mlpipe_run_id(), mlpipe_activity_name(), (mlpipe_batch()->>'number')::integer, id FROM mini_batch, soak.flaky(0.02, 0.002)"$more});
}

# Name => [role, document].  soak_a and soak_b may lose their rights meanwhile.
sub pipelines
{
	my $effect = q("type": "sql", "sql": "SELECT soak.effect(0.005)");

	return (
		graph => [ 'postgres', qq({"activities": [
			{"name": "e_start", $effect},
			{"name": "e_a1", $effect, "depends_on": ["e_start"]}, {"name": "e_a2", $effect, "depends_on": ["e_a1"]},
			{"name": "e_b1", $effect, "depends_on": ["e_start"]}, {"name": "e_b2", $effect, "depends_on": ["e_b1"]},
			{"name": "e_flaky", "type": "sql", "sql": ["SELECT soak.effect(0)", "SELECT soak.flaky(0.5)"], "retry": {"max_retries": 30, "interval": 0.02}, "depends_on": ["e_start"]},
			{"name": "boom", "type": "fail", "message": "no", "depends_on": ["e_a1"]},
			{"name": "e_handler", $effect, "depends_on": [{"activity": "boom", "conditions": ["failed"]}]},
			{"name": "e_unmet", $effect, "depends_on": ["boom"]},
			{"name": "e_any", $effect, "join": "any", "depends_on": ["e_a2", "e_b2"]},
			{"name": "pause", "type": "wait", "duration": 0.2, "depends_on": ["e_a1"]},
			{"name": "e_end", $effect, "depends_on": ["e_a2", "e_b2", "e_flaky", "e_handler", "pause", "e_any"]}]}) ],

		loops => [ 'soak_a', qq({"variables": {"n": {"type": "integer", "default": 0}, "all": {"type": "jsonb"}}, "activities": [
			{"name": "each", "type": "for_each", "items": {"query": "SELECT g FROM generate_series(1, 24) g"}, "batch_count": 4, "activities": [
				{"name": "e_in", $effect},
				{"name": "kind", "type": "switch", "on": "\${{ item.g }} % 3", "depends_on": ["e_in"],
					"cases": {"0": [{"name": "e_zero", $effect}, {"name": "e_then", $effect, "depends_on": ["e_zero"]}],
						"1": [{"name": "note", "type": "append_variable", "variable": "all", "value": "\${{ item.g }}"}]},
					"default": [{"name": "deep", "type": "for_each", "items": [1, 2], "activities": [{"name": "e_deep", $effect}]}]}]},
			{"name": "poll", "type": "until", "condition": "\${{ variables.n }} >= 5", "activities": [
				{"name": "add", "type": "set_variable", "variable": "n", "expression": "\${{ variables.n }} + 1"}, {"name": "e_round", $effect}]},
			{"name": "stops", "type": "for_each", "items": [1, 2, 3, 4, 5, 6], "sequential": true, "break": "\${{ item }} = 3", "activities": [{"name": "e_s", $effect}]},
			{"name": "some", "type": "filter", "items": [1, 2, 3, 4], "condition": "\${{ item }} > 2"},
			{"name": "gate", "type": "if", "condition": "true", "depends_on": ["some"], "then": [{"name": "e_yes", $effect}], "else": [{"name": "e_no", $effect}]}],
			"output": {"n": "\${{ variables.n }}", "all": "\${{ variables.all }}"}}) ],

		waits => [ 'soak_b', qq({"activities": [
			{"name": "ask", "type": "approval", "message": "go on?"},
			{"name": "look", "type": "validation", "query": "SELECT bool_and(up) FROM soak.flag", "interval": 0.1},
			{"name": "nap", "type": "wait", "duration": 0.5},
			{"name": "spin", "type": "until", "condition": "random() < 0.2", "interval": 0.05, "activities": [{"name": "e_turn", $effect}]},
			{"name": "e_after", $effect, "depends_on": ["ask", "look", "nap", "spin"]}]}) ],

		by_rows => [ 'postgres', '{"activities": [' . step('"input": {"table": "soak.source"}, "mini_batch_size": "25 rows"', '') . ']}' ],
		by_size => [ 'soak_a', '{"activities": [' . step('"input": {"table": "soak.source"}, "mini_batch_size": "16 kB"', '') . ']}' ],
		by_keys => [ 'soak_b', '{"activities": [' . step('"input": {"table": "soak.source"}, "partition_keys": ["grp"]', '') . ']}' ],
		by_query => [ 'postgres', '{"activities": [' . step('"input": {"query": "SELECT id FROM soak.source ORDER BY id"}, "mini_batch_size": "40 rows"', '') . ']}' ],
		fails => [ 'postgres', '{"activities": [{"name": "step", "type": "parallel", "input": {"table": "soak.source"}, "mini_batch_size": "50 rows",
			"mini_batch_error_threshold": 3, "retry_settings": {"max_retries": 1, "timeout": 60}, "append_row_to": "soak.batch_effect",
			"run": "SELECT mlpipe_run_id(), mlpipe_activity_name(), (mlpipe_batch()->>\'number\')::integer, id FROM mini_batch, soak.flaky(0.5, 0.002)"},
			{"name": "e_alarm", ' . $effect . ', "depends_on": [{"activity": "step", "conditions": ["failed"]}]}]}' ],

		copies => [ 'soak_a', qq({"activities": [
			{"name": "add", "type": "copy", "source": {"query": "SELECT mlpipe_run_id() AS run_id, mlpipe_activity_name() AS activity, id FROM soak.source WHERE id <= 300"}, "sink": {"table": "soak.copied", "mode": "append"}},
			{"name": "keep", "type": "copy", "source": {"query": "SELECT id, mlpipe_run_id() AS run_id FROM soak.source WHERE id <= 100 ORDER BY id"}, "sink": {"table": "soak.kept", "mode": "upsert", "key": ["id"]}, "retry": {"max_retries": 5, "interval": 0.1}},
			{"name": "replace", "type": "copy", "source": {"query": "SELECT id FROM soak.source WHERE id <= 50"}, "sink": {"table": "soak.latest", "mode": "overwrite"}, "retry": {"max_retries": 5, "interval": 0.1}},
			{"name": "e_doomed", "type": "sql", "sql": ["SELECT soak.effect(0.005)", "SELECT count(*) FROM soak.doomed"], "retry": {"max_retries": 2, "interval": 0.1}}]}) ],

		parent => [ 'postgres', qq({"activities": [
			{"name": "kid", "type": "pipeline", "pipeline": "graph"},
			{"name": "loose", "type": "pipeline", "pipeline": "narrow", "wait_on_completion": false},
			{"name": "brood", "type": "for_each", "items": [1, 2, 3], "activities": [{"name": "one", "type": "pipeline", "pipeline": "narrow"}]},
			{"name": "e_last", $effect, "depends_on": ["kid", "brood"]}]}) ],

		narrow => [ 'postgres', qq({"concurrency": 2, "activities": [{"name": "e_one", $effect}, {"name": "e_two", $effect, "depends_on": ["e_one"]}]}) ],
		newest => [ 'soak_b', qq({"concurrency": 1, "if_running": "cancel", "activities": [{"name": "e_one", $effect}, {"name": "e_two", "type": "sql", "sql": "SELECT soak.effect(0.3)", "depends_on": ["e_one"]}]}) ],
		single => [ 'soak_a', qq({"concurrency": 1, "if_running": "skip", "activities": [{"name": "e_one", "type": "sql", "sql": "SELECT soak.effect(0.2)"}]}) ],

		stops => [ 'postgres', qq({"fail_fast": true, "activities": [
			{"name": "e_slow", "type": "sql", "sql": "SELECT soak.effect(30)"},
			{"name": "each", "type": "for_each", "items": [1, 2, 3, 4, 5], "batch_count": 2, "activities": [{"name": "e_in", "type": "sql", "sql": "SELECT soak.effect(0.2)"}]},
			{"name": "late", "type": "sql", "sql": "SELECT pg_sleep(30)", "timeout": 0.5, "retry": {"max_retries": 1, "interval": 0.1}}]}) ],
		in_time => [ 'postgres', qq({"timeout": 0.7, "activities": [
			{"name": "e_one", $effect}, {"name": "e_slow", "type": "sql", "sql": "SELECT soak.effect(30)", "depends_on": ["e_one"]},
			{"name": "loop", "type": "until", "condition": "false", "timeout": 0.3, "activities": [{"name": "e_turn", $effect}]}]}) ],

		apart => [ 'postgres', qq({"activities": [
			{"name": "own", "type": "sql", "transaction": "none", "sql": ["VACUUM soak.flag", "SELECT pg_sleep(0.01)"]}, {"name": "e_next", $effect, "depends_on": ["own"]}]}) ],
		changed => [ 'postgres', qq({"activities": [{"name": "e_seen", $effect}]}) ]);
}

1;

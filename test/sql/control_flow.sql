-- Control flow: activities that run others, wait for others, or keep values.
-- Everything that a document here does is shown as the rows of its run.
SET client_min_messages = warning;
CREATE SCHEMA control_flow;
SET search_path = control_flow, public;
CREATE TABLE last (run_id bigint);

-- runs a document, and keeps its id
CREATE PROCEDURE run(document jsonb, parameters jsonb DEFAULT '{}') LANGUAGE plpgsql AS $$
DECLARE id bigint;
BEGIN
	id := mlpipe_submit(document, parameters);
	COMMIT;
	PERFORM mlpipe_wait(id, '2 min');
	DELETE FROM last;
	INSERT INTO last VALUES (id);
END $$;
CREATE PROCEDURE wait_until(id bigint, activity text, status text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..6000 LOOP
		IF EXISTS (SELECT FROM mlpipe_activities a WHERE a.run_id = id AND a.activity = $2
			AND concat_ws(' ', a.status, a.wait_reason) LIKE $3 || '%') THEN
			RETURN;
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE 'activity % did not become %', activity, status;
END $$;
CREATE PROCEDURE wait_children(id bigint, children integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..6000 LOOP
		IF (SELECT count(*) FROM mlpipe_runs WHERE trigger->>'parent_run_id' = id::text) = children THEN
			RETURN;
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE 'run % did not get % children', id, children;
END $$;
CREATE VIEW rows AS SELECT activity, type, status, attempt, error FROM mlpipe_activities JOIN last USING (run_id) ORDER BY activity COLLATE "C";
CREATE VIEW run AS SELECT status, failures_handled AS handled, output, error FROM mlpipe_runs JOIN last USING (run_id);
-- the order in which things began
CREATE TABLE trail (n serial, what text);
CREATE FUNCTION mark(what text) RETURNS void LANGUAGE sql AS 'INSERT INTO control_flow.trail (what) VALUES (what)';
-- holds its activity up until the mark is there
CREATE FUNCTION await(mark text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..6000 LOOP
		EXIT WHEN EXISTS (SELECT FROM control_flow.trail WHERE what = mark);
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;

--
-- if
--
CALL run('{"parameters": {"n": {"type": "integer"}}, "activities": [
	{"name": "gate", "type": "if", "condition": "${{ parameters.n }} > 1",
		"then": [{"name": "a", "type": "sql", "sql": "SELECT 1 AS one"}, {"name": "b", "type": "sql", "sql": "SELECT ${{ activities.a.output.rows[0].one }} + 1 AS two", "depends_on": ["a"]}],
		"else": [{"name": "c", "type": "fail", "message": "too small"}]},
	{"name": "after", "type": "sql", "sql": "SELECT 1", "depends_on": ["gate"]}],
	"output": {"gate": "${{ activities.gate.output }}"}}', '{"n": 2}');
SELECT * FROM rows;
SELECT * FROM run;
CALL run('{"activities": [
	{"name": "gate", "type": "if", "condition": "NULL",
		"then": [{"name": "a", "type": "sql", "sql": "SELECT 1"}],
		"else": [{"name": "c", "type": "fail", "message": "too small"}]},
	{"name": "after", "type": "sql", "sql": "SELECT 1", "depends_on": ["gate"]},
	{"name": "handler", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "gate", "conditions": ["failed"]}]}]}');
SELECT * FROM rows;
SELECT * FROM run;
-- a branch that is missing, or empty, succeeds
CALL run('{"activities": [{"name": "x", "type": "if", "condition": "false", "then": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]},
	{"name": "y", "type": "if", "condition": "true", "then": [], "else": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]},
	{"name": "z", "type": "if", "condition": "1 / 0 > 1", "then": []}],
	"output": {}}');
SELECT * FROM rows;
SELECT activity, output FROM mlpipe_activities JOIN last USING (run_id) WHERE status = 'succeeded' ORDER BY activity;
-- a failure that is caught inside is none outside, but it is counted
CALL run('{"activities": [{"name": "x", "type": "if", "condition": "true", "then": [{"name": "a", "type": "fail", "message": "no"},
	{"name": "h", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "a", "conditions": ["failed"]}]}]}]}');
SELECT * FROM rows;
SELECT * FROM run;

--
-- switch
--
CALL run('{"activities": [
	{"name": "kind", "type": "switch", "on": "''small''", "cases": {"small": [{"name": "load", "type": "sql", "sql": "SELECT 1"}], "large": [{"name": "split", "type": "sql", "sql": "SELECT 1"}]}},
	{"name": "other", "type": "switch", "on": "41 + 1", "cases": {"43": []}, "default": [{"name": "d", "type": "sql", "sql": "SELECT 1"}]},
	{"name": "none", "type": "switch", "on": "NULL", "cases": {"": [{"name": "e", "type": "fail", "message": "empty"}]}}]}');
SELECT * FROM rows;
SELECT activity, output->'branch' AS branch FROM mlpipe_activities JOIN last USING (run_id) WHERE type = 'switch' ORDER BY activity;

--
-- for_each
--
CALL run('{"activities": [
	{"name": "each", "type": "for_each", "items": ["a", "b", {"c": 3}], "collect": "one", "activities": [
		{"name": "one", "type": "sql", "sql": "SELECT ${{ item }} AS item, ${{ index }} AS i"},
		{"name": "two", "type": "sql", "depends_on": ["one"], "sql": "SELECT ${{ activities.one.output.row_count }}, ${{ loops.each.index }}"}]},
	{"name": "rows", "type": "for_each", "items": {"query": "SELECT g AS id, g * g AS square FROM generate_series(1, 3) g"}, "collect": "one", "sequential": true,
		"activities": [{"name": "one", "type": "sql", "sql": "SELECT control_flow.mark(${{ item.square }}::text), mlpipe_activity_name() AS name"}]},
	{"name": "nothing", "type": "for_each", "items": [], "collect": "one", "activities": [{"name": "one", "type": "sql", "sql": "SELECT 1"}]}]}');
SELECT * FROM rows;
SELECT activity, output FROM mlpipe_activities JOIN last USING (run_id) WHERE type = 'for_each' ORDER BY activity;
SELECT string_agg(what, ' ' ORDER BY n) FROM trail;
TRUNCATE trail;
-- a loop over nothing has no outputs to be found, but an array of them
CALL run('{"activities": [{"name": "each", "type": "for_each", "items": [], "collect": "one", "activities": [{"name": "one", "type": "sql", "sql": "SELECT 1"}]},
	{"name": "all", "type": "lookup", "depends_on": ["each"], "query": "SELECT jsonb_path_query_array(${{ activities.each.output.outputs }}, ''$[*].row_count'') AS counts"},
	{"name": "found", "type": "sql", "depends_on": ["all"], "sql": "SELECT ${{ activities.each.output.outputs[*].row_count }}"}]}');
SELECT activity, status, output, error FROM mlpipe_activities JOIN last USING (run_id) ORDER BY activity;
-- all items run, then it fails where one failed
CALL run('{"activities": [{"name": "each", "type": "for_each", "items": [1, 0, 2, 0], "sequential": true, "collect": "div", "activities": [{"name": "div", "type": "sql", "sql": "SELECT 10 / ${{ item }} AS q"}]}]}');
SELECT * FROM rows;
SELECT * FROM run;
SELECT activity, output FROM mlpipe_activities JOIN last USING (run_id) WHERE type = 'for_each';
SELECT activity, sqlstate, message FROM mlpipe_errors JOIN last USING (run_id) ORDER BY activity;
-- unless there are more failures than max_failures
CALL run('{"activities": [{"name": "each", "type": "for_each", "items": [0, 1, 0, 2, 3], "max_failures": 1, "sequential": true, "activities": [{"name": "div", "type": "sql", "sql": "SELECT 10 / ${{ item }} AS q"}]}]}');
SELECT * FROM rows;
SELECT activity, output FROM mlpipe_activities JOIN last USING (run_id) WHERE type = 'for_each';
-- break
CALL run('{"activities": [{"name": "each", "type": "for_each", "items": [1, 2, 3, 4], "break": "${{ activities.sq.output.rows[0].q }} >= 4", "sequential": true, "activities": [{"name": "sq", "type": "sql", "sql": "SELECT ${{ item }} * ${{ item }} AS q"}]}]}');
SELECT * FROM rows;
SELECT activity, output FROM mlpipe_activities JOIN last USING (run_id) WHERE type = 'for_each';
-- an error in break is one of its iteration
CALL run('{"activities": [{"name": "each", "type": "for_each", "items": [1, 2], "break": "1 / (${{ item }} - 1) > 5", "sequential": true, "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}]}');
SELECT * FROM rows;
SELECT activity, sqlstate, message FROM mlpipe_errors JOIN last USING (run_id);
-- iterations have variables of their own, which hide the run's
CALL run('{"variables": {"v": {"type": "text", "default": "outer"}, "all": {"type": "jsonb"}, "numbers": {"type": "integer[]"}}, "activities": [
	{"name": "each", "type": "for_each", "items": ["a", "b", "c"], "variables": {"v": {"type": "text", "default": "new"}}, "activities": [
		{"name": "set", "type": "set_variable", "variable": "v", "expression": "${{ variables.v }} || '' '' || ${{ item }}"},
		{"name": "keep", "type": "append_variable", "variable": "all", "value": "${{ variables.v }}", "depends_on": ["set"]},
		{"name": "count", "type": "append_variable", "variable": "numbers", "expression": "${{ index }} * 10"}]}],
	"output": {"v": "${{ variables.v }}", "all": "${{ variables.all }}", "numbers": "${{ variables.numbers }}"}}');
SELECT status, (SELECT jsonb_agg(x ORDER BY x) FROM jsonb_array_elements(output->'all') x) AS all, (SELECT jsonb_agg(x ORDER BY x) FROM jsonb_array_elements(output->'numbers') x) AS numbers, output->'v' AS v FROM run;
-- their types are found where the document was written, not where it runs
CREATE TYPE mood AS ENUM ('fine', 'bad');
CALL run('{"activities": [{"name": "s", "type": "switch", "on": "1", "cases": {"1": [
	{"name": "each", "type": "for_each", "items": ["fine", "awful"], "variables": {"m": {"type": "mood"}}, "activities": [
		{"name": "set", "type": "set_variable", "variable": "m", "value": "${{ item }}"}, {"name": "type", "type": "sql", "sql": "SELECT pg_typeof(${{ variables.m }}) AS t", "depends_on": ["set"]}]}]}}]}');
SELECT * FROM rows;
-- loops in loops, with branches in them
CALL run('{"activities": [
	{"name": "rows", "type": "for_each", "items": [1, 2], "activities": [
		{"name": "cells", "type": "for_each", "items": ["x", "y"], "collect": "cell", "activities": [
			{"name": "cell", "type": "if", "condition": "${{ loops.rows.index }} = ${{ index }}",
				"then": [{"name": "diagonal", "type": "sql", "sql": "SELECT ${{ loops.rows.item }} AS r, ${{ item }} AS c"}], "else": [{"name": "other", "type": "sql", "sql": "SELECT 1"}]}]},
		{"name": "sum", "type": "sql", "sql": "SELECT ${{ activities.cells.output.count }}", "depends_on": ["cells"]}]}]}');
SELECT * FROM rows;
-- appending at once from many iterations loses nothing
CALL run('{"variables": {"n": {"type": "integer", "default": 0}, "all": {"type": "jsonb"}}, "activities": [
	{"name": "each", "type": "for_each", "items": {"query": "SELECT g FROM generate_series(1, 200) g"}, "activities": [
		{"name": "keep", "type": "append_variable", "variable": "all", "value": "${{ item.g }}"},
		{"name": "add", "type": "set_variable", "variable": "n", "expression": "${{ variables.n }} + 1"}]}],
	"output": {"all": "${{ variables.all }}", "n": "${{ variables.n }}"}}');
SELECT status, output->'n' AS n, jsonb_array_length(output->'all') AS appended, (SELECT sum(x::integer) FROM jsonb_array_elements(output->'all') x) FROM run;
-- what is no list of items
CALL run('{"parameters": {"l": {"type": "jsonb", "default": {"a": 1}}}, "activities": [{"name": "each", "type": "for_each", "items": "${{ parameters.l }}", "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}]}');
SELECT * FROM rows;

--
-- until
--
CALL run('{"variables": {"n": {"type": "integer"}}, "activities": [
	{"name": "poll", "type": "until", "condition": "${{ activities.look.output.value }} >= 3", "interval": 0.01, "activities": [
		{"name": "look", "type": "set_variable", "variable": "n", "expression": "coalesce(${{ variables.n }}, 0) + 1"}]}],
	"output": {"poll": "${{ activities.poll.output }}"}}');
SELECT * FROM rows;
SELECT * FROM run;
-- the next round waits, also for what is inactive, and leaves nothing that is due
CALL run('{"activities": [{"name": "slow", "type": "until", "condition": "false", "interval": 0.3, "max_rounds": 2, "activities": [{"name": "off", "type": "sql", "sql": "SELECT 1", "active": false}]},
	{"name": "both", "type": "until", "condition": "false", "interval": 0.05, "max_rounds": 2, "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}, {"name": "off", "type": "sql", "sql": "SELECT 1", "active": false}]}]}');
SELECT activity, status FROM rows;
SELECT b.finished_at - a.finished_at >= '0.3 s' AS waited FROM mlpipe_activities a JOIN last USING (run_id) JOIN mlpipe_activities b USING (run_id)
	WHERE a.activity = 'slow[1].off' AND b.activity = 'slow[2].off';
SELECT count(*) AS due FROM mlpipe.activity_run JOIN last USING (run_id) WHERE due_at IS NOT NULL;
-- a failed round does not end it, unless fail_on_error
CALL run('{"variables": {"n": {"type": "integer", "default": 0}}, "activities": [
	{"name": "poll", "type": "until", "condition": "${{ variables.n }} >= 2", "activities": [
		{"name": "n", "type": "set_variable", "variable": "n", "expression": "${{ variables.n }} + 1"},
		{"name": "bad", "type": "fail", "message": "round ${{ variables.n }}", "depends_on": ["n"]}]},
	{"name": "strict", "type": "until", "condition": "true", "fail_on_error": true, "activities": [{"name": "bad", "type": "fail", "message": "no"}]},
	{"name": "rounds", "type": "until", "condition": "NULL", "max_rounds": 2, "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]},
	{"name": "round", "type": "until", "condition": "NULL", "max_rounds": 1, "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]},
	{"name": "broken", "type": "until", "condition": "1 / 0 = 1", "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]},
	{"name": "slow", "type": "until", "condition": "false", "timeout": 2, "activities": [{"name": "a", "type": "sql", "sql": "SELECT pg_sleep(60)"}, {"name": "b", "type": "wait", "duration": 60}, {"name": "c", "type": "sql", "sql": "SELECT 1", "depends_on": ["b"]}]}]}');
SELECT * FROM rows;
SELECT activity, sqlstate, message FROM mlpipe_errors JOIN last USING (run_id) ORDER BY activity, message;
-- the error of a condition names the loop
SELECT replace(context, 'run ' || run_id, 'run N') AS context FROM mlpipe_errors JOIN last USING (run_id) WHERE activity = 'broken';
-- what failed in its rounds is not why the condition's error ends it
CALL run('{"activities": [{"name": "broken", "type": "until", "condition": "1 / 0 = 1", "activities": [{"name": "bad", "type": "fail", "message": "first"}]}]}');
SELECT activity, error FROM rows;

-- a loop that is over as soon as it begins does not get into the way of what ends beside it
SELECT max(run_id) AS before FROM mlpipe_runs \gset
SELECT count(mlpipe_submit('{"activities": [
	{"name": "each", "type": "for_each", "items": [1, 2, 3], "activities": [{"name": "off", "type": "sql", "sql": "SELECT 1", "active": false}]},
	{"name": "b", "type": "sql", "sql": "SELECT 1"},
	{"name": "handler", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "b", "conditions": ["failed"]}]},
	{"name": "after", "type": "sql", "sql": "SELECT 1", "depends_on": ["each", "b"]}]}'::jsonb)) FROM generate_series(1, 100);
SELECT status, count(*) FROM (SELECT mlpipe_wait(run_id, '1 min') AS status FROM mlpipe_runs WHERE run_id > :before) s GROUP BY 1;

--
-- filter, and variables
--
CALL run('{"parameters": {"min": {"type": "integer", "default": 2}}, "activities": [
	{"name": "f", "type": "filter", "items": [1, 2, 3], "condition": "${{ item }} >= ${{ parameters.min }} AND ${{ index }} < 4"},
	{"name": "q", "type": "filter", "items": {"query": "SELECT g AS id FROM generate_series(1, 4) g"}, "condition": "${{ item.id }} % 2 = 0"},
	{"name": "e", "type": "filter", "items": [1], "condition": "${{ item }}"}]}');
SELECT activity, status, output, error FROM mlpipe_activities JOIN last USING (run_id) ORDER BY activity;
CALL run('{"variables": {"i": {"type": "integer"}, "j": {"type": "jsonb", "default": 5}, "a": {"type": "integer[]"}}, "activities": [
	{"name": "text", "type": "set_variable", "variable": "i", "value": "x"},
	{"name": "null", "type": "set_variable", "variable": "i", "expression": "NULL", "depends_on": [{"activity": "text", "conditions": ["failed"]}]},
	{"name": "scalar", "type": "append_variable", "variable": "j", "value": 1},
	{"name": "element", "type": "append_variable", "variable": "a", "value": "x"}]}');
SELECT * FROM rows;

--
-- validation
--
CREATE TABLE arrived (day date);
CREATE PROCEDURE submit(document jsonb) LANGUAGE plpgsql AS $$
DECLARE id bigint;
BEGIN
	id := mlpipe_submit(document);
	DELETE FROM last;
	INSERT INTO last VALUES (id);
END $$;
CALL submit('{"activities": [{"name": "v", "type": "validation", "interval": 0.05, "query": "SELECT count(*) > 0, 1 FROM control_flow.arrived"}, {"name": "w", "type": "sql", "sql": "SELECT 1", "depends_on": ["v"]}]}');
SELECT run_id AS run FROM last \gset
CALL wait_until(:run, 'v', 'in_progress until');
INSERT INTO arrived VALUES ('2026-01-01');
SELECT mlpipe_wait(:run, '10 s');
SELECT * FROM rows;
CALL run('{"activities": [{"name": "late", "type": "validation", "interval": 0.05, "timeout": 0.2, "query": "SELECT false"}, {"name": "none", "type": "validation", "interval": 0.05, "timeout": 0.2, "query": "SELECT true WHERE false"},
	{"name": "error", "type": "validation", "query": "SELECT 1 / 0 = 1"}, {"name": "any", "type": "validation", "query": "VALUES (NULL), (false), (true)"}]}');
SELECT * FROM rows;

--
-- approval
--
CREATE ROLE regress_mlpipe_boss;
GRANT USAGE ON SCHEMA control_flow TO regress_mlpipe_boss;
CREATE FUNCTION refused(run bigint, activity text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE told text;
BEGIN
	PERFORM mlpipe_approve(run, activity);
	RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS told = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, replace(SQLERRM, run::text, 'N'), nullif(told, ''));
END $$;
CALL submit('{"parameters": {"day": {"type": "date", "default": "2026-01-01"}}, "activities": [
	{"name": "ok", "type": "approval", "message": "publish ${{ parameters.day }}?", "approvers": ["regress_mlpipe_boss"]},
	{"name": "go", "type": "sql", "sql": "SELECT ${{ activities.ok.output.comment }} AS comment", "depends_on": ["ok"]},
	{"name": "inside", "type": "if", "condition": "true", "then": [{"name": "ask", "type": "approval"}]},
	{"name": "never", "type": "approval", "timeout": 0.1}]}');
SELECT run_id AS run FROM last \gset
CALL wait_until(:run, 'ok', 'in_progress waits');
CALL wait_until(:run, 'inside.then.ask', 'in_progress waits');
CALL wait_until(:run, 'never', 'failed');
SELECT activity, status, wait_reason, output FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;
SELECT refused(:run, 'go');
SELECT refused(:run, 'never');
SELECT refused(0, 'ok');
SELECT refused(:run, NULL);
SELECT pipeline, activity, message, approvers, waiting_since IS NOT NULL AS waits, times_out_at FROM mlpipe_approvals WHERE run_id = :run ORDER BY activity;
SET ROLE regress_mlpipe_boss;
SELECT pipeline, activity, message, approvers FROM mlpipe_approvals WHERE run_id = :run;
SELECT refused(:run, 'inside.then.ask');
SELECT mlpipe_approve(:run, 'ok', comment => 'fine');
SELECT count(*) FROM mlpipe_approvals WHERE run_id = :run;
RESET ROLE;
SELECT mlpipe_approve(:run, 'inside.then.ask', false, 'not today');
SELECT mlpipe_wait(:run, '10 s');
SELECT * FROM rows;
SELECT activity, output FROM mlpipe_activities WHERE run_id = :run AND activity = 'ok';
-- a run that came with a dump can be answered, but goes on after mlpipe_resume()
CALL submit('{"activities": [{"name": "ok", "type": "approval"}, {"name": "go", "type": "sql", "sql": "SELECT 1", "depends_on": ["ok"]}]}');
SELECT run_id AS run FROM last \gset
CALL wait_until(:run, 'ok', 'in_progress waits');
UPDATE mlpipe.run SET home = home + 1 WHERE run_id = :run;
SELECT mlpipe_approve(:run, 'ok');
SELECT mlpipe_submit('{"activities": [{"name": "later", "type": "sql", "sql": "SELECT 1"}]}'::jsonb) AS later \gset
SELECT mlpipe_wait(:later, '1 min');
SELECT activity, status FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;
SELECT mlpipe_resume(:run);
SELECT mlpipe_wait(:run, '1 min');
DROP OWNED BY regress_mlpipe_boss;
DROP ROLE regress_mlpipe_boss;

--
-- pipeline
--
SELECT mlpipe_create_pipeline('control_flow_half', '{"parameters": {"x": {"type": "integer"}}, "activities": [{"name": "s", "type": "sql", "sql": "SELECT 10 / ${{ parameters.x }} AS q"}], "output": {"q": "${{ activities.s.output.rows[0].q }}"}}');
SELECT mlpipe_create_pipeline('control_flow_half', '{"parameters": {"x": {"type": "integer"}}, "activities": [{"name": "s", "type": "sql", "sql": "SELECT 20 / ${{ parameters.x }} AS q"}], "output": {"q": "${{ activities.s.output.rows[0].q }}"}}');
CALL run('{"parameters": {"which": {"type": "text", "default": "half"}}, "activities": [
	{"name": "p", "type": "pipeline", "pipeline": "control_flow_${{ parameters.which }}", "parameters": {"x": 5}},
	{"name": "old", "type": "pipeline", "pipeline": "control_flow_half", "version": 1, "parameters": {"x": "${{ activities.p.output.output.q }}"}, "depends_on": ["p"]},
	{"name": "bad", "type": "pipeline", "pipeline": "control_flow_half", "parameters": {"x": 0}, "retry": {"max_retries": 1, "interval": 0}},
	{"name": "none", "type": "pipeline", "pipeline": "control_flow_gone"},
	{"name": "wrong", "type": "pipeline", "pipeline": "control_flow_half", "parameters": {"y": 0}},
	{"name": "free", "type": "pipeline", "pipeline": "control_flow_half", "parameters": {"x": 1}, "wait_on_completion": false}]}');
SELECT * FROM rows;
SELECT activity, output - 'run_id' AS output FROM mlpipe_activities JOIN last USING (run_id) WHERE status = 'succeeded' ORDER BY activity;
SELECT activity, attempt, sqlstate, message FROM mlpipe_errors JOIN last USING (run_id) ORDER BY activity, attempt;
SELECT count(*), count(DISTINCT trigger->'parent_run_id') AS parents FROM mlpipe_runs WHERE pipeline = 'control_flow_half';
-- one whose output cannot be worked out: that is an error like others, and no activity's
SELECT mlpipe_create_pipeline('control_flow_mute', '{"activities": [
	{"name": "s", "type": "sql", "sql": "SELECT 1 AS x"},
	{"name": "bad", "type": "sql", "sql": "SELECT 1 / 0"},
	{"name": "handler", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "bad", "conditions": ["failed"]}]}],
	"output": {"y": "${{ activities.s.output.rows[0].y }}"}}');
CALL run('{"activities": [{"name": "p", "type": "pipeline", "pipeline": "control_flow_mute"}]}');
SELECT activity, attempt, sqlstate, message FROM mlpipe_errors JOIN last USING (run_id);
SELECT activity, attempt, sqlstate, message, detail, context IS NOT NULL AS has_context FROM mlpipe_errors JOIN mlpipe_runs USING (run_id) WHERE pipeline = 'control_flow_mute' ORDER BY at;
-- one that runs itself
SELECT mlpipe_create_pipeline('control_flow_self', '{"activities": [{"name": "again", "type": "pipeline", "pipeline": "control_flow_self"}]}');
SELECT mlpipe_submit('control_flow_self') AS run \gset
SELECT mlpipe_wait(:run, '20 s');
SELECT count(*), count(DISTINCT error), max(error) FROM mlpipe_runs WHERE pipeline = 'control_flow_self' AND status = 'failed';
-- a cancelled child fails its parent's activity; a cancelled parent cancels its children
SELECT mlpipe_create_pipeline('control_flow_slow', '{"activities": [{"name": "s", "type": "wait", "duration": 3600}]}');
CALL submit('{"activities": [{"name": "p", "type": "pipeline", "pipeline": "control_flow_slow"}]}');
SELECT run_id AS run FROM last \gset
CALL wait_children(:run, 1);
SELECT mlpipe_cancel((output->>'run_id')::bigint, 'enough') FROM mlpipe_activities WHERE run_id = :run;
SELECT mlpipe_wait(:run, '10 s');
SELECT * FROM rows;
CALL submit('{"activities": [{"name": "p", "type": "pipeline", "pipeline": "control_flow_slow"}, {"name": "l", "type": "for_each", "items": [1, 2], "activities": [{"name": "p", "type": "pipeline", "pipeline": "control_flow_slow"}]}]}');
SELECT run_id AS run FROM last \gset
CALL wait_children(:run, 3);
SELECT mlpipe_cancel(:run);
SELECT * FROM rows;
SELECT mlpipe_wait(run_id, '10 s') FROM mlpipe_runs WHERE pipeline = 'control_flow_slow' AND trigger->>'parent_run_id' = :'run';
SELECT DISTINCT error LIKE 'run % does not wait for it any more' AS told FROM mlpipe_runs WHERE pipeline = 'control_flow_slow' AND trigger->>'parent_run_id' = :'run';
-- so does a timeout of the activity, and of a container
CALL run('{"activities": [{"name": "p", "type": "pipeline", "pipeline": "control_flow_slow", "timeout": 2}, {"name": "i", "type": "if", "condition": "true", "timeout": 2, "then": [{"name": "p", "type": "pipeline", "pipeline": "control_flow_slow"}]}]}');
SELECT * FROM rows;
SELECT DISTINCT mlpipe_wait(r.run_id, '10 s') FROM mlpipe_runs r JOIN last ON r.trigger->>'parent_run_id' = last.run_id::text;

--
-- join: any
--
CALL run('{"activities": [
	{"name": "a", "type": "fail", "message": "a"}, {"name": "b", "type": "sql", "sql": "SELECT 1"}, {"name": "c", "type": "sql", "sql": "SELECT control_flow.await(''first'')"},
	{"name": "first", "type": "sql", "sql": "SELECT control_flow.mark(''first'')", "join": "any", "depends_on": ["a", "b", "c"]},
	{"name": "after c", "type": "sql", "sql": "SELECT control_flow.mark(''after c'')", "depends_on": ["c"]},
	{"name": "none", "type": "sql", "sql": "SELECT 1", "join": "any", "depends_on": ["a", {"activity": "b", "conditions": ["failed"]}]}]}');
SELECT * FROM rows;
SELECT * FROM run;
SELECT string_agg(what, ', ' ORDER BY n) FROM trail;
-- a run does not end before what its joins did not wait for
CALL run('{"activities": [{"name": "b", "type": "sql", "sql": "SELECT 1"}, {"name": "c", "type": "sql", "sql": "SELECT pg_sleep(0.2)"}, {"name": "first", "type": "sql", "sql": "SELECT 1", "join": "any", "depends_on": ["b", "c"]}]}');
SELECT * FROM rows;

--
-- Stopping
--
CALL submit('{"activities": [
	{"name": "each", "type": "for_each", "items": [1, 2, 3, 4, 5], "batch_count": 2, "activities": [
		{"name": "inner", "type": "until", "condition": "false", "activities": [{"name": "s", "type": "sql", "sql": "SELECT pg_sleep(60)"}, {"name": "t", "type": "sql", "sql": "SELECT 1", "depends_on": ["s"]}]}]},
	{"name": "after", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "each", "conditions": ["completed"]}]}]}');
SELECT run_id AS run FROM last \gset
CALL wait_until(:run, 'each[1].inner[1].s', 'in_progress');
CALL wait_until(:run, 'each[2].inner[1].s', 'in_progress');
SELECT mlpipe_cancel(:run, 'enough');
SELECT mlpipe_wait(:run, '10 s');
SELECT activity, status FROM rows;
-- of a container's timeout its siblings notice nothing
CALL run('{"activities": [
	{"name": "slow", "type": "for_each", "timeout": 2, "items": [1, 2, 3], "batch_count": 2, "activities": [{"name": "s", "type": "sql", "sql": "SELECT pg_sleep(60)"}, {"name": "t", "type": "sql", "sql": "SELECT 1", "depends_on": ["s"]}]},
	{"name": "sibling", "type": "sql", "sql": "SELECT pg_sleep(0.5)"},
	{"name": "handler", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "slow", "conditions": ["failed"]}]}]}');
SELECT * FROM rows;
SELECT * FROM run;
-- fail_fast and the run's timeout reach the innermost
CALL run('{"fail_fast": true, "activities": [
	{"name": "each", "type": "for_each", "items": [1, 2], "activities": [{"name": "i", "type": "if", "condition": "${{ item }} = 1", "then": [{"name": "bad", "type": "fail", "message": "first"}], "else": [{"name": "s", "type": "sql", "sql": "SELECT pg_sleep(60)"}]}]},
	{"name": "w", "type": "wait", "duration": 60}]}');
SELECT activity, status FROM rows WHERE activity IN ('each', 'w', 'each[1].i.then.bad');
SELECT * FROM run;
-- nothing begins after it: not a handler of the container, nor the next item of a loop with "break", nor another round
CALL run('{"fail_fast": true, "activities": [
	{"name": "i", "type": "if", "condition": "true", "then": [{"name": "bad", "type": "fail", "message": "first"}]},
	{"name": "h", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "i", "conditions": ["failed"]}]}]}');
SELECT activity, status FROM rows;
CALL run('{"fail_fast": true, "activities": [
	{"name": "each", "type": "for_each", "items": [1, 2], "sequential": true, "break": "false", "activities": [{"name": "bad", "type": "fail", "message": "first"}]}]}');
SELECT activity, status FROM rows;
CALL run('{"fail_fast": true, "activities": [
	{"name": "u", "type": "until", "condition": "${{ activities.bad.status }} = ''succeeded''", "activities": [{"name": "bad", "type": "fail", "message": "first"}]}]}');
SELECT activity, status FROM rows;
CALL run('{"timeout": 0.3, "activities": [{"name": "u", "type": "until", "condition": "false", "interval": 0.05, "activities": [{"name": "n", "type": "sql", "sql": "SELECT 1"}]}]}');
SELECT activity, status FROM rows WHERE activity = 'u';
SELECT * FROM run;
-- suspended, a loop begins nothing; resumed, it goes on
CALL submit('{"activities": [{"name": "each", "type": "for_each", "items": [1, 2, 3], "sequential": true, "activities": [{"name": "s", "type": "sql", "sql": "SELECT control_flow.await(''suspended'')"}]}]}');
SELECT run_id AS run FROM last \gset
CALL wait_until(:run, 'each[1].s', 'in_progress');
SELECT mlpipe_suspend(:run), mark('suspended');
CALL wait_until(:run, 'each[2].s', 'queued suspended');
SELECT activity, status FROM rows;
SELECT mlpipe_resume(:run);
SELECT mlpipe_wait(:run, '10 s');
SELECT activity, status FROM rows;
-- retries inside, and inactive activities
CALL run('{"activities": [{"name": "each", "type": "for_each", "items": [1, 2], "activities": [
	{"name": "off", "type": "sql", "sql": "SELECT 1", "active": false, "on_inactive": "failed"},
	{"name": "on", "type": "sql", "sql": "SELECT 1 / (${{ item }} - 1)", "depends_on": [{"activity": "off", "conditions": ["failed"]}], "retry": {"max_retries": 1, "interval": 0}}]},
	{"name": "all off", "type": "for_each", "items": [1, 2, 3], "activities": [{"name": "off", "type": "sql", "sql": "SELECT 1", "active": false}]}]}');
SELECT * FROM rows;
-- a secret does not get out through its container
CALL run('{"activities": [{"name": "i", "type": "if", "condition": "true", "then": [{"name": "s", "type": "sql", "sql": "SELECT ''secret'' AS s", "secure_output": true}]}]}');
SELECT activity, status, output FROM mlpipe_activities JOIN last USING (run_id) ORDER BY activity;

--
-- What is wrong with a document
--
CREATE FUNCTION problems(definition jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' | ', severity, path, message, hint) FROM mlpipe_validate(definition)
$$;
SELECT problems('{"activities": [
	{"name": "i", "type": "if", "condition": "1; SELECT 2", "thn": []},
	{"name": "j", "type": "if", "condition": "1) FROM pg_class WHERE (true", "then": [{"name": "a", "type": "sql"}, {"name": "a", "type": "sql", "sql": "SELECT 1"}]},
	{"name": "k", "type": "switch", "on": "1", "cases": {"default": [], "x": {}}},
	{"name": "l", "type": "for_each", "items": 5, "activities": [{"name": "b", "type": "sql", "sql": "SELECT ${{ activities.l.output }}, ${{ loops.m.item }}, ${{ item }}", "depends_on": ["c"]}, {"name": "c", "type": "sql", "sql": "SELECT 1", "depends_on": ["b"]}], "collect": "x", "batch_count": 0},
	{"name": "m", "type": "for_each", "items": {"query": "DELETE FROM t"}, "activities": []},
	{"name": "u", "type": "until", "activities": [{"name": "d", "type": "sql", "sql": "SELECT ${{ item }}"}], "condition": "${{ activities.e.output }}", "retry": {"max_retries": 1}},
	{"name": "s", "type": "set_variable", "variable": "x"},
	{"name": "v", "type": "validation", "query": "SELECT 1; SELECT 2"},
	{"name": "p", "type": "pipeline", "pipeline": "control_flow_gone"}]}');
-- upstream of a container is upstream of what is inside
SELECT problems('{"variables": {"n": {"type": "integer"}}, "activities": [
	{"name": "a", "type": "sql", "sql": "SELECT 1"}, {"name": "z", "type": "sql", "sql": "SELECT 1"},
	{"name": "i", "type": "if", "condition": "true", "depends_on": ["a"], "then": [
		{"name": "b", "type": "append_variable", "variable": "n", "value": 1},
		{"name": "u", "type": "until", "condition": "${{ activities.c.output }} IS NOT NULL AND ${{ activities.b.output }} IS NOT NULL", "depends_on": ["b"], "activities": [
			{"name": "c", "type": "sql", "sql": "SELECT ${{ activities.a.output }}, ${{ activities.b.output }}, ${{ activities.z.output }}"}]}]}]}');
DROP SCHEMA control_flow CASCADE;
SELECT mlpipe_drop_pipeline(p, true) FROM unnest('{control_flow_half,control_flow_self,control_flow_slow}'::text[]) p;

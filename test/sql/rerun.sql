-- Reruns.  A table counts how often each activity, iteration and mini-batch has
-- run, and a switch makes some of them fail.
SET client_min_messages = warning;
CREATE SCHEMA rerun;
SET search_path = rerun, public;
CREATE TABLE last (run_id bigint);
CREATE TABLE ran (what text, n integer DEFAULT 1);
CREATE TABLE broken (what text);
-- counts, and fails where that is broken
CREATE FUNCTION act(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF what IN (SELECT b.what FROM rerun.broken b) THEN
		RAISE '% is broken', what;
	END IF;
	INSERT INTO rerun.ran VALUES (what);
	RETURN what;
END $$;
-- what has run since this was asked last
CREATE FUNCTION ran() RETURNS text LANGUAGE sql AS $$
	WITH r AS (DELETE FROM rerun.ran RETURNING *), w AS (SELECT what || CASE WHEN count(*) > 1 THEN '*' || count(*) ELSE '' END AS what FROM r GROUP BY what)
	SELECT string_agg(what, ' ' ORDER BY what COLLATE "C") FROM w $$;
CREATE PROCEDURE waits(id bigint) LANGUAGE plpgsql AS $$
BEGIN
	COMMIT;
	PERFORM mlpipe_wait(id, '2 min');
	DELETE FROM rerun.last;
	INSERT INTO rerun.last VALUES (id);
END $$;
CREATE PROCEDURE wait_for(activity text, id bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..1000 LOOP
		IF EXISTS (SELECT FROM mlpipe_activities a WHERE a.run_id = id AND a.activity = $1 AND a.status = 'in_progress' AND a.wait_reason IS NOT NULL) THEN
			RETURN;
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE 'activity % has not begun', activity;
END $$;
CREATE PROCEDURE run(document jsonb, parameters jsonb DEFAULT '{}') LANGUAGE plpgsql AS $$
BEGIN
	CALL rerun.waits(mlpipe_submit(document, parameters));
END $$;
CREATE PROCEDURE again(from_activity text DEFAULT NULL, only_failed boolean DEFAULT true, parameters jsonb DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE id bigint;
BEGIN
	SELECT mlpipe_rerun(run_id, again.from_activity, again.only_failed, again.parameters) INTO id FROM rerun.last;
	CALL rerun.waits(id);
END $$;
-- the first run of the group is 0, the next one 1
CREATE FUNCTION nth(id bigint) RETURNS integer LANGUAGE sql AS $$
	SELECT (SELECT count(*)::integer FROM mlpipe_runs r WHERE r.group_id = g.group_id AND r.run_id < id) FROM mlpipe_runs g WHERE g.run_id = id $$;
-- an error, without the numbers of runs
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'none';
EXCEPTION WHEN others THEN
	GET STACKED DIAGNOSTICS detail = pg_exception_detail, hint = pg_exception_hint;
	RETURN sqlstate || ' ' || regexp_replace(concat_ws(E'\n', sqlerrm, nullif(detail, ''), nullif(hint, '')), 'run \d+', 'run N');
END $$;
CREATE VIEW rows AS SELECT activity, status, attempt, nth(reused_from) AS reused_from, error FROM mlpipe_activities JOIN last USING (run_id) ORDER BY activity COLLATE "C";
CREATE VIEW run AS SELECT nth(run_id), status, failures_handled AS handled, output, error FROM mlpipe_runs JOIN last USING (run_id);

--
-- A chain: what succeeded is taken over, with its output
--
INSERT INTO broken VALUES ('b');
CALL run('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT rerun.act(''a''), 41 AS n"},
	{"name": "b", "type": "sql", "depends_on": ["a"], "sql": "SELECT rerun.act(''b''), ${{ activities.a.output.rows[0].n }} + 1 AS n"},
	{"name": "c", "type": "sql", "depends_on": ["b"], "sql": "SELECT rerun.act(''c'')"},
	{"name": "alone", "type": "sql", "sql": "SELECT rerun.act(''alone'')"}],
	"output": {"n": "${{ activities.b.output.rows[0].n }}", "rerun": "${{ trigger.type }}"}}');
SELECT * FROM rows;
SELECT ran();
-- it fails again
CALL again();
SELECT * FROM rows;
SELECT ran();
DELETE FROM broken;
CALL again();
SELECT * FROM rows;
SELECT * FROM run;
SELECT ran();
-- nothing is left to do: it ends at once
BEGIN;
SELECT mlpipe_rerun(run_id) AS run FROM last \gset
SELECT status, started_at IS NOT NULL AS started, output FROM mlpipe_runs WHERE run_id = :run;
COMMIT;
SELECT ran();
SELECT trigger - 'run_id' AS trigger, (trigger->>'run_id')::bigint = last.run_id AS of_that FROM mlpipe_runs r, last WHERE r.run_id = :run;
-- from an activity
CALL again('b');
SELECT * FROM rows;
SELECT ran();
-- nothing taken over
CALL again(only_failed => false);
SELECT * FROM rows;
SELECT ran();
-- nothing but what the activity depends on
CALL again('b', false);
SELECT * FROM rows;
SELECT ran();
-- rolled back
BEGIN;
SELECT count(*) FROM (SELECT mlpipe_rerun(run_id, 'a') FROM last) x;
ROLLBACK;
SELECT max(run_id) = (SELECT run_id FROM last) AS gone FROM mlpipe_runs JOIN (SELECT group_id FROM mlpipe_runs JOIN last USING (run_id)) g USING (group_id);

--
-- Handlers of failures, what was skipped or is inactive, and joins
--
INSERT INTO broken VALUES ('a'), ('z');
CALL run('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT rerun.act(''a'')"},
	{"name": "handler", "type": "sql", "depends_on": [{"activity": "a", "conditions": ["failed"]}], "sql": "SELECT rerun.act(''handler'')"},
	{"name": "next", "type": "sql", "depends_on": ["a"], "sql": "SELECT rerun.act(''next'')"},
	{"name": "cleanup", "type": "sql", "depends_on": [{"activity": "a", "conditions": ["completed"]}], "sql": "SELECT rerun.act(''cleanup'')"},
	{"name": "off", "type": "sql", "active": false, "sql": "SELECT rerun.act(''off'')"},
	{"name": "behind", "type": "sql", "depends_on": ["off"], "sql": "SELECT rerun.act(''behind'')"},
	{"name": "z", "type": "sql", "sql": "SELECT rerun.act(''z'')"},
	{"name": "first", "type": "sql", "join": "any", "depends_on": ["behind", "z"], "sql": "SELECT rerun.act(''first'')"},
	{"name": "ok", "type": "sql", "sql": "SELECT rerun.act(''ok'')"},
	{"name": "only_if_failed", "type": "sql", "depends_on": [{"activity": "ok", "conditions": ["failed"]}], "sql": "SELECT 1"}]}');
SELECT * FROM rows;
SELECT ran();
CALL again();
SELECT activity, status, attempt, reused_from FROM rows;
SELECT ran();
DELETE FROM broken;
CALL again();
SELECT * FROM rows;
SELECT status, handled FROM run;
SELECT ran();

--
-- on_rerun: the activity is done again, and the others wait for it, but are not
--
INSERT INTO broken VALUES ('train');
CALL run('{"activities": [{"name": "connect", "type": "sql", "on_rerun": "run", "sql": "SELECT rerun.act(''connect'')"},
	{"name": "load", "type": "sql", "depends_on": ["connect"], "sql": "SELECT rerun.act(''load'')"},
	{"name": "train", "type": "sql", "depends_on": ["load"], "sql": "SELECT rerun.act(''train'')"},
	{"name": "report", "type": "sql", "depends_on": ["load"], "sql": "SELECT rerun.act(''report'')"}]}');
SELECT ran();
INSERT INTO broken VALUES ('connect');
CALL again();
SELECT * FROM rows;
SELECT ran();
DELETE FROM broken;
CALL again();
SELECT * FROM rows;
SELECT status FROM run;
SELECT ran();

--
-- Loops: 2,000 items, of which 3 fail
--
CREATE TABLE items AS SELECT i FROM generate_series(1, 2000) i;
INSERT INTO broken VALUES ('i17'), ('i500'), ('i2000');
CALL run('{"activities": [{"name": "each", "type": "for_each", "items": {"query": "SELECT i FROM rerun.items ORDER BY i"}, "collect": "one", "batch_count": 50,
	"activities": [{"name": "one", "type": "sql", "sql": "SELECT rerun.act(''i'' || ${{ item.i }}), ${{ item.i }} * 2 AS twice"}]},
	{"name": "after", "type": "sql", "depends_on": ["each"], "sql": "SELECT rerun.act(''after'')"}],
	"output": {"each": "${{ activities.each.output }}"}}');
SELECT status FROM run;
SELECT count(*) FROM ran;
SELECT ran() IS NOT NULL;
DELETE FROM broken WHERE what = 'i17';
-- the items are those that it had
TRUNCATE items;
CALL again();
SELECT status FROM run;
SELECT ran();
DELETE FROM broken;
CALL again();
SELECT status, output->'each'->'count' AS count, output->'each'->'succeeded' AS succeeded, jsonb_path_query_array(output, '$.each.outputs[*].rows[0].twice') = (SELECT jsonb_agg(2 * i ORDER BY i) FROM generate_series(1, 2000) i) AS outputs FROM run;
SELECT ran();
SELECT activity, nth(reused_from) AS reused_from, attempt FROM mlpipe_activities JOIN last USING (run_id) WHERE activity IN ('each', 'each[1].one', 'each[17].one', 'each[500].one', 'after') ORDER BY 1;
SELECT count(*), count(reused_from) FROM mlpipe_activities JOIN last USING (run_id);
-- one iteration, by name
CALL again('each[3].one');
SELECT ran();
SELECT status, output->'each'->'succeeded' AS succeeded FROM run;

--
-- Containers inside of containers, their variables, and those of the run
--
INSERT INTO broken VALUES ('2b');
CALL run('{"variables": {"seen": {"type": "jsonb"}, "last": {"type": "text"}}, "activities": [
	{"name": "start", "type": "append_variable", "variable": "seen", "value": "start"},
	{"name": "each", "type": "for_each", "items": [1, 2, 3], "sequential": true, "depends_on": ["start"],
		"variables": {"own": {"type": "text", "default": "none"}},
		"activities": [
			{"name": "a", "type": "sql", "sql": "SELECT rerun.act(${{ item }} || ''a'')"},
			{"name": "own", "type": "set_variable", "variable": "own", "expression": "''own'' || ${{ item }}", "depends_on": ["a"]},
			{"name": "seen", "type": "append_variable", "variable": "seen", "value": "${{ item }}", "depends_on": ["a"]},
			{"name": "last", "type": "set_variable", "variable": "last", "expression": "''last'' || ${{ item }}", "depends_on": ["seen"]},
			{"name": "kind", "type": "switch", "on": "''k'' || ${{ item }}", "depends_on": ["own"], "cases": {"k2": [
				{"name": "b1", "type": "sql", "sql": "SELECT rerun.act(''2b1'')"},
				{"name": "b", "type": "sql", "sql": "SELECT rerun.act(''2b''), ${{ variables.own }} AS own", "depends_on": ["b1"]}]},
				"default": [{"name": "d", "type": "sql", "sql": "SELECT rerun.act(${{ item }} || ''d'')"}]}]},
	{"name": "end", "type": "append_variable", "variable": "seen", "value": "end", "depends_on": ["each"]}],
	"output": {"seen": "${{ variables.seen }}", "last": "${{ variables.last }}"}}');
SELECT ran();
DELETE FROM broken;
CALL again();
SELECT * FROM rows;
SELECT activity, output->'rows' AS rows FROM mlpipe_activities JOIN last USING (run_id) WHERE activity = 'each[2].kind.k2.b';
SELECT status, output FROM run;
SELECT ran();
-- what is done again has not appended yet
CALL again('each');
SELECT status, output FROM run;
SELECT ran();
CALL again('each[2].kind.k2.b');
SELECT status, output FROM run;
SELECT ran();

--
-- until begins with its first round; a branch is the one that was taken
--
INSERT INTO broken VALUES ('y');
CALL run('{"activities": [{"name": "poll", "type": "until", "condition": "(SELECT count(*) > 3 FROM rerun.ran WHERE what = ''look'')", "max_rounds": 3, "activities": [{"name": "look", "type": "sql", "sql": "SELECT rerun.act(''look'')"}]},
	{"name": "gate", "type": "if", "condition": "NOT EXISTS (SELECT FROM rerun.ran WHERE what = ''taken'')",
		"then": [{"name": "x", "type": "sql", "sql": "SELECT rerun.act(''x''), rerun.act(''taken'')"}, {"name": "y", "type": "sql", "depends_on": ["x"], "sql": "SELECT rerun.act(''y'')"}],
		"else": [{"name": "e", "type": "sql", "sql": "SELECT rerun.act(''else'')"}]}]}');
SELECT activity, status FROM rows;
DELETE FROM broken;
CALL again();
SELECT activity, status, attempt, reused_from FROM rows;
SELECT ran();

-- for a join "any" it is enough that what is inactive counts as it did
INSERT INTO broken VALUES ('m');
CALL run('{"activities": [{"name": "m", "type": "sql", "sql": "SELECT rerun.act(''m'')"},
	{"name": "h", "type": "sql", "sql": "SELECT rerun.act(''h'')", "depends_on": [{"activity": "m", "conditions": ["completed"]}]},
	{"name": "off", "type": "sql", "sql": "SELECT 1", "active": false},
	{"name": "either", "type": "sql", "sql": "SELECT rerun.act(''either'')", "join": "any", "depends_on": ["h", "off"]},
	{"name": "neither", "type": "sql", "sql": "SELECT rerun.act(''neither'')", "join": "any", "depends_on": ["h", {"activity": "off", "conditions": ["failed"]}]}]}');
SELECT ran();
DELETE FROM broken;
CALL again();
SELECT activity, status, attempt, reused_from FROM rows;
SELECT ran();

-- from inside of one that follows from a failure: it begins anew, too
INSERT INTO broken VALUES ('m');
CALL run('{"activities": [{"name": "m", "type": "sql", "sql": "SELECT rerun.act(''m'')"},
	{"name": "gate", "type": "if", "condition": "${{ activities.m.status }} = ''failed''", "depends_on": [{"activity": "m", "conditions": ["completed"]}],
		"then": [{"name": "x", "type": "sql", "sql": "SELECT rerun.act(''x'')"}],
		"else": [{"name": "y", "type": "sql", "sql": "SELECT rerun.act(''y'')"}]},
	{"name": "each", "type": "for_each", "items": ["${{ activities.m.status }}", 2], "depends_on": ["gate"], "activities": [{"name": "a", "type": "sql", "sql": "SELECT ${{ item }} AS item"}]}]}');
SELECT activity, status FROM rows;
DELETE FROM broken;
CALL again('each[2].a');
SELECT activity, status, attempt, reused_from FROM rows;
SELECT activity, output->'rows' AS rows FROM mlpipe_activities JOIN last USING (run_id) WHERE activity LIKE 'each[%' ORDER BY activity;
SELECT ran();

-- a rerun that ended before the loop began does not lose what is done
INSERT INTO broken VALUES ('l2');
SELECT mlpipe_submit('{"activities": [{"name": "ask", "type": "approval", "message": "go?", "on_rerun": "run"},
	{"name": "each", "type": "for_each", "items": [1, 2, 3], "depends_on": ["ask"], "activities": [{"name": "a", "type": "sql", "sql": "SELECT rerun.act(''l'' || ${{ item }})"}]}]}'::jsonb) AS run \gset
CALL wait_for('ask', :run);
SELECT mlpipe_approve(:run, 'ask');
CALL waits(:run);
DELETE FROM broken;
SELECT ran();
SELECT mlpipe_rerun(:run) AS run \gset
CALL wait_for('ask', :run);
SELECT mlpipe_cancel(:run);
SELECT mlpipe_rerun(:run) AS run \gset
CALL wait_for('ask', :run);
SELECT mlpipe_approve(:run, 'ask', false);
CALL waits(:run);
SELECT * FROM rows;
SELECT mlpipe_rerun(:run) AS run \gset
CALL wait_for('ask', :run);
SELECT mlpipe_approve(:run, 'ask');
CALL waits(:run);
SELECT * FROM rows;
SELECT ran();

--
-- Parameters
--
SELECT mlpipe_create_pipeline('rerun_p', '{"parameters": {"what": {"type": "text"}, "n": {"type": "integer", "default": 1}}, "activities": [
	{"name": "a", "type": "sql", "sql": "SELECT rerun.act(''a'')"},
	{"name": "b", "type": "sql", "depends_on": ["a"], "sql": "SELECT rerun.act(${{ parameters.what }} || ${{ parameters.n }})"}]}');
INSERT INTO broken VALUES ('x1');
SELECT mlpipe_submit('rerun_p', '{"what": "x"}', tags => '{"why": "test"}', priority => 3) AS run \gset
CALL waits(:run);
SELECT ran();
SELECT error_of(format('SELECT mlpipe_rerun(%s, parameters => %L)', :run, p)) FROM unnest('{"{\"n\": \"two\"}","{\"m\": 2}","[]"}'::text[]) p;
-- a newer version is of no interest
SELECT mlpipe_create_pipeline('rerun_p', '{"activities": [{"name": "other", "type": "sql", "sql": "SELECT 1"}]}');
CALL again(parameters => '{"n": 2}');
SELECT ran();
SELECT version, status, parameters, tags, priority, trigger - 'run_id' AS trigger, group_id = :run AS same_group FROM mlpipe_runs JOIN last USING (run_id);
-- what succeeded stays, whatever the parameters are
CALL again(parameters => '{"n": 3}');
SELECT ran();

--
-- Who may rerun, and what
--
SELECT mlpipe_rerun(NULL);
SELECT mlpipe_rerun(0);
SELECT error_of(format('SELECT mlpipe_rerun(%s, ''c'')', :run));
SELECT mlpipe_submit('{"activities": [{"name": "w", "type": "wait", "duration": "1 hour"}]}'::jsonb) AS waiting \gset
CALL wait_for('w', :waiting);
SELECT error_of(format('SELECT mlpipe_rerun(%s)', :waiting));
SELECT mlpipe_cancel(:waiting);
-- the wait is waited for again
SELECT mlpipe_rerun(:waiting) AS waiting \gset
CALL wait_for('w', :waiting);
SELECT mlpipe_cancel(:waiting);
SELECT mlpipe_set_version_status('rerun_p', 1, 'deprecated');
SET client_min_messages = notice;
SELECT mlpipe_rerun(run_id) IS NOT NULL FROM last;
SET client_min_messages = warning;
SELECT mlpipe_set_version_status('rerun_p', 1, 'disabled');
SELECT error_of(format('SELECT mlpipe_rerun(%s)', :run));
SELECT mlpipe_set_version_status('rerun_p', 1, 'active');
SELECT mlpipe_alter_pipeline('rerun_p', enabled => false);
SELECT error_of(format('SELECT mlpipe_rerun(%s)', :run));
SELECT mlpipe_alter_pipeline('rerun_p', enabled => true);
CREATE ROLE rerun_other LOGIN;
GRANT USAGE, CREATE ON SCHEMA rerun TO rerun_other;
SET ROLE rerun_other;
SELECT rerun.error_of(format('SELECT public.mlpipe_rerun(%s)', :run));
RESET ROLE;
GRANT pg_monitor TO rerun_other;
SET ROLE rerun_other;
SELECT rerun.error_of(format('SELECT public.mlpipe_rerun(%s)', :run));
RESET ROLE;
SELECT mlpipe_grant('rerun_p', 'rerun_other');
SET ROLE rerun_other;
SELECT mlpipe_rerun(:run, 'b', parameters => '{"n": 9}') AS run \gset other_
RESET ROLE;
CALL waits(:other_run);
SELECT status, submitted_by, run_as = (SELECT p.run_as FROM mlpipe_pipelines p WHERE p.pipeline = 'rerun_p') AS as_the_pipeline FROM mlpipe_runs JOIN last USING (run_id);
SELECT ran();
SELECT mlpipe_revoke('rerun_p', 'rerun_other');
-- a document runs as the one who submitted it
SET ROLE rerun_other;
SELECT mlpipe_submit('{"activities": [{"name": "who", "type": "sql", "sql": "CREATE TABLE rerun.mine()"}]}'::jsonb) AS run \gset
RESET ROLE;
CALL waits(:run);
DROP TABLE mine;
CALL again('who');
SELECT status, run_as, tableowner FROM mlpipe_runs JOIN last USING (run_id), pg_tables WHERE tablename = 'mine';
DROP TABLE mine;
-- a run that is gone, and one whose results are needed yet
GRANT SELECT ON broken TO rerun_other;
GRANT INSERT ON ran TO rerun_other;
SET ROLE rerun_other;
SELECT mlpipe_submit('{"activities": [{"name": "each", "type": "for_each", "items": [1, 2], "activities": [
	{"name": "a", "type": "sql", "sql": "SELECT rerun.act(''a'')"}, {"name": "ok", "type": "approval", "depends_on": ["a"], "message": "?"}]}]}'::jsonb) AS run \gset
RESET ROLE;
CALL wait_for('each[1].ok', :run);
CALL wait_for('each[2].ok', :run);
SET ROLE rerun_other;
SELECT mlpipe_approve(:run, 'each[2].ok');
SELECT mlpipe_cancel(:run);
SELECT mlpipe_rerun(:run) AS rerun \gset
SELECT mlpipe_purge('0') >= 0;
SELECT count(*) FROM mlpipe_runs WHERE run_id = :run;
RESET ROLE;
CALL wait_for('each[1].ok', :rerun);
SET ROLE rerun_other;
SELECT mlpipe_approve(:rerun, 'each[1].ok');
RESET ROLE;
CALL waits(:rerun);
SELECT activity, status, attempt, reused_from = :run AS reused FROM mlpipe_activities WHERE run_id = :rerun;
SELECT ran();
SET ROLE rerun_other;
SELECT mlpipe_purge('0') > 0;
RESET ROLE;
SELECT error_of(format('SELECT mlpipe_rerun(%s)', :run));
-- another pipeline of that name is another one
SELECT mlpipe_submit('rerun_p', '{}') AS run \gset
CALL waits(:run);
SELECT mlpipe_drop_pipeline('rerun_p');
SELECT error_of(format('SELECT mlpipe_rerun(%s)', :run));
SELECT mlpipe_create_pipeline('rerun_p', '{"activities": [{"name": "other", "type": "sql", "sql": "SELECT 1"}]}');
SELECT error_of(format('SELECT mlpipe_rerun(%s)', :run));
SELECT mlpipe_drop_pipeline('rerun_p');
DROP OWNED BY rerun_other;
DROP ROLE rerun_other;
SELECT mlpipe_purge('0') > 0;
DROP SCHEMA rerun CASCADE;

-- Reuse: what is done again and what is not, and all that could mislead it.

SET client_min_messages = warning;
CREATE SCHEMA re;
SET client_min_messages = notice;

-- Runs a pipeline and tells what became of its activities, in order.
CREATE PROCEDURE go(pipeline text, parameters jsonb DEFAULT '{}')
LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
	line record;
BEGIN
	run := mlpipe_submit(pipeline, parameters);
	COMMIT;
	PERFORM mlpipe_wait(run, '1 min');
	COMMIT;
	FOR line IN SELECT * FROM mlpipe_errors WHERE run_id = run LOOP
		RAISE NOTICE '% failed: %', line.activity, line.message;
	END LOOP;
	SELECT string_agg(a.activity || CASE WHEN a.reused_from IS NOT NULL THEN ' reused' WHEN a.status = 'succeeded' THEN ' RAN' ELSE ' ' || a.status END,
		', ' ORDER BY r.no) AS ends INTO line
		FROM mlpipe_activities a JOIN mlpipe.activity_run r ON r.run_id = a.run_id AND r.name = a.activity
		WHERE a.run_id = run AND a.type NOT IN ('for_each', 'if');
	RAISE NOTICE '%', line.ends;
	FOR line IN SELECT u.problem, a.name FROM mlpipe.reuse u JOIN mlpipe.activity_run a USING (run_id, no)
		WHERE u.run_id = run AND u.problem IS NOT NULL ORDER BY no LOOP
		RAISE NOTICE '%: % ', line.name, line.problem;
	END LOOP;
END $$;

-- A pipeline named p with these activities; one that has no type is "sql".
CREATE FUNCTION pipeline(VARIADIC activities text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	list jsonb := '[]';
BEGIN
	FOR i IN 1 .. cardinality(activities) LOOP
		list := list || jsonb_build_array('{"type": "sql", "reuse": true}' || jsonb_build_object('name', 'a' || i) || activities[i]::jsonb);
	END LOOP;
	PERFORM mlpipe_create_pipeline('p', jsonb_build_object('activities', list,
		'parameters', '{"low": {"type": "integer", "default": 3}, "high": {"type": "integer", "default": 7}}'::jsonb));
END $$;

CREATE TABLE re.wine (id integer PRIMARY KEY, v integer, note text);
INSERT INTO re.wine SELECT i, i % 10, repeat('x', i) FROM generate_series(1, 500) i;
CREATE TABLE re.part (LIKE re.wine INCLUDING ALL);
INSERT INTO re.part SELECT * FROM re.wine;
CREATE TABLE re.wine_in (id integer PRIMARY KEY, v integer);
CREATE TABLE re.part_in (id integer PRIMARY KEY, v integer);
CREATE TABLE re.wine_sum (v integer PRIMARY KEY, n bigint);
CREATE TABLE re.trace (what text, at timestamptz DEFAULT clock_timestamp());

-- Two branches and what joins them; all of them add to one table as well
SELECT pipeline(
	'{"name": "load_wine", "sql": ["DELETE FROM re.wine_in", "INSERT INTO re.wine_in SELECT id, v FROM re.wine WHERE v > ${{ parameters.low }}", "INSERT INTO re.trace VALUES (''load_wine'')"]}',
	'{"name": "sum_wine", "type": "copy", "depends_on": ["load_wine"], "source": {"query": "SELECT v, count(*) FROM re.wine_in GROUP BY v"}, "sink": {"table": "re.wine_sum", "mode": "overwrite"}}',
	'{"name": "load_part", "sql": ["TRUNCATE re.part_in", "INSERT INTO re.part_in SELECT id, v FROM re.part WHERE v < ${{ parameters.high }}", "INSERT INTO re.trace VALUES (''load_part'')"]}',
	'{"name": "after_part", "depends_on": ["load_part"], "sql": "INSERT INTO re.trace VALUES (''after_part'')"}',
	'{"name": "join", "depends_on": ["sum_wine", "after_part"], "sql": ["DROP TABLE IF EXISTS re.joined", "CREATE TABLE re.joined AS SELECT v, n FROM re.wine_sum WHERE v IN (SELECT v FROM re.part_in)", "ANALYZE re.joined", "SELECT count(*) FROM re.joined"]}',
	'{"name": "last", "reuse": false, "depends_on": ["join"], "sql": "SELECT ${{ activities.join.output.rows[0].count }} AS joined"}');
CALL go('p');
-- nothing changed, nothing runs; the earlier output is there
CALL go('p');
SELECT activity, output FROM mlpipe_activities WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs) AND activity IN ('join', 'last') ORDER BY 1;
SELECT count(*) AS lineage_of_what_was_not_done FROM mlpipe_lineage WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs) AND activity <> 'last';
CALL go('p');
-- reused_from names the run that did it
SELECT count(DISTINCT reused_from) AS originals, min(reused_from) = (SELECT max(run_id) - 2 FROM mlpipe_runs) AS is_the_first
	FROM mlpipe_activities WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs);
-- a rewritten identical row is no change, nor another order of rows or another place
UPDATE re.wine SET v = v WHERE id < 100;
VACUUM FULL re.part;
CALL go('p');
-- one changed row: what reads it and what depends on that, nothing else
UPDATE re.part SET v = 0 WHERE id = 5;
CALL go('p');
CALL go('p');
-- also where nothing is different for those that depend on it
INSERT INTO re.part VALUES (1000, 99, 'no matter');
CALL go('p');
DELETE FROM re.part WHERE id = 1000;
CALL go('p');
-- one value of a parameter
CALL go('p', '{"low": 4}');
CALL go('p', '{"low": 4}');
CALL go('p');
-- what was done, was done as often as it says
SELECT what, count(*) FROM re.trace GROUP BY what ORDER BY what;

-- Outputs that do not stand
UPDATE re.wine_in SET v = v + 1 WHERE id = 9;
CALL go('p');
INSERT INTO re.wine_sum VALUES (-1, 1);
CALL go('p');
TRUNCATE re.part_in;
CALL go('p');
DELETE FROM re.trace WHERE what = 'after_part' AND at = (SELECT max(at) FROM re.trace WHERE what = 'after_part');
CALL go('p');
-- dropped, and made again with the same rows
CREATE TABLE re.again AS TABLE re.joined;
DROP TABLE re.joined;
ALTER TABLE re.again RENAME TO joined;
CALL go('p');
-- what others add to a table that it has only added to, is not its own
INSERT INTO re.trace VALUES ('somebody else');
CALL go('p');

-- The definition: what changes the work, and what does not
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT note FROM re.wine WHERE id = 1"}');
CALL go('p');
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT note FROM re.wine WHERE id = 1", "description": "the first", "retry": {"max_retries": 2}, "timeout": "1 min"}');
CALL go('p');
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT note FROM re.wine WHERE id = 2"}');
CALL go('p');
-- going back finds the first one again, whose row is still there
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT note FROM re.wine WHERE id = 1"}');
CALL go('p');
-- another role is another one
CREATE ROLE regress_mlpipe_reuse LOGIN;
GRANT USAGE ON SCHEMA re TO regress_mlpipe_reuse;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA re TO regress_mlpipe_reuse;
SELECT mlpipe_alter_pipeline('p', run_as => 'regress_mlpipe_reuse');
CALL go('p');
CALL go('p');
-- which sees what it may see: of a table that it may only write nothing, of one with policies a part
REVOKE SELECT ON re.trace FROM regress_mlpipe_reuse;
CALL go('p');
GRANT SELECT ON re.trace TO regress_mlpipe_reuse;
ALTER TABLE re.wine ENABLE ROW LEVEL SECURITY;
CREATE POLICY odd ON re.wine TO regress_mlpipe_reuse USING (id % 2 = 1);
CALL go('p');
CALL go('p');
-- also what it reads with the rights of somebody else
CREATE FUNCTION re.all_wine() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT sum(v) FROM re.wine';
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT re.all_wine()"}');
CALL go('p');
ALTER TABLE re.wine DISABLE ROW LEVEL SECURITY;
CALL go('p');
CALL go('p');
SELECT mlpipe_alter_pipeline('p', run_as => current_user::regrole);

-- What is read by way of something else
CREATE VIEW re.some AS SELECT * FROM re.wine WHERE v < 5;
CREATE FUNCTION re.counts(relation text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM %s', relation) INTO n;
	RETURN n;
END $$;
CREATE FUNCTION re.inlined() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM re.some';
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT count(*) FROM re.some"}', '{"sql": "INSERT INTO re.trace SELECT re.counts(''re.part'')"}',
	'{"sql": "INSERT INTO re.trace SELECT re.inlined()"}');
CALL go('p');
CALL go('p');
DELETE FROM re.part WHERE id = 77;
CALL go('p');
DELETE FROM re.wine WHERE id = 77;
CALL go('p');
CREATE OR REPLACE VIEW re.some AS SELECT * FROM re.wine WHERE v < 4;
CALL go('p');
CREATE OR REPLACE FUNCTION re.counts(relation text) RETURNS bigint LANGUAGE sql AS 'SELECT 42::bigint';
CREATE OR REPLACE FUNCTION re.inlined() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) + 1 FROM re.some';
CALL go('p');
CALL go('p');

-- Tables that are not what they were, though no page of theirs has changed
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT to_jsonb(w) FROM re.wine w WHERE id = 3"}');
CALL go('p');
ALTER TABLE re.wine ADD COLUMN more integer DEFAULT 5;
CALL go('p');
ALTER TABLE re.wine RENAME COLUMN more TO less;
CALL go('p');
ALTER TABLE re.wine DROP COLUMN less;
CALL go('p');
CALL go('p');
-- one that has taken the place of another, which is still as it was
CREATE TABLE re.wine2 (LIKE re.wine INCLUDING ALL);
INSERT INTO re.wine2 TABLE re.wine;
UPDATE re.wine2 SET v = 100;
ALTER TABLE re.wine RENAME TO wine_old;
ALTER TABLE re.wine2 RENAME TO wine;
CALL go('p');
-- which is no change where it has the same rows: inputs may be made anew each time
BEGIN;
CREATE TABLE re.wine2 (LIKE re.wine INCLUDING ALL);
INSERT INTO re.wine2 TABLE re.wine;
DROP TABLE re.wine;
ALTER TABLE re.wine2 RENAME TO wine;
COMMIT;
CALL go('p');
DROP TABLE re.wine;
CREATE TABLE re.wine AS SELECT id::bigint, v, note FROM re.wine_old;
CALL go('p');
DROP TABLE re.wine;
CREATE TABLE re.wine (LIKE re.wine_old INCLUDING ALL);
INSERT INTO re.wine TABLE re.wine_old;
-- or hides it
SET search_path = public, re;
CREATE TABLE public.shadowed AS SELECT 1 AS a;
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT a FROM shadowed"}');
CALL go('p');
CALL go('p');
SET client_min_messages = warning;
SELECT format('CREATE SCHEMA %I', current_user) AS make, format('DROP SCHEMA %I CASCADE', current_user) AS unmake,
	format('CREATE TABLE %I.shadowed AS SELECT 2 AS a', current_user) AS make_table \gset
:make;
:make_table;
SET client_min_messages = notice;
CALL go('p');
SET client_min_messages = warning;
:unmake;
DROP TABLE public.shadowed;
RESET search_path;
SET client_min_messages = notice;

-- Partitions, children, tables that are not logged
CREATE TABLE re.sales (id integer, v integer) PARTITION BY RANGE (id);
CREATE TABLE re.sales_1 PARTITION OF re.sales FOR VALUES FROM (0) TO (100);
CREATE TABLE re.sales_2 (v integer, id integer);
ALTER TABLE re.sales ATTACH PARTITION re.sales_2 FOR VALUES FROM (100) TO (200);
INSERT INTO re.sales SELECT i, i FROM generate_series(0, 199) i;
CREATE UNLOGGED TABLE re.fast AS SELECT 1 AS a;
CREATE TABLE re.mother (a integer);
CREATE TABLE re.daughter () INHERITS (re.mother);
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT sum(v) FROM re.sales"}', '{"sql": "INSERT INTO re.trace SELECT sum(a) FROM re.fast"}',
	'{"sql": "INSERT INTO re.trace SELECT count(*) FROM re.mother"}');
CALL go('p');
CALL go('p');
UPDATE re.sales_2 SET v = v + 1 WHERE id = 150;
CALL go('p');
CREATE TABLE re.sales_3 PARTITION OF re.sales FOR VALUES FROM (200) TO (300);
CALL go('p');
UPDATE re.fast SET a = 2;
INSERT INTO re.daughter VALUES (1);
CALL go('p');
CALL go('p');

-- What cannot be told is done again
CREATE SEQUENCE re.seq;
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT last_value FROM re.seq"}', '{"sql": "INSERT INTO re.trace SELECT mlpipe_run_id()"}',
	'{"sql": "INSERT INTO re.trace SELECT mlpipe_context() -> ''run'' ->> ''id''"}', '{"sql": "INSERT INTO re.trace SELECT ${{ run.id }}"}');
CALL go('p');
CALL go('p');
SELECT format('COPY re.trace TO %L', current_setting('data_directory') || '/regress_mlpipe_reuse') AS copy_out,
	format('COPY re.trace FROM %L', current_setting('data_directory') || '/regress_mlpipe_reuse') AS copy_in \gset
SELECT pipeline(jsonb_build_object('sql', :'copy_out')::text, jsonb_build_object('depends_on', '["a1"]'::jsonb, 'sql', :'copy_in')::text);
CALL go('p');
CALL go('p');
-- settings of a function that it used, and defaults of columns that it wrote, are a part of it
CREATE TABLE re.filled (a integer, b integer DEFAULT 1);
CREATE FUNCTION re.setting() RETURNS text LANGUAGE sql AS 'SELECT current_setting(''work_mem'')';
SELECT pipeline('{"sql": "INSERT INTO re.filled (a) VALUES (1)"}', '{"sql": "SELECT re.setting()"}');
CALL go('p');
CALL go('p');
ALTER TABLE re.filled ALTER b SET DEFAULT 2;
CALL go('p');
ALTER FUNCTION re.setting() SET work_mem = '1MB';
CALL go('p');
ALTER FUNCTION re.setting() SECURITY DEFINER;
CALL go('p');
CALL go('p');
-- and what such functions do
CREATE OR REPLACE FUNCTION re.setting() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_setting(''port'')';
CALL go('p');
CREATE OR REPLACE FUNCTION re.setting() RETURNS text LANGUAGE plpgsql SET work_mem = '1MB' AS 'BEGIN RETURN 1; END';
CALL go('p');
CREATE OR REPLACE FUNCTION re.setting() RETURNS text LANGUAGE plpgsql SET work_mem = '1MB' AS 'BEGIN RETURN 2; END';
CALL go('p');
CALL go('p');
-- a parameter that a function asks for is a part of it
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT mlpipe_parameter(''low'')"}');
CALL go('p');
CALL go('p', '{"high": 8}');
CALL go('p', '{"low": 8}');
CALL go('p');

-- What is said in the document goes before what was seen
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT count(*) FROM re.part", "inputs": ["re.fast"], "outputs": ["re.part_in"]}');
CALL go('p');
TRUNCATE re.trace;
INSERT INTO re.part VALUES (2000, 1, '');
CALL go('p');
UPDATE re.fast SET a = 3;
CALL go('p');
DELETE FROM re.part_in;
CALL go('p');
SELECT pipeline('{"sql": "SELECT 1", "inputs": ["re.gone"]}', '{"sql": "SELECT 1", "inputs": ["re.some"]}');
CALL go('p');
SELECT path, message FROM mlpipe_validate('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "reuse": true, "transaction": "none"},
	{"name": "b", "type": "wait", "duration": "1 s", "reuse": true}, {"name": "c", "type": "sql", "sql": "SELECT 1", "inputs": ["${{ nothing }}"], "outputs": "re.t"}]}');

-- A table that is read and written: done again until it leaves what it finds
SELECT pipeline('{"sql": "UPDATE re.fast SET a = 10 WHERE a < 10"}',
	'{"type": "copy", "source": {"query": "SELECT id, v FROM re.part WHERE id < 50"}, "sink": {"table": "re.part_in", "mode": "upsert", "key": ["id"]}}',
	'{"type": "data_flow", "transformations": [{"name": "few", "query": "SELECT id, v FROM re.wine"}], "sinks": [{"from": "few", "table": "re.wine_in", "mode": "overwrite"}]}');
CALL go('p');
CALL go('p');
CALL go('p');

-- Why: part by part, beside the success that it was compared with
CREATE PROCEDURE why(activity text) LANGUAGE plpgsql AS $$
DECLARE
	line record;
BEGIN
	FOR line IN SELECT e.part,
			regexp_replace(e.this_run, 'run \d+', 'run N') AS this_run, regexp_replace(e.earlier_run, 'run \d+', 'run N') AS earlier_run, e.same
			FROM mlpipe_explain_reuse((SELECT max(run_id) FROM mlpipe_runs), activity) e LOOP
		RAISE NOTICE '%: % | % | %', line.part, regexp_replace(line.this_run, '\m[0-9a-f]{12}\M', '#'),
			regexp_replace(line.earlier_run, '\m[0-9a-f]{12}\M', '#'), line.same;
	END LOOP;
END $$;
SELECT pipeline('{"sql": ["TRUNCATE re.part_in", "INSERT INTO re.part_in SELECT id, v FROM re.part WHERE v < ${{ parameters.low }}"]}',
	'{"depends_on": ["a1"], "sql": "INSERT INTO re.trace SELECT re.inlined() + mlpipe_parameter(''high'')::integer FROM re.part_in LIMIT 1"}', '{"reuse": false, "sql": "SELECT 1"}');
CALL go('p');
CALL why('a1');
CALL go('p');
CALL why('a1');
CALL why('a2');
UPDATE re.part SET v = v + 1 WHERE id = 3;
CALL go('p', '{"high": 9}');
CALL why('a1');
CALL why('a2');
DELETE FROM re.part_in WHERE id < 20;
CALL go('p', '{"low": 2}');
CALL why('a1');
CALL go('p', '{"low": 2}');
TRUNCATE re.part_in;
CALL go('p', '{"low": 2}');
CALL why('a1');
DROP TABLE re.trace;
CREATE TABLE re.trace (what text, at timestamptz DEFAULT clock_timestamp());
CALL go('p', '{"low": 2}');
CALL why('a2');
\set VERBOSITY terse
SELECT * FROM mlpipe_explain_reuse(NULL, 'a1');
SELECT * FROM mlpipe_explain_reuse(-1, 'a1');
\set VERBOSITY default
DO $$ BEGIN
	PERFORM mlpipe_explain_reuse((SELECT max(run_id) FROM mlpipe_runs), 'a3');
EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE NOTICE '%', regexp_replace(sqlerrm, 'run \d+', 'run N');
END $$;
DO $$ BEGIN
	PERFORM mlpipe_explain_reuse((SELECT max(run_id) FROM mlpipe_runs), 'a4');
EXCEPTION WHEN undefined_object THEN RAISE NOTICE '%', regexp_replace(sqlerrm, 'run \d+', 'run N');
END $$;
-- a run that one may not see is none
SELECT set_config('re.run', max(run_id)::text, false) IS NOT NULL AS set FROM mlpipe_runs;
SET ROLE regress_mlpipe_reuse;
DO $$ BEGIN
	PERFORM mlpipe_explain_reuse(current_setting('re.run')::bigint, 'a1');
EXCEPTION WHEN undefined_object THEN RAISE NOTICE '%', regexp_replace(sqlerrm, 'run \d+', 'run N');
END $$;
RESET ROLE;

-- A table that is named without its schema
CREATE TABLE regress_reuse_part AS SELECT 1 AS id;
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT count(*) FROM regress_reuse_part", "inputs": ["regress_reuse_part"], "outputs": ["re.part_in"]}');
CALL go('p');
CALL go('p');
DROP TABLE regress_reuse_part;

-- A rerun: what it was asked to do again is done, and the rest as in any run
CREATE PROCEDURE again(from_activity text, only_failed boolean DEFAULT true)
LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
	ends text;
BEGIN
	run := mlpipe_rerun((SELECT max(run_id) FROM mlpipe_runs), from_activity => from_activity, only_failed => only_failed);
	COMMIT;
	PERFORM mlpipe_wait(run, '1 min');
	COMMIT;
	SELECT string_agg(activity || CASE WHEN reused_from IS NULL THEN ' RAN' ELSE ' reused' END, ', ' ORDER BY activity) INTO ends
		FROM mlpipe_activities WHERE run_id = run AND type = 'sql' AND status = 'succeeded';
	RAISE NOTICE '%', ends;
END $$;
SELECT mlpipe_create_pipeline('again', '{"activities": [
	{"name": "a", "type": "sql", "reuse": true, "sql": "INSERT INTO re.trace VALUES (1)"},
	{"name": "b", "type": "sql", "depends_on": ["a"], "sql": "SELECT 1"},
	{"name": "c", "type": "sql", "depends_on": ["b"], "reuse": true, "sql": "INSERT INTO re.trace VALUES (2)"},
	{"name": "each", "type": "for_each", "items": [1, 2], "depends_on": ["a"], "activities": [
		{"name": "x", "type": "sql", "reuse": true, "sql": "INSERT INTO re.trace VALUES (${{ item }})"},
		{"name": "y", "type": "sql", "reuse": true, "depends_on": ["x"], "sql": "INSERT INTO re.trace VALUES (3)"}]},
	{"name": "d", "type": "sql", "reuse": true, "on_rerun": "run", "sql": "INSERT INTO re.trace VALUES (4)"}]}');
CALL go('again');
CALL go('again');
CALL again(NULL);
CALL again('b');
CALL again('each[2].x');
CALL again('each');
CALL again(NULL, false);
CALL go('again');
-- of a loop that was done in part, and now as a whole, what depends on it is done once
CREATE TABLE re.in_1 AS SELECT 1 AS v;
CREATE TABLE re.in_2 AS SELECT 0 AS v;
SELECT mlpipe_create_pipeline('in_part', '{"activities": [
	{"name": "each", "type": "for_each", "items": ["re.in_1", "re.in_2"], "activities": [{"name": "if", "type": "if", "condition": "true", "then": [
		{"name": "work", "type": "sql", "reuse": true, "sql": "INSERT INTO re.trace SELECT 1 / v FROM ${{ item | identifier }}"}]}]},
	{"name": "after", "type": "sql", "reuse": true, "depends_on": ["each"], "sql": "INSERT INTO re.trace VALUES (''after'')"}]}');
CALL go('in_part');
UPDATE re.in_2 SET v = 1;
CALL again(NULL);
CALL go('in_part');
UPDATE re.in_1 SET v = 2;
CALL go('in_part');
CALL go('in_part');
DROP PROCEDURE again(text, boolean);
SELECT mlpipe_drop_pipeline('again'), mlpipe_drop_pipeline('in_part');

-- What is secret is not told
SELECT pipeline('{"reuse": false, "secure_output": true, "sql": "SELECT ''hunter2'' AS word"}',
	'{"depends_on": ["a1"], "sql": "SELECT length(${{ activities.a1.output.rows[0].word }}) - ${{ parameters.low }}"}');
CALL go('p');
CALL go('p');
SELECT part, this_run, earlier_run, same FROM mlpipe_explain_reuse((SELECT max(run_id) FROM mlpipe_runs), 'a2') WHERE part <> 'definition';

-- Inside of containers: each by itself
SELECT mlpipe_create_pipeline('loop', '{"activities": [
	{"name": "each", "type": "for_each", "sequential": true, "items": [1, 2, 3], "activities": [
		{"name": "one", "type": "sql", "reuse": true, "sql": "INSERT INTO re.trace SELECT note FROM re.part WHERE id = ${{ item }}", "inputs": ["re.sales_1"]},
		{"name": "two", "type": "sql", "reuse": true, "depends_on": ["one"], "sql": "INSERT INTO re.trace VALUES (''two'')"}]},
	{"name": "between", "type": "sql", "depends_on": ["each"], "sql": "SELECT 1"},
	{"name": "after", "type": "sql", "reuse": true, "depends_on": ["between"], "sql": "INSERT INTO re.trace VALUES (''after'')"}]}');
CALL go('loop');
CALL go('loop');
DELETE FROM re.trace WHERE what = repeat('x', 2);
CALL go('loop');
CALL go('loop');

-- A parallel step: as a whole
CREATE TABLE re.items AS SELECT i AS id, i % 3 AS v FROM generate_series(1, 100) i;
CREATE TABLE re.rate AS SELECT 2 AS factor;
SELECT pipeline('{"name": "step", "type": "parallel", "input": {"table": "re.items"}, "mini_batch_size": "10 rows", "append_row_to": "re.done",
		"run": "SELECT id, v * factor AS v FROM mini_batch, re.rate"}',
	'{"name": "by", "type": "parallel", "input": {"query": "SELECT * FROM re.items WHERE v > 0"}, "partition_keys": ["v"], "init": "SET work_mem = ''8MB''",
		"run": "INSERT INTO re.trace SELECT count(*) FROM mini_batch"}',
	'{"name": "use", "depends_on": ["step"], "sql": ["DROP TABLE IF EXISTS re.used", "CREATE TABLE re.used AS SELECT sum(v) FROM re.done"]}');
CALL go('p');
CALL go('p');
SELECT activity, status, batches_total, batches_done, items_in, items_out FROM mlpipe_activities
	WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs) AND type = 'parallel' ORDER BY activity;
CALL why('step');
UPDATE re.rate SET factor = 3;
CALL go('p');
CALL go('p');
UPDATE re.items SET v = 0 WHERE id = 1;
CALL go('p');
DELETE FROM re.done WHERE id = 7;
CALL go('p');
CALL go('p');
-- not one of which a mini-batch has failed, nor one that changes what it finds
SELECT pipeline('{"type": "parallel", "input": {"table": "re.items"}, "mini_batch_size": "10 rows", "retry_settings": {"max_retries": 0, "timeout": 60},
		"run": "SELECT 1 / (id - 50) FROM mini_batch", "append_row_to": "re.done2"}',
	'{"type": "parallel", "input": {"table": "re.items"}, "mini_batch_size": "50 rows", "run": "UPDATE re.items i SET v = m.v FROM mini_batch m WHERE m.id = i.id"}');
CALL go('p');
CALL go('p');

-- A writer that has not committed, and one that comes and goes meanwhile, fool nobody
SELECT pipeline('{"sql": "INSERT INTO re.trace SELECT sum(v) FROM re.part"}');
CALL go('p');
SELECT pg_advisory_lock(4712);
SELECT mlpipe_submit('{"activities": [{"name": "w", "type": "sql", "sql": ["INSERT INTO re.part VALUES (3000, 1, '''')", "SELECT pg_advisory_xact_lock(4712)"]}]}'::jsonb) AS writer \gset
DO $$ BEGIN
	FOR i IN 1 .. 2000 LOOP
		EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712 AND NOT granted);
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
CALL go('p');
UPDATE re.part SET v = v + 1 WHERE id = 1;
CALL go('p');
SELECT pg_advisory_unlock(4712);
SELECT mlpipe_wait(:writer, '1 min');
CALL go('p');
CALL go('p');
SELECT pipeline('{"sql": ["SELECT pg_advisory_lock(4713)", "INSERT INTO re.trace SELECT sum(v) FROM re.part", "SELECT pg_advisory_lock(4714)"]}');
SELECT pg_advisory_lock(4713), pg_advisory_lock(4714);
SELECT mlpipe_submit('p') AS run \gset
CREATE PROCEDURE blocked(key integer) LANGUAGE plpgsql AS $$ BEGIN
	FOR i IN 1 .. 2000 LOOP
		EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = key AND NOT granted);
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
CALL blocked(4713);
UPDATE re.part SET v = v + 1 WHERE id = 1;
SELECT pg_advisory_unlock(4713);
CALL blocked(4714);
UPDATE re.part SET v = v - 1 WHERE id = 1;
SELECT pg_advisory_unlock(4714);
SELECT mlpipe_wait(:run, '1 min');
SELECT problem FROM mlpipe.reuse WHERE run_id = :run;
CALL go('p');
CALL go('p');

-- without dead versions, which a mini-batch that finds them would remove
VACUUM re.items, re.rate;
SELECT pipeline('{"type": "parallel", "input": {"table": "re.items"}, "mini_batch_size": "50 rows", "init": "SELECT pg_advisory_xact_lock_shared(4715)",
	"run": "SELECT count(*) FROM mini_batch, re.rate", "count": "none", "append_row_to": "re.counts"}');
SELECT pg_advisory_lock(4715);
SELECT mlpipe_submit('p') AS run \gset
CALL blocked(4715);
UPDATE re.rate SET factor = factor + 1;
UPDATE re.rate SET factor = factor - 1;
SELECT pg_advisory_unlock(4715);
SELECT mlpipe_wait(:run, '1 min');
SELECT problem FROM mlpipe.reuse WHERE run_id = :run;
CALL go('p');
CALL go('p');

-- An earlier run that is purged, or has failed, is none
SELECT mlpipe_purge('0') > 0 AS purged;
SELECT count(*) FROM mlpipe.reuse;
CALL go('p');
SELECT pipeline('{"sql": ["INSERT INTO re.trace VALUES (1)", "SELECT 1 / (count(*) - 10) FROM re.daughter"]}');
INSERT INTO re.daughter SELECT generate_series(2, 10);
CALL go('p');
INSERT INTO re.daughter VALUES (11);
CALL go('p');
CALL go('p');

SET client_min_messages = warning;
SELECT mlpipe_drop_pipeline('p'), mlpipe_drop_pipeline('loop');
DROP SCHEMA re CASCADE;
DROP ROLE regress_mlpipe_reuse;
DROP PROCEDURE go, why, blocked;
DROP FUNCTION pipeline;

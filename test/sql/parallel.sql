-- The activity type "parallel": how inputs are split, what run may be, and what
-- becomes of mini-batches that fail.

CREATE ROLE regress_mlpipe_parallel LOGIN;
CREATE SCHEMA parallel_test AUTHORIZATION regress_mlpipe_parallel;
CREATE TABLE parallel_test.forbidden AS SELECT 1 AS id;
ALTER ROLE regress_mlpipe_parallel SET search_path = parallel_test, public;
SET ROLE regress_mlpipe_parallel;
SET search_path = parallel_test, public;
SET client_min_messages = warning;

-- Runs one parallel activity; how it ended, and the sums of its mini-batches.
CREATE PROCEDURE step(activity jsonb) LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
BEGIN
	run := mlpipe_submit(jsonb_build_object('activities', jsonb_build_array(
		'{"name": "p", "type": "parallel", "max_concurrency_per_instance": 2}' || activity)));
	COMMIT;
	PERFORM mlpipe_wait(run, '1 min');
END $$;
CREATE FUNCTION ended(run bigint)
RETURNS TABLE (status text, error text, output jsonb) LANGUAGE sql AS $$
	SELECT a.status, a.error, a.output - 'seconds' - 'batches_per_second'
	FROM mlpipe_activities a WHERE a.run_id = run
$$;
CREATE FUNCTION attempts(run bigint)
RETURNS TABLE (status text, attempt integer, attempts bigint, items_in bigint, items_out bigint, error text) LANGUAGE sql AS $$
	SELECT b.status, b.attempt, count(*), sum(b.items_in), sum(b.items_out), min(b.error)
	FROM mlpipe_batches b WHERE b.run_id = run GROUP BY 1, 2 ORDER BY 1, 2
$$;
CREATE FUNCTION problems(activity jsonb)
RETURNS TABLE (path text, message text, hint text) LANGUAGE sql AS $$
	SELECT v.path, v.message, v.hint
	FROM mlpipe_validate(jsonb_build_object('activities', jsonb_build_array('{"name": "p", "type": "parallel"}' || activity))) v
$$;
CREATE TABLE part_in AS SELECT i AS id, i % 7 AS x, repeat('-', 100) AS filler FROM generate_series(1, 10000) i;

--
-- Division
--

-- By rows: each mini-batch has that many, the last one what is left
CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "3000 rows", "run": "SELECT id, x * 2 AS y FROM mini_batch m", "append_row_to": "by_rows"}');
SELECT run_id AS run FROM mlpipe_runs ORDER BY run_id DESC LIMIT 1 \gset
SELECT * FROM ended(:run);
SELECT batch, attempt, status, items_in, items_out FROM mlpipe_batches WHERE run_id = :run ORDER BY batch;
SELECT batches_total, batches_done, batches_failed, items_in, items_out FROM mlpipe_activities WHERE run_id = :run;
SELECT count(*), count(DISTINCT id), sum(y) = (SELECT sum(x * 2) FROM part_in) AS right FROM by_rows;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'by_rows'::regclass AND attnum > 0;
SELECT relowner::regrole FROM pg_class WHERE oid = 'by_rows'::regclass;

-- By size: ranges of blocks
CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "160 kB", "run": "SELECT id FROM mini_batch", "append_row_to": "by_size"}');
SELECT run_id AS run FROM mlpipe_runs ORDER BY run_id DESC LIMIT 1 \gset
SELECT count(*) = ceil(pg_relation_size('part_in') / 8192 / 20.0) AS right, sum(items_in), sum(items_out) FROM mlpipe_batches WHERE run_id = :run;
SELECT count(*), count(DISTINCT id) FROM by_size;

-- whose items are counted also where run has not read to their end, or nothing
CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "160 kB", "run": "SELECT id FROM mini_batch LIMIT 1"}');
CALL step('{"input": {"query": "SELECT * FROM part_in"}, "mini_batch_size": "160 kB", "run": "SELECT 1 AS one"}');
CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "160 kB", "run": "SELECT id FROM mini_batch WHERE false"}');
-- (from 16 on, the last blocks of a table may have no rows yet)
SELECT a.output->'items' AS items,
	(SELECT bool_and(b.items_out = 1 OR b.items_in = 0) FROM mlpipe_batches b WHERE b.run_id = a.run_id) AS one_of_each,
	(SELECT sum(b.items_in) FROM mlpipe_batches b WHERE b.run_id = a.run_id) AS items_in
FROM mlpipe_activities a ORDER BY run_id DESC LIMIT 3;
-- so that the gap is noticed
CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "1 GB", "error_threshold": 9998, "run": "SELECT id FROM mini_batch LIMIT 1", "retry_settings": {"max_retries": 0}}');
SELECT error FROM mlpipe_activities ORDER BY run_id DESC LIMIT 1;

-- Long values count, though they are stored apart: this is about 5 MB
CREATE TABLE long (id integer, v text);
ALTER TABLE long ALTER v SET STORAGE EXTERNAL;
INSERT INTO long SELECT i, repeat('-', 4000) FROM generate_series(1, 1000) i;
CALL step('{"input": {"table": "long"}, "mini_batch_size": "2 MB", "run": "SELECT id FROM mini_batch"}');
SELECT (output->>'batches')::integer BETWEEN 2 AND 4 AS several, output->'items_done' AS done FROM mlpipe_activities ORDER BY run_id DESC LIMIT 1;

-- What cannot be read by blocks is kept for the step: queries, views,
-- partitioned tables; and nothing of that is left behind
CREATE TABLE parts (id integer) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (60);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (60) TO (200);
INSERT INTO parts SELECT generate_series(1, 100);
CREATE VIEW odd AS SELECT id FROM part_in WHERE id % 2 = 1;
CREATE TABLE kept (id integer, of_step text DEFAULT 'x');
CALL step('{"input": {"query": "SELECT id, NULL AS nothing FROM part_in WHERE id <= 4500 -- all of them"}, "mini_batch_size": "1000 rows", "run": "SELECT id FROM mini_batch", "append_row_to": "kept"}');
CALL step('{"input": {"query": "SELECT * FROM part_in;"}, "mini_batch_size": "100 kB", "run": "SELECT id FROM mini_batch", "append_row_to": "kept"}');
CALL step('{"input": {"table": "odd"}, "mini_batch_size": "1000 rows", "run": "SELECT id FROM mini_batch", "append_row_to": "kept"}');
CALL step('{"input": {"table": "parallel_test.parts"}, "mini_batch_size": "30 rows", "run": "SELECT id FROM mini_batch", "append_row_to": "kept"}');
SELECT count(*) FROM kept;
-- How many pages a copy has differs from version to version of the server.
SELECT least((output->>'batches')::integer, 6) AS batches_up_to_6, output->'items' AS items, status
FROM mlpipe_activities ORDER BY run_id DESC LIMIT 4;
SELECT count(*) FROM pg_class WHERE relname LIKE 'stage\_%';

-- Row-level security holds
RESET ROLE;
CREATE TABLE parallel_test.guarded AS SELECT i AS id FROM generate_series(1, 100) i;
ALTER TABLE parallel_test.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON parallel_test.guarded USING (id % 2 = 0);
GRANT SELECT ON parallel_test.guarded TO regress_mlpipe_parallel;
SET ROLE regress_mlpipe_parallel;
CALL step('{"input": {"table": "guarded"}, "mini_batch_size": "1 MB", "run": "SELECT id FROM mini_batch"}');
SELECT output->'items' AS items FROM mlpipe_activities ORDER BY run_id DESC LIMIT 1;

-- An empty input is a success, and the table is made
CALL step('{"input": {"query": "SELECT * FROM part_in WHERE false"}, "run": "SELECT id FROM mini_batch", "append_row_to": "from_nothing"}');
SELECT run_id AS run FROM mlpipe_runs ORDER BY run_id DESC LIMIT 1 \gset
SELECT * FROM ended(:run);
SELECT * FROM from_nothing;
-- also where its columns depend on what init makes, or on the partition's keys
CALL step('{"input": {"query": "SELECT * FROM part_in WHERE false"}, "init": "CREATE TEMP TABLE model AS SELECT 2.5 AS factor", "run": "SELECT id, id * factor AS y FROM mini_batch, model", "append_row_to": "from_nothing_2", "shutdown": "DROP TABLE model"}');
CALL step('{"input": {"query": "SELECT id, x, filler FROM part_in WHERE false"}, "partition_keys": ["x", "filler"], "run": "SELECT ${{ batch.x }} AS x, ${{ batch.filler }} AS filler, count(*) FROM mini_batch", "append_row_to": "from_nothing_3"}');
CALL step('{"input": {"query": "SELECT id, x FROM part_in WHERE false"}, "init": "SELECT 1", "partition_keys": ["x"], "run": "SELECT no_such FROM mini_batch", "append_row_to": "from_nothing_4"}');
SELECT status, error, batches_total FROM mlpipe_activities ORDER BY run_id DESC LIMIT 3;
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid IN ('from_nothing_2'::regclass, 'from_nothing_3'::regclass) AND attnum > 0 ORDER BY attrelid, attnum;

-- What cannot be split
CALL step('{"input": {"table": "no_such"}, "run": "SELECT 1"}');
CALL step('{"input": {"table": "forbidden"}, "run": "SELECT 1"}');
CALL step('{"input": {"query": "SELECT * FROM forbidden"}, "run": "SELECT 1"}');
CALL step('{"input": {"query": "SELECT 1 AS a, 2 AS a"}, "run": "SELECT 1"}');
CALL step('{"input": {"query": "SELECT row(1, 2) AS r"}, "run": "SELECT 1"}');
SELECT error FROM mlpipe_activities ORDER BY run_id DESC LIMIT 5;

--
-- The relation mini_batch
--
CREATE TABLE target (id integer PRIMARY KEY, x integer);
CREATE PROCEDURE try(run_text text) LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
BEGIN
	CALL step(jsonb_build_object('input', '{"table": "part_in"}'::jsonb, 'mini_batch_size', '4000 rows',
								 'retry_settings', '{"max_retries": 0}'::jsonb, 'run', run_text));
	run := (SELECT max(run_id) FROM mlpipe_runs);
	RAISE WARNING '%', (SELECT coalesce(error, concat_ws(' of ', output->'items_done', output->'items')) FROM mlpipe_activities WHERE run_id = run);
END $$;
\set VERBOSITY terse
CALL try('SELECT m.* FROM mini_batch m JOIN part_in USING (id)');
CALL try('SELECT mini_batch, mini_batch.id FROM mini_batch WHERE EXISTS (SELECT FROM mini_batch b WHERE b.id = mini_batch.id)');
CALL try('SELECT * FROM (SELECT * FROM mini_batch AS b (a) WHERE a < 10) s');
CALL try('WITH c AS (SELECT * FROM mini_batch) SELECT * FROM c');
CALL try('SELECT id FROM mini_batch UNION ALL SELECT id FROM mini_batch');
CALL try('WITH mini_batch AS (SELECT * FROM mini_batch WHERE id < 50) SELECT * FROM mini_batch');
CALL try('WITH RECURSIVE mini_batch AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM mini_batch WHERE i < 3) SELECT * FROM mini_batch');
CALL try('INSERT INTO target SELECT id, x FROM mini_batch');
CALL try('UPDATE target SET x = -1 FROM mini_batch m WHERE m.id = target.id');
CALL try('DELETE FROM target USING mini_batch WHERE mini_batch.id = target.id AND target.id % 2 = 0');
CALL try('MERGE INTO target USING mini_batch m ON m.id = target.id WHEN NOT MATCHED THEN INSERT VALUES (m.id, m.x)');
CALL try('SELECT ${{ batch.number }}, ${{ batch.items }} FROM mini_batch WHERE (mlpipe_batch()->>''number'')::integer = ${{ batch.number }}');
SELECT count(*), sum(x) FROM target;
-- it can only be read
CALL try('INSERT INTO mini_batch VALUES (1)');
CALL try('UPDATE mini_batch SET x = 1');
CALL try('DELETE FROM mini_batch');
CALL try('SELECT * FROM parallel_test.mini_batch');
CALL try('SELECT filter FROM mini_batch');
\set VERBOSITY default
-- one more than fits into an int64, which as a double looks like the limit
SELECT message FROM problems('{"input": {"table": "t"}, "run": "SELECT 1", "error_threshold": 9223372036854775808}');
-- one statement that reads or changes rows
SELECT message FROM problems('{"input": {"table": "t"}, "run": "SELECT 1; SELECT 2"}');
SELECT message, hint FROM problems('{"input": {"table": "t"}, "run": "VACUUM"}');
SELECT message FROM problems('{"input": {"table": "t"}, "run": "COMMIT"}');
SELECT message FROM problems('{"input": {"table": "t"}, "run": "SELECT 1 INTO t"}');
SELECT message FROM problems('{"input": {"table": "t"}, "run": "SELEC"}');

--
-- append_row_to
--
CALL step('{"input": {"table": "target"}, "mini_batch_size": "1000000 rows", "run": "WITH gone AS (DELETE FROM target WHERE id < 5 RETURNING id) SELECT m.id FROM mini_batch m JOIN gone USING (id)", "append_row_to": "gone"}');
SELECT * FROM gone ORDER BY id;
CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "4000 rows", "run": "WITH q AS (SELECT 7 AS seven) UPDATE target SET x = seven FROM q, mini_batch m WHERE m.id = target.id RETURNING target.*", "append_row_to": "changed"}');
SELECT count(*), count(DISTINCT id), min(x), max(x) FROM changed;
-- MERGE can return rows since version 17
SELECT CASE WHEN current_setting('server_version_num')::integer < 170000
	THEN 'UPDATE target SET x = 8 FROM mini_batch m WHERE m.id = target.id RETURNING target.id'
	ELSE 'MERGE INTO target USING mini_batch m ON m.id = target.id WHEN MATCHED THEN UPDATE SET x = 8 RETURNING target.id' END AS run \gset
CALL step(jsonb_build_object('input', '{"table": "part_in"}'::jsonb, 'mini_batch_size', '4000 rows', 'run', :'run', 'append_row_to', 'merged'));
SELECT (SELECT count(*) FROM merged) = (SELECT count(*) FROM target) AS all_merged, min(x), max(x) FROM target;
-- types are checked before the first mini-batch runs
CREATE TABLE two (a integer, b integer);
CALL step('{"input": {"table": "part_in"}, "run": "SELECT filler, x FROM mini_batch", "append_row_to": "two"}');
CALL step('{"input": {"table": "part_in"}, "run": "SELECT 1, 2, 3 FROM mini_batch", "append_row_to": "two"}');
CALL step('{"input": {"table": "part_in"}, "run": "SELECT 1 AS a, 2 AS a FROM mini_batch", "append_row_to": "new"}');
CALL step('{"input": {"table": "part_in"}, "run": "DELETE FROM two", "append_row_to": "two"}');
CALL step('{"input": {"table": "part_in"}, "run": "SELECT id FROM mini_batch", "append_row_to": "forbidden"}');
CALL step('{"input": {"table": "part_in"}, "init": "SELECT 1", "run": "SELECT filler FROM mini_batch", "append_row_to": "two"}');
SELECT error, batches_total FROM mlpipe_activities ORDER BY run_id DESC LIMIT 6;
-- and so is what kind of relation it is
CREATE MATERIALIZED VIEW summary AS SELECT 1 AS id;
CALL step('{"input": {"table": "part_in"}, "run": "SELECT id FROM mini_batch", "append_row_to": "summary"}');
-- Of steps side by side one makes the table
SELECT mlpipe_submit('{"activities": [{"name": "each", "type": "for_each", "items": [1, 2, 3, 4, 5, 6, 7, 8], "activities": [{"name": "p", "type": "parallel",
	"input": {"table": "part_in"}, "mini_batch_size": "5000 rows", "run": "SELECT id, ${{ item }} AS item FROM mini_batch", "append_row_to": "of_each"}]}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '1 min');
SELECT count(*), count(DISTINCT (id, item)) FROM of_each;
-- A column's type has to be there after the step
CALL step('{"input": {"query": "SELECT id FROM part_in"}, "run": "SELECT m FROM mini_batch m", "append_row_to": "whole"}');
CALL step('{"input": {"query": "SELECT id FROM part_in"}, "run": "SELECT array_agg(m) AS rows FROM mini_batch m", "append_row_to": "whole"}');
SELECT message, detail, hint FROM mlpipe_errors ORDER BY run_id DESC LIMIT 3;
CALL step('{"input": {"table": "part_in"}, "run": "SELECT m FROM mini_batch m", "append_row_to": "whole"}');
SELECT count((m).id) FROM whole;

--
-- Mini-batches that fail
--

-- Tried again; rolled back rows are not there
CREATE SEQUENCE tries;
CREATE FUNCTION flaky(i integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	IF i = 777 AND nextval('tries') <= 2 THEN
		RAISE EXCEPTION 'not yet';
	END IF;
	RETURN i;
END $$;
CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "100 rows", "mini_batch_error_threshold": 0, "run": "SELECT flaky(id) FROM mini_batch", "append_row_to": "flaky_out"}');
SELECT run_id AS run FROM mlpipe_runs ORDER BY run_id DESC LIMIT 1 \gset
SELECT * FROM ended(:run);
SELECT * FROM attempts(:run);
SELECT count(*), count(DISTINCT flaky) FROM flaky_out;
SELECT batch, attempt, sqlstate, message FROM mlpipe_errors WHERE run_id = :run ORDER BY attempt;

-- By default any number may fail, and that is said
CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "1000 rows", "run": "SELECT 1 / (id - 5000) FROM mini_batch", "append_row_to": "tolerant"}');
SELECT run_id AS run FROM mlpipe_runs ORDER BY run_id DESC LIMIT 1 \gset
SELECT * FROM ended(:run);
SELECT * FROM attempts(:run);
SELECT level, message FROM mlpipe_logs WHERE run_id = :run;
SELECT count(*) FROM tolerant;

-- Thresholds: at them a step succeeds, beyond them it fails
CREATE PROCEDURE judged(settings jsonb) LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
BEGIN
	CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "1000 rows", "retry_settings": {"max_retries": 0}, "run": "SELECT 1 / (id - 5) / (id - 1005) FROM mini_batch"}' || settings);
	run := (SELECT max(run_id) FROM mlpipe_runs);
	RAISE WARNING '% -> %', settings - 'run', (SELECT coalesce(error, status) FROM mlpipe_activities WHERE run_id = run);
END $$;
\set VERBOSITY terse
CALL judged('{"mini_batch_error_threshold": 2}');
CALL judged('{"mini_batch_error_threshold": 1}');
CALL judged('{"allowed_failed_percent": 20}');
CALL judged('{"allowed_failed_percent": 19}');
CALL judged('{"error_threshold": 2000}');
CALL judged('{"error_threshold": 1999}');
CALL judged('{"error_threshold": 2, "run": "SELECT id FROM mini_batch WHERE id NOT IN (5, 1005)"}');
CALL judged('{"error_threshold": 1, "run": "SELECT id FROM mini_batch WHERE id NOT IN (5, 1005)"}');
CALL judged('{"error_threshold": 0, "count": "none", "run": "SELECT id FROM mini_batch WHERE id NOT IN (5, 1005)"}');
CALL judged('{"error_threshold": 2, "run": "SELECT id FROM mini_batch WHERE CASE WHEN id IN (5, 6) THEN mlpipe_item_failed(id::text, $$odd$$) IS NULL ELSE true END"}');
CALL judged('{"error_threshold": 1, "run": "SELECT id FROM mini_batch WHERE CASE WHEN id IN (5, 6) THEN mlpipe_item_failed(id::text, $$odd$$) IS NULL ELSE true END"}');
\set VERBOSITY default
SELECT run_id AS run FROM mlpipe_runs ORDER BY run_id DESC LIMIT 1 \gset
SELECT batch, sqlstate, message, CASE WHEN batch IS NOT NULL THEN context END AS key FROM mlpipe_errors WHERE run_id = :run ORDER BY batch, context;
-- each mini-batch has one last word, be it that it never ran
SELECT count(*), count(DISTINCT batch), bool_and(status <> 'cancelled' OR items_in IS NULL) FROM mlpipe_batches WHERE run_id = :run;

-- An error says which statement it comes from, without the values put in
CALL step('{"input": {"query": "SELECT 7 AS id"}, "retry_settings": {"max_retries": 0}, "run": "SELECT 1 / (id - 7)\n FROM mini_batch WHERE ${{ run.id }} > 0"}');
SELECT batch, message, context FROM mlpipe_errors WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs) ORDER BY batch;
CREATE TABLE later (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED);
CALL step('{"input": {"query": "SELECT 7 AS id"}, "retry_settings": {"max_retries": 0}, "run": "INSERT INTO later SELECT id FROM mini_batch, generate_series(1, 2)"}');
SELECT batch, message, context FROM mlpipe_errors WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs) ORDER BY batch;
CALL step('{"input": {"query": "SELECT 7 AS id"}, "retry_settings": {"max_retries": 0}, "run": "SELECT no_such FROM mini_batch WHERE ${{ run.id }} > 0"}');
SELECT batch, message, split_part(context, E'\n', 1) AS context FROM mlpipe_errors WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs) ORDER BY batch;
DROP TABLE later;

-- The step fails with the one that exceeds a threshold: of small mini-batches
-- that share a transaction, too, none is started after that
CREATE PROCEDURE stopped(activity jsonb) LANGUAGE plpgsql AS $$
BEGIN
	CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "10 rows", "max_concurrency_per_instance": 1, "retry_settings": {"max_retries": 0}}' || activity);
END $$;
CALL stopped('{"mini_batch_error_threshold": 5, "run": "SELECT CASE WHEN id % 100 = 0 THEN 1 / (id - id) END FROM mini_batch"}');
CALL stopped('{"allowed_failed_percent": 5, "run": "SELECT CASE WHEN id % 100 = 0 THEN 1 / (id - id) END FROM mini_batch"}');
CALL stopped('{"error_threshold": 5, "run": "SELECT id FROM mini_batch WHERE id % 100 <> 0"}');
CALL stopped('{"error_threshold": 5, "run": "SELECT id FROM mini_batch WHERE CASE WHEN id % 100 = 0 THEN mlpipe_item_failed(id::text, $$odd$$) IS NULL ELSE true END"}');
SELECT error, output->'failed' AS failed, output->'items_failed' AS items_failed FROM mlpipe_activities ORDER BY run_id DESC LIMIT 4;
-- Reported items count also beyond those that are kept
CALL step('{"input": {"query": "SELECT i FROM generate_series(1, 12000) i"}, "count": "none", "error_threshold": 11999, "run": "SELECT count(mlpipe_item_failed(i::text, $$odd$$)) FROM mini_batch"}');
CALL step('{"input": {"query": "SELECT i FROM generate_series(1, 12000) i"}, "count": "none", "error_threshold": 12000, "run": "SELECT count(mlpipe_item_failed(i::text, $$odd$$)) FROM mini_batch"}');
SELECT status, error, output->'items_failed' AS failed, items_in, items_out FROM mlpipe_activities ORDER BY run_id DESC LIMIT 2;
SELECT message, count(*) FROM mlpipe_errors WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs) GROUP BY 1 ORDER BY 2;

-- More rows than items is a warning
CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "10000 rows", "run": "SELECT id FROM mini_batch, generate_series(1, 2)"}');
SELECT run_id AS run FROM mlpipe_runs ORDER BY run_id DESC LIMIT 1 \gset
SELECT level, message FROM mlpipe_logs WHERE run_id = :run;

-- Time limits
CALL step('{"input": {"query": "SELECT i FROM generate_series(1, 4) i"}, "mini_batch_size": "1 row", "retry_settings": {"max_retries": 1, "timeout": 2}, "run": "SELECT CASE i WHEN 3 THEN pg_sleep(60) END FROM mini_batch"}');
SELECT run_id AS run FROM mlpipe_runs ORDER BY run_id DESC LIMIT 1 \gset
SELECT * FROM attempts(:run);
CALL step('{"input": {"table": "part_in"}, "timeout": "1 s", "run": "SELECT pg_sleep(60) FROM mini_batch"}');
CALL step('{"input": {"table": "part_in"}, "progress_update_timeout": 1, "run": "SELECT pg_sleep(60) FROM mini_batch"}');
CALL step('{"input": {"table": "part_in"}, "task_overhead_timeout": 1, "retry_settings": {"max_retries": 0}, "init": "SELECT pg_sleep(60)", "run": "SELECT id FROM mini_batch"}');
CALL step('{"input": {"table": "part_in"}, "first_task_creation_timeout": 1, "retry_settings": {"max_retries": 0}, "init": "SELECT pg_sleep(60)", "run": "SELECT id FROM mini_batch"}');
CALL step('{"input": {"query": "SELECT 1 FROM pg_sleep(60)"}, "first_task_creation_timeout": 1, "run": "SELECT 1 FROM mini_batch"}');
SELECT status, error FROM mlpipe_activities ORDER BY run_id DESC LIMIT 5;
SELECT sqlstate, detail FROM mlpipe_errors ORDER BY run_id DESC LIMIT 1;
-- also for a statement that catches the interrupt and goes on
CREATE FUNCTION stubborn() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(60);
	RETURN 1;
EXCEPTION WHEN query_canceled THEN
	RETURN 2;
END $$;
CALL step('{"input": {"query": "SELECT 1"}, "retry_settings": {"max_retries": 0, "timeout": 1}, "run": "SELECT stubborn() FROM mini_batch", "append_row_to": "too_late"}');
SELECT run_id AS run FROM mlpipe_runs ORDER BY run_id DESC LIMIT 1 \gset
SELECT * FROM attempts(:run);
SELECT count(*) FROM too_late;
CALL step('{"input": {"query": "SELECT 1"}, "task_overhead_timeout": 1, "retry_settings": {"max_retries": 0}, "init": "SELECT stubborn()", "run": "SELECT 1 FROM mini_batch"}');
SELECT status, error FROM mlpipe_activities ORDER BY run_id DESC LIMIT 1;
CALL step('{"input": {"query": "SELECT stubborn()"}, "first_task_creation_timeout": 1, "run": "SELECT 1 FROM mini_batch"}');
SELECT status, error FROM mlpipe_activities ORDER BY run_id DESC LIMIT 1;
-- init is not tried again when there is no time left for it
CALL step('{"input": {"query": "SELECT 1"}, "max_concurrency_per_instance": 1, "first_task_creation_timeout": 1, "init": "SELECT mlpipe_log($$init begins$$), pg_sleep(60)", "run": "SELECT 1 FROM mini_batch"}');
CALL step('{"input": {"query": "SELECT 1"}, "max_concurrency_per_instance": 1, "timeout": "1 s", "init": "SELECT mlpipe_log($$init begins$$), pg_sleep(60)", "run": "SELECT 1 FROM mini_batch"}');
SELECT a.error, count(l.message) <= 1 AS once FROM mlpipe_activities a LEFT JOIN mlpipe_logs l USING (run_id)
WHERE run_id > (SELECT max(run_id) - 2 FROM mlpipe_runs) GROUP BY run_id, a.error ORDER BY run_id;
-- what it has said is kept
CALL step('{"input": {"query": "SELECT 1"}, "retry_settings": {"max_retries": 0}, "init": "SELECT mlpipe_log($$init begins$$), 1 / (SELECT count(*) FROM pg_class WHERE false)", "run": "SELECT 1 FROM mini_batch"}');
SELECT a.error, l.message FROM mlpipe_activities a JOIN mlpipe_logs l USING (run_id) WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs);
-- and does not count as a lack of progress; shutdown has the time that init has
CALL step('{"input": {"query": "SELECT 1"}, "progress_update_timeout": 4, "init": "SELECT pg_sleep(4.2)", "run": "SELECT 1 FROM mini_batch"}');
CALL step('{"input": {"query": "SELECT 1"}, "task_overhead_timeout": 1, "run": "SELECT 1 FROM mini_batch", "shutdown": "SELECT pg_sleep(60)"}');
SELECT status, error FROM mlpipe_activities ORDER BY run_id DESC LIMIT 2;
SELECT level, message FROM mlpipe_logs WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs);

--
-- init and shutdown
--
CREATE TABLE workers (what text, pid integer DEFAULT pg_backend_pid());
CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "500 rows", "init": "INSERT INTO workers VALUES ($$init$$); CREATE TEMP TABLE model AS SELECT 2 AS factor", "run": "SELECT id * factor AS r FROM mini_batch, model", "shutdown": "INSERT INTO workers VALUES ($$shutdown$$)", "append_row_to": "scored"}');
SELECT count(*), count(DISTINCT r), sum(r) FROM scored;
SELECT count(*) FILTER (WHERE what = 'init') = count(DISTINCT pid) AS once_each,
	count(*) FILTER (WHERE what = 'shutdown') = count(DISTINCT pid) AS shut_down FROM workers;
-- no more workers than mini-batches run init
TRUNCATE workers;
CALL step('{"input": {"query": "SELECT 1"}, "init": "INSERT INTO workers VALUES ($$init$$); SELECT pg_sleep(0.5)", "run": "SELECT 1 FROM mini_batch"}');
SELECT what, count(*) FROM workers GROUP BY 1;
-- a failing init fails the step with its own error, a failing shutdown nothing
CALL step('{"input": {"table": "part_in"}, "max_concurrency_per_instance": 1, "init": "SELECT 1 / 0", "run": "SELECT id FROM mini_batch"}');
CALL step('{"input": {"table": "part_in"}, "max_concurrency_per_instance": 1, "run": "SELECT id FROM mini_batch", "shutdown": "SELECT 1 / 0", "init": "SELECT 1"}');
SELECT status, error FROM mlpipe_activities ORDER BY run_id DESC LIMIT 2;
SELECT level, message FROM mlpipe_logs ORDER BY run_id DESC, at LIMIT 3;
-- the summary in the run's own log
CALL step('{"input": {"table": "part_in"}, "mini_batch_size": "1 MB", "run": "SELECT id FROM mini_batch", "copy_logs_to_parent": true, "logging_level": "DEBUG", "max_concurrency_per_instance": 1, "init": "SELECT mlpipe_log($$loading$$, $$debug$$)"}');
SELECT run_id AS run FROM mlpipe_runs ORDER BY run_id DESC LIMIT 1 \gset
SELECT activity, level, regexp_replace(message, '(seconds|second)": [0-9.]+', '\1": ...', 'g') AS message FROM mlpipe_logs WHERE run_id = :run ORDER BY at;
-- also of an empty input
CALL step('{"input": {"query": "SELECT 1 WHERE false"}, "run": "SELECT 1", "copy_logs_to_parent": true}');
SELECT activity, level, regexp_replace(message, '(seconds|second)": [0-9.]+', '\1": ...', 'g') AS message FROM mlpipe_logs WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs);
-- by the path of the activity
SELECT mlpipe_submit('{"activities": [{"name": "each", "type": "for_each", "items": [1, 2], "activities": [{"name": "p", "type": "parallel",
	"input": {"query": "SELECT 1 WHERE ${{ item }} = 2"}, "run": "SELECT 1 / 0 FROM mini_batch", "mini_batch_error_threshold": 0, "copy_logs_to_parent": true}]}]}'::jsonb) AS run \gset
\o /dev/null
SELECT mlpipe_wait(:run, '1 min');
\o
SELECT activity, level, split_part(message, ' {', 1) AS message FROM mlpipe_logs WHERE run_id = :run AND activity IS NULL ORDER BY message;
-- logging_level is for what statements raise and for what they say with mlpipe_log()
CREATE FUNCTION say() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	RAISE DEBUG 'raised debug';
	RAISE NOTICE 'raised notice';
	RAISE WARNING 'raised warning';
	PERFORM mlpipe_log('said ' || level, level) FROM unnest('{debug, info, notice, warning, error}'::text[]) level;
	RETURN 1;
END $$;
CALL step('{"input": {"query": "SELECT 1"}, "run": "SELECT say() FROM mini_batch"}');
CALL step('{"input": {"query": "SELECT 1"}, "run": "SELECT say() FROM mini_batch", "logging_level": "DEBUG"}');
CALL step('{"input": {"query": "SELECT 1"}, "run": "SELECT say() FROM mini_batch", "logging_level": "INFO"}');
CALL step('{"input": {"query": "SELECT 1"}, "run": "SELECT say() FROM mini_batch", "logging_level": "WARNING"}');
SELECT string_agg(message, ', ' ORDER BY message COLLATE "C") AS logged FROM mlpipe_logs
WHERE run_id > (SELECT max(run_id) - 4 FROM mlpipe_runs) AND message ~ '^(said|raised) ' GROUP BY run_id ORDER BY run_id;

-- Samples of what workers use, also from the middle of a mini-batch and from
-- one that fails; by default not before ten minutes
CREATE VIEW samples AS
	SELECT name, count(*) >= 2 AS enough, min(value) >= CASE name WHEN 'worker_memory_bytes' THEN 100000 ELSE 0 END AS plausible,
		count(*) = count(DISTINCT (step, at)) AS distinct_times, max(at) <= max(r.finished_at) AS in_time
	FROM mlpipe_metrics m JOIN mlpipe_runs r USING (run_id)
	WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs) GROUP BY name ORDER BY name;
CALL step('{"input": {"query": "SELECT 1 AS i"}, "retry_settings": {"max_retries": 0}, "resource_monitor_interval": 1, "run": "SELECT 1 / (i - 1) FROM mini_batch, pg_sleep(4) s"}');
SELECT * FROM samples;
SELECT count(DISTINCT m.step), bool_and(m.step = b.executor_pid) FROM mlpipe_metrics m JOIN mlpipe_batches b USING (run_id)
WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs);
CALL step('{"input": {"query": "SELECT 1"}, "resource_monitor_interval": 0, "run": "SELECT 1 FROM mini_batch, pg_sleep(1.1) s"}');
SELECT * FROM samples;

--
-- Keys
--
SELECT path, message FROM problems('{}');
SELECT path, message FROM problems('{"input": {"table": "a", "query": "SELECT 1"}, "run": "SELECT 1"}');
SELECT path, message FROM problems('{"input": {"files": "*.csv"}, "run": "SELECT 1", "resource_monitor_interval": -1}');
SELECT path, message, hint FROM problems('{"input": {"table": "a"}, "run": "SELECT 1", "mini_batch_size": "10"}');
SELECT path, message, hint FROM problems('{"input": {"table": "a"}, "run": "SELECT 1", "mini_batch_size": 10}');
SELECT path, message FROM problems('{"input": {"table": "a"}, "run": "SELECT 1", "mini_batch_size": "0 rows"}');
SELECT path, message, hint FROM problems('{"input": {"table": "a"}, "run": "SELECT 1", "mini_batch_size": "99999999999999999999 rows"}');
SELECT path, message, hint FROM problems('{"input": {"table": "a"}, "run": "SELECT 1", "mini_batch_size": "9999999 TB"}');
SELECT path, message FROM problems('{"input": {"table": "a"}, "run": "SELECT 1", "mini_batch_size": "10 sheep"}');
SELECT path, message FROM problems('{"input": {"table": "a b"}, "run": "SELECT 1", "append_row_to": "a.b.c.d"}');
SELECT path, message FROM problems('{"input": {"query": "DELETE FROM a RETURNING *"}, "run": "SELECT 1", "init": "SELECT ${{ batch.number }}"}');
SELECT path, message FROM problems('{"input": {"table": "a"}, "run": "SELECT 1", "retry_settings": {"max_retries": -1, "timeout": 0, "tries": 1}, "count": "all", "error_threshold": -2, "allowed_failed_percent": 101, "logging_level": "info", "max_concurrency_per_instance": 0, "instance_count": 0}');

RESET ROLE;
\o /dev/null
SELECT mlpipe_purge('0');
\o
DROP SCHEMA parallel_test CASCADE;
DROP OWNED BY regress_mlpipe_parallel;
DROP ROLE regress_mlpipe_parallel;

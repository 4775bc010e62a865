-- Reruns of parallel steps: of its mini-batches only those are done again that
-- had not succeeded, however the input was divided, and every row is in the
-- result exactly once.
SET client_min_messages = warning;
CREATE SCHEMA rerun_step;
SET search_path = rerun_step, public;
CREATE TABLE last (run_id bigint);
CREATE TABLE broken (id integer);
CREATE TABLE done (id integer, n integer);
CREATE TABLE ran (batch integer, items integer);
-- n, unless the row is broken; the mini-batch is noted when it commits
CREATE FUNCTION act(id integer, n integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	IF n < 0 OR EXISTS (SELECT FROM rerun_step.broken b WHERE b.id = act.id) THEN
		RAISE 'row % is broken', id;
	END IF;
	RETURN n;
END $$;
CREATE PROCEDURE waits(id bigint) LANGUAGE plpgsql AS $$
BEGIN
	COMMIT;
	PERFORM mlpipe_wait(id, '2 min');
	DELETE FROM rerun_step.last;
	INSERT INTO rerun_step.last VALUES (id);
END $$;
-- more: input, how it is divided, thresholds
CREATE PROCEDURE run(more jsonb) LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE rerun_step.done, rerun_step.ran;
	CALL rerun_step.waits(mlpipe_submit(jsonb_build_object('activities', jsonb_build_array(
		'{"name": "p", "type": "parallel", "retry_settings": {"max_retries": 0, "timeout": 60}, "append_row_to": "rerun_step.done",
			"run": "WITH r AS (INSERT INTO rerun_step.ran SELECT (mlpipe_batch()->>''number'')::integer, count(*) FROM mini_batch) SELECT id, rerun_step.act(id, n) FROM mini_batch"}'::jsonb || more,
		'{"name": "after", "type": "sql", "depends_on": ["p"], "sql": "SELECT 1"}'::jsonb))));
END $$;
CREATE PROCEDURE again() LANGUAGE plpgsql AS $$
DECLARE id bigint;
BEGIN
	TRUNCATE rerun_step.ran;
	SELECT mlpipe_rerun(run_id) INTO id FROM rerun_step.last;
	CALL rerun_step.waits(id);
END $$;
-- how the step stands, what was done, and what is in the result
CREATE VIEW result AS
	SELECT a.status, a.output - '{seconds,batches_per_second,verdict,retried}'::text[] AS summary, a.batches_done AS ok, a.batches_failed AS bad,
		(SELECT string_agg(batch || ':' || items, ' ' ORDER BY batch) FROM ran) AS ran,
		(SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || sum(n) FROM done) AS done,
		(SELECT count(*) FILTER (WHERE b.status = 'succeeded') || ' ' || count(*) FROM mlpipe_batches b WHERE b.run_id = a.run_id) AS batches,
		(SELECT x.status FROM mlpipe_activities x WHERE x.run_id = a.run_id AND x.activity = 'after') AS after,
		regexp_replace(a.error, 'run \d+', 'run N') AS error
	FROM mlpipe_activities a JOIN last USING (run_id) WHERE a.activity = 'p';
\x on

--
-- A table, by rows; the step succeeds with what it tolerates
--
CREATE TABLE t AS SELECT i AS id, 1 AS n FROM generate_series(1, 1000) i;
INSERT INTO broken VALUES (150), (950);
CALL run('{"input": {"table": "rerun_step.t"}, "mini_batch_size": "100 rows", "max_concurrency_per_instance": 1}');
SELECT * FROM result;
DELETE FROM broken WHERE id = 150;
CALL again();
SELECT * FROM result;
DELETE FROM broken;
CALL again();
SELECT * FROM result;
-- nothing is left
CALL again();
SELECT * FROM result;

-- It fails: what never ran is done too, and the mending may be in the table
UPDATE t SET n = -1 WHERE id = 350;
CREATE TABLE s AS SELECT * FROM t ORDER BY id;
ALTER TABLE s SET (autovacuum_enabled = off);
CALL run('{"input": {"table": "rerun_step.s"}, "mini_batch_size": "100 rows", "max_concurrency_per_instance": 1, "mini_batch_error_threshold": 0}');
SELECT status, bad, after, error FROM result;
UPDATE s SET n = 2 WHERE id = 350;
DELETE FROM s WHERE id = 360;
INSERT INTO s VALUES (1001, 3);
CALL again();
SELECT status, summary, done, after FROM result;
SELECT count(*) FROM (SELECT * FROM done EXCEPT SELECT * FROM s) x;
SELECT count(*) FROM (SELECT * FROM s EXCEPT SELECT * FROM done) x;

-- By size; the rows that are mended move behind the others
CREATE TABLE big (id integer, n integer, filler text);
INSERT INTO big SELECT i, 1, repeat('x', 200) FROM generate_series(1, 1000) i;
UPDATE big SET n = -1 WHERE id IN (10, 20);
VACUUM FULL big;
CALL run('{"input": {"table": "rerun_step.big"}, "mini_batch_size": "40 kB", "run": "WITH r AS (INSERT INTO rerun_step.ran SELECT (mlpipe_batch()->>''number'')::integer, 0) SELECT id, rerun_step.act(id, n) FROM mini_batch"}');
SELECT status, ok, bad, done FROM result;
UPDATE big SET n = 1 WHERE n < 0;
CALL again();
SELECT status, ok, bad, done, ran IS NOT NULL AS ran FROM result;

-- run changes the table itself
CREATE TABLE own AS SELECT i AS id, 1 AS n, false AS seen FROM generate_series(1, 500) i;
INSERT INTO broken VALUES (250);
CALL run('{"input": {"table": "rerun_step.own"}, "mini_batch_size": "100 rows", "run": "WITH m AS (SELECT id, rerun_step.act(id, n) AS n FROM mini_batch) UPDATE rerun_step.own o SET seen = true FROM m WHERE o.id = m.id RETURNING o.id, m.n"}');
SELECT * FROM result;
DELETE FROM broken;
CALL again();
SELECT * FROM result;
SELECT count(*) FROM own WHERE NOT seen;

-- rows that are done and rows that are not have been changed: nobody can tell
CREATE TABLE mixed AS SELECT i AS id, 1 AS n FROM generate_series(1, 500) i;
INSERT INTO broken VALUES (250);
CALL run('{"input": {"table": "rerun_step.mixed"}, "mini_batch_size": "100 rows"}');
DELETE FROM broken;
UPDATE mixed SET n = 5;
CALL again();
SELECT * FROM result;
SELECT regexp_replace(message, 'run \d+', 'run N') AS message, detail, hint FROM mlpipe_errors JOIN last USING (run_id);
-- nor does asking once more make it forget what is done
CALL again();
SELECT status, done, error FROM result;

--
-- A query, by rows
--
INSERT INTO broken VALUES (150), (950);
CALL run('{"input": {"query": "SELECT id, n FROM rerun_step.t WHERE n > 0 ORDER BY id"}, "mini_batch_size": "100 rows"}');
SELECT * FROM result;
DELETE FROM broken;
CALL again();
SELECT * FROM result;
-- another order of what is done is another division
INSERT INTO broken VALUES (150);
CALL run('{"input": {"query": "SELECT id, n FROM rerun_step.t WHERE n > 0 ORDER BY id"}, "mini_batch_size": "100 rows"}');
DELETE FROM broken;
DELETE FROM t WHERE id = 160;
CALL again();
SELECT * FROM result;

--
-- Partitions, by their keys
--
INSERT INTO broken VALUES (5);
CALL run('{"input": {"query": "SELECT id, n, nullif(id % 7, 0) AS k, id % 2 = 0 AS even FROM rerun_step.t WHERE n > 0"}, "partition_keys": ["k", "even"]}');
SELECT status, summary, bad, done FROM result;
DELETE FROM broken;
-- what was done stays, a new key is done, and so is what failed, as it is now
UPDATE t SET n = 1 WHERE n < 0;
INSERT INTO t VALUES (5 + 14000, 1);
CALL again();
SELECT status, summary, bad, done, batches FROM result;
SELECT batch IS NOT NULL AS batch, keys, items_in, items_out, executor_pid IS NULL AS taken_over FROM mlpipe_batches JOIN last USING (run_id) WHERE executor_pid IS NOT NULL OR keys @> '{"k": null}' ORDER BY keys;
-- keys that are equal but look different are found again while they look the same
CREATE TABLE equal (id integer, n integer, k interval);
INSERT INTO equal VALUES (1, 1, '24 hours'), (2, 1, '1 day'), (3, 1, '2 days');
INSERT INTO broken VALUES (3);
CALL run('{"input": {"table": "rerun_step.equal"}, "partition_keys": ["k"]}');
DELETE FROM broken;
CALL again();
SELECT status, bad, done, batches FROM result;
-- and are never done twice
INSERT INTO broken VALUES (3);
CALL run('{"input": {"table": "rerun_step.equal"}, "partition_keys": ["k"]}');
DELETE FROM broken;
UPDATE equal SET n = 1 WHERE id = 1;
CALL again();
SELECT status, done, error FROM result;
-- nor is one taken for another
CREATE TABLE nothing (id integer, n integer, k jsonb);
INSERT INTO nothing VALUES (1, 1, NULL), (2, 1, 'null');
INSERT INTO broken VALUES (1);
CALL run('{"input": {"table": "rerun_step.nothing"}, "partition_keys": ["k"]}');
DELETE FROM broken;
CALL again();
SELECT status, done, error FROM result;
-- A table that is a single mini-batch is not done twice either
CREATE TABLE single AS SELECT 1 AS id, 1 AS n;
CALL run('{"input": {"table": "rerun_step.single"}, "error_threshold": 0,
	"run": "SELECT id, n FROM mini_batch WHERE mlpipe_item_failed(id::text, ''odd'') IS NOT NULL"}');
SELECT status, bad, done, error FROM result;
CALL again();
SELECT status, done, error FROM result;
\x off
SELECT mlpipe_purge('0') > 0;
DROP SCHEMA rerun_step CASCADE;

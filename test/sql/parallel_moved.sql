-- Rows that move while a step goes on are in one mini-batch each: a mini-batch
-- that updates its own table writes new versions of the rows, which lie in
-- places that later mini-batches read.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA moved;
SET search_path = moved, public;
CREATE TABLE part (id integer PRIMARY KEY, weight integer, class text, times integer DEFAULT 0);
INSERT INTO part SELECT i, i % 7 FROM generate_series(1, 20000) i;

SELECT mlpipe_create_pipeline('write_back', '{"activities": [
  {"name": "by_rows", "type": "parallel", "input": {"table": "moved.part"}, "mini_batch_size": "500 rows",
   "run": "UPDATE moved.part p SET class = ''light'', times = p.times + 1 FROM mini_batch m WHERE p.id = m.id RETURNING p.id"},
  {"name": "by_size", "type": "parallel", "depends_on": ["by_rows"], "input": {"table": "moved.part"}, "mini_batch_size": "64 kB",
   "run": "UPDATE moved.part p SET class = ''heavy'', times = p.times + 1 FROM mini_batch m WHERE p.id = m.id AND m.weight > 3 RETURNING p.id",
   "count": "none"}]}');
SELECT mlpipe_submit('write_back') AS run \gset
SELECT mlpipe_wait(:run, '1 minute');
SELECT class, times, count(*) FROM part GROUP BY class, times ORDER BY class, times;
SELECT activity, items_in, batches_failed FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;

-- Others' updates do not take rows out of the step either, and new rows are in
-- no mini-batch.
CREATE TABLE seen (id integer, weight integer);
CREATE FUNCTION disturb(batch jsonb) RETURNS void LANGUAGE sql AS $$
  UPDATE moved.part SET weight = -1 WHERE batch->>'number' = '1' AND id % 2 = 0;
  INSERT INTO moved.part SELECT 100000 + i, -2 FROM generate_series(1, 100) i WHERE batch->>'number' = '1'
$$;
SELECT mlpipe_create_pipeline('disturbed', '{"activities": [
  {"name": "score", "type": "parallel", "input": {"table": "moved.part"}, "mini_batch_size": "1000 rows",
   "max_concurrency_per_instance": 1,
   "run": "SELECT id, weight FROM mini_batch, moved.disturb(mlpipe_batch())", "append_row_to": "moved.seen"}]}');
SELECT mlpipe_submit('disturbed') AS run \gset
SELECT mlpipe_wait(:run, '1 minute');
SELECT count(*), count(DISTINCT id), min(weight), max(id) FROM seen;
-- also where there is one mini-batch only
CREATE TABLE whole (id integer, v integer);
INSERT INTO whole SELECT i, 0 FROM generate_series(1, 1000) i;
CREATE PROCEDURE disturb_whole() LANGUAGE sql AS $$
  UPDATE moved.whole SET v = v + 1;
  INSERT INTO moved.whole SELECT 1000 + i, 1 FROM generate_series(1, 10) i
$$;
SELECT mlpipe_submit('{"activities": [
  {"name": "by_size", "type": "parallel", "input": {"table": "moved.whole"}, "mini_batch_size": "1 GB",
   "max_concurrency_per_instance": 1, "init": "CALL moved.disturb_whole()",
   "run": "SELECT id, v FROM mini_batch", "append_row_to": "moved.seen_by_size"},
  {"name": "by_rows", "type": "parallel", "depends_on": ["by_size"], "input": {"table": "moved.whole"}, "mini_batch_size": "10000 rows",
   "max_concurrency_per_instance": 1, "init": "CALL moved.disturb_whole()",
   "run": "SELECT id, v FROM mini_batch", "append_row_to": "moved.seen_by_rows"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '1 minute');
SELECT count(*), sum(v) FROM seen_by_size;
SELECT count(*), sum(v) FROM seen_by_rows;

-- A step goes on with the table that it has split when that is given another
-- name, be it that another table takes its old one.
CREATE TABLE renamed (id integer);
CREATE PROCEDURE rename_when_some_are_done() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 1000 LOOP
		EXIT WHEN (SELECT count(*) > 2 FROM moved.renamed_seen);
		PERFORM pg_sleep(0.01);
		COMMIT;
	END LOOP;
	ALTER TABLE moved.renamed RENAME TO old;
	CREATE TABLE moved.renamed AS SELECT -1 AS id FROM generate_series(1, 100);
END $$;
CREATE TABLE renamed_seen (id integer);
INSERT INTO renamed SELECT generate_series(1, 30);
SELECT mlpipe_submit('{"activities": [
  {"name": "score", "type": "parallel", "input": {"table": "moved.renamed"}, "mini_batch_size": "1 row",
   "run": "SELECT id FROM mini_batch, pg_sleep(0.02)", "append_row_to": "moved.renamed_seen"}]}'::jsonb) AS run \gset
CALL rename_when_some_are_done();
SELECT mlpipe_wait(:run, '1 minute');
SELECT count(*), count(DISTINCT id), min(id), (SELECT output->'failed' FROM mlpipe_activities WHERE run_id = :run) AS failed,
  (SELECT output->'retried' FROM mlpipe_activities WHERE run_id = :run) AS retried FROM renamed_seen;

SELECT mlpipe_drop_pipeline('write_back'), mlpipe_drop_pipeline('disturbed');
DROP SCHEMA moved CASCADE;

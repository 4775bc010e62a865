-- Parallel activities by partition_keys: each distinct combination of the keys
-- is one mini-batch, with the partition's rows and nothing else.

CREATE ROLE regress_mlpipe_keys LOGIN;
CREATE SCHEMA keys_test AUTHORIZATION regress_mlpipe_keys;
ALTER ROLE regress_mlpipe_keys SET search_path = keys_test, public;
SET ROLE regress_mlpipe_keys;
SET search_path = keys_test, public;
SET client_min_messages = warning;

-- Runs one parallel activity; how it ended, and its mini-batches.
CREATE PROCEDURE step(activity jsonb) LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
BEGIN
	run := mlpipe_submit(jsonb_build_object('activities', jsonb_build_array(
		'{"name": "p", "type": "parallel", "max_concurrency_per_instance": 2}' || activity)));
	COMMIT;
	PERFORM mlpipe_wait(run, '1 min');
END $$;
CREATE FUNCTION last_run() RETURNS bigint LANGUAGE sql AS 'SELECT max(run_id) FROM mlpipe_runs';
CREATE VIEW ended AS
	SELECT a.status, a.error, a.output - 'seconds' - 'batches_per_second' AS output
	FROM mlpipe_activities a WHERE a.run_id = last_run();
CREATE VIEW batches AS
	SELECT b.batch, b.attempt, b.status, b.keys, b.items_in, b.items_out, b.error
	FROM mlpipe_batches b WHERE b.run_id = last_run();

CREATE TABLE sales AS
	SELECT i AS id, nullif(i % 5, 0) AS store, chr(65 + i % 3) AS product, i % 11 AS price, repeat('-', i % 300) AS filler
	FROM generate_series(1, 20000) i;

--
-- One key, NULL being one of them; the largest partitions come first
--
INSERT INTO sales SELECT 20000 + i, 3, 'A', 1, NULL FROM generate_series(1, 10) i;
CALL step('{"input": {"table": "sales"}, "partition_keys": ["store"], "run": "SELECT (mlpipe_batch()->>''store'')::integer AS key, store, id, mlpipe_batch() AS batch FROM mini_batch", "append_row_to": "by_store"}');
SELECT * FROM ended;
SELECT status, keys, items_in, items_out FROM batches ORDER BY items_in DESC, keys;
SELECT items_in FROM batches ORDER BY batch LIMIT 1;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE key IS DISTINCT FROM store) AS wrong FROM by_store;
SELECT DISTINCT jsonb_object_keys(batch) FROM by_store ORDER BY 1;

-- Several keys; what is not returned is no failed item
CALL step('{"input": {"query": "SELECT product, store, price FROM sales WHERE id <= 20000 -- all"}, "partition_keys": ["store", "product"], "error_threshold": 0, "run": "SELECT store, product, sum(price) AS total, count(*) AS n FROM mini_batch GROUP BY 1, 2", "append_row_to": "totals"}');
SELECT * FROM ended;
SELECT count(*), sum(n), sum(total) = (SELECT sum(price) FROM sales WHERE id <= 20000) AS right FROM totals;
SELECT count(DISTINCT keys), bool_and(keys ? 'store' AND keys ? 'product') FROM batches;
SELECT count(*) FROM pg_class WHERE relname LIKE 'stage\_%';

-- ${{ batch.KEY }} is a literal
CALL step('{"input": {"table": "sales"}, "partition_keys": ["product"], "run": "SELECT ${{ batch.product }} AS product, ${{ batch.items }} AS items, count(*) AS n FROM mini_batch WHERE product = ${{ batch.product }}", "append_row_to": "by_product"}');
SELECT * FROM by_product ORDER BY 1;

--
-- Keys of any type
--
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TABLE kinds AS
	SELECT i, (i % 4)::numeric / 2 AS n, (ARRAY['x', 'y', NULL])[i % 3 + 1] AS t, i % 2 = 0 AS b,
		(ARRAY['sad', 'happy']::mood[])[i % 2 + 1] AS m, '2026-01-01'::date + i % 3 AS d,
		timestamptz '2026-01-01 00:00:00+00' + i % 2 * interval '1 microsecond' AS ts,
		(ARRAY['NaN', '1.5', '-0', '0']::float8[])[i % 4 + 1] AS f, ARRAY[i % 2, NULL] AS a, int4range(i % 2, 5) AS r,
		(i % 3 + 1)::positive AS p, decode('0' || i % 2, 'hex') AS y, jsonb_build_object('k', i % 2) AS j,
		md5((i % 2)::text)::uuid AS u, (i % 2)::bit(3) AS bits, '10.0.0.0'::inet + i % 2 AS ip,
		repeat('long ' || i % 2, 3000) AS l, i % 3 AS "Odd ""name", row(i % 2, 'A', NULL, NULL)::totals AS w, format('(%s,0)', i % 2)::point AS pt
	FROM generate_series(1, 600) i;
CREATE TABLE seen (key text, batch integer, i integer);
DO $$
DECLARE
	c text;
BEGIN
	FOREACH c IN ARRAY ARRAY['n', 't', 'b', 'm', 'd', 'ts', 'f', 'a', 'r', 'p', 'y', 'j', 'u', 'bits', 'ip', 'l', 'w', 'Odd "name'] LOOP
		COMMIT;
		CALL step(jsonb_build_object('input', '{"table": "kinds"}'::jsonb, 'partition_keys', c, 'append_row_to', 'seen', 'run',
			'SELECT ' || quote_literal(c) || ', (mlpipe_batch()->>''number'')::integer, i FROM mini_batch'));
		IF (SELECT status FROM ended) <> 'succeeded' THEN
			RAISE WARNING '%: %', c, (SELECT error FROM ended);
		END IF;
	END LOOP;
END $$;
SELECT key, count(*), count(DISTINCT i), count(DISTINCT batch) FROM seen GROUP BY 1 ORDER BY key COLLATE "C";
SELECT keys - 'l' AS keys FROM batches ORDER BY 1;
CALL step('{"input": {"table": "kinds"}, "partition_keys": ["n", "t", "b", "m", "a", "j", "l"], "run": "SELECT count(*) FROM mini_batch", "append_row_to": "combined"}');
SELECT count(*), sum(count) FROM combined;
SELECT keys - 'l' AS keys FROM batches ORDER BY keys LIMIT 2;
-- whose values cannot be compared, or that are not there
CALL step('{"input": {"table": "kinds"}, "partition_keys": ["pt"], "run": "SELECT 1 FROM mini_batch"}');
SELECT error FROM ended;
CALL step('{"input": {"table": "sales"}, "partition_keys": ["store", "shop"], "run": "SELECT 1 FROM mini_batch"}');
SELECT e.message, e.hint FROM mlpipe_errors e WHERE run_id = last_run();

-- Equal is what the column's type and collation say
DO $$
BEGIN
	-- A server that was built without ICU has no such collation.
	IF EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu') THEN
		CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		CREATE TABLE cased AS SELECT i, (ARRAY['ab', 'AB', 'aB', 'c'])[i % 4 + 1] COLLATE ignore_case AS k FROM generate_series(1, 100) i;
	ELSE
		CREATE TABLE cased AS SELECT i, (ARRAY['ab', 'ab', 'ab', 'c'])[i % 4 + 1] AS k FROM generate_series(1, 100) i;
	END IF;
END
$$;
CALL step('{"input": {"table": "cased"}, "partition_keys": ["k"], "run": "SELECT lower(min(k)) AS k, count(*) AS n FROM mini_batch", "append_row_to": "uncased"}');
SELECT * FROM uncased ORDER BY n;
-- trailing blanks of this type do not count
CREATE TABLE blanks AS SELECT (repeat('x', 1 + i % 2) || repeat(' ', i % 3))::bpchar AS k FROM generate_series(1, 60) i;
CALL step('{"input": {"table": "blanks"}, "partition_keys": ["k"], "run": "SELECT k FROM mini_batch"}');
SELECT items_in, items_out FROM batches;

--
-- Inputs of every kind, with the rights of the role
--
CREATE TABLE parts (id integer, k integer) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (60);
CREATE TABLE parts_2 (k integer, gone text, id integer);
ALTER TABLE parts_2 DROP COLUMN gone;
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM (60) TO (200);
INSERT INTO parts SELECT i, i % 3 FROM generate_series(1, 100) i;
CREATE VIEW odd AS SELECT id, id % 3 AS k FROM parts WHERE id % 2 = 1;
CREATE MATERIALIZED VIEW even AS SELECT id, k FROM parts WHERE id % 2 = 0;
-- columns that were added later, or are gone
CREATE TABLE changed AS SELECT i AS id, 'x'::text AS gone, i % 3 AS k FROM generate_series(1, 100) i;
ALTER TABLE changed DROP COLUMN gone, ADD COLUMN more text DEFAULT 'added', ADD COLUMN half numeric GENERATED ALWAYS AS (id / 2.0) STORED;
INSERT INTO changed SELECT i, i % 3, 'given' FROM generate_series(101, 150) i;
RESET ROLE;
CREATE TABLE keys_test.guarded AS SELECT i AS id, i % 3 AS k FROM generate_series(1, 100) i;
ALTER TABLE keys_test.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON keys_test.guarded USING (id % 2 = 0);
GRANT SELECT ON keys_test.guarded TO regress_mlpipe_keys;
CREATE TABLE keys_test.two_columns AS SELECT i AS id, i % 3 AS k, 'secret' AS hidden FROM generate_series(1, 100) i;
GRANT SELECT (id, k) ON keys_test.two_columns TO regress_mlpipe_keys;
SET ROLE regress_mlpipe_keys;
CREATE TABLE kept (source text, k integer, n bigint, ids bigint);
DO $$
DECLARE
	source text;
BEGIN
	FOREACH source IN ARRAY ARRAY['parts', 'odd', 'even', 'changed', 'guarded', 'two_columns'] LOOP
		COMMIT;
		CALL step(jsonb_build_object('input', jsonb_build_object('table', 'keys_test.' || source), 'partition_keys', '["k"]'::jsonb,
			'append_row_to', 'kept', 'run', format('SELECT %L, min(k), count(*), sum(id) FROM mini_batch', source)));
		IF (SELECT status FROM ended) <> 'succeeded' THEN
			RAISE WARNING '%: %', source, (SELECT error FROM ended);
		END IF;
	END LOOP;
END $$;
CALL step('{"input": {"query": "SELECT id, k FROM two_columns"}, "partition_keys": ["k"], "append_row_to": "kept", "run": "SELECT ''two of three'', min(k), count(*), sum(id) FROM mini_batch"}');
SELECT * FROM kept ORDER BY source COLLATE "C", k;
CALL step('{"input": {"table": "changed"}, "partition_keys": ["k"], "append_row_to": "as_it_was", "run": "SELECT * FROM mini_batch"}');
SELECT count(*) FROM (SELECT id, k, more, half FROM as_it_was EXCEPT SELECT id, k, more, half FROM changed) x;
SELECT more, count(*), sum(half) FROM as_it_was GROUP BY 1 ORDER BY 1;

-- Of the tuples on a page only those that can be seen, each once; toasted ones
-- and such that lack a column lie between them
CREATE TABLE mixed (id integer, k integer, note text);
ALTER TABLE mixed ALTER COLUMN note SET STORAGE EXTERNAL;
INSERT INTO mixed SELECT i, i % 11, repeat(i::text, CASE WHEN i % 97 = 0 THEN 3000 ELSE i % 20 END) FROM generate_series(1, 3000) i;
DELETE FROM mixed WHERE id % 10 = 0;
UPDATE mixed SET note = note || ' changed' WHERE id % 10 = 1;
DO $$ BEGIN INSERT INTO mixed SELECT i, 1, 'rolled back' FROM generate_series(1, 50) i; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN END $$;
ALTER TABLE mixed ADD COLUMN late integer;
INSERT INTO mixed SELECT i, nullif(i % 11, 5), i::text, i FROM generate_series(3001, 4000) i;
CALL step('{"input": {"table": "mixed"}, "partition_keys": ["k"], "append_row_to": "mixed_out", "run": "SELECT * FROM mini_batch"}');
SELECT * FROM ended;
SELECT count(*), count(DISTINCT id) FROM mixed_out;
SELECT count(*) FROM (SELECT * FROM mixed EXCEPT SELECT * FROM mixed_out) x;
SELECT rows FROM mlpipe_lineage WHERE run_id = last_run() AND relation = 'keys_test.mixed';

-- Values of any length
CREATE TABLE wide (id integer, k integer, plain text, short text, long text, packed text);
ALTER TABLE wide ALTER COLUMN plain SET STORAGE PLAIN, ALTER COLUMN long SET STORAGE EXTERNAL;
INSERT INTO wide SELECT i, i % 7, repeat('p', i % 8000), repeat('s', 100), (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, i % 2000) j),
	repeat('compressed', i * 100) FROM generate_series(1, 300) i;
CALL step('{"input": {"table": "wide"}, "partition_keys": ["k"], "append_row_to": "wide_out", "run": "SELECT * FROM mini_batch"}');
SELECT * FROM ended;
SELECT count(*), count(DISTINCT id) FROM wide_out;
SELECT count(*) FROM (SELECT * FROM wide EXCEPT SELECT * FROM wide_out) x;
-- and what lies between them is padding, also where other rows were before
CREATE TABLE padded AS SELECT i AS id, i % 3 AS k, repeat('s', i % 8) AS short, repeat('l', 150 + i % 30) AS long FROM generate_series(1, 10000) i;
CALL step('{"input": {"query": "SELECT k, short, long, id FROM padded"}, "partition_keys": ["k"], "append_row_to": "padded_out", "run": "SELECT * FROM mini_batch"}');
SELECT * FROM ended;
SELECT count(*) FROM (SELECT k, short, long, id FROM padded EXCEPT SELECT * FROM padded_out) x;

-- An empty input is a success
CALL step('{"input": {"query": "SELECT * FROM sales WHERE false"}, "partition_keys": ["store"], "run": "SELECT id FROM mini_batch", "append_row_to": "from_nothing"}');
SELECT * FROM ended;
SELECT count(*) FROM from_nothing;

--
-- Many small ones, some of which fail
--
CREATE TABLE small AS SELECT i, i / 3 AS k FROM generate_series(0, 14999) i;
CALL step('{"input": {"table": "small"}, "partition_keys": ["k"], "retry_settings": {"max_retries": 1}, "run": "SELECT i, k, 1 / (k % 1000 - 7) AS x FROM mini_batch", "append_row_to": "small_out"}');
SELECT * FROM ended;
SELECT count(*), count(DISTINCT i), count(DISTINCT k) FROM small_out;
SELECT keys, attempt, status, items_in, error FROM batches WHERE status = 'failed' ORDER BY keys, attempt;
SELECT count(*) FROM pg_class WHERE relname LIKE 'stage\_%';

--
-- The document
--
CREATE FUNCTION problems(activity jsonb) RETURNS TABLE (path text, message text) LANGUAGE sql AS $$
	SELECT v.path, v.message
	FROM mlpipe_validate(jsonb_build_object('activities', jsonb_build_array('{"name": "p", "type": "parallel", "input": {"table": "t"}, "run": "SELECT 1"}' || activity))) v
$$;
SELECT * FROM problems('{"partition_keys": ["a", "b"], "count": "items"}');
SELECT * FROM problems('{"partition_keys": ["a"], "mini_batch_size": "10 rows"}');
SELECT * FROM problems('{"partition_keys": []}');
SELECT * FROM problems('{"partition_keys": ["a", "b", "a"]}');
SELECT * FROM problems('{"partition_keys": ["a", 1]}');
SELECT * FROM problems('{"partition_keys": ["a"], "init": "SELECT ${{ batch.a }}"}');

RESET ROLE;
\o /dev/null
SELECT mlpipe_purge('0');
\o
DROP SCHEMA keys_test CASCADE;
DROP OWNED BY regress_mlpipe_keys;
DROP ROLE regress_mlpipe_keys;

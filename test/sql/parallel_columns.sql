-- Parallel activities with "columns": numbers of each partition as buffers,
-- and no rows.

CREATE ROLE regress_mlpipe_columns LOGIN;
CREATE SCHEMA columns_test AUTHORIZATION regress_mlpipe_columns;
ALTER ROLE regress_mlpipe_columns SET search_path = columns_test, public;
SET ROLE regress_mlpipe_columns;
SET search_path = columns_test, public;
SET client_min_messages = warning;

CREATE PROCEDURE step(activity jsonb) LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
BEGIN
	run := mlpipe_submit(jsonb_build_object('activities', jsonb_build_array(
		'{"name": "p", "type": "parallel", "max_concurrency_per_instance": 2, "retry_settings": {"max_retries": 0}, "mini_batch_error_threshold": 0}' || activity)));
	COMMIT;
	PERFORM mlpipe_wait(run, '1 min');
END $$;
CREATE VIEW ended AS
	SELECT a.status, coalesce(e.error, a.error) AS error, a.output - 'seconds' - 'batches_per_second' AS output
	FROM mlpipe_activities a LEFT JOIN LATERAL (SELECT min(b.error) AS error FROM mlpipe_batches b WHERE b.run_id = a.run_id) e ON true
	WHERE a.run_id = (SELECT max(run_id) FROM mlpipe_runs);
CREATE DOMAIN amount AS numeric(12, 2);
CREATE TABLE sales AS
	SELECT i AS id, nullif(i % 50, 0) AS store, chr(65 + i % 3) AS product, (i % 11)::smallint AS "Price in EUR", (i / 7.0)::amount AS qty,
		CASE WHEN i % 13 <> 0 THEN i::real END AS promo, 'x'::text AS label, false AS flag
	FROM generate_series(1, 30000) i;

-- What they hold, in the same order in each
CALL step('{"input": {"table": "sales"}, "partition_keys": ["store", "product"], "columns": ["id", "Price in EUR", "qty", "promo"], "append_row_to": "unpacked",
	"run": "SELECT ${{ batch.product }} AS product, (mlpipe_batch()->>''store'')::integer AS store, (mlpipe_batch()->>''items'')::integer AS items, u.* FROM ROWS FROM (mlpipe_unpack(mlpipe_column(''id'')), mlpipe_unpack(mlpipe_column(''Price in EUR'')), mlpipe_unpack(mlpipe_column(''qty'')), mlpipe_unpack(mlpipe_column(''promo''))) u (id, price, qty, promo)"}');
SELECT * FROM ended;
SELECT count(*), count(DISTINCT id), bool_and(price = id::integer % 11 AND qty = round((id / 7)::numeric, 2) AND promo = CASE WHEN id::integer % 13 <> 0 THEN id ELSE 'NaN' END) AS right,
	bool_and(product = chr(65 + id::integer % 3) AND store IS NOT DISTINCT FROM nullif(id::integer % 50, 0)) AS theirs, min(items), max(items) FROM unpacked;
SELECT count(*) FROM (SELECT store, product FROM unpacked EXCEPT SELECT store, product FROM sales) x;

-- A plan that is kept, a query, small memory
SET mlpipe.pack_mem = '1MB';
ALTER ROLE regress_mlpipe_columns SET mlpipe.pack_mem = '1MB';
CALL step('{"input": {"query": "SELECT i % 3 AS k, i AS v FROM generate_series(1, 500000) i"}, "partition_keys": ["k"], "columns": ["v"],
	"run": "SELECT mlpipe_batch() AS batch, (SELECT sum(v) FROM mlpipe_unpack(mlpipe_column(''v'')) v) AS total, length(mlpipe_column(''v'')) AS bytes", "append_row_to": "sums"}');
SELECT batch->>'k' AS k, batch->>'items' AS items, total, bytes FROM sums ORDER BY 1;
SELECT sum(total) FROM sums;
SELECT count(*) FROM pg_class WHERE relname ~ '^(stage|keys)_';

-- A key may be packed too
CALL step('{"input": {"table": "sales"}, "partition_keys": ["store"], "columns": ["store"], "run": "SELECT length(mlpipe_column(''store''))"}');
SELECT * FROM ended;

-- What is not there, or no number
CALL step('{"input": {"table": "sales"}, "partition_keys": ["store"], "columns": ["qty"], "run": "SELECT mlpipe_column(''price'')"}');
SELECT status, error FROM ended;
CALL step('{"input": {"table": "sales"}, "partition_keys": ["store"], "run": "SELECT mlpipe_column(''price'') FROM mini_batch"}');
SELECT status, error FROM ended;
CALL step('{"input": {"table": "sales"}, "partition_keys": ["store"], "columns": ["qty"], "run": "SELECT count(*) FROM mini_batch"}');
SELECT * FROM ended;
CALL step('{"input": {"table": "sales"}, "partition_keys": ["store"], "columns": ["label"], "run": "SELECT 1"}');
SELECT * FROM ended;
CALL step('{"input": {"table": "sales"}, "partition_keys": ["store"], "columns": ["nothing"], "run": "SELECT 1"}');
SELECT * FROM ended;
SELECT hint FROM mlpipe_errors ORDER BY run_id DESC LIMIT 1;
CALL step('{"input": {"table": "sales"}, "partition_keys": ["nothing"], "columns": ["qty"], "run": "SELECT 1"}');
SELECT * FROM ended;
SELECT mlpipe_column('qty');

CREATE FUNCTION problems(activity jsonb) RETURNS TABLE (path text, message text) LANGUAGE sql AS $$
	SELECT v.path, v.message
	FROM mlpipe_validate(jsonb_build_object('activities', jsonb_build_array('{"name": "p", "type": "parallel", "input": {"table": "t"}, "run": "SELECT 1"}' || activity))) v
$$;
SELECT * FROM problems('{"columns": ["a"]}');
SELECT * FROM problems('{"partition_keys": ["a"], "columns": []}');
SELECT * FROM problems('{"partition_keys": ["a"], "columns": ["b", "b"]}');

RESET ROLE;
\o /dev/null
SELECT mlpipe_purge('0');
\o
DROP SCHEMA columns_test CASCADE;
DROP OWNED BY regress_mlpipe_columns;
DROP ROLE regress_mlpipe_columns;

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

-- Every type of numbers, bit for bit as a query has them; partitions of many
-- pages and of a row; keys too long for a page, and one that can only be sorted
CREATE TABLE readings AS
	SELECT i AS id, i / 10 AS shelf, nullif(i % 7, 0)::smallint AS place, nullif(md5((i / 1900)::text), md5('3')) AS kind, (i / 4000)::numeric::money AS price,
		CASE WHEN i % 2000 < 2 THEN (SELECT string_agg(md5((i % 2000 * 1000 + j)::text), '') FROM generate_series(1, 400) j) ELSE i % 3 || ' of 3' END AS long,
		CASE WHEN i % 11 > 0 THEN (i % 65536 - 32768)::smallint END AS small, (i * 211 % 2147483647)::integer AS whole,
		9223372036854775807 - i::bigint * 1000003 AS big, CASE WHEN i % 97 = 0 THEN 'NaN' ELSE sin(i)::real END AS single,
		CASE i % 101 WHEN 0 THEN '-0' WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' WHEN 3 THEN '-Infinity' WHEN 4 THEN 5e-324 WHEN 5 THEN NULL ELSE exp(i % 701) * cos(i) END AS double,
		CASE i % 103 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' ELSE i / 7.0 END AS exact, (i / 3.0)::amount AS sum
	FROM generate_series(1, 6000) i;
INSERT INTO readings (id) VALUES (6001);
CREATE FUNCTION bits(VARIADIC numbers float8[]) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(encode(float8send(coalesce(n, 'NaN')), 'hex'), ' ' ORDER BY i) FROM unnest(numbers) WITH ORDINALITY u(n, i)
$$;
CREATE TABLE found (batch jsonb, id float8, small float8, whole float8, big float8, single float8, double float8, exact float8, sum float8);
CREATE PROCEDURE find(keys jsonb) LANGUAGE plpgsql AS $$
DECLARE
	names text[] := '{id,small,whole,big,single,double,exact,sum}';
	run text := 'SELECT mlpipe_batch() - ''{number,items}''::text[], u.* FROM ROWS FROM (mlpipe_unpack(mlpipe_column(''' ||
		array_to_string(names, ''')), mlpipe_unpack(mlpipe_column(''') || '''))) u';
BEGIN
	TRUNCATE found;
	CALL step(jsonb_build_object('input', '{"table": "readings"}'::jsonb, 'partition_keys', keys, 'columns', names, 'run', run, 'append_row_to', 'found'));
END $$;
CREATE VIEW compared AS
	SELECT count(*), count(DISTINCT r.id) AS ids, count(DISTINCT batch) AS batches, sum((NOT to_jsonb(r) @> batch)::integer) AS elsewhere,
		sum((bits(r.small, r.whole, r.big, r.single, r.double, r.exact, r.sum) <> bits(f.small, f.whole, f.big, f.single, f.double, f.exact, f.sum))::integer) AS different
	FROM found f JOIN readings r ON r.id = f.id;
CALL find('["place", "kind"]');
SELECT *, (SELECT count(*) FROM (SELECT DISTINCT place, kind FROM readings) x) AS groups FROM compared;
CALL find('["long"]');
SELECT *, (SELECT count(*) FROM (SELECT DISTINCT long FROM readings) x) AS groups FROM compared;
CALL find('["price", "place"]');
SELECT *, (SELECT count(*) FROM (SELECT DISTINCT price, place FROM readings) x) AS groups FROM compared;
CALL find('["shelf"]');
SELECT *, (SELECT count(*) FROM (SELECT DISTINCT shelf FROM readings) x) AS groups FROM compared;

-- As many columns as fit into a tuple, and one more
CREATE FUNCTION wide(columns integer) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('partition_keys', '["k"]'::jsonb, 'columns', jsonb_agg('c' || i),
		'input', jsonb_build_object('query', 'SELECT j % 2 AS k, ' || string_agg(format('j * %s AS c%s', i, i), ', ' ORDER BY i) || ' FROM generate_series(1, 10) j'),
		'run', format('SELECT (SELECT sum(c) FROM mlpipe_unpack(mlpipe_column(''c%s'')) c) AS total, mlpipe_batch()->>''items'' AS items', columns), 'append_row_to', 'wide_' || columns)
	FROM generate_series(1, columns) i
$$;
CALL step(wide(1016));
SELECT * FROM wide_1016 ORDER BY total;
CALL step(wide(1017));
SELECT status, error FROM ended;

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

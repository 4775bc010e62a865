-- What an activity's statements can say and ask: outputs, variables,
-- parameters, log lines, metrics, progress; and the messages they raise.

CREATE ROLE regress_mlpipe_inside LOGIN;
SET ROLE regress_mlpipe_inside;
-- Outside an activity
SELECT mlpipe_run_id(), mlpipe_activity_name();
SELECT mlpipe_parameter('x');
SELECT mlpipe_context();
SELECT mlpipe_set_output('1');
SELECT mlpipe_set_variable('x', '1');
SELECT mlpipe_log('x');
SELECT mlpipe_log_metric('x', 1);
SELECT mlpipe_item_failed('x', 'y');
SELECT mlpipe_progress(1);
SELECT mlpipe_batch();

-- Inside: all of it reaches the tables with the activity's end
SELECT mlpipe_create_pipeline('inside_says', $$ {
	"parameters": {"word": {"type": "text"}, "number": {"type": "integer", "default": 7}, "nothing": {"type": "text", "default": null}, "days": {"type": "date[]", "default": ["2026-01-31"]}, "json": {"type": "jsonb", "default": ["a, b"]}},
	"variables": {"count": {"type": "integer", "default": 1}, "list": {"type": "integer[]"}, "any": {"type": "jsonb"}},
	"activities": [
		{"name": "say", "type": "sql", "sql": [
			"SELECT mlpipe_log('plain'), mlpipe_log('loud', 'warning'), mlpipe_log(NULL)",
			"SELECT mlpipe_log_metric('loss', 0.5, 1), mlpipe_log_metric('loss', 'NaN', 2), mlpipe_log_metric('area', 2.5)",
			"SELECT mlpipe_set_variable('count', '2'), mlpipe_set_variable('count', '3'), mlpipe_set_variable('list', '[1, 2]'), mlpipe_set_variable('any', '{\"a\": [1]}')",
			"DO 'BEGIN RAISE DEBUG $_$hidden$_$; RAISE INFO $_$told$_$; RAISE NOTICE $_$noted$_$; RAISE WARNING $_$warned$_$; END'",
			"SELECT mlpipe_set_output(jsonb_build_object('name', mlpipe_activity_name(), 'same run', mlpipe_run_id() = (mlpipe_context()->'run'->>'id')::bigint, 'word', mlpipe_parameter('word'), 'number', mlpipe_parameter('number'), 'nothing', mlpipe_parameter('nothing'), 'days', to_char((mlpipe_parameter('days')::date[])[1], 'DD.MM.'), 'json', mlpipe_parameter('json')::jsonb->0, 'variables', mlpipe_context()->'variables'))"]},
		{"name": "read", "type": "sql", "depends_on": ["say"], "sql": "SELECT mlpipe_set_output(mlpipe_context()->'variables')"}
	]} $$);
SELECT mlpipe_submit('inside_says', '{"word": "hi"}') AS run \gset
SELECT mlpipe_wait(:run, '1 min');
SELECT activity, status, output FROM mlpipe_activities WHERE run_id = :run;
SELECT activity, batch, level, message FROM mlpipe_logs WHERE run_id = :run;
SELECT activity, name, step, value FROM mlpipe_metrics WHERE run_id = :run;

-- What fails, and what stays of it: the lines, not the variable
SELECT mlpipe_create_pipeline('inside_fails', $$ {
	"variables": {"count": {"type": "integer", "default": 1}},
	"activities": [
		{"name": "a_undeclared", "type": "sql", "sql": "SELECT mlpipe_set_variable('cuont', '1')"},
		{"name": "b_ill_typed", "type": "sql", "sql": "SELECT mlpipe_set_variable('count', '2'), mlpipe_log('before'), mlpipe_log_metric('m', 1), mlpipe_set_variable('count', '\"two\"')"},
		{"name": "c_parameter", "type": "sql", "sql": "SELECT mlpipe_parameter('x')"},
		{"name": "d_level", "type": "sql", "sql": "SELECT mlpipe_log('x', 'loud')"},
		{"name": "e_batch", "type": "sql", "sql": "SELECT mlpipe_batch()"},
		{"name": "f_item", "type": "sql", "sql": "SELECT mlpipe_item_failed('x', 'y')"},
		{"name": "g_progress", "type": "sql", "sql": "SELECT mlpipe_progress(-1)"},
		{"name": "h_metric", "type": "sql", "sql": "SELECT mlpipe_log_metric('m', NULL)"},
		{"name": "i_wait", "type": "sql", "sql": "SELECT mlpipe_wait(mlpipe_run_id())"}
	]} $$);
SELECT mlpipe_submit('inside_fails') AS run \gset
SELECT mlpipe_wait(:run, '1 min');
SELECT activity, sqlstate, replace(message, :'run', 'N') AS message, hint FROM mlpipe_errors WHERE run_id = :run ORDER BY activity;
SELECT activity, level, message FROM mlpipe_logs WHERE run_id = :run ORDER BY activity;
SELECT activity, name, value FROM mlpipe_metrics WHERE run_id = :run;
RESET ROLE;
SELECT name, value FROM mlpipe.run_variable WHERE run_id = :run;
SET ROLE regress_mlpipe_inside;

-- An attempt keeps a thousand lines, and no line of more than 64 kB
SELECT mlpipe_submit('{"activities": [
	{"name": "many", "type": "sql", "sql": "SELECT count(mlpipe_log(n::text)) FROM generate_series(1, 1500) n"},
	{"name": "long", "type": "sql", "sql": "SELECT mlpipe_log(repeat(''x'', 100000))"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '1 min');
SELECT activity, count(*), max(length(message)), max(message) FILTER (WHERE level = 'warning') AS lost
	FROM mlpipe_logs WHERE run_id = :run GROUP BY activity ORDER BY activity;

-- Mini-batches: no output, no variable; items can fail
RESET ROLE;
CREATE TABLE inside_items AS SELECT n AS id FROM generate_series(1, 4) n;
GRANT SELECT ON inside_items TO regress_mlpipe_inside;
SET ROLE regress_mlpipe_inside;
SELECT mlpipe_submit($${"activities": [
	{"name": "batch", "type": "parallel", "input": {"table": "inside_items"}, "mini_batch_size": "2 rows",
		"run": "SELECT id, mlpipe_log('batch ' || (mlpipe_batch()->>'number')), mlpipe_item_failed(id::text, 'odd one') FROM mini_batch WHERE id % 2 = 1"},
	{"name": "output", "type": "parallel", "input": {"table": "inside_items"}, "retry_settings": {"max_retries": 0},
		"mini_batch_error_threshold": 0, "run": "SELECT mlpipe_set_output('1') FROM mini_batch"}]}$$::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '1 min');
SELECT activity, batch, level, message FROM mlpipe_logs WHERE run_id = :run AND activity = 'batch' AND level = 'info' ORDER BY batch;
SELECT activity, batch, message, hint FROM mlpipe_errors WHERE run_id = :run AND batch IS NOT NULL ORDER BY activity, batch, message;

-- Numbers to NumPy and back
SELECT encode(mlpipe_pack(v), 'hex') FROM (VALUES (1.0), (NULL), (-2.5)) t (v);
SELECT mlpipe_pack(v) IS NULL FROM (VALUES (1.0)) t (v) WHERE false;
SELECT array_agg(v) FROM mlpipe_unpack((SELECT mlpipe_pack(n ORDER BY n DESC) FROM generate_series(1, 5) n)) v;
SELECT n, v FROM ROWS FROM (generate_series(1, 3), mlpipe_unpack('\x000000000000f03f000000000000f87f')) t (n, v);
SELECT count(*) FROM mlpipe_unpack('');
SELECT mlpipe_unpack('\x0102');
SELECT mlpipe_unpack(NULL);
SELECT sum(v) = 1000 * 1001 / 2 AS sums, count(*) FROM mlpipe_unpack((SELECT mlpipe_pack(n) FROM generate_series(1, 1000) n)) v;

-- The same in parallel: all values once, and two columns side by side
RESET ROLE;
CREATE TABLE inside_numbers AS SELECT n::float8 AS a, -n::float8 AS b FROM generate_series(1, 20000) n;
ALTER TABLE inside_numbers SET (parallel_workers = 2);
ANALYZE inside_numbers;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT mlpipe_pack(a), mlpipe_pack(b) FROM inside_numbers;
WITH packed AS MATERIALIZED (SELECT mlpipe_pack(a) AS a, mlpipe_pack(b) AS b FROM inside_numbers)
SELECT count(*), sum(x), bool_and(x = -y) FROM packed, ROWS FROM (mlpipe_unpack(a), mlpipe_unpack(b)) t (x, y);

DROP TABLE inside_items, inside_numbers;
SELECT mlpipe_drop_pipeline('inside_says'), mlpipe_drop_pipeline('inside_fails');
DROP ROLE regress_mlpipe_inside;

-- Too much of everything: it is cut, refused or thrown away, and says so.
\set SHOW_CONTEXT never
CREATE ROLE regress_volume LOGIN;
SET ROLE regress_volume;
SELECT mlpipe_submit('{"activities": [
	{"name": "rows", "type": "sql", "sql": "SELECT generate_series(1, 10000000)"},
	{"name": "lookup", "type": "lookup", "first_row_only": false, "query": "SELECT generate_series(1, 10000000)"},
	{"name": "first", "type": "lookup", "query": "SELECT generate_series(1, 3000000) AS n"},
	{"name": "items", "type": "for_each", "items": {"query": "SELECT repeat(''x'', 1000000) FROM generate_series(1, 1000)"}, "activities": [{"name": "a", "type": "fail", "message": "never"}]},
	{"name": "output", "type": "sql", "sql": "SELECT mlpipe_set_output(to_jsonb(repeat(''x'', 100000000)))"},
	{"name": "error", "type": "sql", "sql": "DO $$ BEGIN RAISE ''%'', repeat(''é'', 30000000) USING DETAIL = repeat(''d'', 50000000), HINT = repeat(''h'', 50000000); END $$"},
	{"name": "fail", "type": "fail", "message": "${{ activities.long.output.first_row.t }}", "depends_on": ["long"]},
	{"name": "long", "type": "lookup", "query": "SELECT repeat(''é'', 1000000) AS t"},
	{"name": "log", "type": "sql", "sql": "DO $$ BEGIN FOR i IN 1 .. 20000 LOOP RAISE WARNING ''line %'', i; PERFORM mlpipe_log(repeat(''x'', 10000)); END LOOP; END $$"},
	{"name": "metrics", "type": "sql", "sql": "SELECT count(mlpipe_log_metric(''m'', i, i)) FROM generate_series(1, 150000) i"},
	{"name": "metric", "type": "sql", "sql": "SELECT mlpipe_log_metric(repeat(''m'', 1000000), 1)"},
	{"name": "failed_items", "type": "parallel", "input": {"query": "SELECT 1 AS n"}, "mini_batch_size": "1 row", "count": "none", "run": "SELECT count(mlpipe_item_failed(repeat(''k'', 10000), ''message'')) FROM mini_batch, generate_series(1, 100000)"},
	{"name": "progress", "type": "sql", "sql": "SELECT count(mlpipe_progress(i, 9223372036854775807)) FROM generate_series(1, 100000) i"},
	{"name": "after", "type": "sql", "sql": "SELECT 1"}
	]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '2 min');
SELECT activity, status, pg_column_size(output) < 70000000 AS kept, left(error, 70) AS error, octet_length(error) AS bytes FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;
SELECT activity, octet_length(message) AS message, octet_length(detail) AS detail, octet_length(hint) AS hint FROM mlpipe_errors WHERE run_id = :run AND activity IN ('error', 'fail') ORDER BY 1;
SELECT activity, count(*) <= 1002 AS few, sum(octet_length(message)) < 1100000 AS short, max(message) FILTER (WHERE message LIKE '%not kept') ~ '^\d+ more log lines' AS says FROM mlpipe_logs
	WHERE run_id = :run AND activity = 'log' GROUP BY activity;
SELECT activity, count(*) FROM mlpipe_metrics WHERE run_id = :run AND name = 'm' GROUP BY activity;
SELECT count(*), max(octet_length(message)), max(octet_length(context)), max(message) FILTER (WHERE context IS NULL) AS says FROM mlpipe_errors WHERE run_id = :run AND activity = 'failed_items';
SELECT mlpipe_purge('0');
RESET ROLE;
DROP ROLE regress_volume;

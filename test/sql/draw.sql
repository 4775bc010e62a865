-- mlpipe_graph(): pipelines and their runs as text and as pictures.
SET client_min_messages = warning;
SELECT mlpipe_create_pipeline('draw_p', '{"activities": [{"name": "old", "type": "sql", "sql": "SELECT 1"}]}');
SELECT mlpipe_create_pipeline('draw_p', '{"activities": [
	{"name": "load <it> & go", "type": "sql", "sql": "SELECT 1"},
	{"name": "each", "type": "for_each", "items": [1, 2], "depends_on": ["load <it> & go"], "break": "false", "activities": [
		{"name": "gate", "type": "if", "condition": "${{ item }} = 1", "then": [{"name": "bad", "type": "fail", "message": "no"}], "else": [{"name": "x", "type": "sql", "sql": "SELECT 1"}, {"name": "y", "type": "sql", "sql": "SELECT 1", "depends_on": ["x"]}]}]},
	{"name": "alarm", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "each", "conditions": ["failed"]}]},
	{"name": "off", "type": "sql", "sql": "SELECT 1", "active": false},
	{"name": "publish", "type": "sql", "sql": "SELECT 1", "depends_on": ["each", {"activity": "alarm", "conditions": ["completed", "skipped"]}]}]}');
\pset format unaligned
\pset tuples_only on
SELECT mlpipe_graph('draw_p');
SELECT mlpipe_graph('draw_p', 1);
SELECT mlpipe_graph('draw_p', format => 'dot');
SELECT mlpipe_submit('draw_p') AS run \gset
SELECT mlpipe_wait(:run, '1 min');
SELECT regexp_replace(mlpipe_graph(NULL, run_id => :run), '.*(?=  classDef succeeded)', '');
SELECT line FROM regexp_split_to_table(mlpipe_graph('draw_p', format => 'dot', run_id => :run), '\n') line WHERE line LIKE '%fillcolor="#fbdad7"%';
-- the svg says its name, and shows each activity with its type and status
SELECT mlpipe_graph('draw_p', format => 'svg') ~ '^<svg xmlns="http://www.w3.org/2000/svg" .*<title>draw_p, version 2</title>.*</svg>\n$';
SELECT string_agg(m[1], ' | ') FROM regexp_matches(mlpipe_graph('draw_p', format => 'svg', run_id => :run), '<text class="[nk]"[^>]*>([^<]*)</text>', 'g') m;
-- boxes are apart, or one is in the other
WITH box AS (
	SELECT i, m[1]::float AS x, m[2]::float AS y, m[3]::float AS w, m[4]::float AS h
	FROM regexp_matches(mlpipe_graph('draw_p', format => 'svg'), '<rect x="([0-9.]+)" y="([0-9.]+)" width="([0-9.]+)" height="([0-9.]+)"', 'g') WITH ORDINALITY b(m, i))
SELECT count(DISTINCT a.i) AS boxes, count(*) FILTER (WHERE NOT (a.x + a.w <= b.x OR b.x + b.w <= a.x OR a.y + a.h <= b.y OR b.y + b.h <= a.y
	OR (a.x < b.x AND a.y < b.y AND a.x + a.w > b.x + b.w AND a.y + a.h > b.y + b.h))) AS overlaps
FROM box a LEFT JOIN box b ON b.i > a.i;
-- no control character of a name or a label gets into a picture
SELECT mlpipe_create_pipeline(E'draw\x01p', '{"activities": [{"name": "s", "type": "switch", "on": "1", "cases": {"a\u0001\u001fb": [{"name": "x", "type": "sql", "sql": "SELECT 1"}]}}]}');
SELECT format, mlpipe_graph(E'draw\x01p', format => format) ~ E'[\x01-\x09\x0b-\x1f\x7f]' AS control FROM unnest('{mermaid,dot,svg}'::text[]) format;
SELECT mlpipe_drop_pipeline(E'draw\x01p');
SELECT mlpipe_graph('draw_gone');
SELECT mlpipe_graph('draw_p', 9);
SELECT mlpipe_graph('draw_p', format => 'png');
SELECT mlpipe_graph('draw_p', format => NULL);
SELECT mlpipe_graph(NULL);
SELECT mlpipe_graph('draw_p', run_id => 0);
DO $$ BEGIN PERFORM mlpipe_graph('other', run_id => (SELECT max(run_id) FROM mlpipe_runs)); EXCEPTION WHEN invalid_parameter_value THEN RAISE WARNING '%', regexp_replace(SQLERRM, '\d+', 'N'); END $$;
SELECT mlpipe_graph('draw_p', 1, run_id => :run);
CREATE ROLE regress_mlpipe_nobody;
SET ROLE regress_mlpipe_nobody;
SELECT mlpipe_graph('draw_p');
DO $$ BEGIN PERFORM mlpipe_graph(NULL, run_id => 1); EXCEPTION WHEN undefined_object THEN RAISE WARNING '%', SQLERRM; END $$;
RESET ROLE;
DROP ROLE regress_mlpipe_nobody;
SELECT mlpipe_drop_pipeline('draw_p');

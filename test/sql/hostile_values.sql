-- Values, names and documents made to break out, or to break something.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_values LOGIN;
CREATE SCHEMA vals AUTHORIZATION regress_values;
SET ROLE regress_values;
SET search_path = vals, public;

-- Every quoting trick as a parameter, an item, a variable, an output of another
-- activity and a name: what arrives is what was given.
CREATE TABLE vals.trick (no integer GENERATED ALWAYS AS IDENTITY, value text);
INSERT INTO vals.trick (value) VALUES (''''), (''''''), ('\'), ('\'''), ('''; DROP TABLE vals.trick; --'), ('"; DROP TABLE vals.trick; --'), ('$$'), ('$a$'), ('$1'),
	('${{ parameters.q }}'), ('}}'), ('${{'), ('/* '), (' */ --'), ('--'), (E'\n'), (E'a\r\nb'), (E'\t'), (' '), (''), ('NULL'), ('null'), ('1e1000'), ('-1'), ('--1'),
	('E''\x27'''), ('U&''\0027'''), ('x''||(SELECT 1)||'''), ('::text'), ('%s%n%1$s'), ('{"a": "''"}'), ('{}'), ('[]'), (U&'\FEFF\202E\200B\00AD'), (U&'\+01F600\+10FFFF\FFFF'),
	(E'\u0001\u001f\u007f\u0085\u2028'), ('ＳＥＬＥＣＴ'), ('ʼ＇‘’'), (repeat('''', 9999)), (repeat('\', 9999)), (repeat('ä', 5000)), ('$mlpipe$'), ('a.b'), ('public'), ('pg_catalog.pg_class');
CREATE FUNCTION vals.same(what text, no integer, given text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF given IS DISTINCT FROM (SELECT value FROM vals.trick t WHERE t.no = same.no) THEN
		RAISE EXCEPTION 'trick % came as % by way of %', no, quote_nullable(left(given, 100)), what;
	END IF;
	RETURN true;
END $$;
SELECT mlpipe_create_pipeline('vals', '{"parameters": {"q": {"type": "text"}, "no": {"type": "integer"}, "a": {"type": "text[]"}, "j": {"type": "jsonb"}},
	"variables": {"v": {"type": "text"}},
	"activities": [
		{"name": "take", "type": "lookup", "query": "SELECT ${{ parameters.q }} AS q, vals.same(''parameter'', ${{ parameters.no }}, ${{ parameters.q }}), vals.same(''function'', ${{ parameters.no }}, mlpipe_parameter(''q'')), vals.same(''array'', ${{ parameters.no }}, ${{ parameters.a }}[1]), vals.same(''json'', ${{ parameters.no }}, ${{ parameters.j }}->>''q'')"},
		{"name": "out", "type": "sql", "depends_on": ["take"], "sql": ["SELECT vals.same(''output'', ${{ parameters.no }}, ${{ activities.take.output.first_row.q }})", "SELECT vals.same(''row'', ${{ parameters.no }}, ${{ activities.take.output.first_row }}->>''q'')"]},
		{"name": "set", "type": "set_variable", "variable": "v", "value": "${{ parameters.q }}", "depends_on": ["out"]},
		{"name": "var", "type": "sql", "depends_on": ["set"], "sql": "SELECT vals.same(''variable'', ${{ parameters.no }}, ${{ variables.v }})"},
		{"name": "loop", "type": "for_each", "depends_on": ["var"], "items": {"query": "SELECT ${{ parameters.q }} AS q"}, "activities": [
			{"name": "in", "type": "sql", "sql": "SELECT vals.same(''item'', ${{ parameters.no }}, ${{ item.q }})"},
			{"name": "say", "type": "fail", "message": "${{ item.q }}", "active": false}]},
		{"name": "yes", "type": "if", "depends_on": ["loop"], "condition": "vals.same(''condition'', ${{ parameters.no }}, ${{ parameters.q }})", "then": [], "else": [{"name": "no", "type": "fail", "message": "no"}]},
		{"name": "which", "type": "switch", "depends_on": ["yes"], "on": "${{ parameters.q }}", "cases": {"''": [], "\"": []}},
		{"name": "step", "type": "parallel", "depends_on": ["which"], "input": {"query": "SELECT ${{ parameters.q }} AS q"}, "partition_keys": ["q"], "retry_settings": {"max_retries": 0}, "mini_batch_error_threshold": 0,
			"run": "SELECT vals.same(''batch'', ${{ parameters.no }}, ${{ batch.q }}), vals.same(''row of batch'', ${{ parameters.no }}, q), vals.same(''mlpipe_batch'', ${{ parameters.no }}, mlpipe_batch()->>''q'') FROM mini_batch"}],
	"output": {"v": "${{ variables.v }}", "t": "<${{ parameters.q }}>"}}');
CREATE TABLE vals.run AS SELECT no, value, mlpipe_submit('vals', jsonb_build_object('q', value, 'no', no, 'a', jsonb_build_array(value), 'j', jsonb_build_object('q', value)), tags => jsonb_build_object(value, value)) AS run_id FROM vals.trick;
SELECT mlpipe_wait(run_id, '1 min') AS status, count(*) FROM vals.run GROUP BY 1;
SELECT v.no, r.error FROM vals.run v JOIN mlpipe_runs r USING (run_id) WHERE r.status <> 'succeeded' OR r.output->>'v' IS DISTINCT FROM v.value OR r.output->>'t' IS DISTINCT FROM '<' || v.value || '>' ORDER BY 1;

-- As names of tables and columns
SELECT mlpipe_create_pipeline('vals_name', '{"parameters": {"n": {"type": "text"}}, "activities": [
	{"name": "make", "type": "sql", "sql": ["CREATE TABLE vals.${{ parameters.n | identifier }} (${{ parameters.n | identifier }} text)", "INSERT INTO vals.${{ parameters.n | identifier }} VALUES (''x'')"]},
	{"name": "drop", "type": "sql", "depends_on": ["make"], "sql": "DROP TABLE vals.${{ parameters.n | identifier }}"}]}');
CREATE TABLE vals.named AS SELECT value, mlpipe_submit('vals_name', jsonb_build_object('n', value)) AS run_id FROM vals.trick
	WHERE value NOT LIKE '%.%' AND octet_length(value) BETWEEN 1 AND 63 AND value <> 'trick';
SELECT mlpipe_wait(run_id, '1 min') AS status, count(*) FROM vals.named GROUP BY 1;
SELECT value, error FROM vals.named JOIN mlpipe_runs USING (run_id) WHERE status <> 'succeeded' ORDER BY 1;
-- longer than a name can be, an empty part, a number of parts
CREATE TABLE vals.misnamed AS SELECT n, mlpipe_submit('vals_name', jsonb_build_object('n', n)) AS run_id FROM unnest(ARRAY[repeat('ä', 40), 'a..b', '.', 'a.b.c.d.e']) n;
SELECT n, mlpipe_wait(run_id, '1 min') AS status FROM vals.misnamed ORDER BY run_id;
SELECT n, sqlstate FROM vals.misnamed JOIN mlpipe_errors USING (run_id) ORDER BY run_id;

-- Names of pipelines, activities, tags and keys; what is drawn of them is no markup
-- (unaligned: versions of psql differ in how wide they take U+202E to be)
\a
SELECT name, mlpipe_create_pipeline(name, '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}') FROM unnest(ARRAY['x''; DROP TABLE vals.trick; --', '<script>alert(1)</script>', E'a\nb', U&'\202Edcba', repeat('ä', 70), '%s%n', '"']) name;
\a
SELECT mlpipe_create_pipeline(repeat('ä', 71), '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}');
SELECT mlpipe_create_pipeline('vals_names', jsonb_build_object('activities', jsonb_agg(jsonb_build_object('name', name, 'type', 'sql', 'sql', 'SELECT mlpipe_activity_name()'))))
	FROM unnest(ARRAY['x''; DROP TABLE trick; --', '<script>alert(1)</script>', '--> x', '%s%n', repeat('ä', 31) || 'x', U&'\202Edcba', '${x}', '|', '&amp;', ''' onload=alert(1) x=''']) name;
SELECT mlpipe_submit('vals_names') AS run \gset
SELECT mlpipe_wait(:run, '1 min');
SELECT count(*), bool_and(output->'rows'->0->>'mlpipe_activity_name' = activity) AS same FROM mlpipe_activities WHERE run_id = :run;
SELECT graph LIKE '<svg%' AS svg, graph LIKE '%<script>%' AS script FROM mlpipe_graph('vals_names', 1, 'svg', NULL) graph;
SELECT mlpipe_submit('vals_names', idempotency_key => k, tags => '{"\u202e''": "<b>"}') = mlpipe_submit('vals_names', idempotency_key => k) AS same FROM unnest(ARRAY['''', '', '\', repeat('ä', 127)]) k;

-- Documents: deep, wide, with numbers that nobody needs, with what JSON allows in names
CREATE FUNCTION vals.try(document jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM mlpipe_create_pipeline('vals_try', document);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || left(SQLERRM, 100);
END $$;
CREATE FUNCTION vals.nested(levels integer) RETURNS jsonb LANGUAGE sql AS $$
	SELECT (repeat('{"activities": [{"name": "a", "type": "until", "condition": "true", "activities": [{"name": "b", "type": "if", "condition": "true", "then": [{"name": "i", "type": "for_each", "items": [1], ', 1)
		|| repeat('"activities": [{"name": "a", "type": "for_each", "items": [1], ', levels) || '"activities": [{"name": "x", "type": "sql", "sql": "SELECT 1"}]'
		|| repeat('}]', levels) || '}]}]}]}')::jsonb $$;
SELECT vals.try(vals.nested(20)), vals.try(vals.nested(1000)), vals.try((repeat('{"activities": [', 5000) || repeat(']}', 5000))::jsonb);
SELECT vals.try(jsonb_build_object('activities', jsonb_agg(jsonb_build_object('name', 'a' || n, 'type', 'sql', 'sql', 'SELECT 1', 'depends_on', CASE WHEN n > 1 THEN jsonb_build_array('a' || n - 1) ELSE '[]' END))))
	FROM generate_series(1, 3000) n;
SELECT vals.try(jsonb_build_object('activities', jsonb_agg(jsonb_build_object('name', 'a' || n, 'type', 'sqll', 'depends_on', jsonb_build_array('b' || n)))))
	FROM generate_series(1, 2000) n;
SELECT vals.try('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "priority": 1e100}]}'),
	vals.try('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "timeout": 1e308}]}'),
	vals.try('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "timeout": "1e400 s"}]}'),
	vals.try('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "retry": {"max_retries": 99999999999999999999}}]}'),
	vals.try('{"concurrency": 1e999, "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'),
	vals.try('{"parameters": {"": {"type": "text"}}, "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'),
	vals.try('{"parameters": {"x": {"type": "text); DROP TABLE vals.trick; --"}}, "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'),
	vals.try('{"parameters": {"x": {"type": "varchar(99999999999)"}}, "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'),
	vals.try('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT ${{ parameters.x ? (@ like_regex \"(((((a*)*)*)*)*)*b\") }}"}]}') \gx
-- what is nested deeply runs, and can be cancelled
SELECT mlpipe_submit(vals.nested(100)) AS run \gset
SELECT mlpipe_wait(:run, '1 min');
SELECT count(*), max(length(activity)) FROM mlpipe_activities WHERE run_id = :run AND status = 'succeeded';
-- A value of twenty megabytes of quotes goes in and comes out
SELECT mlpipe_submit('{"parameters": {"x": {"type": "text"}}, "activities": [{"name": "a", "type": "sql", "sql": "SELECT length(${{ parameters.x }}) AS n"}]}'::jsonb, jsonb_build_object('x', repeat('''', 20000000))) AS run \gset
SELECT mlpipe_wait(:run, '1 min');
SELECT output FROM mlpipe_activities WHERE run_id = :run;
-- too long a reason to cancel
SELECT mlpipe_cancel(:run, repeat('x', 8193));

SELECT count(*) FROM vals.trick;
SELECT count(mlpipe_drop_pipeline(pipeline, true)) FROM mlpipe_pipelines;
RESET ROLE;
RESET search_path;
SELECT mlpipe_purge('0') > 0;
DROP SCHEMA vals CASCADE;
DROP ROLE regress_values;

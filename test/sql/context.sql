-- What ${{ }} sees of other activities: those that a text names, and only what
-- is upstream.
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.problems(definition jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' | ', severity, path, message, hint) FROM mlpipe_validate(definition)
$$;
CREATE PROCEDURE pg_temp.run(document jsonb, INOUT id bigint DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
	id := mlpipe_submit(document);
	COMMIT;
	PERFORM mlpipe_wait(id, '2 min');
END $$;

-- an inner name hides the same one further out, also where it is no use
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"},
	{"name": "i", "type": "if", "condition": "true", "depends_on": ["a"], "then": [
		{"name": "a", "type": "sql", "sql": "SELECT 2"},
		{"name": "b", "type": "sql", "sql": "SELECT ${{ activities.a.output.row_count }}"},
		{"name": "c", "type": "sql", "sql": "SELECT ${{ activities.a.output.row_count }}", "depends_on": ["a"]}]}]}');
CALL pg_temp.run('{"parameters": {"p": {"type": "text", "default": "P"}}, "variables": {"v": {"type": "text", "default": "V"}}, "activities": [
	{"name": "a", "type": "sql", "sql": "SELECT ''outer'' AS x"},
	{"name": "b", "type": "sql", "sql": "SELECT ''b'' AS x"},
	{"name": "aside", "type": "sql", "sql": "SELECT 1", "depends_on": ["b"]},
	{"name": "each", "type": "for_each", "items": ["one"], "depends_on": ["a", "b"], "break": "${{ activities.last.status }} = ''failed'' OR ${{ activities.b.output.rows[0].x }} <> ''b''", "activities": [
		{"name": "a", "type": "sql", "sql": "SELECT ''inner'' AS x"},
		{"name": "last", "type": "sql", "depends_on": ["a"], "sql": "SELECT ${{ activities.a.output.rows[0].x }} AS a, ${{ activities.b.output.rows[0].x }} AS b, ${{ item }} AS item, ${{ loops.each.index }} AS i, ${{ parameters.p }} || ${{ variables.v }} AS pv"},
		{"name": "every", "type": "set_variable", "variable": "v", "depends_on": ["last"], "value": "${{ activities.*.output.row_count }}"}]},
	{"name": "seen", "type": "sql", "depends_on": ["aside", "each"], "sql": "SELECT (SELECT jsonb_agg(k ORDER BY k) FROM jsonb_object_keys(${{ activities }}) k) AS upstream, (SELECT jsonb_agg(k ORDER BY k) FROM jsonb_object_keys(mlpipe_context()->''activities'') k) AS ended"}],
	"output": {"a": "${{ activities.a.output.rows[0].x }}", "all": "${{ activities.*.status }}", "v": "${{ variables.v }}"}}') \gset
SELECT activity, status, output->'rows'->0 AS row, error FROM mlpipe_activities WHERE run_id = :id ORDER BY activity;
SELECT output FROM mlpipe_runs WHERE run_id = :id;
-- what a join did not wait for has no output yet, but it is there
CREATE FUNCTION await_first() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..6000 LOOP
		EXIT WHEN EXISTS (SELECT FROM mlpipe_activities WHERE run_id = mlpipe_run_id() AND activity = 'first' AND status = 'succeeded');
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
CALL pg_temp.run('{"activities": [{"name": "quick", "type": "sql", "sql": "SELECT 1"}, {"name": "slow", "type": "sql", "sql": "SELECT await_first()"},
	{"name": "first", "type": "sql", "join": "any", "depends_on": ["quick", "slow"], "sql": "SELECT ${{ activities.slow.status }} IN (''queued'', ''in_progress'') AS unfinished, ${{ activities.slow.output }} AS output, ${{ activities.quick.status }} AS quick"}]}') \gset
SELECT output->'rows'->0 FROM mlpipe_activities WHERE run_id = :id AND activity = 'first';
DROP FUNCTION await_first();

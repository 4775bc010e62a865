-- ${{ }}: what a path may name, and where in SQL a value may stand.

CREATE FUNCTION pg_temp.problems(sql text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' | ', severity, path, message, hint) FROM public.mlpipe_validate(jsonb_build_object(
		'parameters', '{"day": {"type": "date"}, "a}}b": {"type": "text"}, "limits": {"type": "integer[]"}}'::jsonb,
		'variables', '{"rounds": {"type": "integer", "default": 0}}'::jsonb,
		'activities', jsonb_build_array(
			'{"name": "beside", "type": "sql", "sql": "SELECT 1"}'::jsonb,
			'{"name": "first", "type": "sql", "sql": "SELECT 1"}'::jsonb,
			'{"name": "Copy data", "type": "sql", "sql": "SELECT 1", "depends_on": ["first"]}'::jsonb,
			jsonb_build_object('name', 'x', 'type', 'sql', 'sql', sql, 'depends_on', '["Copy data"]'::jsonb))))
$$;

-- all fine
SELECT pg_temp.problems(t) FROM unnest(ARRAY[
	'SELECT ${{ parameters.day }}, ${{parameters.day}}${{parameters.day}}, -${{ variables.rounds }}',
	'SELECT ${{ parameters."a}}b" }}, (${{ parameters.limits }})[1], ${{ parameters.limits[0] }}',
	'SELECT ${{ activities.first.output.rows[0].x }}, ${{ activities."Copy data".status }}, ${{ activities.first.error }}',
	'SELECT ${{ activities.first.output.rows[*] ? (@.n > 5 && @.s like_regex "}}") }}',
	'SELECT ${{ activities.first.output.rows[$.variables.rounds] }}, ${{ activities.first.output.n + 1 }}',
	'SELECT * FROM ${{ activities.first.output.name | identifier }}',
	'SELECT ${{ run.id }}, ${{ run.submitted_by }}, ${{ trigger.window_start }}, ${{ parameters }}',
	'SELECT ''%'' || ${{ parameters.day }} || ''%'', "a" -- a comment
		/* and /* another */ one */ FROM t WHERE d = ${{ parameters.day }} AND b <> $$body$$']) t;

-- what is no path
SELECT pg_temp.problems('SELECT ${{ parameters.day');
SELECT pg_temp.problems('SELECT ${{ parameters."day }}');
SELECT pg_temp.problems('SELECT ${{ }}');
SELECT pg_temp.problems('SELECT ${{ parameters. }}');
SELECT pg_temp.problems('SELECT ${{ parameters.day ? (@ == $x) }}');
SELECT pg_temp.problems('SELECT ${{ parameters.day | ident }}');

-- what is not there
SELECT pg_temp.problems('SELECT ${{ day }}');
SELECT pg_temp.problems('SELECT ${{ *.day }}');
SELECT pg_temp.problems('SELECT ${{ parameters.dya }}');
SELECT pg_temp.problems('SELECT ${{ parameters.nothing_like_it }}');
SELECT pg_temp.problems('SELECT ${{ variables.day }}');
SELECT pg_temp.problems('SELECT ${{ activities.frist.output }}');
SELECT pg_temp.problems('SELECT ${{ activities.first.outptu }}');
SELECT pg_temp.problems('SELECT ${{ run.idd }}');
SELECT pg_temp.problems('SELECT ${{ parameters.day == $.parameters.dax }}');
-- neither itself nor what it does not wait for is upstream
SELECT pg_temp.problems('SELECT ${{ activities.x.output }}, ${{ activities.beside.output }}');
-- roots of other places
SELECT pg_temp.problems('SELECT ${{ batch.number }}, ${{ item }}, ${{ index }}, ${{ loops.l.item }}');

-- where no value can stand
SELECT pg_temp.problems('SELECT ''${{ parameters.day }}''');
SELECT pg_temp.problems('SELECT E''\''${{ parameters.day }}''');
SELECT pg_temp.problems('SELECT "${{ parameters.day }}"');
SELECT pg_temp.problems('DO $$ BEGIN PERFORM ${{ parameters.day }}; END $$');
SELECT pg_temp.problems('SELECT 1 -- ${{ parameters.day }}');
SELECT pg_temp.problems('/* /* */ ${{ parameters.day }} */ SELECT 1');
-- strings with a line's end between them are one string to SQL
SELECT pg_temp.problems(E'SELECT ''a''\n${{ parameters.day }}');
SELECT pg_temp.problems(E'SELECT ${{ parameters.day }} -- comment\n''a''');

-- all problems of all places at once
SELECT path, message FROM mlpipe_validate('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT ${{ x }}"}, {"name": "c", "type": "sql", "sql": "SELECT ''${{ run.id }}''"}],
	"output": {"fine": "${{ activities.a.output }}", "n": 1, "deep": [{"k": "${{ activities.b.output }}"}, "${{ y"]}}') ORDER BY path COLLATE "C";

-- backslashes end strings elsewhere under the old rules
SELECT mlpipe_validate('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT ''\\'' || ${{ run.id }} || '' '', 1"}]}');
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT count(*) > 0 AS refused FROM mlpipe_validate(E'{"activities": [{"name": "a", "type": "sql", "sql": "SELECT ''\\\\'' || ${{ run.id }} || '' '', 1"}]}');
RESET standard_conforming_strings;
RESET escape_string_warning;

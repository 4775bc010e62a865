-- What a path names that cannot be is refused when the pipeline is created, and
-- what can be is not.
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.problems(activities text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' | ', severity, path, message, hint) FROM mlpipe_validate(('{
		"parameters": {"p": {"type": "integer", "default": 1}, "t": {"type": "text", "default": "x"}, "j": {"type": "jsonb", "default": {}}},
		"variables": {"v": {"type": "text"}, "n": {"type": "integer"}, "a": {"type": "integer[]"}},
		"activities": [{"name": "look", "type": "lookup", "query": "SELECT 1 AS x"}, {"name": "Copy data", "type": "copy", "source": {"query": "SELECT 1"}, "sink": {"table": "t"}},
			{"name": "aside", "type": "sql", "sql": "SELECT 1"}, ' || activities || ']}')::jsonb)
$$;
CREATE FUNCTION pg_temp.path(path text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT pg_temp.problems(format('{"name": "x", "type": "sql", "sql": %s, "depends_on": ["look", "Copy data"]}', to_json('SELECT ${{ ' || path || ' }}')))
$$;
SELECT bad, pg_temp.path(bad) FROM unnest(ARRAY['parameters.q', 'parameters.P', 'parameters.p.x', 'variables.q', 'variables.n.x', 'activities.zz.output', 'activities.aside.output',
	'activities.x.output', 'activities.look.outptu', 'activities.look.status.x', 'activities.look.output.firstrow', 'activities."Copy data".output.row_count', 'activities["look"].output',
	'item', 'index', 'loops.f.item', 'batch.number', 'run.foo', 'run.id.x', 'trigger.foo', 'foo', 'parameters.p + $.parameters.zz',
	'activities.look.output.first_row.x ? (@ > $.parameters.zz)', 'activities.look.output.rows[$.variables.zz]']) bad;
SELECT good, pg_temp.path(good) FROM unnest(ARRAY['parameters', 'parameters.p', '"parameters"."p"', 'parameters.t.x', 'parameters.j.a.b[0].*', 'parameters.p + $.variables.n', 'variables.a[0]', 'variables.v.size()',
	'activities', 'activities.*.status', 'activities.look', 'activities.look.error', 'activities.look.output.first_row.x.y', 'activities.look.output.rows[0].x', 'activities.look.output.rows[last].x',
	'activities."Copy data".output.rows_read', 'activities.look.output.first_row.x ? (@ > $.parameters.p)', 'run.submitted_by', 'trigger.window_start', 'trigger.parent_run_id', 'parameters.p.double()']) good;

-- inside of containers
SELECT pg_temp.problems('{"name": "f", "type": "for_each", "items": [1], "depends_on": ["look"], "collect": "i", "break": "${{ activities.i.status }} = ''failed'' AND ${{ activities.q.output }}",
	"variables": {"own": {"type": "text"}}, "activities": [
	{"name": "i", "type": "sql", "sql": "SELECT ${{ item.x }}, ${{ index }}, ${{ index.x }}, ${{ loops.f.item }}, ${{ loops.g.item }}, ${{ variables.own }}, ${{ activities.look.output.rows }}, ${{ activities.aside.output }}, ${{ activities.f.output }}"},
	{"name": "u", "type": "until", "depends_on": ["i"], "condition": "${{ activities.r.output.value }} AND ${{ activities.i.output }} AND ${{ activities.u.output }}", "activities": [
		{"name": "r", "type": "set_variable", "variable": "own", "value": "${{ item }}"}]},
	{"name": "b", "type": "if", "condition": "${{ activities.u.output.rounds }} > 1 AND ${{ activities.u.output.turns }} > 1", "depends_on": ["u"],
		"then": [{"name": "t", "type": "sql", "sql": "SELECT ${{ activities.u.output.activities.r.value }}"}], "else": [{"name": "e", "type": "sql", "sql": "SELECT ${{ activities.t.output }}"}]}]},
	{"name": "z", "type": "sql", "depends_on": ["f"], "sql": "SELECT ${{ activities.f.output.outputs[0].rows }}, ${{ activities.f.output.total }}, ${{ activities.i.output }}, ${{ item }}, ${{ variables.own }}"},
	{"name": "s", "type": "parallel", "input": {"query": "SELECT 1 AS k"}, "partition_keys": ["k"], "run": "SELECT ${{ batch.k }}, ${{ batch.number }}, ${{ batch.l }} FROM mini_batch"}');
-- a dependency that is named later, and one of several that a join waits for
SELECT pg_temp.problems('{"name": "last", "type": "sql", "sql": "SELECT ${{ activities.first.output.count }}, ${{ activities.first.output.number }}, ${{ activities.look.output }}", "depends_on": ["middle"]},
	{"name": "middle", "type": "sql", "sql": "SELECT 1", "join": "any", "depends_on": ["first", "aside"]}, {"name": "first", "type": "filter", "items": [1], "condition": "true", "depends_on": ["look"]}');
-- what will fail when it runs is told, but a run may well have that
SELECT pg_temp.problems('{"name": "a", "type": "sql", "sql": ["SELECT 1", "SELEC ${{ parameters.p }}"]}, {"name": "b", "type": "sql", "sql": "INSERT INTO t VALUES (${{ parameters.p }}"},
	{"name": "c", "type": "lookup", "query": "SELEC 1"}, {"name": "d", "type": "lookup", "query": "SELECT ${{ parameters.p }}; SELECT 2"}, {"name": "e", "type": "lookup", "query": "INSERT INTO t VALUES (1) RETURNING id"},
	{"name": "f", "type": "sql", "sql": "SET work_mem = ${{ parameters.t }}; COMMENT ON TABLE t IS ${{ parameters.t }}; ALTER SEQUENCE s RESTART WITH ${{ parameters.p }}; SELECT interval ${{ parameters.j.i }} FROM ${{ parameters.t | identifier }}"},
	{"name": "if", "type": "if", "condition": "${{ parameters.p }} >", "then": []}, {"name": "not", "type": "if", "condition": "${{ parameters.p }} > 1 -- more", "then": []},
	{"name": "g", "type": "set_variable", "variable": "n", "value": "x"}, {"name": "h", "type": "append_variable", "variable": "a", "value": "x"}, {"name": "i", "type": "append_variable", "variable": "a", "value": 1},
	{"name": "j", "type": "set_variable", "variable": "nope", "value": 1}, {"name": "k", "type": "set_variable", "variable": "n", "value": "${{ parameters.t }}"}');

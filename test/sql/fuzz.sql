-- Every function of the extension, called by a stranger outside of any
-- activity, with nulls, extremes and nonsense: an error that the caller can
-- understand, or an answer, but never an internal error or a crash.
\set SHOW_CONTEXT never
SET client_min_messages = error;
CREATE ROLE regress_fuzz LOGIN;

-- What an argument of a type is tried with, as SQL.
CREATE TABLE fuzz_value (type regtype, value text);
INSERT INTO fuzz_value
	SELECT 'text'::regtype, unnest(ARRAY['NULL', '''''', '''x''', '''{''', 'repeat(''x'', 100000)', 'E''\x01\n\t\\''', '''x"; DROP TABLE y; --''',
		'''a.b.c.d''', 'U&''\202E\FFFD\+01F600''', '''/''', '''svg''', '''0''', '''/tmp/*''', '''info''', '''active''', '''12 %s %n''', 'repeat(''[*'', 5000)'])
	UNION ALL SELECT 'jsonb'::regtype, unnest(ARRAY['NULL', '''null''', '''1''', '''"x"''', '''[]''', '''{}''', '''[[[{"a": [null]}]]]''',
		'(repeat(''['', 3000) || repeat('']'', 3000))::jsonb', '(repeat(''{"activities":['', 1000) || repeat('']}'', 1000))::jsonb',
		'''{"activities": [null, 1, "x", [], {}, {"name": null, "type": null}, {"name": "a", "type": "sql"}, {"name": "a", "type": "nothing", "sql": {}}]}''',
		'''{"activities": [{"name": "a", "type": "sql", "sql": "SELECT ${{ parameters.x }} ${{ ${{ }} }} ${{"}], "parameters": {"x": {"type": "integer[][]", "default": {"a": 1e400}}}}''',
		'''{"activities": {"name": "a"}, "parameters": [], "variables": 3, "concurrency": -1e300, "timeout": "x", "output": [1], "if_running": 7}''',
		'''{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "timeout": 1e308, "retry": {"max_retries": -1, "interval": "infinity", "backoff": -3, "on": ["1", {}, null]}, "priority": 1e30, "depends_on": ["a", 1, {"activity": [], "conditions": {}}]}]}''',
		'''{"x": 123456789012345678901234567890e200, "y": "\ud83d\ude00"}'''])
	UNION ALL SELECT t, unnest(ARRAY['NULL', '0', '1', '-1']) FROM unnest('{int4,int8,float8}'::regtype[]) t
	UNION ALL SELECT 'int4'::regtype, unnest(ARRAY['2147483647', '-2147483648'])
	UNION ALL SELECT 'int8'::regtype, unnest(ARRAY['9223372036854775807', '-9223372036854775808', '4294967296'])
	UNION ALL SELECT 'float8'::regtype, unnest(ARRAY['''NaN''', '''Infinity''', '1e-320'])
	UNION ALL SELECT t, unnest(ARRAY['NULL', '0', '10', '4294967295', '3373']) FROM unnest('{oid,regrole}'::regtype[]) t
	UNION ALL SELECT 'bool'::regtype, unnest(ARRAY['NULL', 'true', 'false'])
	UNION ALL SELECT 'interval'::regtype, unnest(ARRAY['NULL', '''0''', '''-1 s''', '''178000000 years''', '''-178000000 years''', '''2147483647 days''', '''1 microsecond'''])
	UNION ALL SELECT 'timestamptz'::regtype, unnest(ARRAY['NULL', '''infinity''', '''-infinity''', '''4713-01-01 BC''', '''294276-12-31''', '''2000-01-01'''])
	UNION ALL SELECT 'bytea'::regtype, unnest(ARRAY['NULL', '''\x''', '''\x00''', '''\x0011223344556677''', '''\xffffffffffffffff00''', 'convert_to(repeat(''x'', 80000), ''UTF8'')'])
	UNION ALL SELECT 'anyenum'::regtype, unnest(ARRAY['NULL::mlpipe.run_status', '''queued''::mlpipe.run_status', '''waiting''::mlpipe.activity_status'])
	UNION ALL SELECT 'internal'::regtype, 'NULL'
	UNION ALL SELECT '"any"'::regtype, unnest(ARRAY['NULL', '1', '''x''::text', 'ROW(1, NULL)', '''{1}''::integer[]'])
	UNION ALL SELECT 'text[]'::regtype, unnest(ARRAY['NULL', '''{}''', '''{NULL}''', '''{{a,b},{c,d}}'''])
	UNION ALL SELECT 'jsonb[]'::regtype, unnest(ARRAY['NULL', '''{}''', '''{NULL}'''])
	UNION ALL SELECT 'name'::regtype, unnest(ARRAY['NULL', '''x''']);
GRANT SELECT ON fuzz_value TO regress_fuzz;

-- Calls of a function: each value of each argument, with nulls and with
-- something ordinary for the others; as a column and as a table.
CREATE FUNCTION fuzz_calls(called pg_proc) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	types regtype[] := called.proargtypes::oid[]::regtype[];
	target text := format('%s.%I', called.pronamespace::regnamespace, called.proname);
	others text[] := '{}';
	n integer := coalesce(cardinality(types), 0);
	given record;
BEGIN
	FOR i IN 0 .. n - 1 LOOP
		others := others || coalesce((SELECT format('%s::%s', value, CASE WHEN v.type IN ('anyenum', 'internal', '"any"') THEN 'text' ELSE v.type::text END)
			FROM fuzz_value v WHERE v.type = types[i] AND value <> 'NULL' LIMIT 1 OFFSET 1), 'NULL');
	END LOOP;
	IF n = 0 THEN
		RETURN NEXT format('%s()', target);
	END IF;
	FOR i IN 0 .. n - 1 LOOP
		FOR given IN SELECT CASE WHEN v.type IN ('anyenum', 'internal', '"any"') THEN v.value ELSE format('%s::%s', v.value, v.type) END AS value
			FROM fuzz_value v WHERE v.type = types[i] LOOP
			RETURN NEXT format('%s(%s)', target, array_to_string(array_fill('NULL'::text, ARRAY[i]) || given.value || array_fill('NULL'::text, ARRAY[n - 1 - i]), ', '));
			RETURN NEXT format('%s(%s)', target, array_to_string(others[1:i] || given.value || others[i + 2:], ', '));
		END LOOP;
	END LOOP;
END $$;

CREATE FUNCTION fuzz_one(kind "char", retset boolean, call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF kind = 'p' THEN
		EXECUTE 'CALL ' || call;
	ELSIF kind = 'a' THEN
		EXECUTE format('SELECT %s FROM generate_series(1, 3)', call);
	ELSE
		EXECUTE 'SELECT ' || call;
		EXECUTE 'SELECT * FROM ' || call;
	END IF;
	RAISE EXCEPTION SQLSTATE 'FZ000';
EXCEPTION
	WHEN SQLSTATE 'FZ000' THEN RETURN 'ok';
	WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

CREATE TABLE fuzz_result (place text, function regprocedure, call text, result text);
GRANT ALL ON fuzz_result TO regress_fuzz;
CREATE VIEW fuzz_function AS
	SELECT p.* FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'mlpipe';
CREATE VIEW fuzz_all AS
	SELECT p.oid::regprocedure AS function, c AS call, fuzz_one(p.prokind, p.proretset, c) AS result
	FROM fuzz_function p, fuzz_calls(ROW(p.*)::pg_proc) c
	WHERE p.prorettype <> 'tsm_handler'::regtype;
GRANT SELECT ON fuzz_function, fuzz_all TO regress_fuzz;

-- As a stranger to everything
SET ROLE regress_fuzz;
SET statement_timeout = '1 min';
INSERT INTO fuzz_result SELECT 'stranger', * FROM fuzz_all;
SELECT function, result FROM fuzz_result WHERE function::text LIKE '%start_scheduler%';
SELECT count(*) FROM mlpipe_runs;

-- As the owner of something, in a session, an activity and a mini-batch
SELECT mlpipe_create_pipeline('x', '{"parameters": {"x": {"type": "text", "default": "x"}}, "variables": {"x": {"type": "jsonb"}},
	"activities": [{"name": "x", "type": "sql", "sql": "INSERT INTO fuzz_result SELECT ''activity'', * FROM fuzz_all"},
		{"name": "y", "type": "parallel", "input": {"query": "SELECT 1 AS n"}, "mini_batch_size": "1 row", "retry_settings": {"max_retries": 0},
			"run": "INSERT INTO fuzz_result SELECT ''mini-batch'', f.* FROM mini_batch, fuzz_all f"}]}');
SELECT mlpipe_submit('x') AS run \gset
SELECT mlpipe_wait(:run, '40 s');
SELECT activity, status, error FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;
SELECT DISTINCT activity, sqlstate FROM mlpipe_errors WHERE run_id = :run;
SELECT activity, count(*) > 0 AS logged FROM mlpipe_logs WHERE run_id = :run GROUP BY activity ORDER BY activity;
RESET ROLE;
INSERT INTO fuzz_value VALUES ('int8', :'run');
SET ROLE regress_fuzz;
INSERT INTO fuzz_result SELECT 'owner', * FROM fuzz_all;
SELECT place, count(*) > 400 AS many, count(DISTINCT left(result, 5)) > 8 AS varied FROM fuzz_result GROUP BY place ORDER BY place;
-- each of them has been called
SELECT p.oid::regprocedure FROM fuzz_function p WHERE p.oid NOT IN (SELECT function FROM fuzz_result) ORDER BY 1;
-- internal errors, and what is not the caller's fault
SELECT place, function, left(call, 200) AS call, left(result, 200) AS result FROM fuzz_result
	WHERE (result ~ '^(XX|57|58|53|40|25)' OR result ~* '(cache lookup|unrecognized|unexpected|SPI_)') AND result NOT LIKE '%mlpipe_watch%'
	ORDER BY 1, 2, 3 LIMIT 20;

-- The sampling method by hand
CREATE TEMP TABLE mine AS SELECT 1 AS n;
SELECT * FROM mine TABLESAMPLE mlpipe.mini_batch_range();
SELECT * FROM mine TABLESAMPLE mlpipe.mini_batch_range(1);
-- The trigger function where it does not belong
CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION mlpipe_submit_on_change('x');
INSERT INTO mine VALUES (2);
DROP TRIGGER t ON mine;
CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION mlpipe_submit_on_change();
INSERT INTO mine VALUES (2);
DROP TRIGGER t ON mine;
CREATE TRIGGER t AFTER TRUNCATE ON mine EXECUTE FUNCTION mlpipe_submit_on_change('x', '{"debounce": [], "parameters": 1, "z": 2}');
TRUNCATE mine;
DROP TRIGGER t ON mine;
CREATE TRIGGER t AFTER INSERT ON mine EXECUTE FUNCTION mlpipe_submit_on_change('x', 'this is no JSON');
INSERT INTO mine VALUES (2);
DROP TABLE mine;
-- Aggregates of the user's on the parts of ours
CREATE AGGREGATE pg_temp.mine(double precision) (SFUNC = mlpipe.pack_add, STYPE = internal, FINALFUNC = mlpipe.pack_finish);

RESET ROLE;
SELECT mlpipe_drop_pipeline('x');
SELECT mlpipe_purge('0') > 0;
DROP VIEW fuzz_all, fuzz_function;
DROP TABLE fuzz_value, fuzz_result;
DROP FUNCTION fuzz_calls, fuzz_one;
DROP ROLE regress_fuzz;

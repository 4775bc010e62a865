-- Things that a hostile role plants where the engine's own statements, or an
-- administrator's, could come across them: whoever calls them is noted, and
-- nobody but that role ever does.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_hostile LOGIN;
CREATE SCHEMA hostile AUTHORIZATION regress_hostile;
SET ROLE regress_hostile;
CREATE TABLE hostile.caught (what text, who name);

-- Operators, functions, casts and relations with the names that are used inside
CREATE FUNCTION hostile.caught(what text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	INSERT INTO hostile.caught VALUES (what, current_user);
	RETURN true;
EXCEPTION WHEN OTHERS THEN
	RETURN true;
END $$;
DO $$
DECLARE
	type text;
	sign text;
BEGIN
	FOREACH type IN ARRAY '{text,integer,bigint,oid,jsonb,timestamptz,boolean,mlpipe.run_status,mlpipe.activity_status}'::text[] LOOP
		EXECUTE format('CREATE FUNCTION hostile.compare(%s, %1$s) RETURNS boolean LANGUAGE plpgsql AS %2$L',
			type, format('BEGIN RETURN hostile.caught(%L); END', 'operator of ' || type));
		FOREACH sign IN ARRAY '{=,<>,<,>}'::text[] LOOP
			EXECUTE format('CREATE OPERATOR hostile.%s (FUNCTION = hostile.compare, LEFTARG = %s, RIGHTARG = %2$s)', sign, type);
		END LOOP;
	END LOOP;
	EXECUTE 'CREATE FUNCTION hostile.now() RETURNS timestamptz LANGUAGE sql AS ''SELECT hostile.caught(''''now''''); SELECT clock_timestamp()''';
	EXECUTE 'CREATE FUNCTION hostile.count(anyelement) RETURNS bigint LANGUAGE sql AS ''SELECT hostile.caught(''''count''''); SELECT 1::bigint''';
	EXECUTE 'CREATE FUNCTION hostile.coalesce(integer, integer) RETURNS integer LANGUAGE sql AS ''SELECT hostile.caught(''''coalesce''''); SELECT 1''';
	EXECUTE 'CREATE FUNCTION hostile.format(text, text) RETURNS text LANGUAGE sql AS ''SELECT hostile.caught(''''format''''); SELECT NULL::text''';
	EXECUTE 'CREATE FUNCTION hostile.array_agg(anyelement) RETURNS anyarray LANGUAGE sql AS ''SELECT hostile.caught(''''array_agg''''); SELECT NULL::anyarray''';
END $$;
CREATE DOMAIN hostile.regrole AS text CHECK (hostile.caught('domain'));
CREATE VIEW hostile.run AS SELECT 1::bigint AS run_id, hostile.caught('view') AS status;
CREATE VIEW hostile.activity_run AS SELECT 1::bigint AS run_id, 0 AS no, hostile.caught('view') AS status;
CREATE VIEW hostile.pipeline AS SELECT 1 AS pipeline_id, hostile.caught('view') AS name;
SELECT DISTINCT who FROM hostile.caught;

-- In front of everything, in activities and in the session that submits. The
-- planted operators catch what the hostile role itself says.
SELECT mlpipe_create_pipeline('hostile', '{"parameters": {"p": {"type": "text", "default": "x"}}, "variables": {"v": {"type": "jsonb"}}, "activities": [
	{"name": "plant", "type": "sql", "sql": ["SET search_path = hostile, pg_temp, pg_catalog, public", "CREATE TEMP VIEW mini_batch AS SELECT hostile.caught(''temp'')",
		"CREATE TEMP VIEW log AS SELECT 1", "CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS ''SELECT now()''", "SELECT 1 = 1, mlpipe_log(''x'')"]},
	{"name": "loop", "type": "for_each", "depends_on": ["plant"], "items": {"query": "SELECT set_config(''search_path'', ''hostile, pg_catalog'', false)"}, "activities": [
		{"name": "set", "type": "set_variable", "variable": "v", "expression": "to_jsonb(set_config(''search_path'', ''hostile, pg_catalog'', false))"}]},
	{"name": "step", "type": "parallel", "depends_on": ["loop"], "input": {"query": "SELECT x::text AS x, x % 3 AS k FROM generate_series(1, 40) x"}, "partition_keys": ["k"],
		"init": "SET search_path = hostile, pg_temp, pg_catalog, public", "run": "SELECT x, set_config(''search_path'', ''hostile, pg_catalog'', false) FROM mini_batch", "append_row_to": "hostile.result"},
	{"name": "fails", "type": "sql", "depends_on": ["step"], "sql": ["SET search_path = hostile, pg_catalog", "SELECT 1/0"], "retry": {"max_retries": 1, "interval": 0}},
	{"name": "child", "type": "pipeline", "pipeline": "hostile_child", "depends_on": [{"activity": "fails", "conditions": ["failed"]}]}]}');
SELECT mlpipe_create_pipeline('hostile_child', '{"activities": [{"name": "a", "type": "sql", "sql": ["SET search_path = hostile, pg_catalog", "SELECT 1"]}]}');
SET search_path = hostile, pg_temp, pg_catalog, public;
SELECT public.mlpipe_submit('hostile'::text) AS run \gset
SELECT public.mlpipe_wait(:run, '30 s');
SELECT public.mlpipe_create_pipeline('hostile_too'::text, '{"activities": [{"name": "a", "type": "approval"}]}');
SELECT public.mlpipe_submit('hostile_too'::text, idempotency_key => 'k') AS too \gset
SELECT public.mlpipe_suspend(:too), public.mlpipe_resume(:too), public.mlpipe_cancel(:too);
SELECT public.mlpipe_graph('hostile'::text) IS NOT NULL, public.mlpipe_definition('hostile'::text) IS NOT NULL;
SELECT public.mlpipe_grant('hostile'::text, 'pg_monitor'), public.mlpipe_revoke('hostile'::text, 'pg_monitor');
SELECT pg_catalog.count(*) FROM public.mlpipe_health;
RESET search_path;
SELECT activity, status, error FROM mlpipe_activities WHERE run_id = :run ORDER BY activity COLLATE "C";
SELECT count(*) FROM mlpipe_pipelines;
SELECT DISTINCT who FROM hostile.caught;
SELECT mlpipe_drop_pipeline(pipeline) FROM mlpipe_pipelines;

-- What an administrator gives to everybody by default is not what is kept for a step
RESET ROLE;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO regress_hostile;
SET ROLE regress_hostile;

-- A type whose owner's code ANALYZE calls, in rows that are kept for a step:
-- the table belongs to the extension's owner.
CREATE FUNCTION hostile.difference(a float8, b float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS
	$$ BEGIN PERFORM hostile.caught('subtype_diff'); RETURN a - b; END $$;
CREATE TYPE hostile.range AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = hostile.difference);
-- and one with a cast that the keys of partitions are shown by
CREATE TYPE hostile.pair AS (a integer, b text);
CREATE FUNCTION hostile.pair_json(hostile.pair) RETURNS json LANGUAGE plpgsql AS $$ BEGIN PERFORM hostile.caught('cast'); RETURN '1'; END $$;
CREATE CAST (hostile.pair AS json) WITH FUNCTION hostile.pair_json(hostile.pair);
CREATE DOMAIN hostile.checked AS integer CHECK (hostile.caught('check of a domain'));
SELECT mlpipe_submit('{"activities": [
	{"name": "rows", "type": "parallel", "input": {"query": "SELECT hostile.range(x, x + 1) AS r, ROW(x, x::text)::hostile.pair AS p, x::integer::hostile.checked AS d FROM generate_series(1, 200) x"},
		"mini_batch_size": "50 rows", "run": "SELECT pg_advisory_xact_lock_shared(4713) FROM mini_batch"},
	{"name": "keys", "type": "parallel", "input": {"query": "SELECT ROW(x % 2, ''y'')::hostile.pair AS p, (x % 2)::integer::hostile.checked AS d, hostile.range(x % 2, 3) AS r, x FROM generate_series(1, 200) x"},
		"partition_keys": ["p", "d", "r"], "run": "SELECT pg_advisory_xact_lock_shared(4713) FROM mini_batch"}]}'::jsonb) AS run
	FROM pg_advisory_lock(4713) \gset
RESET ROLE;
CREATE FUNCTION hostile_until(condition text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	done boolean;
BEGIN
	FOR i IN 1 .. 3000 LOOP
		EXECUTE 'SELECT ' || condition INTO done;
		IF done THEN RETURN true; END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN false;
END $$;
SELECT hostile_until(format('count(*) = 3 FROM pg_class WHERE relnamespace = ''mlpipe''::regnamespace AND relname ~ ''^(stage|keys)_%s_'' AND relkind = ''r''', :run));
DO $$
DECLARE
	kept regclass;
BEGIN
	FOR kept IN SELECT oid FROM pg_class WHERE relnamespace = 'mlpipe'::regnamespace AND relname ~ '^(stage|keys)_' AND relkind = 'r' LOOP
		EXECUTE format('ANALYZE %s', kept);
	END LOOP;
END $$;
SELECT DISTINCT a.grantee::regrole, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a
	WHERE c.relnamespace = 'mlpipe'::regnamespace AND c.relname ~ format('^(stage|keys)_%s_', :run) AND c.relkind = 'r' AND a.grantee <> c.relowner;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC, regress_hostile;
SELECT pg_advisory_unlock(4713);
SELECT mlpipe_wait(:run, '30 s');
SELECT status, count(*) FROM mlpipe_activities WHERE run_id = :run GROUP BY status;
-- an administrator looks at everything
SELECT count(*) > 0 FROM mlpipe_runs JOIN mlpipe_activities USING (run_id) JOIN mlpipe_batches b USING (run_id) WHERE run_id = :run AND b.keys::text <> '';
SELECT DISTINCT who FROM hostile.caught;
-- nothing of it is left
SELECT relname FROM pg_class WHERE relnamespace = 'mlpipe'::regnamespace AND relname ~ format('^(stage|keys)_%s_', :run);

-- Dependants of what is kept for a step go with it, and do not keep it
SET ROLE regress_hostile;
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "parallel", "input": {"query": "SELECT 1 AS x"}, "mini_batch_size": "1 row", "max_concurrency_per_instance": 1,
	"init": "DO $$ DECLARE t regclass; BEGIN SELECT oid INTO t FROM pg_class WHERE relname ~ format(''^stage_%s_'', mlpipe_run_id()) AND relkind = ''r''; EXECUTE format(''CREATE VIEW hostile.on_stage AS SELECT * FROM %s'', t); END $$",
	"run": "SELECT * FROM mini_batch, hostile.on_stage"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '30 s');
SELECT to_regclass('hostile.on_stage');
RESET ROLE;


SELECT mlpipe_purge('0') > 0;
DROP FUNCTION hostile_until;
DROP SCHEMA hostile CASCADE;
DROP ROLE regress_hostile;

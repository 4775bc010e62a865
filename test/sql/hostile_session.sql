-- What an activity's statements do to their session and their transaction: the
-- activity alone bears it, and the next one, of another pipeline of the same
-- role, finds a session as new.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_session_other NOLOGIN;
CREATE ROLE regress_session LOGIN IN ROLE regress_session_other;
CREATE SCHEMA sess AUTHORIZATION regress_session;
SET ROLE regress_session;
SET search_path = sess, public;

-- Runs one activity, then looks at the session that it leaves.  Both run in one
-- executor after the other; which one does not matter, since none may have it.
CREATE FUNCTION sess.traces() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(', ',
		CASE WHEN current_user <> 'regress_session' THEN 'role ' || current_user END,
		CASE WHEN session_user <> 'regress_session' THEN 'session user ' || session_user END,
		(SELECT 'settings ' || string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
			WHERE source = 'session' AND name NOT LIKE 'transaction%' AND name NOT IN ('log_min_messages', 'synchronous_commit')),
		(SELECT 'custom ' || nullif(current_setting('sess.x', true), '')),
		(SELECT 'temporary ' || string_agg(relname, ' ') FROM pg_class WHERE relpersistence = 't' AND relnamespace = pg_my_temp_schema()),
		(SELECT 'temporary function ' || string_agg(proname, ' ') FROM pg_proc WHERE pronamespace = pg_my_temp_schema()),
		(SELECT 'cursors ' || string_agg(name, ' ') FROM pg_cursors WHERE name <> ''),
		(SELECT 'prepared ' || string_agg(name, ' ') FROM pg_prepared_statements),
		(SELECT 'locks ' || string_agg(objid::text, ' ') FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid IN (1, 2)),
		(SELECT 'channels ' || string_agg(c, ' ') FROM pg_listening_channels() c),
		CASE WHEN current_setting('transaction_isolation') <> 'read committed' THEN 'isolation' END,
		CASE WHEN current_setting('transaction_read_only') <> 'off' THEN 'read-only' END)
$$;
CREATE TABLE sess.attack (no integer GENERATED ALWAYS AS IDENTITY, what text, sql jsonb, own boolean DEFAULT false);
CREATE TABLE sess.t (id integer PRIMARY KEY, ref integer REFERENCES sess.t DEFERRABLE INITIALLY DEFERRED);
CREATE SEQUENCE sess.s;
CREATE PROCEDURE sess.commits() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO sess.t VALUES (100) ON CONFLICT DO NOTHING; COMMIT; END $$;
CREATE PROCEDURE sess.rolls_back() LANGUAGE plpgsql AS $$ BEGIN ROLLBACK; END $$;
INSERT INTO sess.attack (what, sql) VALUES
	('SET ROLE', '["SET ROLE regress_session_other"]'),
	('SET ROLE to a role of others', '["SET ROLE postgres"]'),
	('RESET ROLE', '["RESET ROLE", "RESET SESSION AUTHORIZATION"]'),
	('SET SESSION AUTHORIZATION', '["SET SESSION AUTHORIZATION regress_session_other"]'),
	('advisory locks', '["SELECT pg_advisory_lock(g), pg_advisory_lock_shared(g, g) FROM generate_series(1, 100) g"]'),
	('all advisory locks given up', '["SELECT pg_advisory_unlock_all()"]'),
	('an open cursor', '["DECLARE c CURSOR FOR SELECT 1", "FETCH c"]'),
	('a cursor WITH HOLD', '["DECLARE h CURSOR WITH HOLD FOR SELECT generate_series(1, 10)", "FETCH h"]'),
	('a cursor WITH HOLD that fails', '["DECLARE h CURSOR WITH HOLD FOR SELECT 1/(5 - g) FROM generate_series(1, 10) g"]'),
	('LISTEN', '["LISTEN mlpipe"]'),
	('UNLISTEN, NOTIFY', '["UNLISTEN *", "NOTIFY sess, ''x''"]'),
	('prepared statements', '["PREPARE p AS SELECT 1", "EXECUTE p"]'),
	('DEALLOCATE', '["DEALLOCATE ALL"]'),
	('DISCARD', '["DISCARD ALL"]'),
	('DISCARD of parts', '["DISCARD PLANS", "DISCARD SEQUENCES", "DISCARD TEMP"]'),
	('settings', '["SET work_mem = ''64kB''", "SET search_path = nowhere", "SET row_security = off", "SET client_min_messages = error", "SET DateStyle = German", "SET TimeZone = ''Asia/Kathmandu''", "SET standard_conforming_strings = off", "SET transform_null_equals = on", "SET bytea_output = escape", "SET array_nulls = off", "SET quote_all_identifiers = on", "SET client_encoding = SJIS", "SET extra_float_digits = -15", "SET IntervalStyle = iso_8601", "SET check_function_bodies = off", "SET sess.x = ''1''"]'),
	('planner settings', '["SET enable_indexscan = off", "SET enable_seqscan = off", "SET enable_nestloop = off", "SET plan_cache_mode = force_custom_plan", "SET join_collapse_limit = 1", "SET jit_above_cost = 0", "SET jit = on"]'),
	('timeouts', '["SET statement_timeout = ''100 s''", "SET lock_timeout = 1", "SET idle_in_transaction_session_timeout = 1", "SET idle_session_timeout = 1", "SET deadlock_timeout = 1"]'),
	('short timeouts', '["SET lock_timeout = 1", "SET idle_in_transaction_session_timeout = 1", "SET idle_session_timeout = 1"]'),
	('a statement_timeout', '["SET statement_timeout = 20", "SELECT pg_sleep(10)"]'),
	('defaults of transactions', '["SET default_transaction_isolation = serializable", "SET default_transaction_read_only = on", "SET default_transaction_deferrable = on"]'),
	('session_replication_role', '["SET session_replication_role = replica"]'),
	('settings of ours', '["SET mlpipe.log_min_level = debug", "SET mlpipe.pack_mem = ''1 MB''"]'),
	('settings of the administrator''s', '["SET mlpipe.enabled = off"]'),
	('more of them', '["SET mlpipe.durability = activity"]'),
	('a read-only transaction', '["SET TRANSACTION READ ONLY"]'),
	('a serializable transaction', '["SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"]'),
	('characteristics of the session', '["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE"]'),
	('BEGIN', '["BEGIN", "SELECT 1"]'),
	('COMMIT', '["SELECT 1", "COMMIT"]'),
	('ROLLBACK', '["SELECT 1", "ROLLBACK"]'),
	('PREPARE TRANSACTION', '["PREPARE TRANSACTION ''x''"]'),
	('SAVEPOINT', '["SAVEPOINT x", "SELECT 1"]'),
	('COMMIT in a procedure', '["CALL sess.commits()"]'),
	('ROLLBACK in a procedure', '["CALL sess.rolls_back()"]'),
	('COMMIT in a block', '["DO $$ BEGIN COMMIT; END $$"]'),
	('a deferred constraint that is violated', '["INSERT INTO sess.t VALUES (1, 2)"]'),
	('one that is deferred again', '["SET CONSTRAINTS ALL DEFERRED", "INSERT INTO sess.t VALUES (1, 2)", "SET CONSTRAINTS ALL DEFERRED"]'),
	('temporary tables', '["CREATE TEMP TABLE activity_run (n integer) ON COMMIT DELETE ROWS", "CREATE TEMP TABLE run (n integer) ON COMMIT DROP", "CREATE TEMP SEQUENCE q", "INSERT INTO run VALUES (1)"]'),
	('temporary functions', '["CREATE FUNCTION pg_temp.f() RETURNS integer LANGUAGE sql AS ''SELECT 1''", "CREATE TEMP VIEW v AS SELECT pg_temp.f()"]'),
	('a sequence''s last value', '["SELECT nextval(''sess.s''), setseed(0.5)"]'),
	('LOCK of our tables', '["LOCK TABLE mlpipe.run"]'),
	('a row lock on our tables', '["SELECT run_id FROM mlpipe.run FOR UPDATE"]'),
	('SET LOCAL', '["SET LOCAL lock_timeout = 1", "SET LOCAL search_path = nowhere", "SELECT pg_catalog.set_config(''role'', ''regress_session_other'', true)"]'),
	('COPY with a client', '["COPY (SELECT 1) TO STDOUT"]'),
	('COPY to a program', '["COPY (SELECT 1) TO PROGRAM ''true''"]'),
	('a caught cancel', '["DO $$ BEGIN PERFORM pg_cancel_backend(pg_backend_pid()); PERFORM pg_sleep(0.1); EXCEPTION WHEN query_canceled THEN NULL; END $$"]'),
	('a cancel', '["SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(10)"]'),
	('the end of its process', '["SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(10)"]'),
	('exit_on_error', '["SET exit_on_error = on", "SELECT 1/0"]'),
	('the end of the scheduler''s process', '["SELECT pg_terminate_backend(scheduler_pid) FROM mlpipe.facts()"]'),
	('LOAD', '["LOAD ''mlpipe''"]'),
	('ALTER SYSTEM', '["ALTER SYSTEM SET mlpipe.enabled = off"]'),
	('its own run', '["SELECT mlpipe_cancel(mlpipe_run_id())", "SELECT pg_sleep(0.2)"]'),
	('a wait for its own run', '["SELECT mlpipe_wait(mlpipe_run_id())"]'),
	('a stack overflow', '["CREATE FUNCTION pg_temp.r() RETURNS integer LANGUAGE plpgsql AS ''BEGIN RETURN pg_temp.r(); END''", "SELECT pg_temp.r()"]'),
	('memory', '["SELECT repeat(repeat(''x'', 1000000), 1500)"]'),
	('many subtransactions', '["DO $$ BEGIN FOR i IN 1 .. 500 LOOP BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$"]');
INSERT INTO sess.attack (what, sql, own) VALUES
	('own transactions: defaults', '["SET default_transaction_isolation = serializable", "SET default_transaction_read_only = on"]', true),
	('own transactions: read-only', '["SET default_transaction_read_only = on", "SELECT 1"]', true),
	('own transactions: a procedure', '["CALL sess.commits()", "SET ROLE regress_session_other", "SET statement_timeout = 1000", "CREATE TEMP TABLE x (n integer)"]', true),
	('own transactions: BEGIN', '["SELECT 1; BEGIN"]', true),
	('own transactions: a violated constraint', '["INSERT INTO sess.t VALUES (3, 4)"]', true),
	('own transactions: a cursor WITH HOLD', '["DECLARE h CURSOR WITH HOLD FOR SELECT 1"]', true);

-- All at once, so that they follow each other in the executors
CREATE TABLE sess.run AS SELECT no, what,
	mlpipe_submit(jsonb_build_object('activities', jsonb_build_array(
		jsonb_build_object('name', 'attack', 'type', 'sql', 'sql', sql, 'transaction', CASE WHEN own THEN 'none' ELSE 'single' END)))) AS attack,
	mlpipe_submit('{"activities": [{"name": "look", "type": "lookup", "query": "SELECT sess.traces() AS traces"}]}'::jsonb) AS look
	FROM sess.attack ORDER BY no;
SELECT DISTINCT mlpipe_wait(look, '1 min') FROM sess.run;
SELECT count(mlpipe_wait(attack, '1 min')) > 0 FROM sess.run;
-- what became of each
SELECT r.what, a.status, a.attempt, (SELECT string_agg(DISTINCT sqlstate, ', ') FROM mlpipe_errors e WHERE e.run_id = r.attack) AS sqlstate
	FROM sess.run r JOIN mlpipe_activities a ON a.run_id = r.attack ORDER BY r.no;
-- and of those that came after
SELECT r.what, a.status, a.output->'first_row'->>'traces' AS traces, a.error FROM sess.run r JOIN mlpipe_activities a ON a.run_id = r.look
	WHERE a.status <> 'succeeded' OR a.output->'first_row'->>'traces' <> '' ORDER BY r.no;
SELECT * FROM sess.t;

-- A deferred trigger that defers itself again runs within the activity's time
CREATE TABLE sess.again (n integer);
CREATE FUNCTION sess.again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	SET CONSTRAINTS ALL DEFERRED;
	PERFORM pg_sleep(0.01), nextval('sess.s');
	INSERT INTO sess.again VALUES (NEW.n + 1);
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER again AFTER INSERT ON sess.again DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sess.again();
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "timeout": "0.3 s", "sql": "INSERT INTO sess.again VALUES (1)"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '20 s');
SELECT error FROM mlpipe_activities WHERE run_id = :run;
-- and is cancelled
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "INSERT INTO sess.again VALUES (1)"}]}'::jsonb) AS run \gset
CREATE FUNCTION sess.until(condition text) RETURNS boolean LANGUAGE plpgsql AS $$
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
SELECT sess.until(format('last_value > %s FROM sess.s', last_value + 3)) FROM sess.s;
SELECT mlpipe_cancel(:run);
SELECT mlpipe_wait(:run, '20 s');

-- in a mini-batch, too
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "parallel", "input": {"query": "SELECT n FROM generate_series(1, 3) n"}, "mini_batch_size": "1 row", "retry_settings": {"max_retries": 0, "timeout": 1},
	"mini_batch_error_threshold": 0, "run": "INSERT INTO sess.again SELECT n FROM mini_batch RETURNING n"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '20 s');
SELECT DISTINCT message FROM mlpipe_errors WHERE run_id = :run AND batch IS NOT NULL;
SELECT count(*) FROM sess.again;

-- A cancel or a suspend that is taken back has not happened
CREATE TABLE sess.items AS SELECT generate_series(1, 40) AS n;
SELECT mlpipe_submit('{"activities": [{"name": "long", "type": "sql", "sql": "SELECT pg_advisory_lock_shared(4714)"},
	{"name": "step", "type": "parallel", "input": {"table": "sess.items"}, "mini_batch_size": "1 row", "run": "SELECT n, pg_advisory_lock_shared(4714) FROM mini_batch"}]}'::jsonb) AS run
	FROM pg_advisory_lock(4714) \gset
SELECT sess.until(format('count(*) = 2 FROM mlpipe_activities WHERE run_id = %s AND status = ''in_progress''', :run)),
	sess.until(format('count(*) > 0 FROM mlpipe.batches_in_hand() WHERE run_id = %s', :run));
BEGIN;
SAVEPOINT s;
SELECT mlpipe_cancel(:run);
ROLLBACK TO s;
SELECT mlpipe_suspend(:run);
ROLLBACK TO s;
DO $$ BEGIN PERFORM mlpipe_cancel(max(attack)) FROM sess.run; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END $$;
COMMIT;
SELECT pg_advisory_unlock(4714);
SELECT mlpipe_wait(:run, '20 s');
SELECT activity, status, attempt, batches_done FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;

-- Locks without end are the end of their activity
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "DO $$ BEGIN FOR i IN 1 .. 10000000 LOOP PERFORM pg_advisory_xact_lock(i); END LOOP; END $$"},
	{"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "a", "conditions": ["failed"]}]}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '1 min');
SELECT activity, error FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;

RESET ROLE;
RESET search_path;
SELECT mlpipe_purge('0') > 0;
DROP SCHEMA sess CASCADE;
DROP ROLE regress_session, regress_session_other;

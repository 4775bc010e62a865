-- What users' code and changed surroundings cannot do to runs.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA robust;
SET search_path = robust, public;

-- A document that refers to something that is gone: its runs fail with that
-- reason, can be cancelled, and do not hold up others.
CREATE TYPE robust.color AS ENUM ('red');
SELECT mlpipe_create_pipeline('painted', '{
  "parameters": {"c": {"type": "robust.color", "default": "red"}},
  "activities": [{"name": "a", "type": "sql", "sql": "SELECT ${{ parameters.c }}"}]}');
BEGIN;
SELECT count(mlpipe_submit('painted')) FROM generate_series(1, 12);
DROP TYPE robust.color;
COMMIT;
SELECT count(mlpipe_wait(run_id, '30 s')) FROM mlpipe_runs WHERE pipeline = 'painted';
SELECT DISTINCT status, error FROM mlpipe_runs WHERE pipeline = 'painted';
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '30 s');
SELECT mlpipe_drop_pipeline('painted', force => true);

-- Code that catches a cancel does not outlive it.
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "timeout": "0.3 s", "sql":
  "DO $$BEGIN BEGIN PERFORM pg_sleep(30); EXCEPTION WHEN query_canceled THEN NULL; END; PERFORM pg_sleep(20); END$$"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '15 s');
SELECT message FROM mlpipe_errors WHERE run_id = :run;
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "timeout": "0.3 s", "sql":
  "DO $$BEGIN PERFORM pg_sleep(30); EXCEPTION WHEN query_canceled THEN NULL; END$$"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '15 s');

-- What a cursor WITH HOLD has not read is not read by the commit.
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "timeout": "0.5 s", "sql":
  "DECLARE c CURSOR WITH HOLD FOR SELECT pg_sleep(30)"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '15 s');

-- The timeout of a wait.
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "wait", "duration": "1 hour", "timeout": "0.2 s"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '15 s');
SELECT activity, status, error FROM mlpipe_activities WHERE run_id = :run;

-- An idle executor holds no lock of the activity that it ran last.
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT pg_advisory_lock(4242)"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '15 s');
SET lock_timeout = '15 s';
SELECT pg_advisory_lock(4242), pg_advisory_unlock(4242);
RESET lock_timeout;

-- A run that failed says why.
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "active": false, "on_inactive": "failed"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '15 s');
SELECT status, error FROM mlpipe_runs WHERE run_id = :run;

-- Executors that all wait for runs which nobody is left to execute.
CREATE PROCEDURE parent() LANGUAGE plpgsql AS $$
DECLARE
  run bigint;
BEGIN
  run := mlpipe_submit('{"activities": [{"name": "child", "type": "sql", "sql": "SELECT 1"}]}'::jsonb);
  COMMIT;
  PERFORM mlpipe_wait(run);
END$$;
SELECT array_agg(mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "transaction": "none", "sql": "CALL robust.parent()"}]}'::jsonb)) AS runs
FROM generate_series(1, current_setting('mlpipe.max_executors')::integer) \gset
SELECT count(mlpipe_wait(run, '1 minute')) > 0 AS ended FROM unnest(:'runs'::bigint[]) AS run;
SELECT count(*) FROM mlpipe_runs WHERE run_id = ANY (:'runs') AND finished_at IS NULL;

-- Arguments.
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'::jsonb, idempotency_key => repeat('x', 256));
SELECT mlpipe_purge('-1 day');

DROP SCHEMA robust CASCADE;

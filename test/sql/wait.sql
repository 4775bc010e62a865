-- Waiting for a run, and watching it.

CREATE ROLE regress_mlpipe_wait LOGIN;
CREATE ROLE regress_mlpipe_other;
CREATE TABLE wait_lock (i integer);
GRANT SELECT, UPDATE ON wait_lock TO regress_mlpipe_wait;
INSERT INTO wait_lock VALUES (1);
-- What a statement raises, without the numbers of runs and processes.
CREATE FUNCTION raises(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', sqlstate, regexp_replace(sqlerrm, '\d+', 'N', 'g'),
		nullif(regexp_replace(detail, '\d+', 'N', 'g'), ''), nullif(regexp_replace(hint, '\d+', 'N', 'g'), ''));
END $$;
\pset format unaligned
\pset tuples_only on
SET ROLE regress_mlpipe_wait;
SELECT mlpipe_create_pipeline('wait_quick', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}');
SELECT mlpipe_create_pipeline('wait_row', '{"activities": [{"name": "a", "type": "sql", "sql": "UPDATE wait_lock SET i = i + 1"}]}');

-- What there is to wait for
SELECT mlpipe_wait(NULL);
SELECT mlpipe_wait(-1);
SELECT mlpipe_wait(-1, '-1 s');
SELECT mlpipe_submit('wait_quick') AS run \gset
SELECT mlpipe_wait(:run, '1 min');
-- an ended run does not wait, whatever the timeout
SELECT mlpipe_wait(:run, '0');
-- others' runs do not exist
SET ROLE regress_mlpipe_other;
SELECT raises('SELECT mlpipe_wait(' || :run || ')');
SET ROLE regress_mlpipe_wait;

-- A run that was submitted in this transaction cannot start before its end
SELECT raises($$SELECT mlpipe_wait(mlpipe_submit('wait_quick'))$$);
BEGIN;
SELECT mlpipe_submit('wait_quick') AS run \gset
SELECT raises('SELECT mlpipe_wait(' || :run || ')');
ROLLBACK;

-- The timeout passes first: the status at that time
SELECT mlpipe_submit('wait_quick', not_before => now() + interval '1 day') AS run \gset
SELECT mlpipe_wait(:run, '10 ms');
-- neither does suspending end it
SELECT mlpipe_suspend(:run);
SELECT mlpipe_wait(:run, '10 ms');
SELECT mlpipe_cancel(:run);
SELECT mlpipe_wait(:run);

-- A snapshot of the caller's does not keep it from seeing the end
SELECT mlpipe_submit('wait_quick', not_before => now() + interval '50 ms') AS run \gset
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM wait_lock;
SELECT mlpipe_wait(:run, '1 min');
COMMIT;

-- A run that waits for this session's lock is noticed; it asks for it when the
-- session has it, and another one to say so
RESET ROLE;
SET deadlock_timeout = '10 ms';
SET ROLE regress_mlpipe_wait;
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "DO $$BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = ''advisory'' AND objid = 5432) LOOP PERFORM pg_sleep(0.01); END LOOP; END$$; UPDATE wait_lock SET i = i + 1"}]}'::jsonb) AS run \gset
BEGIN;
SELECT i FROM wait_lock FOR UPDATE;
SELECT pg_advisory_xact_lock(5432);
SELECT raises('SELECT mlpipe_wait(' || :run || ')');
ROLLBACK;
SELECT mlpipe_wait(:run, '1 min');

-- Watching holds neither; it needs to be able to commit
BEGIN;
CALL mlpipe_watch(-1);
ROLLBACK;
SELECT raises('CALL mlpipe_watch(-1)');
CALL mlpipe_watch(NULL);
CALL mlpipe_watch(-1);
SET client_min_messages = warning;
SELECT mlpipe_submit('wait_row') AS run \gset
CALL mlpipe_watch(:run);
SELECT status FROM mlpipe_runs WHERE run_id = :run;

RESET client_min_messages;
SELECT mlpipe_drop_pipeline('wait_quick'), mlpipe_drop_pipeline('wait_row');
RESET ROLE;
DROP FUNCTION raises(text);
DROP TABLE wait_lock;
DROP ROLE regress_mlpipe_wait, regress_mlpipe_other;

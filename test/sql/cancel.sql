-- Cancel, suspend and resume; what is left when a run has been stopped.
CREATE TABLE cancel_hits (run_id bigint, activity text);
-- Waits until the run's activity has this status, which what it waits for may follow.
CREATE PROCEDURE cancel_until(id bigint, activity text, status text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..1000 LOOP
		IF EXISTS (SELECT FROM mlpipe_activities a WHERE a.run_id = id AND a.activity = $2 
			AND concat_ws(' ', a.status, a.wait_reason) LIKE $3 || '%') THEN
			RETURN;
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE 'activity % did not become %', activity, status;
END $$;
-- Has all come that a run waits for; the scheduler looks when another one's time comes.
CREATE PROCEDURE cancel_now_due(id bigint) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE mlpipe.activity_run SET due_at = clock_timestamp() WHERE run_id = id AND due_at IS NOT NULL;
	UPDATE mlpipe.run SET due_at = clock_timestamp() WHERE run_id = id AND due_at IS NOT NULL;
	PERFORM mlpipe_submit('{"activities": [{"name": "w", "type": "wait", "duration": "10 ms"}]}'::jsonb);
	COMMIT;
END $$;
CREATE FUNCTION pg_temp.ends(id bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(activity || ' ' || status, ', ' ORDER BY activity) FROM mlpipe_activities WHERE run_id = id
$$;

SELECT mlpipe_create_pipeline('cancel_p', '{"activities": [
	{"name": "a", "type": "sql", "sql": ["INSERT INTO cancel_hits VALUES (mlpipe_run_id(), ''a'')", "SELECT pg_sleep(60)"], "retry": {"max_retries": 5, "interval": 0}},
	{"name": "b", "type": "sql", "sql": "INSERT INTO cancel_hits VALUES (mlpipe_run_id(), ''b'')", "depends_on": [{"activity": "a", "conditions": ["completed", "skipped"]}]},
	{"name": "w", "type": "wait", "duration": 3600},
	{"name": "x", "type": "sql", "sql": "SELECT 1", "depends_on": ["w"]}]}');

-- running, parked and waiting activities end cancelled; nothing starts after it
SELECT mlpipe_submit('cancel_p') AS run \gset
CALL cancel_until(:run, 'a', 'in_progress');
CALL cancel_until(:run, 'w', 'in_progress');
SELECT pg_temp.ends(:run);
SELECT mlpipe_cancel(:run, 'no longer needed');
SELECT mlpipe_wait(:run, '10 s');
SELECT pg_temp.ends(:run), status, error, elapsed < '30 s' AS soon, finished_at IS NOT NULL AS finished FROM mlpipe_runs WHERE run_id = :run;
SELECT count(*) AS hits FROM cancel_hits;
SELECT activity, attempt, sqlstate, message FROM mlpipe_errors WHERE run_id = :run;
SELECT activity, attempt, finished_at IS NOT NULL AS finished, wait_reason, error FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;
-- the second time there is nothing to cancel
SELECT mlpipe_cancel(:run), mlpipe_suspend(:run), mlpipe_resume(:run);
SELECT status, error FROM mlpipe_runs WHERE run_id = :run;

-- twice in a transaction; rolled back it never was
SELECT mlpipe_submit('cancel_p') AS run \gset
CALL cancel_until(:run, 'a', 'in_progress');
CALL cancel_until(:run, 'w', 'in_progress');
BEGIN;
SELECT mlpipe_cancel(:run), mlpipe_cancel(:run, 'again');
ROLLBACK;
SELECT status, pg_temp.ends(:run) FROM mlpipe_runs WHERE run_id = :run;
BEGIN;
SELECT mlpipe_cancel(:run), mlpipe_cancel(:run, 'again');
COMMIT;
SELECT mlpipe_wait(:run, '10 s');
SELECT error FROM mlpipe_runs WHERE run_id = :run;

-- a run that has not started yet, and one in the transaction that submits it
SELECT mlpipe_submit('cancel_p', not_before => 'infinity') AS run \gset
SELECT wait_reason FROM mlpipe_activities WHERE run_id = :run AND status = 'queued';
SELECT mlpipe_submit('cancel_p', not_before => now() + '1 hour') AS run \gset
SELECT mlpipe_cancel(:run);
SELECT mlpipe_wait(:run);
SELECT status, started_at, error, pg_temp.ends(:run) FROM mlpipe_runs WHERE run_id = :run;
BEGIN;
SELECT mlpipe_submit('cancel_p') AS run \gset
SELECT mlpipe_cancel(:run);
COMMIT;
SELECT mlpipe_wait(:run);
SELECT status, pg_temp.ends(:run) FROM mlpipe_runs WHERE run_id = :run;

-- nothing follows an activity that swallows the cancel
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "DO $$ BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END $$"},
	{"name": "b", "type": "sql", "sql": "INSERT INTO cancel_hits VALUES (0, ''b'')", "depends_on": ["a"]}]}'::jsonb) AS run \gset
CALL cancel_until(:run, 'a', 'in_progress');
SELECT mlpipe_cancel(:run);
SELECT mlpipe_wait(:run, '10 s');
SELECT activity, status FROM mlpipe_activities WHERE run_id = :run AND activity = 'b';
SELECT * FROM cancel_hits WHERE activity = 'b';

-- a run can cancel itself: the activity that does so ends, nothing follows
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT mlpipe_cancel(mlpipe_run_id(), ''enough'')"},
	{"name": "b", "type": "sql", "sql": "INSERT INTO cancel_hits VALUES (0, ''b'')", "depends_on": ["a"]}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '10 s');
SELECT pg_temp.ends(:run), status, error FROM mlpipe_runs WHERE run_id = :run;

-- pg_cancel_backend() fails the attempt, and the run goes on by its policy
SELECT mlpipe_submit('cancel_p') AS run \gset
CALL cancel_until(:run, 'a', 'in_progress');
SELECT pg_cancel_backend(pid) FROM mlpipe_executors WHERE run_id = :run AND activity = 'a';
DO $$
BEGIN
	FOR i IN 1..1000 LOOP
		EXIT WHEN (SELECT attempt FROM mlpipe_activities WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs) AND activity = 'a') = 2;
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
SELECT activity, attempt, sqlstate, message FROM mlpipe_errors WHERE run_id = :run;
SELECT mlpipe_cancel(:run);
SELECT mlpipe_wait(:run, '10 s');

-- arguments
SELECT mlpipe_cancel(0);
SELECT mlpipe_cancel(NULL);
SELECT mlpipe_suspend(0);
SELECT mlpipe_resume(NULL);

--
-- Suspend and resume
--
SELECT mlpipe_create_pipeline('cancel_s', '{"activities": [
	{"name": "a", "type": "sql", "sql": "SELECT pg_advisory_xact_lock(7301)"},
	{"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": ["a"]},
	{"name": "c", "type": "sql", "sql": "SELECT 1", "depends_on": ["b"]}]}');
SELECT pg_advisory_lock(7301);
SELECT mlpipe_submit('cancel_s') AS run \gset
CALL cancel_until(:run, 'a', 'in_progress');
SELECT mlpipe_suspend(:run), mlpipe_suspend(:run);
SELECT status FROM mlpipe_runs WHERE run_id = :run;
-- what runs goes on, and nothing more starts
SELECT pg_advisory_unlock(7301);
CALL cancel_until(:run, 'a', 'succeeded');
SELECT mlpipe_wait(:run, '0.1 s');
SELECT activity, status, wait_reason FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;
SELECT mlpipe_resume(:run), mlpipe_resume(:run);
SELECT mlpipe_wait(:run, '10 s');
SELECT pg_temp.ends(:run);

-- before it has started, and for ever
BEGIN;
SELECT mlpipe_submit('cancel_s') AS run \gset
SELECT mlpipe_suspend(:run);
COMMIT;
SELECT mlpipe_wait(:run, '0.1 s');
SELECT mlpipe_cancel(:run);
SELECT mlpipe_wait(:run, '10 s');
SELECT pg_temp.ends(:run);
BEGIN;
SELECT mlpipe_submit('cancel_s') AS run \gset
SELECT mlpipe_suspend(:run);
COMMIT;
SELECT mlpipe_resume(:run);
SELECT mlpipe_wait(:run, '10 s');

-- suspended past its time to start, it is neither started nor timed out
BEGIN;
SELECT mlpipe_submit('cancel_s', not_before => clock_timestamp() + '0.2 s') AS run \gset
SELECT mlpipe_suspend(:run);
COMMIT;
SELECT mlpipe_wait(:run, '0.5 s');
SELECT mlpipe_resume(:run);
SELECT mlpipe_wait(:run, '10 s');
-- resumed before it, it waits for it
SELECT mlpipe_submit('cancel_s', not_before => now() + '1 hour') AS run \gset
SELECT mlpipe_suspend(:run), mlpipe_resume(:run);
SELECT mlpipe_wait(:run, '0.3 s');
SELECT mlpipe_cancel(:run);

-- a wait and a retry whose time comes while it is suspended start nothing
SELECT mlpipe_submit('{"activities": [{"name": "w", "type": "wait", "duration": 3600}, {"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": ["w"]},
	{"name": "r", "type": "sql", "sql": "SELECT 1/0", "retry": {"max_retries": 1, "interval": 3600}}]}'::jsonb) AS run \gset
CALL cancel_until(:run, 'w', 'in_progress until');
CALL cancel_until(:run, 'r', 'queued retry');
SELECT mlpipe_suspend(:run);
CALL cancel_now_due(:run);
CALL cancel_until(:run, 'b', 'queued');
SELECT mlpipe_wait(:run, '0.3 s');
SELECT activity, status, attempt, wait_reason FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;
SELECT mlpipe_resume(:run);
SELECT mlpipe_wait(:run, '10 s');
SELECT pg_temp.ends(:run);

-- a run's timeout counts while it is suspended
SELECT mlpipe_submit('{"timeout": 3600, "activities": [{"name": "w", "type": "wait", "duration": 3600}, {"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": ["w"]}]}'::jsonb) AS run \gset
CALL cancel_until(:run, 'w', 'in_progress until');
SELECT mlpipe_suspend(:run);
CALL cancel_now_due(:run);
SELECT mlpipe_wait(:run, '10 s');

-- dropping a pipeline by force cancels its runs
SELECT mlpipe_submit('cancel_p') AS run \gset
CALL cancel_until(:run, 'a', 'in_progress');
SELECT mlpipe_drop_pipeline('cancel_p', force => true);
SELECT mlpipe_wait(:run, '10 s');
SELECT mlpipe_drop_pipeline('cancel_s');

SELECT mlpipe_purge('0') > 0 AS purged;
DROP PROCEDURE cancel_now_due, cancel_until;
DROP TABLE cancel_hits;

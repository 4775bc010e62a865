-- Retries, the timeouts of an attempt and of a run, and the activity wait.
CREATE TABLE retry_trace (run_id bigint, activity text, at timestamptz DEFAULT clock_timestamp());
-- A trace that stays when the attempt is rolled back.
CREATE SEQUENCE retry_count;
CREATE FUNCTION retry_until(success_at integer, state text DEFAULT '22012') RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO retry_trace VALUES (mlpipe_run_id(), mlpipe_activity_name());
	IF (SELECT attempt FROM mlpipe_activities WHERE run_id = mlpipe_run_id() AND activity = mlpipe_activity_name()) < success_at THEN
		RAISE EXCEPTION USING ERRCODE = state, MESSAGE = 'not yet', DETAIL = 'a detail', HINT = 'a hint';
	END IF;
	RETURN success_at;
END $$;

CREATE TEMP TABLE retry (no serial, title text, doc jsonb, run_id bigint);
INSERT INTO retry (title, doc) SELECT title, jsonb_build_object('activities', jsonb_build_array(
	jsonb_build_object('name', 'a', 'type', 'sql', 'sql', sql, 'retry', retry::jsonb)))
FROM (VALUES
	('an attempt that succeeds is the last', 'SELECT retry_until(3)', '{"max_retries": 5, "interval": 0}'),
	('after the last retry it has failed', 'SELECT retry_until(9)', '{"max_retries": 2, "interval": 0}'),
	('no retries', 'SELECT retry_until(2)', '{"max_retries": 0}'),
	('a state that is worth it', 'SELECT retry_until(2, ''40001'')', '{"max_retries": 2, "interval": 0, "on": ["40001"]}'),
	('a class that is worth it', 'SELECT retry_until(2, ''40P01'')', '{"max_retries": 2, "interval": 0, "on": ["22", "40"]}'),
	('a state that is not', 'SELECT retry_until(2, ''22012'')', '{"max_retries": 2, "interval": 0, "on": ["40", "22003"]}'),
	('a syntax error is tried too', 'SELEKT 1', '{"max_retries": 1, "interval": 0}'),
	('the pause grows', 'SELECT retry_until(4)', '{"max_retries": 3, "interval": 0.1, "backoff": 2}'),
	('the pause does not grow for ever', 'SELECT retry_until(4)', '{"max_retries": 3, "interval": 0.1, "backoff": 100, "max_interval": 0.2}')
) v(title, sql, retry);
UPDATE retry SET run_id = mlpipe_submit(doc);
SELECT mlpipe_wait(run_id, '1 min') AS verdict, count(*) FROM retry GROUP BY 1 ORDER BY 1;
SELECT no, title, a.status, a.attempt, a.error,
	(SELECT count(*) FROM mlpipe_errors e WHERE e.run_id = a.run_id) AS errors,
	(SELECT count(*) FROM retry_trace t WHERE t.run_id = a.run_id) AS kept
FROM retry JOIN mlpipe_activities a USING (run_id) ORDER BY no;

-- each failed attempt is kept, with all that its error said
SELECT e.attempt, e.activity, e.batch, e.sqlstate, e.message, e.detail, e.hint, e.context LIKE '%retry_until%' AS context
FROM mlpipe_errors e JOIN retry USING (run_id) WHERE no = 1 ORDER BY e.attempt;

-- the pauses between failures and starts
SELECT title, a.started_at - (SELECT max(at) FROM mlpipe_errors e WHERE e.run_id = a.run_id) >= pause::interval AS waited,
	a.elapsed <= r.elapsed - pause::interval AS elapsed_is_the_last_attempt
FROM retry JOIN mlpipe_runs r USING (run_id) JOIN mlpipe_activities a USING (run_id) JOIN (VALUES (8, '0.39 s'), (9, '0.19 s')) v(no, pause) USING (no) ORDER BY no;

-- while it waits for a retry it says so, and is cancelled at once
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1/0", "retry": {"max_retries": 3, "interval": 3600}}]}'::jsonb) AS run \gset
DO $$
BEGIN
	FOR i IN 1..1000 LOOP
		EXIT WHEN EXISTS (SELECT FROM mlpipe_errors WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs));
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
SELECT r.status, a.status AS activity, a.attempt, regexp_replace(a.wait_reason, '\d+:\d+:\d+', 'HH:MM:SS') AS wait_reason
FROM mlpipe_runs r JOIN mlpipe_activities a USING (run_id) WHERE run_id = :run;
SELECT mlpipe_cancel(:run);
SELECT mlpipe_wait(:run, '10 s');
SELECT status, attempt, finished_at IS NOT NULL AS ended FROM mlpipe_activities WHERE run_id = :run;

--
-- Timeouts
--
CREATE TEMP TABLE timeouts (no serial, title text, doc jsonb, run_id bigint);
INSERT INTO timeouts (title, doc) VALUES
	('an attempt that takes too long has failed',
		'{"activities": [{"name": "a", "type": "sql", "sql": "SELECT pg_sleep(60)", "timeout": 0.2}]}'),
	('and is tried again',
		'{"activities": [{"name": "a", "type": "sql", "sql": "SELECT pg_sleep(60)", "timeout": "100 ms", "retry": {"max_retries": 1, "interval": 0}}]}'),
	('where timeouts are worth it',
		'{"activities": [{"name": "a", "type": "sql", "sql": "SELECT pg_sleep(60)", "timeout": 0.1, "retry": {"max_retries": 1, "interval": 0, "on": ["40"]}}]}'),
	('the limit is that of all its statements',
		'{"activities": [{"name": "a", "type": "sql", "sql": ["SELECT pg_sleep(0.15)", "SELECT pg_sleep(0.15)"], "timeout": 0.2}]}'),
	('and of all of them where each is a transaction',
		'{"activities": [{"name": "a", "type": "sql", "transaction": "none", "sql": ["SELECT pg_sleep(0.15)", "SELECT pg_sleep(0.15)"], "timeout": 0.2}]}'),
	('one that is quicker passes, and the next has a time of its own',
		'{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "timeout": 2}, {"name": "b", "type": "sql", "sql": "SELECT pg_sleep(2.1)", "depends_on": ["a"]}]}'),
	('a run that takes too long has failed, and what waits is cancelled',
		'{"timeout": 2, "activities": [{"name": "a", "type": "sql", "sql": "SELECT pg_sleep(60)", "retry": {"max_retries": 5, "interval": 0}},
			{"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": ["a"]}, {"name": "w", "type": "wait", "duration": 60}]}'),
	('also where its first activity is inactive',
		'{"timeout": 2, "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "active": false},
			{"name": "b", "type": "sql", "sql": "SELECT pg_sleep(60)", "depends_on": ["a"]}]}'),
	('a run that is quicker passes',
		'{"timeout": 30, "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'),
	('nothing follows an activity that swallows the cancel',
		'{"timeout": 2, "activities": [{"name": "a", "type": "sql", "sql": "DO $$ BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END $$"},
			{"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": ["a"]}]}');
UPDATE timeouts SET run_id = mlpipe_submit(doc);
SELECT mlpipe_wait(run_id, '1 min') AS verdict, count(*) FROM timeouts GROUP BY 1 ORDER BY 1;
SELECT no, title, r.status AS run, a.activity, a.status, a.attempt, a.error
FROM timeouts JOIN mlpipe_runs r USING (run_id) JOIN mlpipe_activities a USING (run_id)
WHERE NOT (no = 10 AND activity = 'a') ORDER BY no, activity;
SELECT no, r.error, r.elapsed < '30 s' AS soon FROM timeouts JOIN mlpipe_runs r USING (run_id) ORDER BY no;
SELECT no, e.attempt, e.sqlstate, e.message FROM timeouts JOIN mlpipe_errors e USING (run_id) WHERE e.activity = 'a' ORDER BY no, attempt;

--
-- wait
--
CREATE TEMP TABLE waits (no serial, title text, doc jsonb, parameters jsonb DEFAULT '{}', run_id bigint);
INSERT INTO waits (title, doc, parameters) VALUES
	('a wait ends after its time', '{"activities": [{"name": "w", "type": "wait", "duration": "200 ms"}, {"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": ["w"]}]}', '{}'),
	('waits run side by side', '{"activities": [{"name": "w", "type": "wait", "duration": 0.2}, {"name": "v", "type": "wait", "duration": 0.2}]}', '{}'),
	('none at all', '{"activities": [{"name": "w", "type": "wait", "duration": 0}]}', '{}'),
	('as long as a parameter says', '{"parameters": {"n": {"type": "interval"}}, "activities": [{"name": "w", "type": "wait", "duration": "${{ parameters.n }}"}]}', '{"n": "0.2 s"}'),
	('which may be nonsense', '{"parameters": {"n": {"type": "text"}}, "activities": [{"name": "w", "type": "wait", "duration": "${{ parameters.n }}"}]}', '{"n": "soon"}');
UPDATE waits SET run_id = mlpipe_submit(doc, parameters);
SELECT mlpipe_wait(run_id, '1 min') AS verdict, count(*) FROM waits GROUP BY 1 ORDER BY 1;
SELECT title, r.status, a.activity, a.status, no NOT IN (3, 5) AND a.elapsed >= '0.2 s' AS long, a.error
FROM waits JOIN mlpipe_runs r USING (run_id) JOIN mlpipe_activities a USING (run_id) ORDER BY no, activity;
-- a wait takes no worker: more of them than workers wait at the same time
CREATE TEMP TABLE many AS SELECT mlpipe_submit('{"activities": [{"name": "w", "type": "wait", "duration": 3600}]}'::jsonb) AS run_id FROM generate_series(1, 40);
DO $$
BEGIN
	FOR i IN 1..3000 LOOP
		EXIT WHEN (SELECT count(*) = 40 FROM mlpipe_activities JOIN many USING (run_id) WHERE wait_reason LIKE 'until %');
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
SELECT status, count(*) FROM mlpipe_activities JOIN many USING (run_id) GROUP BY 1;
-- their time has come: the scheduler looks at that of another one
UPDATE mlpipe.activity_run SET due_at = clock_timestamp() WHERE run_id IN (SELECT run_id FROM many);
INSERT INTO many SELECT mlpipe_submit('{"activities": [{"name": "w", "type": "wait", "duration": 0.01}]}'::jsonb);
SELECT mlpipe_wait(run_id, '1 min') AS verdict, count(*) FROM many GROUP BY 1;

SELECT mlpipe_purge('0') > 0 AS purged;
DROP FUNCTION retry_until;
DROP SEQUENCE retry_count;
DROP TABLE retry_trace;

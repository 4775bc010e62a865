-- The concurrency of a pipeline, and what if_running does at its limit.
CREATE TABLE concurrency_trace (pipeline text, run_id bigint, delta integer, at timestamptz DEFAULT clock_timestamp());
SELECT mlpipe_create_pipeline('concurrency_' || mode, jsonb_build_object('concurrency', n, 'if_running', mode, 'activities', jsonb_build_array(
	jsonb_build_object('name', 'a', 'type', 'sql', 'sql', format('INSERT INTO concurrency_trace VALUES (%L, mlpipe_run_id(), 1)', mode)),
	jsonb_build_object('name', 'b', 'type', 'sql', 'depends_on', '["a"]'::jsonb, 'sql', 'SELECT pg_sleep(${{ parameters.seconds }})'),
	jsonb_build_object('name', 'c', 'type', 'sql', 'depends_on', '["b"]'::jsonb, 'sql', format('INSERT INTO concurrency_trace VALUES (%L, mlpipe_run_id(), -1)', mode))),
	'parameters', '{"seconds": {"type": "double precision", "default": 0.05}}'::jsonb))
FROM (VALUES ('queue', 2), ('skip', 1), ('cancel', 1), ('error', 1)) v(mode, n);

-- queue: never more at once, all succeed, in order but for those that start together
CREATE TEMP TABLE queued AS SELECT mlpipe_submit('concurrency_queue') AS run_id FROM generate_series(1, 8);
SELECT mlpipe_wait(run_id, '30 s') AS verdict, count(*) FROM queued GROUP BY 1;
SELECT max(running) AS most FROM (SELECT sum(delta) OVER (ORDER BY at) AS running FROM concurrency_trace WHERE pipeline = 'queue') t;
SELECT bool_and(started_at >= before) AS in_order FROM (SELECT started_at, lag(started_at, 2) OVER (ORDER BY run_id) AS before FROM mlpipe_runs JOIN queued USING (run_id)) t;

-- the highest priority goes first, then the oldest; what waits says why
SELECT mlpipe_submit('concurrency_queue', '{"seconds": 60}') AS r1, mlpipe_submit('concurrency_queue', '{"seconds": 60}') AS r2 \gset
DO $$
BEGIN
	FOR i IN 1..1000 LOOP
		EXIT WHEN (SELECT count(*) = 2 FROM mlpipe_activities WHERE activity = 'b' AND status = 'in_progress');
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
SELECT mlpipe_submit('concurrency_queue') AS low \gset
SELECT mlpipe_submit('concurrency_queue') AS later \gset
SELECT mlpipe_submit('concurrency_queue', priority => 5) AS high \gset
SELECT mlpipe_wait(:high, '0.1 s');
SELECT run_id = :high AS high, status, wait_reason FROM mlpipe_activities WHERE run_id IN (:low, :high) ORDER BY run_id, activity;
SELECT runs_queued, runs_in_progress FROM mlpipe_pipelines WHERE pipeline = 'concurrency_queue';
-- one that is suspended leaves its turn to others, and resumed it takes its place
SELECT mlpipe_suspend(:low);
SELECT mlpipe_resume(:low);
SELECT mlpipe_wait(:low, '0.1 s');
SELECT mlpipe_suspend(:low);
-- the end of one lets the next one in
SELECT mlpipe_cancel(:r1);
SELECT mlpipe_wait(:high, '10 s'), mlpipe_wait(:later, '10 s');
SELECT (SELECT started_at FROM mlpipe_runs WHERE run_id = :high) < (SELECT started_at FROM mlpipe_runs WHERE run_id = :later) AS high_first;
SELECT status FROM mlpipe_runs WHERE run_id = :low;
SELECT mlpipe_resume(:low);
SELECT mlpipe_wait(:low, '10 s');
SELECT mlpipe_cancel(:r2);
SELECT mlpipe_wait(:r2, '10 s');
-- not_before: one whose time has not come holds up nobody
SELECT mlpipe_submit('concurrency_queue', not_before => now() + '1 hour') AS r1 \gset
SELECT mlpipe_submit('concurrency_queue', not_before => clock_timestamp() + '0.2 s') AS r2 \gset
SELECT mlpipe_submit('concurrency_queue') AS r3 \gset
SELECT mlpipe_wait(:r3, '10 s'), mlpipe_wait(:r2, '10 s'), mlpipe_wait(:r1, '0');
SELECT started_at - submitted_at >= '0.19 s' AS later FROM mlpipe_runs WHERE run_id = :r2;
SELECT mlpipe_cancel(:r1);
-- one that waits is cancelled at once
BEGIN;
SELECT mlpipe_submit('concurrency_queue') AS r1 \gset
SELECT mlpipe_cancel(:r1);
COMMIT;
SELECT mlpipe_wait(:r1, '1 s');

-- skip: while one is in progress, others are made and end skipped
SELECT mlpipe_submit('concurrency_skip', '{"seconds": 60}') AS r1 \gset
SELECT mlpipe_wait(:r1, '0.05 s') IS NOT NULL AS submitted;
SELECT mlpipe_submit('concurrency_skip') AS r2 \gset
SELECT mlpipe_wait(:r2, '10 s');
SELECT status, started_at, finished_at IS NOT NULL AS finished, percent, error,
	(SELECT string_agg(activity || ' ' || status, ', ' ORDER BY activity) FROM mlpipe_activities a WHERE a.run_id = r.run_id) AS activities
FROM mlpipe_runs r WHERE run_id = :r2;
-- which skips the activity that waits for it, like any other that is skipped
SELECT mlpipe_submit('{"activities": [{"name": "p", "type": "pipeline", "pipeline": "concurrency_skip"}]}'::jsonb) AS parent \gset
SELECT mlpipe_wait(:parent, '10 s');
SELECT activity, status, attempt, started_at, finished_at IS NOT NULL AS finished FROM mlpipe_activities WHERE run_id = :parent;
SELECT mlpipe_cancel(:r1), mlpipe_cancel(:r2);
SELECT mlpipe_wait(:r1, '10 s');
SELECT mlpipe_submit('concurrency_skip') AS r2 \gset
SELECT mlpipe_wait(:r2, '10 s');
-- of several at once one runs
CREATE TEMP TABLE skipped AS SELECT mlpipe_submit('concurrency_skip') AS run_id FROM generate_series(1, 5);
SELECT mlpipe_wait(run_id, '10 s') AS verdict, count(*) FROM skipped GROUP BY 1 ORDER BY 1;

-- cancel: the one in progress makes room
SELECT mlpipe_submit('concurrency_cancel', '{"seconds": 60}') AS r1 \gset
SELECT mlpipe_wait(:r1, '0.05 s') IS NOT NULL AS submitted;
SELECT mlpipe_submit('concurrency_cancel') AS r2 \gset
SELECT mlpipe_wait(:r1, '10 s'), mlpipe_wait(:r2, '10 s');
SELECT regexp_replace(error, '\d+', 'N') AS error, error LIKE '% ' || :r2 AS names_it FROM mlpipe_runs WHERE run_id = :r1;
SELECT (SELECT finished_at FROM mlpipe_runs WHERE run_id = :r1) <= (SELECT started_at FROM mlpipe_runs WHERE run_id = :r2) AS one_after_the_other;
CREATE TEMP TABLE several AS SELECT mlpipe_submit('concurrency_cancel', '{"seconds": 0.5}') AS run_id FROM generate_series(1, 4);
SELECT mlpipe_wait(run_id, '10 s') IS NOT NULL AS ended, count(*) FROM several GROUP BY 1;
SELECT status FROM mlpipe_runs JOIN several USING (run_id) ORDER BY run_id;

-- error: the submit is refused
SELECT mlpipe_submit('concurrency_error', '{"seconds": 60}') AS r1 \gset
SELECT mlpipe_submit('concurrency_error');
SELECT mlpipe_cancel(:r1);
SELECT mlpipe_wait(:r1, '10 s');
SELECT mlpipe_submit('concurrency_error') AS r1 \gset
SELECT mlpipe_wait(:r1, '10 s');
-- in one transaction, too
BEGIN;
SELECT mlpipe_submit('concurrency_error') AS r1 \gset
SELECT mlpipe_submit('concurrency_error');
ROLLBACK;

-- never more at once than allowed
SELECT pipeline, max(running) AS most FROM (
	SELECT pipeline, sum(delta) OVER (PARTITION BY pipeline ORDER BY at) AS running FROM concurrency_trace
	WHERE run_id IN (SELECT run_id FROM mlpipe_runs WHERE status = 'succeeded')) t GROUP BY 1 ORDER BY 1;
SELECT count(*) AS unfinished FROM mlpipe_runs WHERE finished_at IS NULL AND pipeline LIKE 'concurrency%';
SELECT mlpipe_drop_pipeline('concurrency_' || mode) FROM unnest('{queue,skip,cancel,error}'::text[]) mode;
SELECT mlpipe_purge('0') > 0 AS purged;
DROP TABLE concurrency_trace;

-- The views: their columns, what they say of work in all its states, and who
-- may see what.

-- The columns and their order are what people rely on
SELECT c.relname, string_agg(a.attname, ' ' ORDER BY a.attnum) AS columns
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE c.relkind = 'v' AND c.relname LIKE 'mlpipe\_%'
	GROUP BY c.relname ORDER BY c.relname COLLATE "C";
-- each keeps users' functions off the rows that they may not see
SELECT c.relname FROM pg_class c
	WHERE c.relkind = 'v' AND c.relname LIKE 'mlpipe\_%' AND NOT coalesce('security_barrier=true' = ANY (c.reloptions), false);
-- and all that people call or look at has a comment: \df+, \dv+, \d+, \dt+ mlpipe.*
SELECT p.oid::regprocedure AS without_comment FROM pg_proc p
	WHERE p.proname LIKE 'mlpipe\_%' AND p.pronamespace = 'public'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.relname, a.attname AS without_comment FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE c.relkind = 'v' AND c.relname LIKE 'mlpipe\_%' AND col_description(c.oid, a.attnum) IS NULL;
SELECT c.relname AS without_comment FROM pg_class c
	WHERE (c.relkind = 'v' AND c.relname LIKE 'mlpipe\_%' OR c.relkind = 'r' AND c.relnamespace = 'mlpipe'::regnamespace)
		AND obj_description(c.oid, 'pg_class') IS NULL;

CREATE ROLE regress_mlpipe_viewer LOGIN;
CREATE ROLE regress_mlpipe_stranger;
CREATE ROLE regress_mlpipe_monitor2 IN ROLE pg_monitor;

-- Waits until a query gives true.
CREATE FUNCTION until(query text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	done boolean;
BEGIN
	FOR i IN 1 .. 6000 LOOP
		EXECUTE query INTO done;
		IF done THEN RETURN; END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE 'this did not come true: %', query;
END $$;

CREATE TABLE views_items AS SELECT n AS id FROM generate_series(1, 40) n;
GRANT SELECT ON views_items TO regress_mlpipe_viewer;
SET ROLE regress_mlpipe_viewer;
SELECT mlpipe_create_pipeline('views_p', $${"concurrency": 1, "activities": [
	{"name": "hold", "type": "sql", "sql": ["SELECT mlpipe_progress(1, 4)", "SELECT pg_advisory_xact_lock(4711)"]},
	{"name": "step", "type": "parallel", "depends_on": ["hold"], "input": {"table": "views_items"}, "mini_batch_size": "10 rows",
		"run": "SELECT id FROM mini_batch"},
	{"name": "secret", "type": "sql", "depends_on": ["hold"], "secure_output": true, "sql": "SELECT 'password'"},
	{"name": "fails", "type": "sql", "depends_on": ["hold"], "sql": "SELECT 1/0", "retry": {"max_retries": 1, "interval": 0}},
	{"name": "after", "type": "sql", "depends_on": ["step", "fails"], "sql": "SELECT 1"}]}$$);

-- One run is held up, one waits for it, one waits for its time
SELECT pg_advisory_lock(4711);
SELECT mlpipe_submit('views_p', tags => '{"t": 1}') AS first \gset
SELECT mlpipe_submit('views_p') AS second \gset
SELECT mlpipe_submit('views_p', not_before => '2999-01-01 00:00:00') AS third \gset
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'::jsonb, not_before => now() + interval '1 day') AS fourth \gset
SELECT mlpipe_suspend(:fourth);
SELECT until(format('SELECT progress LIKE %L FROM mlpipe_activities WHERE run_id = %s AND activity = %L', '[##-%', :first, 'hold'));
SELECT run_id - :first AS run, pipeline, version, status, progress, percent, trigger, tags, error FROM mlpipe_runs WHERE run_id >= :first;
SELECT run_id - :first AS run, activity, type, status, progress, attempt, wait_reason FROM mlpipe_activities
	WHERE run_id >= :first ORDER BY run_id, activity COLLATE "C";
SELECT pipeline, version, enabled, run_as, owner, last_run_id - :first AS last_run, last_status, runs_queued, runs_in_progress FROM mlpipe_pipelines;
SELECT role, state, run_id - :first AS run, activity, batch, compute FROM mlpipe_executors WHERE run_id IS NOT NULL;
SELECT activity, status, bar IS NULL AS no_bar FROM mlpipe_timeline WHERE run_id = :first;

-- They end
SELECT mlpipe_cancel(:second), mlpipe_cancel(:third), mlpipe_cancel(:fourth);
SELECT pg_advisory_unlock(4711);
SELECT mlpipe_wait(:first, '1 min');
SELECT run_id - :first AS run, pipeline, status, progress, percent, eta, error FROM mlpipe_runs WHERE run_id >= :first;
SELECT activity, status, progress, attempt, batches_total, batches_done, batches_failed, items_in, items_out,
		output IS NOT NULL AS has_output, error
	FROM mlpipe_activities WHERE run_id = :first ORDER BY activity COLLATE "C";
SELECT activity, batch, attempt, status, items_in, items_out FROM mlpipe_batches WHERE run_id = :first;
SELECT activity, batch, attempt, sqlstate, message FROM mlpipe_errors WHERE run_id = :first;
SELECT activity, status, length(bar), bar ~ '^ *#+ *$' AS is_bar FROM mlpipe_timeline WHERE run_id = :first ORDER BY activity COLLATE "C";
SELECT bool_and(elapsed >= '0' AND elapsed < '1 min') FROM mlpipe_activities WHERE run_id = :first AND started_at IS NOT NULL;
-- an activity starts and ends within its run
SELECT a.activity, a.started_at, r.started_at AS run_started_at, a.finished_at, r.finished_at AS run_finished_at
	FROM mlpipe_activities a JOIN mlpipe_runs r USING (run_id)
	WHERE run_id = :first AND (a.started_at < r.started_at OR a.finished_at > r.finished_at);

-- Strangers see nothing, not even by way of a function in WHERE
SET ROLE regress_mlpipe_stranger;
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'leaked: %', t; RETURN true; END $$;
SELECT * FROM mlpipe_runs r WHERE pg_temp.leak(r::text);
SELECT * FROM mlpipe_activities a WHERE pg_temp.leak(a::text);
SELECT * FROM mlpipe_batches b WHERE pg_temp.leak(b::text);
SELECT * FROM mlpipe_errors e WHERE pg_temp.leak(e::text);
SELECT * FROM mlpipe_timeline t WHERE pg_temp.leak(t::text);
SELECT * FROM mlpipe_logs l WHERE pg_temp.leak(l::text);
SELECT * FROM mlpipe_metrics m WHERE pg_temp.leak(m::text);
SELECT * FROM mlpipe_pipelines p WHERE pg_temp.leak(p::text);
SELECT * FROM mlpipe_executors e WHERE pg_temp.leak(e::text);
SELECT count(*) FROM mlpipe_health WHERE problem LIKE '%regress_mlpipe_viewer%';
SET ROLE regress_mlpipe_viewer;
SELECT mlpipe_grant('views_p', 'regress_mlpipe_stranger');
SET ROLE regress_mlpipe_stranger;
SELECT run_id - :first AS run, status FROM mlpipe_runs;
SET ROLE regress_mlpipe_monitor2;
SELECT run_id - :first AS run, status FROM mlpipe_runs WHERE run_id >= :first;

-- mlpipe_health: runs that cannot go on, and why
RESET ROLE;
BEGIN;
INSERT INTO mlpipe.run (version_id, status, home, remaining, run_as, submitted_by, submitted_at, group_id, parameters, tags, trigger)
	SELECT 0, 'queued', home + 1, 1, 'regress_mlpipe_stranger', 'regress_mlpipe_stranger', now(), 0, '{}', '{}', '{}' FROM mlpipe.facts();
DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$;
SELECT severity, problem, replace(hint, current_database(), 'DB') AS hint FROM mlpipe_health
	WHERE problem LIKE '%dump%' OR problem LIKE '%regress_mlpipe_stranger cannot connect%';
ROLLBACK;

-- An activity that does not say how far it is counts for nothing until it ends
SELECT pg_advisory_lock(4711);
SELECT mlpipe_submit('{"activities": [{"name": "ended", "type": "sql", "sql": "SELECT 1"},
	{"name": "silent", "type": "sql", "depends_on": ["ended"], "sql": "SELECT pg_advisory_xact_lock(4711)"}]}'::jsonb) AS run \gset
SELECT until(format('SELECT status = %L FROM mlpipe_activities WHERE run_id = %s AND activity = %L', 'in_progress', :run, 'silent'));
SELECT progress, percent FROM mlpipe_runs WHERE run_id = :run;
SELECT pg_advisory_unlock(4711);
SELECT mlpipe_wait(:run, '1 min');

-- A mini-batch in progress began when its worker took it, not when that came to the step
SELECT pg_advisory_lock(4711);
SELECT mlpipe_submit('{"activities": [{"name": "step", "type": "parallel", "input": {"table": "views_items"}, "mini_batch_size": "20 rows", "max_concurrency_per_instance": 1,
	"run": "SELECT id FROM mini_batch WHERE ${{ batch.number }} = 1 OR pg_advisory_xact_lock(4711) IS NOT NULL"}]}'::jsonb) AS run \gset
SELECT until(format('SELECT count(*) = 2 FROM mlpipe_batches WHERE run_id = %s', :run));
SELECT b.batch, b.status, b.started_at > lag(b.started_at) OVER (ORDER BY b.batch) AS later, e.since = b.started_at AS since
	FROM mlpipe_batches b LEFT JOIN mlpipe_executors e USING (run_id, batch) WHERE b.run_id = :run ORDER BY b.batch;
SELECT pg_advisory_unlock(4711);
SELECT mlpipe_wait(:run, '1 min');

-- The timeline tells of an activity what the others tell: one that waits for another
-- look, or for a retry
SELECT mlpipe_submit('{"activities": [{"name": "look", "type": "validation", "query": "SELECT false", "interval": 3600},
	{"name": "again", "type": "sql", "sql": "SELECT 1 / 0", "retry": {"max_retries": 1, "interval": 3600}},
	{"name": "sleep", "type": "wait", "duration": "3 days"}]}'::jsonb) AS run \gset
SELECT until(format('SELECT count(*) = 3 FROM mlpipe_activities WHERE run_id = %s AND wait_reason ~ %L', :run, '^(until|retry)'));
-- with a date where it is not within a day
SELECT activity, regexp_replace(wait_reason, '\d', '9', 'g') AS wait_reason FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;
BEGIN;
UPDATE mlpipe.activity_run SET status = 'queued' WHERE run_id = :run AND parked;
SELECT activity, a.status, t.status AS in_timeline, a.elapsed IS NULL AS no_elapsed, t.elapsed IS NULL AS none_in_timeline, bar IS NULL AS no_bar
	FROM mlpipe_activities a JOIN mlpipe_timeline t USING (run_id, activity) WHERE run_id = :run ORDER BY activity;
ROLLBACK;
SELECT mlpipe_cancel(:run);
SELECT mlpipe_wait(:run, '1 min');

-- One run, or the newest ones, are found by index among many; of two that have
-- the number some versions take the one, some the other
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END $$;
ANALYZE mlpipe.run, mlpipe.activity_run;
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_sort = off;
SELECT string_agg(trim(line), '; ') FROM plan('SELECT * FROM mlpipe_runs ORDER BY run_id DESC LIMIT 20') line WHERE line ~ '(Sort Key.*run_id| on run )';
SELECT string_agg(regexp_replace(trim(line), 'using \w+ on run ', 'by index on run '), '; ') FROM plan('SELECT * FROM mlpipe_runs WHERE run_id = 1') line WHERE line ~ '( on run |run_id = 1)';
SELECT string_agg(regexp_replace(trim(line), 'using \w+ on run ', 'by index on run '), '; ') FROM plan('SELECT * FROM mlpipe_activities WHERE run_id = 1') line WHERE line ~ '( on run | on activity_run a$)';
SELECT string_agg(trim(line), '; ') FROM plan($$SELECT * FROM mlpipe_runs WHERE status = 'failed'$$) line WHERE line ~ 'status_text';
ROLLBACK;

SET ROLE regress_mlpipe_viewer;
SELECT mlpipe_drop_pipeline('views_p');
RESET ROLE;
DROP FUNCTION until(text), plan(text), pg_temp.leak(text);
DROP TABLE views_items;
DROP ROLE regress_mlpipe_viewer, regress_mlpipe_stranger, regress_mlpipe_monitor2;

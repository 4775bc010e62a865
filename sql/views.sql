-- Look -----------------------------------------------------------------------
--
-- Each view shows what the one who looks may see, by mlpipe.may_see(); it is a
-- security barrier, so that no function in a user's WHERE gets to see a row
-- before that has been asked.  A barrier also keeps the user's ORDER BY from
-- choosing an index inside, which is why the views have an order of their own:
-- newest runs first.
--
-- What costs something to find out is in a subquery for one run or one activity,
-- with its condition inside, and OFFSET 0 where its result is used more than
-- once: the planner would copy it to each place.

-- Names below mean the server's and ours, whatever else is in the schema.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE VIEW @extschema@.mlpipe_pipelines WITH (security_barrier) AS
SELECT p.name AS pipeline,
	p.default_version AS version,
	p.enabled,
	p.run_as,
	p.owner,
	last.run_id AS last_run_id,
	mlpipe.status_text(last.status) AS last_status,
	last.finished_at AS last_finished_at,
	unfinished.queued AS runs_queued,
	unfinished.in_progress AS runs_in_progress,
	(SELECT array_agg(g.grantee ORDER BY g.grantee::oid) FROM mlpipe.pipeline_grant g
		WHERE g.pipeline_id = p.pipeline_id) AS granted_to
FROM mlpipe.pipeline p
LEFT JOIN LATERAL (
	-- Compared as rows, for an order that run_by_pipeline alone has: run_pkey
	-- would be walked through all the other pipelines' runs.
	SELECT r.run_id, r.status, r.finished_at FROM mlpipe.run r
	WHERE (r.pipeline_id, r.run_id) >= (p.pipeline_id, 0) AND (r.pipeline_id, r.run_id) < (p.pipeline_id + 1, 0)
	ORDER BY r.pipeline_id DESC, r.run_id DESC LIMIT 1
) last ON true
CROSS JOIN LATERAL (
	SELECT count(*) FILTER (WHERE r.status = 'queued') AS queued,
		count(*) FILTER (WHERE r.status IN ('in_progress', 'cancelling')) AS in_progress
	FROM mlpipe.run r
	WHERE r.pipeline_id = p.pipeline_id AND r.finished_at IS NULL
) unfinished
WHERE p.dropped_at IS NULL AND mlpipe.may_see(p.pipeline_id, p.run_as, p.owner)
ORDER BY p.name;
COMMENT ON VIEW @extschema@.mlpipe_pipelines IS 'pipelines, with their latest run';

-- A run's share is that of its activities which have ended, those that say how
-- far they are counting for as much; of a run that failed it is the share of
-- those that succeeded.
CREATE VIEW @extschema@.mlpipe_runs WITH (security_barrier) AS
SELECT r.run_id,
	p.name AS pipeline,
	(SELECT v.version FROM mlpipe.pipeline_version v WHERE v.version_id = r.version_id AND v.pipeline_id IS NOT NULL) AS version,
	mlpipe.status_text(r.status) AS status,
	mlpipe.bar(r.share) AS progress,
	trunc((100 * r.share)::numeric, 1) AS percent,
	CASE WHEN r.status = 'in_progress' AND r.share > 0
		THEN date_trunc('second', greatest(f.looked_at - r.started_at, '0') * ((1 - r.share) / r.share))
	END AS eta,
	r.submitted_at,
	r.started_at,
	r.finished_at,
	mlpipe.elapsed(r.started_at, coalesce(r.finished_at, f.looked_at)) AS elapsed,
	r.submitted_by,
	r.run_as,
	r.trigger - 'trigger_oid' AS trigger,
	r.priority,
	r.group_id,
	r.failures_handled,
	r.parameters,
	r.tags,
	r.output,
	coalesce(r.error, (
		SELECT a.error FROM mlpipe.activity_run a
		WHERE a.run_id = r.run_id AND a.status = 'failed' AND r.status = 'failed'
		ORDER BY a.finished_at, a.no LIMIT 1),
		CASE WHEN r.status IN ('cancelling', 'cancelled', 'failed') THEN r.stop_reason END) AS error
FROM (
	SELECT r.*, CASE
		WHEN r.status = 'succeeded' THEN 1
		WHEN r.status = 'skipped' OR r.started_at IS NULL THEN 0
		ELSE (SELECT coalesce(avg(CASE
					WHEN a.status = 'in_progress' AND w.total > 0 THEN least(w.done::float8 / w.total, 1)
					WHEN a.status IN ('succeeded', 'inactive') THEN 1
					WHEN a.status IN ('failed', 'skipped') AND r.finished_at IS NULL THEN 1
					ELSE 0 END), 0)
				FROM mlpipe.activity_run a LEFT JOIN mlpipe.work_of_run(r.run_id) w ON w.no = a.no
				WHERE a.run_id = r.run_id AND a.parent_no IS NULL)
		END AS share
	FROM mlpipe.run r
	WHERE mlpipe.may_see(r.pipeline_id, r.run_as, r.submitted_by)
	ORDER BY r.run_id DESC
) r
CROSS JOIN mlpipe.facts() f
LEFT JOIN mlpipe.pipeline p ON p.pipeline_id = r.pipeline_id
ORDER BY r.run_id DESC;
COMMENT ON VIEW @extschema@.mlpipe_runs IS 'runs, newest first, with their progress';

CREATE VIEW @extschema@.mlpipe_activities WITH (security_barrier) AS
SELECT a.run_id,
	a.name AS activity,
	d.type,
	CASE WHEN a.parked THEN 'in_progress' ELSE mlpipe.status_text(a.status) END AS status,
	mlpipe.bar(CASE
		WHEN a.status = 'succeeded' THEN 1
		WHEN a.status IN ('waiting', 'queued') THEN NULL
		WHEN work.total > 0 THEN least(work.done::float8 / work.total, 1)
		WHEN batches.total > 0 THEN least((batches.done + batches.failed)::float8 / batches.total, 1)
		END) AS progress,
	a.attempt,
	CASE
		WHEN a.status = 'in_progress' AND d.type IN ('wait', 'validation') THEN 'until ' || mlpipe.time_text(a.due_at, f.looked_at)
		WHEN a.status = 'in_progress' AND a.parked AND d.type = 'approval' THEN 'waits for mlpipe_approve()'
		-- A parallel step keeps its state while it waits.
		WHEN a.status = 'in_progress' AND d.type = 'parallel' AND a.started_at > f.looked_at
			THEN format('retry %s of %s at %s', greatest(a.attempt - a.lost - 1, 1),
				coalesce(d.definition->'retry'->>'max_retries', '0'), mlpipe.time_text(a.started_at, f.looked_at))
		WHEN a.status NOT IN ('waiting', 'queued') THEN NULL
		WHEN r.home <> f.home THEN format('came with a dump: waits for mlpipe_resume(%s)', r.run_id)
		WHEN r.status = 'suspended' THEN 'suspended'
		WHEN r.status = 'cancelling' THEN 'the run is being stopped'
		WHEN a.status = 'waiting' THEN 'depends on ' || waits.names
		WHEN r.status = 'queued' AND r.due_at > f.looked_at
			THEN coalesce(to_char(r.due_at, '"not before" YYYY-MM-DD HH24:MI:SS'), 'not before infinity')
		WHEN r.held THEN (
			SELECT format('concurrency %s of pipeline %s', v.definition->>'concurrency', p.name)
			FROM mlpipe.pipeline_version v LEFT JOIN mlpipe.pipeline p ON p.pipeline_id = v.pipeline_id
			WHERE v.version_id = r.version_id)
		WHEN a.due_at > f.looked_at AND a.attempt = 0 THEN 'until ' || mlpipe.time_text(a.due_at, f.looked_at)
		WHEN a.due_at > f.looked_at THEN format('retry %s of %s at %s', greatest(a.attempt - a.lost, 1),
			coalesce(d.definition->'retry'->>'max_retries', '0'), mlpipe.time_text(a.due_at, f.looked_at))
		WHEN NOT f.loaded THEN 'mlpipe is not in shared_preload_libraries'
		WHEN f.in_recovery THEN 'this server is a standby'
		WHEN NOT f.enabled THEN 'mlpipe.enabled is off'
		WHEN f.scheduler_pid IS NULL THEN 'waits for the scheduler to start'
		WHEN f.executors >= f.max_executors AND f.idle = 0
			THEN concat_ws(', ', format('all %s executors are busy', f.max_executors), queue.place)
		ELSE concat_ws(', ', 'waits for an executor to start', queue.place)
	END AS wait_reason,
	a.started_at,
	a.finished_at,
	CASE WHEN a.parked OR a.status NOT IN ('waiting', 'queued')
		THEN mlpipe.elapsed(a.started_at, coalesce(a.finished_at, f.looked_at)) END AS elapsed,
	batches.total AS batches_total,
	batches.done AS batches_done,
	batches.failed AS batches_failed,
	coalesce(a.items_in, batches.items) AS items_in,
	coalesce(a.items_out, batches.items_done) AS items_out,
	a.executor_pid,
	CASE WHEN a.status = 'succeeded' THEN a.reused_from END AS reused_from,
	-- One that is to be taken over has it already.
	CASE WHEN NOT d.secure_output AND (a.status = 'succeeded' OR a.reused_from IS NULL) THEN a.output END AS output,
	a.error
FROM mlpipe.activity_run a
JOIN mlpipe.run r ON r.run_id = a.run_id
CROSS JOIN mlpipe.facts() f
LEFT JOIN mlpipe.activity d ON d.version_id = r.version_id AND d.no = a.activity_no
LEFT JOIN LATERAL (
	SELECT w.* FROM mlpipe.work_of_run(a.run_id) w
	WHERE w.no = a.no AND a.status = 'in_progress' LIMIT 1
) work ON true
LEFT JOIN LATERAL (
	SELECT coalesce(work.batches, s.batches, (a.output->>'batches')::integer) AS total,
		coalesce(work.succeeded, (a.output->>'succeeded')::integer, ended.succeeded) AS done,
		coalesce(work.failed, (a.output->>'failed')::integer, ended.failed) AS failed,
		coalesce(work.items, ended.items) AS items,
		coalesce(work.items_done, ended.items_done) AS items_done
	FROM (SELECT) one
	LEFT JOIN mlpipe.step s ON s.run_id = a.run_id AND s.no = a.no
	-- Of a step that was cancelled there is no summary.
	LEFT JOIN LATERAL (
		SELECT count(*) FILTER (WHERE b.status = 'succeeded')::integer AS succeeded,
			count(*) FILTER (WHERE b.status = 'failed')::integer AS failed,
			sum(b.items_in)::bigint AS items,
			sum(CASE b.status WHEN 'succeeded' THEN b.items_out WHEN 'failed' THEN 0 END)::bigint AS items_done
		FROM mlpipe.mini_batch b
		WHERE b.run_id = a.run_id AND b.no = a.no AND b.final
			AND work.batches IS NULL AND a.output IS NULL
	) ended ON true
	WHERE d.type = 'parallel' AND (a.started_at IS NOT NULL OR a.reused_from IS NOT NULL AND a.status = 'succeeded')
	OFFSET 0
) batches ON true
LEFT JOIN LATERAL (
	SELECT string_agg(w.name, ', ' ORDER BY w.no) AS names
	FROM mlpipe.activity_dependency n
	-- Numbers of a scope's rows follow those of its definition.
	JOIN mlpipe.activity_run w ON w.run_id = a.run_id AND w.no = a.no + n.depends_on - n.no
	WHERE n.version_id = r.version_id AND n.no = a.activity_no
		AND w.finished_at IS NULL AND a.status = 'waiting'
) waits ON true
LEFT JOIN LATERAL (
	SELECT mlpipe.ordinal(mlpipe.queue_position(a.run_id, a.no)) || ' in the queue' AS place
	WHERE a.status = 'queued'
	OFFSET 0
) queue ON true
WHERE NOT a.internal AND mlpipe.may_see(r.pipeline_id, r.run_as, r.submitted_by)
ORDER BY a.run_id DESC, a.no;
COMMENT ON VIEW @extschema@.mlpipe_activities IS 'activities of runs, with their progress and what they wait for';

CREATE VIEW @extschema@.mlpipe_batches WITH (security_barrier) AS
SELECT b.run_id,
	a.name AS activity,
	b.batch,
	b.attempt,
	b.status,
	b.keys,
	b.items_in,
	b.items_out,
	b.started_at,
	mlpipe.elapsed(b.started_at, coalesce(b.finished_at, f.looked_at)) AS elapsed,
	b.executor_pid,
	b.error
FROM (
	SELECT m.run_id, m.no, m.batch, m.attempt, mlpipe.status_text(m.status) AS status, m.keys, m.items_in, m.items_out,
		m.started_at, m.finished_at, m.executor_pid, m.error
	FROM mlpipe.mini_batch m
	UNION ALL
	-- In hand, and not committed a moment ago.
	SELECT h.run_id, h.no, h.batch, h.attempt, 'in_progress', NULL, NULL, NULL,
		h.since, NULL, h.pid, NULL
	FROM mlpipe.batches_in_hand() h
	WHERE NOT EXISTS (SELECT FROM mlpipe.mini_batch m
		WHERE m.run_id = h.run_id AND m.no = h.no AND m.batch = h.batch AND m.attempt = h.attempt)
) b
CROSS JOIN mlpipe.facts() f
JOIN mlpipe.run r ON r.run_id = b.run_id
JOIN mlpipe.activity_run a ON a.run_id = b.run_id AND a.no = b.no
WHERE mlpipe.may_see(r.pipeline_id, r.run_as, r.submitted_by)
ORDER BY b.run_id DESC, b.no, b.batch, b.attempt;
COMMENT ON VIEW @extschema@.mlpipe_batches IS 'attempts at mini-batches, those in progress included';

CREATE VIEW @extschema@.mlpipe_timeline WITH (security_barrier) AS
SELECT a.run_id,
	a.name AS activity,
	CASE WHEN a.parked THEN 'in_progress' ELSE mlpipe.status_text(a.status) END AS status,
	-- Before a retry nobody knows any more when the attempt before it ended.
	CASE WHEN a.started_at IS NOT NULL AND (a.parked OR a.status <> 'queued') THEN mlpipe.span_bar(
		floor(40 * greatest(extract(epoch FROM a.started_at - span.start_at), 0) / span.seconds)::integer,
		ceil(40 * least(extract(epoch FROM coalesce(a.finished_at, span.end_at) - span.start_at) / span.seconds, 1))::integer)
	END AS bar,
	a.started_at,
	CASE WHEN a.parked OR a.status <> 'queued'
		THEN mlpipe.elapsed(a.started_at, coalesce(a.finished_at, f.looked_at)) END AS elapsed
FROM mlpipe.activity_run a
JOIN mlpipe.run r ON r.run_id = a.run_id
CROSS JOIN mlpipe.facts() f
CROSS JOIN LATERAL (
	SELECT coalesce(r.started_at, r.submitted_at) AS start_at,
		coalesce(r.finished_at, f.looked_at) AS end_at,
		greatest(extract(epoch FROM coalesce(r.finished_at, f.looked_at) - coalesce(r.started_at, r.submitted_at)),
			0.000001) AS seconds
	OFFSET 0
) span
WHERE NOT a.internal AND mlpipe.may_see(r.pipeline_id, r.run_as, r.submitted_by)
ORDER BY a.run_id DESC, a.started_at, a.no;
COMMENT ON VIEW @extschema@.mlpipe_timeline IS 'activities of runs as bars in the time of their run';

CREATE VIEW @extschema@.mlpipe_errors WITH (security_barrier) AS
SELECT e.run_id, a.name AS activity, e.batch, e.attempt, e.at, e.sqlstate, e.message, e.detail, e.hint, e.context
FROM mlpipe.failure e
JOIN mlpipe.run r ON r.run_id = e.run_id
LEFT JOIN mlpipe.activity_run a ON a.run_id = e.run_id AND a.no = e.no
WHERE mlpipe.may_see(r.pipeline_id, r.run_as, r.submitted_by)
ORDER BY e.failure_id;
COMMENT ON VIEW @extschema@.mlpipe_errors IS 'failed attempts at activities and mini-batches, failed items, and outputs of runs that could not be worked out';

CREATE VIEW @extschema@.mlpipe_logs WITH (security_barrier) AS
SELECT l.run_id, a.name AS activity, l.batch, l.at, l.level, l.message
FROM mlpipe.log l
JOIN mlpipe.run r ON r.run_id = l.run_id
LEFT JOIN mlpipe.activity_run a ON a.run_id = l.run_id AND a.no = l.no
WHERE mlpipe.may_see(r.pipeline_id, r.run_as, r.submitted_by)
ORDER BY l.log_id;
COMMENT ON VIEW @extschema@.mlpipe_logs IS 'what activities logged with mlpipe_log(), and what their statements raised';

CREATE VIEW @extschema@.mlpipe_metrics WITH (security_barrier) AS
SELECT m.run_id, a.name AS activity, m.name, m.step, m.value, m.at
FROM mlpipe.metric m
JOIN mlpipe.run r ON r.run_id = m.run_id
LEFT JOIN mlpipe.activity_run a ON a.run_id = m.run_id AND a.no = m.no
WHERE mlpipe.may_see(r.pipeline_id, r.run_as, r.submitted_by)
ORDER BY m.metric_id;
COMMENT ON VIEW @extschema@.mlpipe_metrics IS 'what activities measured with mlpipe_log_metric(), and what workers of parallel steps use';

CREATE VIEW @extschema@.mlpipe_lineage WITH (security_barrier) AS
SELECT l.run_id, a.name AS activity, l.name AS relation,
	CASE WHEN l.written THEN 'write' ELSE 'read' END AS direction, l.rows
FROM mlpipe.lineage l
JOIN mlpipe.run r ON r.run_id = l.run_id
JOIN mlpipe.activity_run a ON a.run_id = l.run_id AND a.no = l.no
WHERE mlpipe.may_see(r.pipeline_id, r.run_as, r.submitted_by)
ORDER BY l.run_id DESC, l.no, l.name, l.written;
COMMENT ON VIEW @extschema@.mlpipe_lineage IS 'tables that activities read and wrote, with the rows that they took from them and put into them';

-- One that does nothing shows to members of its role.
CREATE VIEW @extschema@.mlpipe_executors WITH (security_barrier) AS
SELECT e.pid, e.role::regrole AS role, e.state, e.run_id, a.name AS activity, e.batch, e.since, 'local'::text AS compute
FROM mlpipe.executor_slots() e
LEFT JOIN mlpipe.run r ON r.run_id = e.run_id
LEFT JOIN mlpipe.activity_run a ON a.run_id = e.run_id AND a.no = e.no
WHERE mlpipe.may_see(r.pipeline_id, e.role, coalesce(r.submitted_by::oid, e.role))
ORDER BY e.pid;
COMMENT ON VIEW @extschema@.mlpipe_executors IS 'the workers of this database, and what they do';

CREATE VIEW @extschema@.mlpipe_health WITH (security_barrier) AS
WITH f AS MATERIALIZED (
	SELECT * FROM mlpipe.facts()
), unfinished AS MATERIALIZED (
	SELECT r.run_as::oid AS role, r.home <> f.home AS restored, count(*) AS runs
	FROM mlpipe.run r CROSS JOIN f
	WHERE r.finished_at IS NULL AND mlpipe.may_see(r.pipeline_id, r.run_as, r.submitted_by)
	GROUP BY 1, 2
), workers AS MATERIALIZED (
	SELECT current_setting('max_worker_processes')::integer AS most, mlpipe.worker_processes() AS taken
)
SELECT 'error'::text AS severity,
	'mlpipe is not loaded at server start: nothing can run'::text AS problem,
	'Add "mlpipe" to "shared_preload_libraries" and restart the server.'::text AS hint
FROM f WHERE NOT f.loaded
UNION ALL
SELECT 'error', format('the extension is of version %s in this database, but its library of version %s: nothing can run', e.extversion, f.library_version),
	'Restart the server after new files have been installed, then run ALTER EXTENSION mlpipe UPDATE.'
FROM f JOIN pg_extension e ON e.extname = 'mlpipe' WHERE e.extversion <> f.library_version
UNION ALL
SELECT 'error', 'no scheduler runs in this database',
	'It is started within seconds. If it is not, see the server''s log, and whether "max_worker_processes" leaves room.'
FROM f WHERE f.loaded AND NOT f.in_recovery AND f.scheduler_pid IS NULL
	AND EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'mlpipe' AND e.extversion = f.library_version)
UNION ALL
SELECT 'warning', 'mlpipe.enabled is off: nothing new starts',
	'Set "mlpipe.enabled" to on and reload the configuration.'
FROM f WHERE f.loaded AND NOT f.enabled
UNION ALL
SELECT 'error', format('all %s worker processes of the server are taken, %s of them executors', w.most, f.executors),
	'Increase "max_worker_processes" and restart the server.'
FROM f CROSS JOIN workers w
WHERE f.loaded AND w.taken >= w.most AND f.executors < f.max_executors
UNION ALL
-- Besides executors: the launcher, the schedulers, logical replication's launcher.
SELECT 'warning', format('mlpipe.max_executors is %s, but max_worker_processes leaves room for %s', f.max_executors,
		greatest(w.most - 2 - f.schedulers, 0)),
	format('Set "max_worker_processes" to %s or more, with room for parallel queries and other extensions, and restart the server.',
		f.max_executors + 2 + f.schedulers)
FROM f CROSS JOIN workers w
WHERE f.loaded AND f.max_executors > w.most - 2 - f.schedulers
UNION ALL
SELECT 'error', format('ready work has waited for %s without any executor', date_trunc('second', f.looked_at - f.starved_since)),
	'See the server''s log for why executors do not start; "max_worker_processes" or "max_executors" may be too small.'
FROM f WHERE f.loaded AND f.enabled AND f.starved_since < f.looked_at - interval '10 s'
UNION ALL
SELECT 'error', format('role %s has been dropped, and unfinished runs are to execute as it: %s', u.role, u.runs),
	'Cancel these runs, and give their pipelines another role with mlpipe_alter_pipeline().'
FROM unfinished u
WHERE NOT EXISTS (SELECT FROM pg_roles o WHERE o.oid = u.role)
UNION ALL
SELECT 'error', format('role %I cannot log in, and unfinished runs are to execute as it: %s', o.rolname, u.runs),
	format('ALTER ROLE %I LOGIN; or another role with mlpipe_alter_pipeline().', o.rolname)
FROM unfinished u JOIN pg_roles o ON o.oid = u.role
WHERE NOT o.rolcanlogin AND current_setting('server_version_num')::integer < 170000
UNION ALL
SELECT 'error', format('role %I cannot connect to this database, and unfinished runs are to execute as it: %s', o.rolname, u.runs),
	format('GRANT CONNECT ON DATABASE %I TO %I;', current_database(), o.rolname)
FROM unfinished u JOIN pg_roles o ON o.oid = u.role
WHERE NOT has_database_privilege(o.oid, current_database(), 'CONNECT')
UNION ALL
SELECT 'warning', format('runs that came with a dump or a copied database wait: %s', sum(u.runs)),
	'Let them go on with mlpipe_resume(), or cancel them with mlpipe_cancel().'
FROM unfinished u WHERE u.restored HAVING sum(u.runs) > 0
UNION ALL
SELECT 'warning', format('activity %s of run %s has kept dead rows from being vacuumed for %s', a.name, a.run_id,
		date_trunc('second', f.looked_at - a.started_at)),
	CASE r.status WHEN 'suspended' THEN 'Let the run go on with mlpipe_resume(), or cancel it with mlpipe_cancel().'
		ELSE 'It reads its table as it was when it began, as long as it takes. Cancel it if it takes too long.' END
FROM f CROSS JOIN mlpipe.run r JOIN mlpipe.step s USING (run_id) JOIN mlpipe.activity_run a USING (run_id, no)
WHERE r.finished_at IS NULL AND a.finished_at IS NULL AND s.snapshot IS NOT NULL AND a.started_at < f.looked_at - interval '1 day'
	AND mlpipe.may_see(r.pipeline_id, r.run_as, r.submitted_by)
UNION ALL
SELECT 'warning', format('mlpipe.retention is 0, and there are about %s runs', c.reltuples::bigint),
	'Set "mlpipe.retention" to how long finished runs are to be kept, or call mlpipe_purge() now and then.'
FROM pg_class c
WHERE c.oid = 'mlpipe.run'::regclass AND c.reltuples > 1000000 AND current_setting('mlpipe.retention') = '0';
COMMENT ON VIEW @extschema@.mlpipe_health IS 'problems that an administrator should act on; no row where all is well';

-- Approvers need not be able to see the run that they are asked about.
CREATE VIEW @extschema@.mlpipe_approvals WITH (security_barrier) AS
SELECT a.run_id,
	p.name AS pipeline,
	a.name AS activity,
	CASE WHEN NOT d.secure_output THEN a.output->>'message' END AS message,
	approvers.names AS approvers,
	a.started_at AS waiting_since,
	a.due_at AS times_out_at
FROM mlpipe.run r
JOIN mlpipe.activity d ON d.version_id = r.version_id AND d.type = 'approval'
JOIN mlpipe.activity_run a ON a.run_id = r.run_id AND a.activity_no = d.no
LEFT JOIN mlpipe.pipeline p ON p.pipeline_id = r.pipeline_id
CROSS JOIN LATERAL (
	SELECT array_agg(n.name) AS names, coalesce(bool_or(pg_has_role(g.oid, 'MEMBER')), false) AS include_me
	FROM jsonb_array_elements_text(d.definition->'approvers') n (name)
	LEFT JOIN pg_roles g ON g.rolname = n.name
	OFFSET 0
) approvers
WHERE r.finished_at IS NULL AND a.status = 'in_progress' AND a.parked
	AND (approvers.include_me OR mlpipe.may_see(r.pipeline_id, r.run_as, r.submitted_by))
ORDER BY a.started_at, a.run_id, a.no;
COMMENT ON VIEW @extschema@.mlpipe_approvals IS 'what waits for mlpipe_approve(), of runs that you may see and where you are an approver; oldest first';

GRANT SELECT ON @extschema@.mlpipe_pipelines, @extschema@.mlpipe_runs, @extschema@.mlpipe_activities,
	@extschema@.mlpipe_batches, @extschema@.mlpipe_timeline, @extschema@.mlpipe_errors, @extschema@.mlpipe_logs,
	@extschema@.mlpipe_metrics, @extschema@.mlpipe_lineage, @extschema@.mlpipe_executors, @extschema@.mlpipe_health,
	@extschema@.mlpipe_approvals TO PUBLIC;

SET LOCAL search_path = @extschema@, pg_temp;

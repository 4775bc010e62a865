-- Reading the tables ---------------------------------------------------------
--
-- Everybody may look at the tables themselves, and finds no more there than in
-- the views: rows by row-level security, which asks mlpipe.may_see() as they
-- do, and only the columns that they show.  What no view shows at all stays
-- closed: variables and items of loops, which may come from a secure_output,
-- idempotency keys, and what the engine keeps for itself.
--
-- The engine works as the owner of the tables, for whom none of this is asked,
-- and so do the views.  A table without a policy shows nothing to roles that
-- read everything by pg_read_all_data.

-- Names below mean the server's and ours, whatever else is in the schema.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Default privileges may have given tables and sequences away when they were
-- created: to nobody, but for what follows.
DO $$
DECLARE
	given record;
BEGIN
	FOR given IN
		SELECT DISTINCT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.relname,
			CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
		FROM pg_class c, aclexplode(c.relacl) a
		WHERE c.relnamespace = 'mlpipe'::regnamespace AND c.relkind IN ('r', 'S') AND a.grantee <> c.relowner
	LOOP
		EXECUTE format('REVOKE ALL ON %s mlpipe.%I FROM %s', given.kind, given.relname, given.grantee);
	END LOOP;
END $$;

-- What was defined

ALTER TABLE mlpipe.pipeline ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON mlpipe.pipeline FOR SELECT
	USING (dropped_at IS NULL AND mlpipe.may_see(pipeline_id, run_as, owner));
GRANT SELECT ON mlpipe.pipeline TO PUBLIC;

ALTER TABLE mlpipe.pipeline_grant ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON mlpipe.pipeline_grant FOR SELECT
	USING (EXISTS (SELECT FROM mlpipe.pipeline p WHERE p.pipeline_id = pipeline_grant.pipeline_id));
GRANT SELECT ON mlpipe.pipeline_grant TO PUBLIC;

-- A document without a name belongs to the one who submitted it.
ALTER TABLE mlpipe.pipeline_version ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON mlpipe.pipeline_version FOR SELECT
	USING (mlpipe.may_see(pipeline_id, NULL, created_by));
GRANT SELECT ON mlpipe.pipeline_version TO PUBLIC;

ALTER TABLE mlpipe.activity ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON mlpipe.activity FOR SELECT
	USING (EXISTS (SELECT FROM mlpipe.pipeline_version v WHERE v.version_id = activity.version_id));
GRANT SELECT ON mlpipe.activity TO PUBLIC;

ALTER TABLE mlpipe.activity_dependency ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON mlpipe.activity_dependency FOR SELECT
	USING (EXISTS (SELECT FROM mlpipe.pipeline_version v WHERE v.version_id = activity_dependency.version_id));
GRANT SELECT ON mlpipe.activity_dependency TO PUBLIC;

-- What happens

ALTER TABLE mlpipe.run ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON mlpipe.run FOR SELECT
	USING (mlpipe.may_see(pipeline_id, run_as, submitted_by));
GRANT SELECT (run_id, version_id, pipeline_id, status, priority, run_as, submitted_by, submitted_at, started_at,
	finished_at, stop_status, stop_reason, parent_run_id, parent_no, group_id, failures_handled, parameters, tags,
	trigger, output, error) ON mlpipe.run TO PUBLIC;

-- All but the output, which may be a secret: the views tell.
ALTER TABLE mlpipe.activity_run ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON mlpipe.activity_run FOR SELECT
	USING (NOT internal AND EXISTS (SELECT FROM mlpipe.run r WHERE r.run_id = activity_run.run_id));
GRANT SELECT (run_id, no, activity_no, parent_no, iteration, depth, internal, status, parked, attempt, executor_pid,
	started_at, finished_at, due_at, items_in, items_out, reused_from, error, name) ON mlpipe.activity_run TO PUBLIC;

ALTER TABLE mlpipe.mini_batch ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON mlpipe.mini_batch FOR SELECT
	USING (EXISTS (SELECT FROM mlpipe.run r WHERE r.run_id = mini_batch.run_id));
GRANT SELECT ON mlpipe.mini_batch TO PUBLIC;

ALTER TABLE mlpipe.failure ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON mlpipe.failure FOR SELECT
	USING (EXISTS (SELECT FROM mlpipe.run r WHERE r.run_id = failure.run_id));
GRANT SELECT ON mlpipe.failure TO PUBLIC;

-- What is kept

ALTER TABLE mlpipe.log ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON mlpipe.log FOR SELECT
	USING (EXISTS (SELECT FROM mlpipe.run r WHERE r.run_id = log.run_id));
GRANT SELECT ON mlpipe.log TO PUBLIC;

ALTER TABLE mlpipe.metric ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON mlpipe.metric FOR SELECT
	USING (EXISTS (SELECT FROM mlpipe.run r WHERE r.run_id = metric.run_id));
GRANT SELECT ON mlpipe.metric TO PUBLIC;

ALTER TABLE mlpipe.lineage ENABLE ROW LEVEL SECURITY;
CREATE POLICY see ON mlpipe.lineage FOR SELECT
	USING (EXISTS (SELECT FROM mlpipe.run r WHERE r.run_id = lineage.run_id));
GRANT SELECT ON mlpipe.lineage TO PUBLIC;

-- Not for anybody's eyes

ALTER TABLE mlpipe.run_variable ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlpipe.variable_change ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlpipe.scope ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlpipe.step ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlpipe.step_origin ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlpipe.batch_claim ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlpipe.tally ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlpipe.source_change ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlpipe.reuse ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlpipe.reuse_table ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlpipe.table_hash ENABLE ROW LEVEL SECURITY;

SET LOCAL search_path = @extschema@, pg_temp;

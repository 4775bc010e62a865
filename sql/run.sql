-- Submit and control runs ----------------------------------------------------

CREATE FUNCTION @extschema@.mlpipe_submit(
	pipeline text,
	parameters jsonb DEFAULT '{}',
	version integer DEFAULT NULL,
	priority integer DEFAULT 0,
	idempotency_key text DEFAULT NULL,
	tags jsonb DEFAULT '{}',
	not_before timestamptz DEFAULT NULL) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_submit(text, jsonb, integer, integer, text, jsonb, timestamptz)
	IS 'submits a run of a pipeline, which starts when the transaction commits; returns its id, or that of the run with the same idempotency key';

CREATE FUNCTION @extschema@.mlpipe_submit(
	definition jsonb,
	parameters jsonb DEFAULT '{}',
	priority integer DEFAULT 0,
	idempotency_key text DEFAULT NULL,
	tags jsonb DEFAULT '{}',
	not_before timestamptz DEFAULT NULL) RETURNS bigint
	AS 'MODULE_PATHNAME', 'mlpipe_submit_document' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_submit(jsonb, jsonb, integer, text, jsonb, timestamptz)
	IS 'runs a document once, without naming it, as the role that submits it';

CREATE FUNCTION @extschema@.mlpipe_cancel(run_id bigint, reason text DEFAULT NULL) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_cancel(bigint, text)
	IS 'cancels a run: what runs is interrupted, what waits is cancelled; false where it had ended';

CREATE FUNCTION @extschema@.mlpipe_rerun(
	run_id bigint,
	from_activity text DEFAULT NULL,
	only_failed boolean DEFAULT true,
	parameters jsonb DEFAULT NULL) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_rerun(bigint, text, boolean, jsonb)
	IS 'runs the version of a finished run again, in the same group; takes over what succeeded, but for from_activity and what follows from it; returns the new run''s id';

CREATE FUNCTION @extschema@.mlpipe_suspend(run_id bigint) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_suspend(bigint)
	IS 'starts nothing more of a run; what runs goes on; false where there was nothing to suspend';

CREATE FUNCTION @extschema@.mlpipe_resume(run_id bigint) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_resume(bigint)
	IS 'goes on with a suspended run, or with one that came with a dump; false where there was nothing to resume';

CREATE FUNCTION @extschema@.mlpipe_purge(older_than interval) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_purge(interval)
	IS 'deletes runs that finished longer ago than this, and all that hangs on them; returns their number';

-- The launcher does not look into databases: this tells it of a new one.
CREATE FUNCTION mlpipe.start_scheduler() RETURNS void
	AS 'MODULE_PATHNAME', 'mlpipe_start_scheduler' LANGUAGE C;
REVOKE ALL ON FUNCTION mlpipe.start_scheduler() FROM PUBLIC;
COMMENT ON FUNCTION mlpipe.start_scheduler()
	IS 'has the launcher start a scheduler in this database when the transaction commits';
SELECT mlpipe.start_scheduler();

CREATE FUNCTION @extschema@.mlpipe_approve(
	run_id bigint,
	activity text,
	approved boolean DEFAULT true,
	comment text DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_approve(bigint, text, boolean, text)
	IS 'answers an activity of type approval: it succeeds where approved, and fails otherwise';

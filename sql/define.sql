-- Define pipelines -----------------------------------------------------------

CREATE FUNCTION @extschema@.mlpipe_create_pipeline(name text, definition jsonb) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_create_pipeline(text, jsonb)
	IS 'checks a pipeline document and stores it as the next version, which becomes the default; returns the version';

CREATE FUNCTION @extschema@.mlpipe_validate(definition jsonb)
	RETURNS TABLE (path text, severity text, message text, hint text)
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_validate(jsonb)
	IS 'lists every problem of a pipeline document and stores nothing; no row where all is well';

CREATE FUNCTION @extschema@.mlpipe_definition(name text, version integer DEFAULT NULL) RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE;
COMMENT ON FUNCTION @extschema@.mlpipe_definition(text, integer)
	IS 'the document of a pipeline; of its default version where none is named';

CREATE FUNCTION @extschema@.mlpipe_alter_pipeline(
	name text,
	default_version integer DEFAULT NULL,
	run_as regrole DEFAULT NULL,
	enabled boolean DEFAULT NULL,
	owner regrole DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_alter_pipeline(text, integer, regrole, boolean, regrole)
	IS 'changes what is not null: the default version, the role that runs execute as, whether runs can be submitted, the owner';

CREATE FUNCTION @extschema@.mlpipe_set_version_status(name text, version integer, status text) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_set_version_status(text, integer, text)
	IS 'marks a version as active, deprecated (submitting it warns) or disabled (submitting it is an error)';

CREATE FUNCTION @extschema@.mlpipe_drop_pipeline(name text, force boolean DEFAULT false) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_drop_pipeline(text, boolean)
	IS 'drops a pipeline and keeps the history of its runs; force cancels those that are unfinished';

CREATE FUNCTION @extschema@.mlpipe_grant(pipeline text, grantee regrole) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_grant(text, regrole)
	IS 'lets a role submit, see and cancel runs of a pipeline';

CREATE FUNCTION @extschema@.mlpipe_revoke(pipeline text, grantee regrole) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_revoke(text, regrole)
	IS 'takes back what mlpipe_grant() gave';

-- The views ask it about each row, as the one who looks, so it stays open to
-- everyone.  It tells a role nothing but what that role may see.
CREATE FUNCTION mlpipe.may_see(pipeline_id integer, run_as oid, submitted_by oid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'mlpipe_may_see' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION mlpipe.may_see(integer, oid, oid)
	IS 'may the current user see this run? The filter of the views';

CREATE FUNCTION @extschema@.mlpipe_graph(
	name text,
	version integer DEFAULT NULL,
	format text DEFAULT 'mermaid',
	run_id bigint DEFAULT NULL) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_graph(text, integer, text, bigint)
	IS 'a pipeline''s graph as text for mermaid or dot, or as an svg; with run_id how that run stands';

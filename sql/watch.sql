-- Wait and watch -------------------------------------------------------------

CREATE FUNCTION @extschema@.mlpipe_wait(run_id bigint, timeout interval DEFAULT NULL) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.mlpipe_wait(bigint, interval)
	IS 'sleeps until a run ends, or the timeout passes, and returns its status';

CREATE PROCEDURE @extschema@.mlpipe_watch(run_id bigint)
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON PROCEDURE @extschema@.mlpipe_watch(bigint)
	IS 'tells as notices what happens in a run, until it ends; interrupting it does not stop the run';

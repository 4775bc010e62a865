-- Parallel steps -----------------------------------------------------------

-- Reads the mini-batch that the executor is working on; elsewhere it raises an
-- error.  It is not parallel safe: only the executor knows its mini-batch.
CREATE FUNCTION mlpipe.mini_batch_range(internal) RETURNS tsm_handler
	LANGUAGE C STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'mlpipe_mini_batch_range';
COMMENT ON FUNCTION mlpipe.mini_batch_range(internal) IS 'internal: table sampling method behind the relation mini_batch of parallel activities';

-- Parallel steps -------------------------------------------------------------

-- Reads the mini-batch that the executor is working on; elsewhere it raises an
-- error.  It is not parallel safe: only the executor knows its mini-batch.
CREATE FUNCTION mlpipe.mini_batch_range(internal) RETURNS tsm_handler
	AS 'MODULE_PATHNAME', 'mlpipe_mini_batch_range' LANGUAGE C STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION mlpipe.mini_batch_range(internal)
	IS 'internal: table sampling method behind the relation mini_batch of parallel activities';

-- The input "files": whoever may read files of the server may ask which there
-- are, which the function checks.
CREATE FUNCTION mlpipe.list_files(pattern text, OUT path text, OUT bytes bigint, OUT modified timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mlpipe_list_files' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 1000;
GRANT EXECUTE ON FUNCTION mlpipe.list_files(text) TO PUBLIC;
COMMENT ON FUNCTION mlpipe.list_files(text)
	IS 'internal: the files of the server that a pattern matches, in order of their names; for members of pg_read_server_files';

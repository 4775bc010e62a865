-- Reuse ----------------------------------------------------------------------
--
-- What the engine recognizes the content of a table by.

CREATE FUNCTION mlpipe.hash_rows_add(internal, VARIADIC "any") RETURNS internal
	AS 'MODULE_PATHNAME', 'mlpipe_hash_rows_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION mlpipe.hash_rows_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'mlpipe_hash_rows_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION mlpipe.hash_rows_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'mlpipe_hash_rows_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION mlpipe.hash_rows_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'mlpipe_hash_rows_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION mlpipe.hash_rows_finish(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'mlpipe_hash_rows_finish' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE mlpipe.hash_rows(VARIADIC "any") (
	SFUNC = mlpipe.hash_rows_add,
	STYPE = internal,
	SSPACE = 64,
	FINALFUNC = mlpipe.hash_rows_finish,
	COMBINEFUNC = mlpipe.hash_rows_combine,
	SERIALFUNC = mlpipe.hash_rows_serialize,
	DESERIALFUNC = mlpipe.hash_rows_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlpipe.hash_rows("any")
	IS 'internal: a hash of all rows with these columns, in whatever order they come';

CREATE FUNCTION @extschema@.mlpipe_explain_reuse(run_id bigint, activity text)
	RETURNS TABLE (part text, this_run text, earlier_run text, same boolean)
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_explain_reuse(bigint, text)
	IS 'why an activity was, or was not, done again: what it is recognized by, here and in the earlier run that it was compared with';

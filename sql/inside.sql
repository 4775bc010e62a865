-- Inside an activity ---------------------------------------------------------
--
-- Anyone may call these; outside an activity they raise an error or return
-- NULL.  They are the business of one process, hence never of a parallel worker.

CREATE FUNCTION @extschema@.mlpipe_run_id() RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.mlpipe_run_id()
	IS 'the run that this activity belongs to; NULL outside an activity';

CREATE FUNCTION @extschema@.mlpipe_activity_name() RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.mlpipe_activity_name()
	IS 'the name of this activity; NULL outside an activity';

CREATE FUNCTION @extschema@.mlpipe_parameter(name text) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.mlpipe_parameter(text)
	IS 'inside an activity: the value of a parameter of the run, as text';

CREATE FUNCTION @extschema@.mlpipe_context() RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.mlpipe_context()
	IS 'inside an activity: all that ${{ }} can read: parameters, variables, activities, run, trigger';

CREATE FUNCTION @extschema@.mlpipe_set_output(output jsonb) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.mlpipe_set_output(jsonb)
	IS 'inside an activity: sets what later activities read as activities.NAME.output';

CREATE FUNCTION @extschema@.mlpipe_set_variable(name text, value jsonb) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.mlpipe_set_variable(text, jsonb)
	IS 'inside an activity: sets a variable of the run, once the activity succeeds';

CREATE FUNCTION @extschema@.mlpipe_log(message text, level text DEFAULT 'info') RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.mlpipe_log(text, text)
	IS 'inside an activity: adds a line to mlpipe_logs, kept when the activity fails; level: debug, info, notice, warning, error';

CREATE FUNCTION @extschema@.mlpipe_log_metric(name text, value double precision, step bigint DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.mlpipe_log_metric(text, double precision, bigint)
	IS 'inside an activity: adds a row to mlpipe_metrics, kept when the activity fails';

CREATE FUNCTION @extschema@.mlpipe_item_failed(key text, message text) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.mlpipe_item_failed(text, text)
	IS 'inside a mini-batch: reports one item as failed, for error_threshold and mlpipe_errors';

CREATE FUNCTION @extschema@.mlpipe_progress(done bigint, total bigint DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.mlpipe_progress(bigint, bigint)
	IS 'inside an activity: shows how far it is, at once, in mlpipe_activities';

CREATE FUNCTION @extschema@.mlpipe_batch() RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.mlpipe_batch()
	IS 'inside a mini-batch: its number, its items, and its partition''s keys';

CREATE FUNCTION @extschema@.mlpipe_column(name text) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.mlpipe_column(text)
	IS 'inside a mini-batch of a parallel activity with "columns": a column of the partition as a buffer of little-endian float64, NULL as NaN';

-- Numbers to NumPy and back --------------------------------------------------

CREATE FUNCTION mlpipe.pack_add(internal, double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'mlpipe_pack_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION mlpipe.pack_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'mlpipe_pack_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION mlpipe.pack_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'mlpipe_pack_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION mlpipe.pack_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'mlpipe_pack_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION mlpipe.pack_finish(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'mlpipe_pack_finish' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE @extschema@.mlpipe_pack(double precision) (
	SFUNC = mlpipe.pack_add,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = mlpipe.pack_finish,
	COMBINEFUNC = mlpipe.pack_combine,
	SERIALFUNC = mlpipe.pack_serialize,
	DESERIALFUNC = mlpipe.pack_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.mlpipe_pack(double precision)
	IS 'the values as a buffer of little-endian float64, NULL as NaN; in Python: numpy.frombuffer(b)';

CREATE FUNCTION @extschema@.mlpipe_unpack(packed bytea) RETURNS SETOF double precision
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1000;
COMMENT ON FUNCTION @extschema@.mlpipe_unpack(bytea)
	IS 'the values of a buffer of little-endian float64, as mlpipe_pack or numpy''s tobytes() makes it';

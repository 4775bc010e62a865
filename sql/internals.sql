-- What the views are made of -------------------------------------------------
--
-- A view calls functions with the rights of the one who looks, so these are
-- open to everyone.  They tell a role nothing of runs that it may not see.

CREATE FUNCTION mlpipe.executor_slots(
	OUT pid integer, OUT role oid, OUT state text, OUT run_id bigint, OUT no integer,
	OUT attempt integer, OUT batch integer, OUT since timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mlpipe_executor_slots' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;

CREATE FUNCTION mlpipe.batches_in_hand(
	OUT run_id bigint, OUT no integer, OUT batch integer, OUT attempt integer,
	OUT pid integer, OUT since timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mlpipe_batches_in_hand' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;

CREATE FUNCTION mlpipe.work_of_run(
	run_id bigint,
	OUT no integer, OUT batches integer, OUT succeeded integer, OUT failed integer,
	OUT items bigint, OUT items_done bigint, OUT done bigint, OUT total bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mlpipe_work_of_run' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 2;

-- Not safe in parallel queries, so that nobody who watches takes worker processes
-- away from the executors.
CREATE FUNCTION mlpipe.facts(
	OUT loaded boolean, OUT in_recovery boolean, OUT enabled boolean, OUT scheduler_pid integer,
	OUT schedulers integer, OUT executors integer, OUT idle integer, OUT max_executors integer,
	OUT starved_since timestamptz, OUT home bigint, OUT looked_at timestamptz, OUT library_version text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'mlpipe_facts' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;

CREATE FUNCTION mlpipe.queue_position(run_id bigint, no integer) RETURNS integer
	AS 'MODULE_PATHNAME', 'mlpipe_queue_position' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

CREATE FUNCTION mlpipe.status_text(status anyenum) RETURNS text
	AS 'MODULE_PATHNAME', 'mlpipe_status_text' LANGUAGE C STABLE STRICT LEAKPROOF PARALLEL SAFE;

-- Others' processes show nobody but their pids to an ordinary user, so this
-- counts as the owner of the extension.
CREATE FUNCTION mlpipe.worker_processes() RETURNS integer
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	RETURN (SELECT pg_catalog.count(*)::integer
			FROM pg_catalog.pg_stat_get_activity(NULL) a
			WHERE a.backend_type OPERATOR(pg_catalog.<>) ALL
				('{client backend,autovacuum launcher,autovacuum worker,startup,archiver,logger,checkpointer,background writer,walreceiver,walsender,walwriter,walsummarizer,slotsync worker,io worker,standalone backend}'::text[]));

-- The following are written so that the planner can put their bodies into the
-- views: nothing in them is less than immutable.  Of NULL they make NULL.

CREATE FUNCTION mlpipe.elapsed(started timestamptz, ended timestamptz) RETURNS interval
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE WHEN ended OPERATOR(pg_catalog.<) started THEN interval '0'
		WHEN (ended OPERATOR(pg_catalog.-) started) OPERATOR(pg_catalog.>=) interval '1 minute'
		THEN pg_catalog.date_trunc('second', ended OPERATOR(pg_catalog.-) started)
		ELSE pg_catalog.date_trunc('milliseconds', ended OPERATOR(pg_catalog.-) started)
		END;

CREATE FUNCTION mlpipe.bar(share double precision) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN '[' OPERATOR(pg_catalog.||) pg_catalog.rpad(
		pg_catalog.repeat('#', pg_catalog.floor(share OPERATOR(pg_catalog.*) 10::double precision)::integer),
		10, '-') OPERATOR(pg_catalog.||) ']';

-- Forty places for a run's time: an activity begins at one and ends before
-- another, and takes one at least.
CREATE FUNCTION mlpipe.span_bar(first integer, last integer) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN pg_catalog.rpad(pg_catalog.repeat(' ', least(first, 39)) OPERATOR(pg_catalog.||)
		pg_catalog.repeat('#', greatest(last OPERATOR(pg_catalog.-) least(first, 39), 1)), 40);

CREATE FUNCTION mlpipe.ordinal(number integer) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN number::text OPERATOR(pg_catalog.||) CASE
		WHEN number OPERATOR(pg_catalog.%) 100 IN (11, 12, 13) THEN 'th'
		WHEN number OPERATOR(pg_catalog.%) 10 OPERATOR(pg_catalog.=) 1 THEN 'st'
		WHEN number OPERATOR(pg_catalog.%) 10 OPERATOR(pg_catalog.=) 2 THEN 'nd'
		WHEN number OPERATOR(pg_catalog.%) 10 OPERATOR(pg_catalog.=) 3 THEN 'rd'
		ELSE 'th' END;

-- This too, though no more than stable: a time within a day needs no date.
CREATE FUNCTION mlpipe.time_text(at timestamptz, looked_at timestamptz) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN pg_catalog.to_char(at, CASE
		WHEN at OPERATOR(pg_catalog.<) (looked_at OPERATOR(pg_catalog.+) interval '1 day') THEN 'HH24:MI:SS'
		ELSE 'YYYY-MM-DD HH24:MI:SS' END);

GRANT EXECUTE ON FUNCTION mlpipe.executor_slots(), mlpipe.batches_in_hand(), mlpipe.work_of_run(bigint),
	mlpipe.facts(), mlpipe.queue_position(bigint, integer), mlpipe.status_text(anyenum), mlpipe.worker_processes(),
	mlpipe.elapsed(timestamptz, timestamptz), mlpipe.bar(double precision),
	mlpipe.span_bar(integer, integer), mlpipe.ordinal(integer), mlpipe.time_text(timestamptz, timestamptz) TO PUBLIC;

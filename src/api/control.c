/*-------------------------------------------------------------------------
 *
 * control.c
 *	  Cancelling, suspending, resuming and purging runs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "api/argument.h"
#include "engine/create.h"
#include "engine/run_cache.h"
#include "engine/shmem.h"
#include "engine/stop.h"
#include "engine/wakeup.h"
#include "store/engine_mode.h"
#include "store/purge_store.h"
#include "store/reuse_store.h"
#include "store/run_store.h"
#include "mlpipe.h"

#define PURGE_AT_ONCE 10000
#define MAX_REASON    8192 /* bytes */

static char *reason_argument(const text *argument);
static bool is_negative(Interval *interval);

/*
 * mlpipe.start_scheduler() returns void: for CREATE EXTENSION, the first moment
 * at which anybody can be told that the server's configuration lacks something.
 */
PG_FUNCTION_INFO_V1(mlpipe_start_scheduler);
Datum
mlpipe_start_scheduler(PG_FUNCTION_ARGS)
{
	if (control == NULL)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("mlpipe was not loaded at server start, and cannot "
						"run pipelines"),
				 errhint("Add \"%s\" to \"%s\" and restart the server.",
						 LIBRARY_NAME, "shared_preload_libraries")));
	else
		wakeup_scheduler(ERRAND_START);
	PG_RETURN_VOID();
}

/* mlpipe_cancel(run_id bigint, reason text) returns boolean */
PG_FUNCTION_INFO_V1(mlpipe_cancel);
Datum
mlpipe_cancel(PG_FUNCTION_ARGS)
{
	RunRow *run = argument_run(fcinfo, 0);
	const char *reason = "the run was cancelled";

	if (!PG_ARGISNULL(1))
		reason = reason_argument(PG_GETARG_TEXT_PP(1));
	PG_RETURN_BOOL(run_stop(run->run_id, STOP_CANCELLED, reason, NULL) ||
				   run->status == RUN_CANCELLING);
}

/* The error of the run, and of each activity that is interrupted. */
static char *
reason_argument(const text *argument)
{
	char *reason = text_to_cstring(argument);

	if (strlen(reason) > MAX_REASON)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason is too long"),
				 errdetail("It has %zu bytes; %d is the limit.",
						   strlen(reason), MAX_REASON)));
	return reason;
}

/* mlpipe_suspend(run_id bigint) returns boolean */
PG_FUNCTION_INFO_V1(mlpipe_suspend);
Datum
mlpipe_suspend(PG_FUNCTION_ARGS)
{
	RunRow *run = argument_run(fcinfo, 0);
	EngineMode mode;
	bool changed;

	engine_mode_enter(&mode);
	changed = run_suspend(run->run_id);
	if (changed)
	{
		wakeup_suspend_steps(run->run_id, true);
		wakeup_run_event(run->run_id);
	}
	engine_mode_leave(&mode);
	PG_RETURN_BOOL(changed);
}

/*
 * mlpipe_resume(run_id bigint) returns boolean
 *
 * A run that a dump or a copied database brought along starts with this, too.
 * The refill finds what of it is ready, or was in progress; nothing is, while
 * the run waits for its time or for the concurrency of its pipeline.
 */
PG_FUNCTION_INFO_V1(mlpipe_resume);
Datum
mlpipe_resume(PG_FUNCTION_ARGS)
{
	RunRow *run = argument_run(fcinfo, 0);
	EngineMode mode;
	bool changed;

	shmem_require();
	engine_mode_enter(&mode);
	changed = run_adopt(run->run_id);
	changed |= run_resume(run->run_id);
	if (changed)
	{
		wakeup_suspend_steps(run->run_id, false);
		wakeup_run_event(run->run_id);
		wakeup_scheduler(ERRAND_ADMIT | ERRAND_REFILL);
	}
	engine_mode_leave(&mode);
	PG_RETURN_BOOL(changed);
}

/*
 * mlpipe_purge(older_than interval) returns bigint
 *
 * Of the runs that the caller could have submitted, or all for a superuser.
 */
PG_FUNCTION_INFO_V1(mlpipe_purge);
Datum
mlpipe_purge(PG_FUNCTION_ARGS)
{
	EngineMode mode;
	TimestampTz before;
	TimestampTz from = DT_NOBEGIN;
	Oid only_visible_to = superuser() ? InvalidOid : GetUserId();
	int64 purged = 0;
	int64 some;

	argument_require(fcinfo, 0, "age of the runs to purge");
	if (is_negative(PG_GETARG_INTERVAL_P(0)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("age of the runs to purge cannot be negative")));
	before = DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_mi_interval,
							TimestampTzGetDatum(GetCurrentTimestamp()),
							PG_GETARG_DATUM(0)));
	engine_mode_enter(&mode);
	do
	{
		CHECK_FOR_INTERRUPTS();
		some = runs_purge(&from, before, PURGE_AT_ONCE, only_visible_to);
		purged += some;
	} while (some == PURGE_AT_ONCE);
	if (purged > 0)
		table_hashes_clean();
	engine_mode_leave(&mode);
	PG_RETURN_INT64(purged);
}

static bool
is_negative(Interval *interval)
{
	Interval zero = {0};

	return DatumGetBool(DirectFunctionCall2(interval_lt,
											IntervalPGetDatum(interval),
											IntervalPGetDatum(&zero)));
}

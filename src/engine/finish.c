/*-------------------------------------------------------------------------
 *
 * finish.c
 *	  The end of an attempt at an activity, in the open transaction.
 *
 * Each function enters engine mode itself: its callers may be in the middle of
 * a user's session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "engine/finish.h"
#include "engine/guard.h"
#include "engine/slot.h"
#include "engine/stop.h"
#include "engine/wakeup.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"
#include "store/failure_store.h"
#include "store/run_store.h"
#include "store/stop_store.h"

/* Attempts that may die with their worker, whatever the retry policy says. */
#define MIN_LOST_ATTEMPTS 2

static bool advance_ours(const RunInfo *run, int32 no, EndResult result,
						 const ActivityRow *row, ActivityEnd end,
						 NextActivity *next);
static void require_ours(EndResult result, int64 run_id, int32 no);
static EndResult mark_failed(const RunInfo *run, const ActivityDef *def,
							 int32 no, int32 attempt, const Failure *failure,
							 ActivityRow *row);
static EndResult mark_failed_with(const RunInfo *run, const ActivityDef *def,
								  int32 no, int32 attempt,
								  const Failure *failure, Jsonb *output,
								  int64 items_in, int64 items_out,
								  ActivityRow *row);
static bool is_worth_retry(const ActivityDef *def, int32 attempt, int32 lost,
						   const Failure *failure);
static bool sqlstate_matches(const List *states, const char *sqlstate);
static int64 pause_before_retry(const RetryPolicy *retry, int32 retries);
static bool set_up_retry(const RunInfo *run, const ActivityDef *def, int32 no,
						 int32 attempt, int64 pause, bool lost);

bool
activity_succeed(const RunInfo *run, int32 no, int32 attempt, Jsonb *output,
				 int64 items_in, int64 items_out, NextActivity *next)
{
	EngineMode mode;
	EndResult result;
	ActivityRow row;
	bool ended;

	/* A user's SET TRANSACTION READ ONLY is over when the user's part is. */
	XactReadOnly = false;
	guard_share(run);
	engine_mode_enter(&mode);
	result = activity_end(run->run_id, no, attempt, ACTIVITY_SUCCEEDED, output,
						  NULL, items_in, items_out, &row);
	ended = advance_ours(run, no, result, &row, END_SUCCEEDED, next);
	engine_mode_leave(&mode);
	return ended;
}

bool
activity_fail(const RunInfo *run, int32 no, int32 attempt,
			  const Failure *failure, bool may_retry, NextActivity *next)
{
	const ActivityDef *def = run_activity(run, no);
	EngineMode mode;
	EndResult result;
	ActivityRow row;
	bool ended = false;
	int32 lost;

	guard_share(run);
	engine_mode_enter(&mode);
	failure_insert(run->run_id, no, attempt, failure);
	lost = activity_lost(run->run_id, no);
	if (!may_retry || !is_worth_retry(def, attempt, lost, failure) ||
		!set_up_retry(run, def, no, attempt,
					  pause_before_retry(&def->retry, attempt - lost), false))
	{
		result = mark_failed(run, def, no, attempt, failure, &row);
		ended = advance_ours(run, no, result, &row, END_FAILED, next);
	}
	engine_mode_leave(&mode);
	return ended;
}

bool
activity_fail_with(const RunInfo *run, int32 no, int32 attempt,
				   const Failure *failure, Jsonb *output, int64 items_in,
				   int64 items_out)
{
	EngineMode mode;
	EndResult result;
	ActivityRow row;
	bool ended;

	guard_share(run);
	engine_mode_enter(&mode);
	failure_insert(run->run_id, no, attempt, failure);
	result = mark_failed_with(run, run_activity(run, no), no, attempt, failure,
							  output, items_in, items_out, &row);
	ended = advance_ours(run, no, result, &row, END_FAILED, NULL);
	engine_mode_leave(&mode);
	return ended;
}

bool
activity_try_again(const RunInfo *run, int32 no, int32 attempt,
				   const Failure *failure)
{
	const ActivityDef *def = run_activity(run, no);
	EngineMode mode;
	int32 lost;
	bool again;

	engine_mode_enter(&mode);
	lost = activity_lost(run->run_id, no);
	again = is_worth_retry(def, attempt, lost, failure) &&
		activity_next_attempt(run->run_id, no, attempt,
							  pause_before_retry(&def->retry, attempt - lost));
	if (again)
		failure_insert(run->run_id, no, attempt, failure);
	engine_mode_leave(&mode);
	return again;
}

/*
 * Losing a worker is usually not the activity's fault, so it is tried again
 * even without a retry policy; but not for ever, as it might be.
 */
bool
activity_lose(const RunInfo *run, int32 no, int32 attempt,
			  const Failure *failure)
{
	const ActivityDef *def = run_activity(run, no);
	EngineMode mode;
	EndResult result;
	ActivityRow row;
	bool ended = false;
	bool is_last;

	guard_share(run);
	engine_mode_enter(&mode);
	is_last = strcmp(failure->sqlstate, SQLSTATE_MADE_WAY) != 0 &&
		activity_deaths(run->run_id, no) >=
			Max(def->retry.max_retries, MIN_LOST_ATTEMPTS);
	if (is_last || !set_up_retry(run, def, no, attempt, 0, true))
	{
		result = mark_failed(run, def, no, attempt, failure, &row);
		if (result != END_NOT_OURS)
		{
			failure_insert(run->run_id, no, attempt, failure);
			ended = advance_after_end(run, &row, END_FAILED,
									  result == END_MARKED_DETACHED, NULL);
		}
	}
	else
		failure_insert(run->run_id, no, attempt, failure);
	engine_mode_leave(&mode);
	return ended;
}

bool
activity_cancel(const RunInfo *run, int32 no, int32 attempt,
				const char *reason)
{
	EngineMode mode;
	EndResult result;
	ActivityRow row;
	bool ended;

	guard_share(run);
	engine_mode_enter(&mode);
	result = activity_end(run->run_id, no, attempt, ACTIVITY_CANCELLED, NULL,
						  reason, -1, -1, &row);
	ended = advance_ours(run, no, result, &row, END_CANCELLED, NULL);
	engine_mode_leave(&mode);
	return ended;
}

static EndResult
mark_failed(const RunInfo *run, const ActivityDef *def, int32 no,
			int32 attempt, const Failure *failure, ActivityRow *row)
{
	return mark_failed_with(run, def, no, attempt, failure, NULL, -1, -1, row);
}

static EndResult
mark_failed_with(const RunInfo *run, const ActivityDef *def, int32 no,
				 int32 attempt, const Failure *failure, Jsonb *output,
				 int64 items_in, int64 items_out, ActivityRow *row)
{
	if (!run->document->nested && failure_stops_run(run, def))
		activities_lock(run->run_id);
	return activity_end(run->run_id, no, attempt, ACTIVITY_FAILED, output,
						failure->message, items_in, items_out, row);
}

/* The attempt has to have been the one in progress. */
static bool
advance_ours(const RunInfo *run, int32 no, EndResult result,
			 const ActivityRow *row, ActivityEnd end, NextActivity *next)
{
	require_ours(result, run->run_id, no);
	return advance_after_end(run, row, end, result == END_MARKED_DETACHED,
							 next);
}

static void
require_ours(EndResult result, int64 run_id, int32 no)
{
	if (result == END_NOT_OURS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("activity %d of run " INT64_FORMAT
						" has been ended by another process",
						no, run_id)));
}

static bool
is_worth_retry(const ActivityDef *def, int32 attempt, int32 lost,
			   const Failure *failure)
{
	if (attempt - lost > def->retry.max_retries)
		return false;
	if (failure->interrupt == INTERRUPT_CANCEL ||
		failure->interrupt == INTERRUPT_RUN_TIMEOUT)
		return false;
	return def->retry.on == NIL ||
		sqlstate_matches(def->retry.on, failure->sqlstate);
}

/* By whole SQLSTATEs or their classes: "40001" or "40". */
static bool
sqlstate_matches(const List *states, const char *sqlstate)
{
	ListCell *cell;

	foreach(cell, states)
	{
		const char *state = lfirst(cell);

		if (strncmp(state, sqlstate, strlen(state)) == 0)
			return true;
	}
	return false;
}

static int64
pause_before_retry(const RetryPolicy *retry, int32 retries)
{
	double pause = retry->interval;
	double limit = retry->max_interval > 0 ? retry->max_interval :
											 365.0 * USECS_PER_DAY;
	int i;

	for (i = 1; i < retries && pause < limit; i++)
		pause *= retry->backoff;
	return (int64) Min(pause, limit);
}

static bool
set_up_retry(const RunInfo *run, const ActivityDef *def, int32 no,
			 int32 attempt, int64 pause, bool lost)
{
	TimestampTz due_at;
	WorkOrder order = work_order(run, no, def->no);

	if (!activity_requeue(run->run_id, no, attempt, pause, lost, &due_at))
		return false;
	if (due_at == 0)
		wakeup_ready(run->run_as, &order);
	else
		wakeup_at(due_at);
	wakeup_run_event(run->run_id);
	return true;
}

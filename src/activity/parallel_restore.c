/*-------------------------------------------------------------------------
 *
 * parallel_restore.c
 *	  The shared state of a parallel step, made from its tables.
 *
 * The same code serves a step that has just been split and one that a crash of
 * the server has interrupted.  Mini-batches with a final row are done; numbers
 * above the greatest one with any row have not been handed out; those between
 * are tried again.  What workers had in hand at a crash left no row, and comes
 * back as the same attempt, but with care (parallel_crash.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "activity/parallel_crash.h"
#include "engine/executor.h"
#include "engine/finish.h"
#include "engine/step.h"
#include "engine/wakeup.h"
#include "store/claim_store.h"
#include "store/engine_mode.h"
#include "store/run_store.h"

static int32 take_stock(const RunInfo *run, int32 no, Failure **failure);
static bool load_state(const RunInfo *run, int32 no, int32 in_hand,
					   StepState *state);
static void load_progress(const RunInfo *run, const StepRow *split,
						  int32 in_hand, StepState *state);
static void load_retries(const StepRow *split, int32 highest,
						 StepState *state);
static void end_idle(int64 run_id, int32 no, const Failure *failure);
static bool end_where_done(int64 run_id, int32 no, const Failure *failure);
static StepEnd try_to_end(int64 run_id, int32 no, const Failure *failure);

bool
parallel_publish(int64 run_id, int32 no)
{
	const RunInfo *run = run_info(run_id);
	StepState state;
	Failure *failure;
	EngineMode mode;
	int32 in_hand;
	bool found;

	if (run->document->problem != NULL)
		return end_where_done(run_id, no, NULL);
	engine_mode_enter(&mode);
	in_hand = take_stock(run, no, &failure);
	engine_mode_leave(&mode);
	if (end_where_done(run_id, no, failure))
		return true;
	engine_mode_enter(&mode);
	found = load_state(run, no, in_hand, &state);
	engine_mode_leave(&mode);
	return !found || step_publish(run->run_as, &state);
}

/* The highest mini-batch that was in hand when the server crashed. */
static int32
take_stock(const RunInfo *run, int32 no, Failure **failure)
{
	StepActivity activity;
	StepRow split;

	*failure = NULL;
	if (!step_activity(run->run_id, no, false, &activity) ||
		activity.status != ACTIVITY_IN_PROGRESS ||
		!step_load(run->run_id, no, &split))
		return 0;
	if (!crash_was_after(activity.started_at))
	{
		claims_forget(run->run_id, no);
		return 0;
	}
	return crash_take_stock(&split, run_activity(run, no)->config, failure);
}

/* False if there is nothing to publish. */
static bool
load_state(const RunInfo *run, int32 no, int32 in_hand, StepState *state)
{
	const ActivityDef *def = run_activity(run, no);
	const ParallelConfig *config = def->config;
	StepActivity activity;
	StepRow split;
	Snapshot snapshot;

	if (!step_activity(run->run_id, no, false, &activity) ||
		activity.status != ACTIVITY_IN_PROGRESS ||
		!step_load(run->run_id, no, &split))
		return false;
	memset(state, 0, sizeof(*state));
	state->order.run_priority = run->priority;
	state->order.run_id = run->run_id;
	state->order.priority = def->priority;
	state->order.no = no;
	state->order.activity_no = def->no;
	state->batches = split.batches;
	state->max_workers = config->max_workers;
	snapshot = parallel_load_snapshot(run->run_id, no);
	state->snapshot_xmin = snapshot != NULL ? snapshot->xmin :
											  InvalidTransactionId;
	state->started_at = activity.started_at;
	state->last_batch_at = GetCurrentTimestamp();
	if (state->started_at > state->last_batch_at)
		state->last_batch_at = state->paused_until = state->started_at;
	if (def->timeout > 0)
		state->deadline = activity.started_at + def->timeout;
	state->first_batch_timeout = config->first_batch_timeout;
	state->progress_timeout = config->progress_timeout;
	state->suspended = run_load(run->run_id, false)->status == RUN_SUSPENDED;
	state->attempts_before = split.attempts_before;
	load_progress(run, &split, in_hand, state);
	state->careful = crash_was_lately();
	if (crash_was_after(activity.started_at))
	{
		state->careful = true;
		state->alone = true;
		state->nsuspects = state->nretries;
	}
	return true;
}

static void
load_progress(const RunInfo *run, const StepRow *split, int32 in_hand,
			  StepState *state)
{
	const ParallelConfig *config = run_activity(run, split->no)->config;
	BatchTotals totals;
	int32 highest;

	batch_totals(split->run_id, split->no, config->compare_items, &totals);
	state->succeeded = totals.succeeded;
	state->failed = totals.failed;
	state->retried = totals.retried;
	state->items = totals.items;
	state->items_done = totals.items - totals.items_failed;
	highest = Max(totals.highest, in_hand);
	state->next_batch = highest + 1;
	if (highest > 0)
	{
		state->first_batch_at = state->started_at;
		load_retries(split, highest, state);
	}
}

static void
load_retries(const StepRow *split, int32 highest, StepState *state)
{
	List *missing = batch_missing(split->run_id, split->no, highest,
								  split->attempts_before, NULL, 0,
								  MAX_STEP_RETRIES + 1);
	ListCell *cell;

	foreach(cell, missing)
	{
		BatchAttempt *batch = lfirst(cell);

		if (state->nretries == MAX_STEP_RETRIES)
		{
			state->rescan = true;
			break;
		}
		state->retry_batches[state->nretries] = batch->batch;
		state->retry_attempts[state->nretries] = batch->attempt;
		state->nretries++;
	}
}

/* A crash may have come between the last mini-batch and the step's end. */
static bool
end_where_done(int64 run_id, int32 no, const Failure *failure)
{
	StepEnd end = try_to_end(run_id, no, failure);

	return end != STEP_UNFINISHED && end != STEP_TRIED_AGAIN;
}

static StepEnd
try_to_end(int64 run_id, int32 no, const Failure *failure)
{
	StepEnd end = parallel_end(run_id, no, failure, true);

	if (end == STEP_ENDED_RUN)
		ForceSyncCommit();
	return end;
}

void
parallel_restart(int64 run_id, int32 no)
{
	StepActivity activity;
	StepState state;
	EngineMode mode;
	bool found;

	/* Locked, so that whoever stops the run stops the step after this. */
	engine_mode_enter(&mode);
	found = step_activity(run_id, no, true, &activity) && !activity.detached &&
		load_state(run_info(run_id), no, 0, &state);
	engine_mode_leave(&mode);
	if (found)
		step_restart(&state);
}

void
parallel_time_out(int64 run_id, int32 no, StepOverdue why)
{
	static const WatchAlarm alarms[] = {[STEP_IN_TIME] = WATCH_NONE,
										[STEP_TIMED_OUT] = WATCH_STEP,
										[STEP_STALLED] = WATCH_STALLED,
										[STEP_NOT_STARTED] = WATCH_UNSTARTED};
	const RunInfo *run = run_info(run_id);
	Failure *failure = NULL;

	if (run->document->problem == NULL)
		failure = timeout_failure(CurrentMemoryContext, run_activity(run, no),
								  alarms[why], NULL, 0);
	end_idle(run_id, no, failure);
}

void
parallel_end_idle(int64 run_id, int32 no)
{
	end_idle(run_id, no, NULL);
}

/*
 * Another attempt is in the tables when this has committed.  The step is
 * stopping until then, so the next sweep finds it and lets it go on.
 */
static void
end_idle(int64 run_id, int32 no, const Failure *failure)
{
	switch (try_to_end(run_id, no, failure))
	{
		case STEP_TRIED_AGAIN:
			wakeup_scheduler(ERRAND_SWEEP);
			break;
		case STEP_UNFINISHED:
			/* Whoever stopped it died before saying why, or began it again. */
			parallel_restart(run_id, no);
			break;
		default:
			wakeup_remove_step(run_id, no);
			break;
	}
}

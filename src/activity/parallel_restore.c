/*-------------------------------------------------------------------------
 *
 * parallel_restore.c
 *	  The shared state of a parallel step, made from its tables.
 *
 * One way serves a step that has just been split and one that a crash of the
 * server found in the middle.  Mini-batches with a final row are done; numbers
 * above the greatest one with any row have not been handed out; those between
 * are tried again.  What workers had in their hands at a crash left no row, and
 * comes back as the same attempt.
 *
 * XXX So a mini-batch that takes the whole server down is never given up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "activity/parallel.h"
#include "engine/executor.h"
#include "engine/finish.h"
#include "engine/step.h"
#include "engine/wakeup.h"
#include "store/engine_mode.h"
#include "store/run_store.h"

static bool load_state(const RunInfo *run, int32 no, StepState *state);
static void load_progress(const RunInfo *run, const StepRow *split,
						  StepState *state);
static void load_retries(const StepRow *split, int32 highest,
						 StepState *state);
static bool end_where_done(int64 run_id, int32 no);

bool
parallel_publish(int64 run_id, int32 no)
{
	const RunInfo *run = run_info(run_id);
	StepState state;
	EngineMode mode;
	bool found;

	if (run->document->problem != NULL)
		return end_where_done(run_id, no);
	if (end_where_done(run_id, no))
		return true;
	engine_mode_enter(&mode);
	found = load_state(run, no, &state);
	engine_mode_leave(&mode);
	return !found || step_publish(run->run_as, &state);
}

/* False where there is nothing to publish. */
static bool
load_state(const RunInfo *run, int32 no, StepState *state)
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
	state->suspended = run_load(run->run_id, false)->status == RUN_SUSPENDED;
	state->attempts_before = split.attempts_before;
	load_progress(run, &split, state);
	return true;
}

static void
load_progress(const RunInfo *run, const StepRow *split, StepState *state)
{
	const ParallelConfig *config = run_activity(run, split->no)->config;
	BatchTotals totals;

	batch_totals(split->run_id, split->no, config->compare_items, &totals);
	state->succeeded = totals.succeeded;
	state->failed = totals.failed;
	state->retried = totals.retried;
	state->items = totals.items;
	state->items_done = totals.items - totals.items_failed;
	state->next_batch = totals.highest + 1;
	if (totals.highest > 0)
	{
		state->first_batch_at = state->started_at;
		state->last_batch_at = GetCurrentTimestamp();
		load_retries(split, totals.highest, state);
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
end_where_done(int64 run_id, int32 no)
{
	int64 pause;
	StepEnd end = parallel_end(run_id, no, NULL, &pause);

	if (end == STEP_ENDED_RUN)
		ForceSyncCommit();
	return end != STEP_UNFINISHED && end != STEP_TRIED_AGAIN;
}

void
parallel_restart(int64 run_id, int32 no)
{
	StepActivity activity;
	StepState state;
	EngineMode mode;
	bool found;

	/* Locked, so that who stops the run meanwhile stops the step after this. */
	engine_mode_enter(&mode);
	found = step_activity(run_id, no, true, &activity) && !activity.detached &&
		load_state(run_info(run_id), no, &state);
	engine_mode_leave(&mode);
	if (found)
		step_restart(&state);
}

void
parallel_end_idle(int64 run_id, int32 no)
{
	if (end_where_done(run_id, no))
		wakeup_remove_step(run_id, no);
	else
		/* Whoever stopped it died before saying why. */
		parallel_restart(run_id, no);
}

/*-------------------------------------------------------------------------
 *
 * stop.c
 *	  Stopping a run before its natural end: cancel, timeout, fail_fast.
 *
 * What is in progress cannot be marked as ended by anybody but its executor.
 * So it is detached: its end no longer makes others ready, it only counts the
 * run's own end down.  The locks are those of advance.c, in the same order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "engine/guard.h"
#include "engine/run_cache.h"
#include "engine/run_end.h"
#include "engine/stop.h"
#include "engine/wakeup.h"
#include "store/admission_store.h"
#include "store/engine_mode.h"
#include "store/run_store.h"
#include "store/stop_store.h"

static bool is_stopped(const RunRow *run);
static RunStatus final_status(StopCause cause);
static Interrupt interrupt_for(StopCause cause);

bool
run_adopt(int64 run_id)
{
	EngineMode mode;
	bool adopted;
	int32 cancelled;

	engine_mode_enter(&mode);
	adopted = run_take_home(run_id);
	if (adopted)
	{
		cancelled = activities_abandon(run_id);
		if (cancelled > 0 && !run_count_down(run_id, cancelled))
			(void) run_finish(run_id, cancelled);
		wakeup_run_event(run_id);
		wakeup_scheduler(ERRAND_ADMIT | ERRAND_REFILL);
	}
	engine_mode_leave(&mode);
	return adopted;
}

bool
run_stop(int64 run_id, StopCause cause, const char *reason, bool *ended)
{
	EngineMode mode;
	RunRow *run;
	int32 detached = 0;
	bool stopped = false;

	engine_mode_enter(&mode);
	(void) run_adopt(run_id);
	run = run_load(run_id, false);
	if (run != NULL && !is_stopped(run))
	{
		guard_alone(run_info(run_id));
		detached = activities_stop(run_id);
		run = run_load(run_id, true);

		/* Somebody else may have stopped it while we waited for its rows. */
		stopped = run != NULL && !is_stopped(run);
	}
	if (stopped)
	{
		run_stopping(run_id, final_status(cause), reason, detached);
		wakeup_interrupt(run_id, -1, interrupt_for(cause));
		wakeup_run_event(run_id);
		if (run_info(run_id)->document->has_children)
			wakeup_scheduler(ERRAND_STOP);
		if (detached == 0)
			(void) run_finish(run_id, 0);
	}
	engine_mode_leave(&mode);

	if (ended != NULL)
		*ended = stopped && detached == 0;
	return stopped;
}

static bool
is_stopped(const RunRow *run)
{
	return run_status_is_final(run->status) || run->status == RUN_CANCELLING;
}

static RunStatus
final_status(StopCause cause)
{
	return cause == STOP_CANCELLED ? RUN_CANCELLED : RUN_FAILED;
}

static Interrupt
interrupt_for(StopCause cause)
{
	return cause == STOP_TIMEOUT ? INTERRUPT_RUN_TIMEOUT : INTERRUPT_CANCEL;
}

void
run_cancel_all_of_pipeline(int32 pipeline_id, const char *reason)
{
	EngineMode mode;
	List *runs;
	ListCell *cell;

	engine_mode_enter(&mode);
	runs = runs_unfinished(pipeline_id, false);
	foreach(cell, runs)
		(void) run_stop(*(int64 *) lfirst(cell), STOP_CANCELLED, reason, NULL);
	engine_mode_leave(&mode);
}

/*-------------------------------------------------------------------------
 *
 * due.c
 *	  What time causes: runs whose time to start or to be over has come,
 *	  retries, waits, and old runs that need not be kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "activity/activity.h"
#include "engine/container.h"
#include "engine/create.h"
#include "engine/finish.h"
#include "engine/postpone.h"
#include "engine/run_end.h"
#include "engine/scheduler.h"
#include "engine/session.h"
#include "engine/stop.h"
#include "engine/wakeup.h"
#include "mlpipe.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"
#include "store/purge_store.h"
#include "store/ready_store.h"
#include "store/reuse_store.h"
#include "store/run_store.h"

#define DUE_AT_ONCE   1000
#define DUE_PASS_MS   1000
#define PURGE_AT_ONCE 200

/* The runs, or the activities, whose time has come. */
typedef struct DueWork
{
	List *(*list)(const DueRow *after, int limit);
	void (*handle)(void *row);
	DueRow last; /* that was looked at; what comes after it is next */
	List *rows;
} DueWork;

typedef struct Purge
{
	TimestampTz from;
	TimestampTz finished_before;
	int64 purged;
} Purge;

static void work_through(DueWork *work);
static void list_due(void *arg);
static void handle_row(const DueWork *work, DueRow *row);
static bool try_to_handle(const DueWork *work, DueRow *row);
static void hand_over(void *arg);
static void run_is_due(void *arg);
static void activity_is_due(void *arg);
static bool still_waits(const DueRow *row);
static void start_again(const RunInfo *run, const DueRow *row);
static void look_again(const RunInfo *run, const DueRow *row);
static bool fail_waiting(const RunInfo *run, const DueRow *row);
static void look_up(void *arg);
static void purge_some(void *arg);

static DueWork due_runs = {.list = runs_due,
						   .handle = run_is_due,
						   .last = {.due_at = DT_NOBEGIN}};
static DueWork due_activities = {.list = activities_due,
								 .handle = activity_is_due,
								 .last = {.due_at = DT_NOBEGIN}};

void
handle_due(void)
{
	TimestampTz next_due;

	control_lock_shared();
	next_due = database_find(MyDatabaseId)->next_due;
	control_unlock();
	if (next_due == 0 || next_due > GetCurrentTimestamp())
		return;
	work_through(&due_runs);
	work_through(&due_activities);
}

/*
 * Each has a transaction of its own, so one that fails does not hold up others.
 * Nor do very many of them hold up other work: after some time that has its
 * turn, and then this goes on where it stopped.
 */
static void
work_through(DueWork *work)
{
	TimestampTz stop_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													  DUE_PASS_MS);
	ListCell *cell;

	do
	{
		if (!try_in_transaction(list_due, work))
			return;
		foreach(cell, work->rows)
		{
			if (GetCurrentTimestamp() > stop_at)
				return;
			work->last = *(DueRow *) lfirst(cell);
			handle_row(work, lfirst(cell));
		}
	} while (list_length(work->rows) == DUE_AT_ONCE);
	work->last = (DueRow){.due_at = DT_NOBEGIN};
}

static void
list_due(void *arg)
{
	DueWork *work = arg;
	EngineMode mode;

	engine_mode_enter(&mode);
	work->rows = work->list(&work->last, DUE_AT_ONCE);
	engine_mode_leave(&mode);
}

static void
handle_row(const DueWork *work, DueRow *row)
{
	if (run_is_postponed(row->run_id))
		return;
	if (try_to_handle(work, row))
		run_postpone_end(row->run_id);
	else
		run_postpone(row->run_id);
}

/*
 * Working out a run's output takes as long as its author likes.  If the end of
 * a wait leads to that, an executor of the run's role can do both.
 */
static bool
try_to_handle(const DueWork *work, DueRow *row)
{
	bool done = try_in_transaction(work->handle, row);

	run_output_refuse(false);
	return done ||
		(run_output_was_refused() && try_in_transaction(hand_over, row));
}

static void
hand_over(void *arg)
{
	DueRow *row = arg;

	look_again(run_info(row->run_id), row);
}

static void
run_is_due(void *arg)
{
	DueRow *row = arg;
	const RunInfo *run = run_info(row->run_id);
	EngineMode mode;

	if (!row->queued)
	{
		(void)
			run_stop(row->run_id, STOP_TIMEOUT,
					 psprintf("the run took longer than its timeout of %g s",
							  run->document->timeout / (double) USECS_PER_SEC),
					 NULL);
		return;
	}
	engine_mode_enter(&mode);
	run_clear_due(row->run_id);
	if (run->document->concurrency > 0)
		wakeup_scheduler(ERRAND_ADMIT);
	else
		run_push_ready(row->run_id);
	engine_mode_leave(&mode);
}

static void
activity_is_due(void *arg)
{
	DueRow *row = arg;
	const RunInfo *run = run_info(row->run_id);
	const ActivityDef *def = &run->document->activities[row->activity_no];

	if (row->queued && !def->active)
	{
		if (advance_inactive(run, row->no))
			ForceSyncCommit();
		return;
	}
	if (row->queued)
	{
		start_again(run, row);
		return;
	}
	if (!still_waits(row))
		return;
	switch (activity_type(def)->when_due)
	{
		case DUE_SUCCEEDS:
			run_output_refuse(!row->times_out);
			if (row->times_out ? fail_waiting(run, row) :
								 activity_succeed(run, row->no, row->attempt,
												  NULL, -1, -1, NULL))
				ForceSyncCommit();
			break;
		case DUE_LOOKS_AGAIN:
			look_again(run, row);
			break;
		case DUE_TIMES_OUT:
			if (container_time_out(run, row->no, row->attempt))
				ForceSyncCommit();
			break;
	}
}

/* It may have been cancelled since the list was made, or its container ended. */
static bool
still_waits(const DueRow *row)
{
	EngineMode mode;
	ActivityRow *now;

	engine_mode_enter(&mode);
	now = activity_load(row->run_id, row->no);
	engine_mode_leave(&mode);
	return now != NULL && now->status == ACTIVITY_IN_PROGRESS && now->parked &&
		now->attempt == row->attempt;
}

static void
start_again(const RunInfo *run, const DueRow *row)
{
	WorkOrder order = work_order(run, row->no, row->activity_no);
	EngineMode mode;

	engine_mode_enter(&mode);
	activity_clear_due(row->run_id, row->no);
	engine_mode_leave(&mode);
	wakeup_ready(run->run_as, &order);
}

/* No code of a user runs here: an executor takes the activity up again. */
static void
look_again(const RunInfo *run, const DueRow *row)
{
	WorkOrder order = work_order(run, row->no, row->activity_no);
	EngineMode mode;

	engine_mode_enter(&mode);
	if (activity_resume(row->run_id, row->no, row->attempt))
		wakeup_ready(run->run_as, &order);
	engine_mode_leave(&mode);
}

static bool
fail_waiting(const RunInfo *run, const DueRow *row)
{
	double timeout = run->document->activities[row->activity_no].timeout /
		(double) USECS_PER_SEC;
	Failure *failure =
		failure_create(CurrentMemoryContext, "57014",
					   psprintf("timeout: the attempt took longer than %g s",
								timeout),
					   NULL, NULL);

	return activity_fail(run, row->no, row->attempt, failure, true, NULL);
}

TimestampTz
look_up_next_due(void)
{
	TimestampTz due = 0;

	(void) try_in_transaction(look_up, &due);
	return due;
}

static void
look_up(void *arg)
{
	EngineMode mode;

	engine_mode_enter(&mode);
	*(TimestampTz *) arg = run_next_due();
	engine_mode_leave(&mode);
}

/*
 * A few at a time, each time in a transaction of its own: nothing else waits
 * for a million of them.
 */
bool
purge_old_runs(void)
{
	static Purge purge = {.from = DT_NOBEGIN};
	bool more;

	purge.finished_before = GetCurrentTimestamp() -
		mlpipe_retention * USECS_PER_SEC;
	more = try_in_transaction(purge_some, &purge) &&
		purge.purged == PURGE_AT_ONCE;
	if (!more)
		purge.from = DT_NOBEGIN;
	return more;
}

static void
purge_some(void *arg)
{
	Purge *purge = arg;
	EngineMode mode;

	engine_mode_enter(&mode);
	purge->purged = runs_purge(&purge->from, purge->finished_before,
							   PURGE_AT_ONCE, InvalidOid);
	if (purge->purged > 0)
		table_hashes_clean();
	engine_mode_leave(&mode);
}

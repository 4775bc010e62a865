/*-------------------------------------------------------------------------
 *
 * child.c
 *	  Child runs, and the activities that wait for them.
 *
 * A child's end takes its parent's rows after its own.  So a parent never goes
 * for its children's: those that nobody waits for any more are stopped by the
 * scheduler, in a transaction of their own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "activity/output.h"
#include "engine/child.h"
#include "engine/container.h"
#include "engine/guard.h"
#include "engine/postpone.h"
#include "engine/run_cache.h"
#include "engine/scheduler.h"
#include "engine/stop.h"
#include "store/engine_mode.h"
#include "store/failure_store.h"
#include "store/stop_store.h"

static ActivityRow *lock_parent(const RunInfo *parent, int32 no);
static void skip_parent(const RunInfo *parent, const ActivityRow *row);
static Failure *child_failure(int64 run_id, RunStatus status,
							  const char *error);
static void stop_again(void);
static void list_runs(void *arg);
static void stop_one(void *arg);

void
child_ended(const RunRow *run, RunStatus status, Jsonb *output,
			const char *error)
{
	const RunInfo *parent;
	ActivityRow *row;

	if (run_load(run->parent_run_id, false) == NULL)
		return;
	parent = run_info(run->parent_run_id);
	guard_share(parent);
	row = lock_parent(parent, run->parent_no);

	/* It may be cancelled, or wait for the child of another attempt by now. */
	if (row == NULL || row->status != ACTIVITY_IN_PROGRESS || !row->parked ||
		row->attempt != run->parent_attempt)
		return;
	switch (status)
	{
		case RUN_SUCCEEDED:
			(void) activity_succeed(parent, row->no, row->attempt,
									child_output(run->run_id, status, output),
									-1, -1, NULL);
			break;
		case RUN_SKIPPED:
			skip_parent(parent, row);
			break;
		case RUN_FAILED:
		case RUN_CANCELLED:
		case RUN_QUEUED:
		case RUN_IN_PROGRESS:
		case RUN_CANCELLING:
		case RUN_SUSPENDED:
			(void) activity_fail(parent, row->no, row->attempt,
								 child_failure(run->run_id, status, error),
								 true, NULL);
			break;
	}
}

/*
 * Whoever is cancelling the parent has locked its row.  What comes of that has
 * to be known before the end is marked: to find the activity ended only then
 * would undo the end of the child, and the work of its last activity.
 */
static ActivityRow *
lock_parent(const RunInfo *parent, int32 no)
{
	/* A failure that stops the run is to have all rows locked in their order. */
	if (parent->document->fail_fast && !parent->document->nested)
		activities_lock(parent->run_id);
	return activity_lock(parent->run_id, no);
}

static void
skip_parent(const RunInfo *parent, const ActivityRow *row)
{
	ActivityRow ended;

	if (activity_end(parent->run_id, row->no, row->attempt, ACTIVITY_SKIPPED,
					 NULL, NULL, -1, -1, &ended) != END_NOT_OURS)
		(void) advance_after_end(parent, &ended, END_SKIPPED, false, NULL);
}

static Failure *
child_failure(int64 run_id, RunStatus status, const char *error)
{
	char *sqlstate = status == RUN_FAILED ? failure_first_sqlstate(run_id) :
											NULL;

	return failure_create(CurrentMemoryContext,
						  sqlstate != NULL ? sqlstate : "P0001",
						  error != NULL ?
							  error :
							  psprintf("run " INT64_FORMAT " ended %s", run_id,
									   run_status_name(status)),
						  psprintf("It is the child run " INT64_FORMAT
								   " that %s.",
								   run_id,
								   status == RUN_CANCELLED ? "was cancelled" :
															 "failed"),
						  NULL);
}

bool
stop_runs(void)
{
	List *runs = NIL;
	ListCell *cell;

	if (!try_in_transaction(list_runs, &runs))
		return false;
	foreach(cell, runs)
	{
		StopRow *row = lfirst(cell);

		if (run_is_postponed(row->run_id))
			stop_again();
		else if (try_in_transaction(stop_one, row))
			run_postpone_end(row->run_id);
		else
		{
			run_postpone(row->run_id);
			stop_again();
		}
	}
	return true;
}

/* Somebody has it locked. */
static void
stop_again(void)
{
	control_lock();
	database_find(MyDatabaseId)->stop = true;
	control_unlock();
}

Jsonb *
child_output(int64 run_id, RunStatus status, Jsonb *value)
{
	JsonbValue null = {.type = jbvNull};
	Output output;

	output_begin(&output);
	output_count(&output, "run_id", run_id);
	output_text(&output, "status", run_status_name(status));
	output_json(&output, "output",
				value != NULL ? value : JsonbValueToJsonb(&null));
	return output_end(&output);
}

static void
list_runs(void *arg)
{
	EngineMode mode;

	engine_mode_enter(&mode);
	*(List **) arg = runs_to_stop();
	engine_mode_leave(&mode);
}

static void
stop_one(void *arg)
{
	StopRow *row = arg;
	bool ended;

	(void) run_stop(row->run_id,
					row->stop_status == RUN_CANCELLED ? STOP_CANCELLED :
														STOP_FAIL_FAST,
					row->reason, &ended);
	if (ended)
		ForceSyncCommit();
}

/*-------------------------------------------------------------------------
 *
 * parallel_leave.c
 *	  How a worker leaves a parallel step, and the last one ends it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "activity/parallel_monitor.h"
#include "activity/parallel_worker.h"
#include "engine/executor.h"
#include "engine/finish.h"
#include "engine/journal.h"
#include "engine/lineage.h"
#include "engine/reuse.h"
#include "engine/session.h"
#include "engine/slot.h"
#include "engine/step.h"
#include "store/engine_mode.h"

#define MAX_END_ATTEMPTS 3

static void wait_for_others(ParallelWorker *worker);
static void run_shutdown(ParallelWorker *worker);
static bool shutdown_transaction(ParallelWorker *worker);
static bool write_samples(ParallelWorker *worker);
static bool write_lineage(ParallelWorker *worker);
static void end_activity(ParallelWorker *worker);
static bool restart(ParallelWorker *worker);
static Failure *try_to_end(ParallelWorker *worker);
static bool end_transaction(ParallelWorker *worker);
static void leave_end_to_scheduler(const ParallelWorker *worker,
								   const Failure *failure);

void
parallel_leave(ParallelWorker *worker)
{
	bool last;

	slot_leave_step();
	if ((worker->failure != NULL || worker->exceeded) &&
		step_stop(worker->step))
		wait_for_others(worker);
	run_shutdown(worker);
	if (monitor_has_samples())
		(void) parallel_in_transaction(worker, write_samples);
	monitor_stop();
	if (worker->call != NULL &&
		(lineage_entries() != NIL || worker->call->def->reuse))
		(void) parallel_in_transaction(worker, write_lineage);
	last = step_leave(worker->step);
	if (worker->gone)
		step_remove(worker->order.run_id, worker->order.no);
	else if (last)
		end_activity(worker);
}

/* A cancel that comes here was meant for a statement that is over. */
static void
wait_for_others(ParallelWorker *worker)
{
	volatile bool done = false;

	while (!done)
	{
		PG_TRY();
		{
			step_wait_for_others(worker->step);
			done = true;
		}
		PG_CATCH();
		{
			(void) failure_catch(worker->scratch);
		}
		PG_END_TRY();
	}
}

/* Whatever happens in it, the step ends as it would have ended. */
static void
run_shutdown(ParallelWorker *worker)
{
	Failure *failure;
	WatchLimits limits = {0};
	WatchAlarm alarm;

	if (worker->shutdown_text == NULL || !worker->initialized)
		return;
	limits.batch_timeout = worker->config->overhead_timeout;
	watch_start(&limits);
	failure = parallel_in_transaction(worker, shutdown_transaction);
	alarm = watch_stop();
	if (failure == NULL)
		return;
	if (alarm != WATCH_NONE && failure->interrupt == INTERRUPT_NONE)
		failure = timeout_failure(worker->context, worker->call->def, alarm,
								  "it", limits.batch_timeout);
	call_log(WARNING, psprintf("\"shutdown\" failed: %s", failure->message));
	(void) parallel_in_transaction(worker, parallel_write_journal);
}

static bool
shutdown_transaction(ParallelWorker *worker)
{
	StatementResult result;

	journal_capture_start();
	lineage_start();
	statement_run(worker->shutdown_text, NULL, &result);
	lineage_stop();
	journal_capture_stop();
	return parallel_write_journal(worker);
}

static bool
write_samples(ParallelWorker *worker)
{
	EngineMode mode;

	engine_mode_enter(&mode);
	monitor_write(worker->order.run_id, worker->order.no);
	engine_mode_leave(&mode);
	return false;
}

static bool
write_lineage(ParallelWorker *worker)
{
	lineage_write(worker->order.run_id, worker->order.no);
	if (worker->call->def->reuse)
		reuse_step_seen(worker->call);
	return false;
}

bool
parallel_write_journal(ParallelWorker *worker)
{
	journal_write(worker->order.run_id, worker->order.no, 0);
	journal_reset();
	return false;
}

static void
end_activity(ParallelWorker *worker)
{
	int32 attempt = worker->call != NULL ? worker->call->attempt : 0;
	Failure *failure;

	/* Still at work for the activity, though not in the step any more. */
	slot_work_on(&worker->order, attempt, NULL);
	failure = try_to_end(worker);
	if (failure == NULL && worker->end == STEP_TRIED_AGAIN)
		failure = parallel_in_transaction(worker, restart);
	else if (failure == NULL && worker->end == STEP_UNFINISHED)
		step_reopen(worker->step);
	else if (failure == NULL)
		step_remove(worker->order.run_id, worker->order.no);
	if (failure != NULL)
		leave_end_to_scheduler(worker, failure);
}

static bool
restart(ParallelWorker *worker)
{
	parallel_restart(worker->order.run_id, worker->order.no);
	return false;
}

static Failure *
try_to_end(ParallelWorker *worker)
{
	Failure *failure = NULL;
	int i;

	for (i = 0; i < MAX_END_ATTEMPTS; i++)
	{
		failure = parallel_in_transaction(worker, end_transaction);
		if (failure == NULL)
			break;
	}
	return failure;
}

static bool
end_transaction(ParallelWorker *worker)
{
	worker->end = parallel_end(worker->order.run_id, worker->order.no,
							   worker->failure, true);
	return worker->end == STEP_ENDED_RUN ||
		(worker->call != NULL &&
		 worker->call->document->durability == DURABILITY_ACTIVITY);
}

static void
leave_end_to_scheduler(const ParallelWorker *worker, const Failure *failure)
{
	DatabaseState *database;

	ereport(LOG,
			(errmsg("could not end activity %d of run " INT64_FORMAT ": %s",
					worker->order.no, worker->order.run_id,
					failure->message)));
	control_lock();
	database = database_find(MyDatabaseId);
	if (database != NULL)
	{
		database->sweep = true;
		scheduler_wake(database);
	}
	control_unlock();
}

/*-------------------------------------------------------------------------
 *
 * parallel_work.c
 *	  A worker's way through a parallel step.
 *
 *		join -> load -> init -> plan -> mini-batches -> shutdown -> leave
 *
 * A worker joins while the step hands out mini-batches, and leaves when there
 * are none to be had, when better work waits, or when the step is stopping.
 *
 * A process runs init and shutdown of a step once.  The session is reset before
 * other work, so that this does not find what init has left; and init cannot be
 * run again, as the language that it is written in keeps variables of its own.
 * So a worker that has run init stays while others may give mini-batches back,
 * as long as nothing else waits; and one that had to leave does not come back:
 * it ends, and a new process takes its place.
 *
 * The last worker to leave ends the activity.  A worker that finds that the
 * step has failed stops it, waits for the others, whose statements are
 * interrupted, and is the last.  All this is only about who does it: whether
 * and how the activity ends is decided by its tables (parallel_end.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "activity/parallel_worker.h"
#include "engine/executor.h"
#include "engine/journal.h"
#include "engine/lineage.h"
#include "engine/session.h"
#include "engine/slot.h"
#include "engine/step.h"
#include "store/engine_mode.h"

/* Steps that this process has left, of those that have an init. */
#define MAX_VISITS 64

typedef struct Visit
{
	int64 run_id;
	int32 no;
	int32 attempt;
} Visit;

static Visit visits[MAX_VISITS];
static int nvisits = 0; /* the last ones of so many are kept */

static ParallelWorker *create_worker(StepState *step, const WorkOrder *order);
static bool has_been_here(const ParallelWorker *worker);
static void remember_visit(const ParallelWorker *worker);
static void work(ParallelWorker *worker);
static void do_mini_batches(ParallelWorker *worker);
static bool step_goes_on(ParallelWorker *worker);
static bool linger(ParallelWorker *worker);
static bool find_missing(ParallelWorker *worker);
static bool look_for_missing(ParallelWorker *worker);

void
parallel_work(StepState *step, const WorkOrder *order)
{
	ParallelWorker *worker;
	MemoryContext context;

	if (!step_join(step, order))
		return;
	worker = create_worker(step, order);
	context = worker->context;
	worker->failure = parallel_in_transaction(worker, parallel_load);
	if (worker->failure == NULL && !worker->gone)
	{
		if (has_been_here(worker))
			slot_retire();
		else
			work(worker);
	}
	parallel_leave(worker);

	if (worker->plan != NULL)
		DropCachedPlan(worker->plan);
	call_end();
	(void) slot_work_done();
	MemoryContextSwitchTo(WorkContext);
	MemoryContextDelete(context);
}

static ParallelWorker *
create_worker(StepState *step, const WorkOrder *order)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "mlpipe parallel worker",
												  ALLOCSET_DEFAULT_SIZES);
	ParallelWorker *worker = MemoryContextAllocZero(context,
													sizeof(ParallelWorker));

	worker->context = context;
	worker->scratch = AllocSetContextCreate(context, "mlpipe mini-batches",
											ALLOCSET_DEFAULT_SIZES);
	worker->step = step;
	worker->order = *order;
	return worker;
}

Failure *
parallel_in_transaction(ParallelWorker *worker, WorkerTransaction transaction)
{
	Failure *volatile failure = NULL;

	PG_TRY();
	{
		bool synchronous;

		work_begin();
		synchronous = transaction(worker);
		work_commit(synchronous);
	}
	PG_CATCH();
	{
		journal_capture_stop();
		lineage_stop();
		MyBatch = NULL;
		failure = failure_catch(worker->context);
	}
	PG_END_TRY();
	return failure;
}

static bool
has_been_here(const ParallelWorker *worker)
{
	int i;

	for (i = 0; i < Min(nvisits, MAX_VISITS); i++)
		if (visits[i].run_id == worker->order.run_id &&
			visits[i].no == worker->order.no &&
			visits[i].attempt == worker->call->attempt)
			return true;
	return false;
}

static void
remember_visit(const ParallelWorker *worker)
{
	visits[nvisits++ % MAX_VISITS] = (Visit){.run_id = worker->order.run_id,
											 .no = worker->order.no,
											 .attempt = worker->call->attempt};
}

static void
work(ParallelWorker *worker)
{
	if (worker->init_text != NULL || worker->shutdown_text != NULL)
		remember_visit(worker);
	parallel_prepare(worker);
	worker->ready_at = GetCurrentTimestamp();
	if (worker->failure == NULL)
		do_mini_batches(worker);
}

static void
do_mini_batches(ParallelWorker *worker)
{
	while (step_goes_on(worker))
	{
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (!parallel_do_group(worker) && !find_missing(worker) &&
			!linger(worker))
			break;
		if (executor_should_yield(worker->step))
			break;
	}
}

/* May another group be taken?  Notices that the step has to fail. */
static bool
step_goes_on(ParallelWorker *worker)
{
	const ParallelConfig *config = worker->config;
	TimestampTz now = GetCurrentTimestamp();
	StepCounts counts;

	step_counts(worker->step, &counts);
	worker->exceeded = parallel_exceeds(worker, NULL, 0);
	if (worker->failure == NULL && worker->deadline != 0 &&
		now >= worker->deadline)
		worker->failure = timeout_failure(worker->context, worker->call->def,
										  WATCH_STEP, NULL, 0);
	if (worker->failure == NULL && counts.first_batch_at == 0 &&
		now - counts.started_at > config->first_batch_timeout)
		worker->failure = timeout_failure(worker->context, worker->call->def,
										  WATCH_UNSTARTED, NULL, 0);
	return worker->failure == NULL && !worker->exceeded && !counts.stopping &&
		!counts.suspended;
}

/* True if there may be mini-batches again. */
static bool
linger(ParallelWorker *worker)
{
	volatile bool more = true;

	if (worker->init_text == NULL && worker->shutdown_text == NULL)
		return false;
	pgstat_report_activity(STATE_IDLE, NULL);
	PG_TRY();
	{
		more = step_linger(worker->step);
	}
	PG_CATCH();
	{
		/* Whether the interrupt was for the step is seen there. */
		(void) failure_catch(worker->scratch);
	}
	PG_END_TRY();
	if (more)
		pgstat_report_activity(STATE_RUNNING,
							   template_source(worker->config->run));
	return more;
}

/* If the list of retries has overflowed, asks the table. */
static bool
find_missing(ParallelWorker *worker)
{
	Failure *failure = parallel_in_transaction(worker, look_for_missing);
	StepCounts counts;

	if (failure != NULL)
	{
		worker->failure = failure;
		return true;
	}
	step_counts(worker->step, &counts);
	return counts.has_retries;
}

static bool
look_for_missing(ParallelWorker *worker)
{
	EngineMode mode;
	List *missing;
	ListCell *cell;
	int32 *taken;
	int ntaken;

	MemoryContextReset(worker->scratch);
	MemoryContextSwitchTo(worker->scratch);
	if (!step_rescan_begin(worker->step, &taken, &ntaken))
		return false;
	engine_mode_enter(&mode);
	missing = batch_missing(worker->order.run_id, worker->order.no,
							worker->split.batches,
							worker->split.attempts_before, taken, ntaken,
							MAX_STEP_RETRIES + 1);
	engine_mode_leave(&mode);
	foreach(cell, missing)
	{
		BatchAttempt *batch = lfirst(cell);

		if (!step_rescan_add(worker->step, batch->batch, batch->attempt))
			break;
	}
	return false;
}

/*-------------------------------------------------------------------------
 *
 * parallel_work.c
 *	  A worker's way through a parallel step.
 *
 *		join -> load -> init -> plan -> mini-batches -> shutdown -> leave
 *
 * A worker joins while the step hands out mini-batches, and leaves when there
 * are none to be had, when better work waits, or when the step is stopping.  It
 * runs init after joining and shutdown before leaving; while it works on the
 * step its session is not reset, so what init has loaded stays.
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
#include "storage/latch.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "activity/parallel.h"
#include "activity/parallel_judge.h"
#include "activity/parallel_monitor.h"
#include "compat.h"
#include "engine/executor.h"
#include "engine/finish.h"
#include "engine/role.h"
#include "engine/session.h"
#include "engine/slot.h"
#include "engine/step.h"
#include "store/engine_mode.h"

/* A step that has just been left is not joined again before this. */
#define PAUSE_BEFORE_REJOIN_MS 100

#define MAX_END_ATTEMPTS       3

#define MAX_WAIT_MS            60000

/* One transaction of the worker; true: it has to be on disk when committed. */
typedef bool (*WorkerTransaction)(ParallelWorker *worker);

/* The step that this process was in last, and had left for want of work. */
static int64 left_run_id = 0;
static int32 left_no = 0;

static void pause_before_rejoin(const WorkOrder *order);
static ParallelWorker *create_worker(StepState *step, const WorkOrder *order);
static Failure *in_transaction(ParallelWorker *worker,
							   WorkerTransaction transaction);
static bool load(ParallelWorker *worker);
static void render_texts(ParallelWorker *worker);
static char *render(ParallelWorker *worker, const Template *tmpl);
static void set_log_level(const char *level);
static void prepare(ParallelWorker *worker);
static Failure *try_to_prepare(ParallelWorker *worker);
static bool restage(ParallelWorker *worker);
static bool run_init(ParallelWorker *worker);
static bool make_plan(ParallelWorker *worker);
static Failure *in_limited_transaction(ParallelWorker *worker,
									   WorkerTransaction transaction,
									   const char *what);
static int64 time_to_first_batch(const ParallelWorker *worker);
static Failure *first_batch_failure(const ParallelWorker *worker);
static bool is_stopping(const ParallelWorker *worker);
static void do_mini_batches(ParallelWorker *worker);
static bool step_goes_on(ParallelWorker *worker);
static bool find_missing(ParallelWorker *worker);
static bool look_for_missing(ParallelWorker *worker);
static void leave(ParallelWorker *worker);
static void wait_for_others(ParallelWorker *worker);
static void run_shutdown(ParallelWorker *worker);
static bool shutdown_transaction(ParallelWorker *worker);
static bool write_samples(ParallelWorker *worker);
static bool write_journal(ParallelWorker *worker);
static void end_activity(ParallelWorker *worker);
static void wait_for_retry(ParallelWorker *worker);
static bool restart(ParallelWorker *worker);
static Failure *try_to_end(ParallelWorker *worker);
static bool end_transaction(ParallelWorker *worker);
static void leave_end_to_scheduler(const ParallelWorker *worker,
								   const Failure *failure);

void
parallel_work(StepState *step, const WorkOrder *order)
{
	ParallelWorker *worker;
	MemoryContext context;

	pause_before_rejoin(order);
	if (!step_join(step, order))
		return;
	worker = create_worker(step, order);
	context = worker->context;
	worker->failure = in_transaction(worker, load);
	if (worker->failure == NULL && !worker->gone)
		prepare(worker);
	if (worker->failure == NULL && !worker->gone)
		do_mini_batches(worker);
	leave(worker);

	if (worker->plan != NULL)
		DropCachedPlan(worker->plan);
	call_end();
	(void) slot_work_done();
	MemoryContextSwitchTo(WorkContext);
	MemoryContextDelete(context);
}

/*
 * A retry that turns up when the others have left is taken as a rule by the
 * worker that put it back; to join for that would mean another init.
 */
static void
pause_before_rejoin(const WorkOrder *order)
{
	bool again = left_run_id == order->run_id && left_no == order->no;

	left_run_id = 0;
	if (!again)
		return;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 PAUSE_BEFORE_REJOIN_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
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
	worker->joined_at = GetCurrentTimestamp();
	return worker;
}

/* NULL, or the error for which it was rolled back. */
static Failure *
in_transaction(ParallelWorker *worker, WorkerTransaction transaction)
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
		MyBatch = NULL;
		failure = failure_catch(worker->context);
	}
	PG_END_TRY();
	return failure;
}

/* The session is this step's from here on. */
static bool
load(ParallelWorker *worker)
{
	EngineMode mode;
	StepActivity activity;

	session_reset();
	if (!role_is_still_allowed())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s", role_problem(MySlot->role))));
	engine_mode_enter(&mode);
	worker->gone = !step_activity(worker->order.run_id, worker->order.no,
								  false, &activity) ||
		activity.status != ACTIVITY_IN_PROGRESS ||
		!step_load(worker->order.run_id, worker->order.no, &worker->split);
	engine_mode_leave(&mode);
	if (worker->gone)
		return false;

	MemoryContextSwitchTo(worker->context);
	worker->snapshot = parallel_load_snapshot(worker->order.run_id,
											  worker->order.no);
	MemoryContextSwitchTo(WorkContext);
	worker->call = call_begin(worker->order.run_id, worker->order.no,
							  activity.activity_no, activity.attempt);
	worker->config = worker->call->def->config;
	if (worker->call->def->timeout > 0)
		worker->deadline = activity.started_at + worker->call->def->timeout;
	control_lock();
	MySlot->attempt = activity.attempt;
	control_unlock();
	render_texts(worker);
	if (worker->config->log_level != NULL)
		set_log_level(worker->config->log_level);
	monitor_start(worker->config->monitor_interval);
	return false;
}

static void
render_texts(ParallelWorker *worker)
{
	const ParallelConfig *config = worker->config;

	worker->init_text = render(worker, config->init);
	worker->shutdown_text = render(worker, config->shutdown);
	worker->append_to = render(worker, config->append_to);
	if (!template_uses_root(config->run, "batch"))
		worker->run_text = render(worker, config->run);
}

static char *
render(ParallelWorker *worker, const Template *tmpl)
{
	if (tmpl == NULL)
		return NULL;
	return MemoryContextStrdup(worker->context,
							   call_render(worker->call, tmpl));
}

/* Until the session is reset. */
static void
set_log_level(const char *level)
{
	(void) set_config_option("mlpipe.log_min_level", level, PGC_SUSET,
							 PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
}

/* Tried as often as a mini-batch; then it fails the step, with its error. */
static void
prepare(ParallelWorker *worker)
{
	int tries = worker->config->max_retries + 1;
	Failure *failure;
	int i;

	for (i = 1;; i++)
	{
		failure = try_to_prepare(worker);
		if (failure == NULL || failure->interrupt != INTERRUPT_NONE ||
			is_stopping(worker))
			return;
		if (i >= tries)
			break;
		call_log(WARNING,
				 psprintf("attempt %d of %d to prepare a worker failed: %s", i,
						  tries, failure->message));
		(void) in_transaction(worker, write_journal);
	}
	worker->failure = failure;
}

static Failure *
try_to_prepare(ParallelWorker *worker)
{
	Failure *failure;

	if (OidIsValid(worker->split.key_relation))
	{
		failure = in_transaction(worker, restage);
		if (failure != NULL)
			return failure;
	}
	if (worker->init_text != NULL && !worker->initialized)
	{
		failure = in_limited_transaction(worker, run_init, "\"init\"");
		if (failure != NULL)
			return failure;
	}
	worker->initialized = true;
	failure = in_limited_transaction(worker, make_plan,
									 "preparing the mini-batches");
	if (failure == NULL)
		pgstat_report_activity(STATE_RUNNING,
							   template_source(worker->config->run));
	return failure;
}

static bool
restage(ParallelWorker *worker)
{
	parallel_restage(worker->call, &worker->split);
	return false;
}

static bool
run_init(ParallelWorker *worker)
{
	StatementResult result;

	journal_capture_start();
	statement_run(worker->init_text, NULL, &result);
	journal_capture_stop();
	return write_journal(worker);
}

/*
 * The table of append_row_to is made by the first worker, after its init, since
 * run may need what that has made.
 */
static bool
make_plan(ParallelWorker *worker)
{
	Oid relation = parallel_batch_relation(worker->config, &worker->split);
	CurrentBatch batch;
	EngineMode mode;
	char *text;

	MemoryContextReset(worker->scratch);
	parallel_locate_batch(worker, 1, &batch);
	MyBatch = &batch;
	text = worker->run_text != NULL ? worker->run_text :
									  parallel_run_text(worker->call);
	if (worker->append_to != NULL)
	{
		engine_mode_enter(&mode);
		step_lock(worker->order.run_id, worker->order.no);
		engine_mode_leave(&mode);
		append_target_prepare(text, relation, worker->append_to);
	}
	batch_input_name(relation, &worker->input_name);
	if (worker->run_text != NULL)
		worker->plan = batch_plan_create(text, relation, worker->append_to,
										 true);
	else
		DropCachedPlan(
			batch_plan_create(text, relation, worker->append_to, false));
	MyBatch = NULL;
	return false;
}

static Failure *
in_limited_transaction(ParallelWorker *worker, WorkerTransaction transaction,
					   const char *what)
{
	int64 first_left = time_to_first_batch(worker);
	int64 timeout = worker->config->overhead_timeout;
	WatchLimits limits = {.batch_timeout = Min(timeout, first_left),
						  .step_deadline = worker->deadline};
	Failure *failure;
	WatchAlarm alarm;

	watch_start(&limits);
	failure = in_transaction(worker, transaction);
	alarm = watch_stop();
	if (failure == NULL || alarm == WATCH_NONE ||
		failure->interrupt != INTERRUPT_NONE)
		return failure;
	if (alarm == WATCH_BATCH && first_left < timeout)
		return first_batch_failure(worker);
	return parallel_alarm_failure(worker, alarm, what, timeout);
}

/* What is left of first_task_creation_timeout, while that counts. */
static int64
time_to_first_batch(const ParallelWorker *worker)
{
	StepCounts counts;
	int64 left;

	step_counts(worker->step, &counts);
	if (counts.first_batch_at != 0)
		return PG_INT64_MAX;
	left = worker->config->first_batch_timeout -
		(GetCurrentTimestamp() - counts.started_at);
	return Max(left, 1);
}

static Failure *
first_batch_failure(const ParallelWorker *worker)
{
	double seconds = worker->config->first_batch_timeout / 1000000.0;

	return failure_create(
		worker->context, "57014",
		psprintf(
			"no mini-batch was started in %g s, and \"first_task_creation_timeout\" is %g",
			seconds, seconds),
		NULL, NULL);
}

static bool
is_stopping(const ParallelWorker *worker)
{
	StepCounts counts;

	step_counts(worker->step, &counts);
	return counts.stopping;
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
		if (!parallel_do_group(worker) && !find_missing(worker))
		{
			left_run_id = worker->order.run_id;
			left_no = worker->order.no;
			break;
		}
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
	StepTally tally;

	step_counts(worker->step, &counts);
	tally.batches = counts.batches;
	tally.failed = counts.failed;
	tally.items_failed = counts.items_failed;
	worker->exceeded = parallel_judge(&config->thresholds, &tally) !=
		VERDICT_TOLERABLE;
	if (worker->failure == NULL && worker->deadline != 0 &&
		now >= worker->deadline)
		worker->failure = parallel_alarm_failure(worker, WATCH_STEP, NULL, 0);
	if (worker->failure == NULL && counts.first_batch_at == 0 &&
		now - counts.started_at > config->first_batch_timeout)
		worker->failure = first_batch_failure(worker);
	return worker->failure == NULL && !worker->exceeded && !counts.stopping &&
		!counts.suspended;
}

/* Where the list of retries overflowed: asks the table. */
static bool
find_missing(ParallelWorker *worker)
{
	Failure *failure = in_transaction(worker, look_for_missing);
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

static void
leave(ParallelWorker *worker)
{
	bool last;

	if ((worker->failure != NULL || worker->exceeded) &&
		step_stop(worker->step))
		wait_for_others(worker);
	run_shutdown(worker);
	if (monitor_has_samples())
		(void) in_transaction(worker, write_samples);
	monitor_stop();
	last = step_leave(worker->step);
	if (worker->gone)
		step_remove(worker->order.run_id, worker->order.no);
	else if (last)
		end_activity(worker);
}

/* A cancel that comes here is for a statement that is over. */
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

	if (worker->shutdown_text == NULL || !worker->initialized)
		return;
	limits.batch_timeout = worker->config->overhead_timeout;
	watch_start(&limits);
	failure = in_transaction(worker, shutdown_transaction);
	(void) watch_stop();
	if (failure == NULL)
		return;
	call_log(WARNING, psprintf("\"shutdown\" failed: %s", failure->message));
	(void) in_transaction(worker, write_journal);
}

static bool
shutdown_transaction(ParallelWorker *worker)
{
	StatementResult result;

	journal_capture_start();
	statement_run(worker->shutdown_text, NULL, &result);
	journal_capture_stop();
	return write_journal(worker);
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
write_journal(ParallelWorker *worker)
{
	journal_write(worker->order.run_id, worker->order.no, 0);
	journal_reset();
	return false;
}

static void
end_activity(ParallelWorker *worker)
{
	int32 attempt = worker->call != NULL ? worker->call->attempt : 0;
	bool again = false;
	Failure *failure;

	/* Still at work for the activity, though not in the step any more. */
	slot_work_on(&worker->order, attempt, NULL);
	for (;;)
	{
		failure = try_to_end(worker);
		if (failure != NULL || worker->end != STEP_TRIED_AGAIN)
			break;
		again = true;
		worker->failure = NULL;
		wait_for_retry(worker);
	}
	if (failure == NULL && worker->end == STEP_UNFINISHED && again)
		failure = in_transaction(worker, restart);
	else if (failure == NULL && worker->end == STEP_UNFINISHED)
		step_reopen(worker->step);
	else if (failure == NULL)
		step_remove(worker->order.run_id, worker->order.no);
	if (failure != NULL)
		leave_end_to_scheduler(worker, failure);
}

/* Cut short where the run is stopped. */
static void
wait_for_retry(ParallelWorker *worker)
{
	TimestampTz end = GetCurrentTimestamp() + worker->pause;
	long left;

	PG_TRY();
	{
		while ((left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
													   end)) > 0)
		{
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 Min(left, MAX_WAIT_MS), PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
	}
	PG_CATCH();
	{
		(void) failure_catch(worker->scratch);
	}
	PG_END_TRY();
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
		failure = in_transaction(worker, end_transaction);
		if (failure == NULL)
			break;
	}
	return failure;
}

static bool
end_transaction(ParallelWorker *worker)
{
	worker->end = parallel_end(worker->order.run_id, worker->order.no,
							   worker->failure, &worker->pause);
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

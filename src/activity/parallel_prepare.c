/*-------------------------------------------------------------------------
 *
 * parallel_prepare.c
 *	  What a worker of a parallel step does before its first mini-batch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "activity/parallel_crash.h"
#include "activity/parallel_monitor.h"
#include "activity/parallel_worker.h"
#include "engine/executor.h"
#include "engine/journal.h"
#include "engine/lineage.h"
#include "engine/role.h"
#include "engine/session.h"
#include "engine/slot.h"
#include "engine/step.h"
#include "store/engine_mode.h"

static void render_texts(ParallelWorker *worker);
static char *render(ParallelWorker *worker, const Template *tmpl);
static void set_log_level(ActivityCall *call, const char *level);
static Failure *try_to_prepare(ParallelWorker *worker);
static bool restage(ParallelWorker *worker);
static bool run_init(ParallelWorker *worker);
static bool make_plan(ParallelWorker *worker);
static Failure *in_limited_transaction(ParallelWorker *worker,
									   WorkerTransaction transaction,
									   const char *what);
static int64 time_to_first_batch(const ParallelWorker *worker);
static bool is_overdue(const ParallelWorker *worker);
static bool is_stopping(const ParallelWorker *worker);

/* The session is this step's from here on. */
bool
parallel_load(ParallelWorker *worker)
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
		set_log_level(worker->call, worker->config->log_level);
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
set_log_level(ActivityCall *call, const char *level)
{
	call->log_floor = journal_level_parse(level);
	(void) set_config_option("mlpipe.log_min_level", level, PGC_SUSET,
							 PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
}

/* Tried as often as a mini-batch; then it fails the step, with its error. */
void
parallel_prepare(ParallelWorker *worker)
{
	int tries = worker->config->max_retries + 1;
	bool may_retry = true;
	Failure *failure;
	int i;

	for (i = 1; may_retry; i++)
	{
		bool interrupted;

		failure = crash_claim(worker);
		if (failure == NULL)
			failure = try_to_prepare(worker);
		if (failure == NULL)
			return;
		interrupted = failure->interrupt != INTERRUPT_NONE ||
			is_stopping(worker);
		may_retry = !interrupted && i < tries && !is_overdue(worker);
		if (may_retry)
			call_log(
				WARNING,
				psprintf("attempt %d of %d to prepare a worker failed: %s", i,
						 tries, failure->message));
		(void) parallel_in_transaction(worker, parallel_write_journal);
		if (interrupted)
			return;
	}
	worker->failure = failure;
}

static Failure *
try_to_prepare(ParallelWorker *worker)
{
	Failure *failure;

	if (OidIsValid(worker->split.key_relation))
	{
		failure = parallel_in_transaction(worker, restage);
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
	lineage_start();
	statement_run(worker->init_text, NULL, &result);
	watch_enforce();
	lineage_stop();
	journal_capture_stop();
	return parallel_write_journal(worker);
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
	failure = parallel_in_transaction(worker, transaction);
	alarm = watch_stop();
	if (failure == NULL || alarm == WATCH_NONE ||
		failure->interrupt != INTERRUPT_NONE)
		return failure;
	if (alarm == WATCH_BATCH && first_left < timeout)
		alarm = WATCH_UNSTARTED;
	return timeout_failure(worker->context, worker->call->def, alarm, what,
						   timeout);
}

/* What is left of first_task_creation_timeout, as long as that counts. */
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

/* There is no time for another try. */
static bool
is_overdue(const ParallelWorker *worker)
{
	return time_to_first_batch(worker) <= 1 ||
		(worker->deadline != 0 && GetCurrentTimestamp() >= worker->deadline);
}

static bool
is_stopping(const ParallelWorker *worker)
{
	StepCounts counts;

	step_counts(worker->step, &counts);
	return counts.stopping;
}

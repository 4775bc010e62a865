/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  One attempt at an activity, from its claim to its end.
 *
 * The claim is committed before the work begins: after a crash that row is all
 * we know.  The work, the mark that it is done, what follows from it and the
 * claim of what this executor does next are one transaction.  A failed attempt
 * is rolled back and recorded in a transaction of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/timestamp.h"

#include "activity/activity.h"
#include "engine/attempt.h"
#include "engine/container.h"
#include "engine/executor.h"
#include "engine/failure.h"
#include "engine/finish.h"
#include "engine/journal.h"
#include "engine/lineage.h"
#include "engine/rerun.h"
#include "engine/reuse.h"
#include "engine/role.h"
#include "engine/session.h"
#include "engine/slot.h"
#include "engine/transaction_limit.h"
#include "engine/wakeup.h"
#include "mlpipe.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"

#define CLAIM_AGAIN_AFTER (1 * USECS_PER_SEC)
#define MIN_TIME_LIMIT    (USECS_PER_SEC / 100)

static int32 claim(const WorkOrder *order);
static void let_cancels_in(void);
static void give_up_role(void);
static void start_run_if_first(const RunInfo *run, int32 activity_no,
							   TimestampTz at);
static bool may_be_first(const RunInfo *run, int32 activity_no);
static bool flushes_each_end(const Document *document);
static void flush_claim(void);
static void work(ActivityCall *call, NextActivity *next);
static ActivityOutcome run_user_part(ActivityCall *call);
static ActivityOutcome run_watched(ActivityCall *call);
static int64 time_limit(ActivityCall *call);
static bool finish_outcome(ActivityCall *call, ActivityOutcome outcome,
						   NextActivity *next);
static void store_variables(ActivityCall *call);
static int compare_variables(const ListCell *a, const ListCell *b);
static bool park(ActivityCall *call, NextActivity *next);
static void claim_from_queue(NextActivity *next);
static void publish_step(int64 run_id, int32 no);
static void record_failure(const WorkOrder *order, int32 attempt,
						   const Failure *failure, NextActivity *next);
static void attempt_context(void *arg);

int32
attempt_claim(const WorkOrder *order)
{
	int32 attempt;

	slot_work_on(order, 0, NULL);
	HOLD_CANCEL_INTERRUPTS();
	work_begin();
	if (!role_is_still_allowed())
	{
		give_up_role();
		return 0;
	}
	attempt = claim(order);
	work_commit(false);
	if (attempt > 0 && crash_was_lately())
		flush_claim();
	let_cancels_in();
	if (attempt == 0)
		(void) slot_work_done();
	return attempt;
}

/* In a transaction that may have ended another run's activity. */
static int32
claim(const WorkOrder *order)
{
	/* Taken first: the run does not begin after its first activity. */
	TimestampTz at = GetCurrentTimestamp();
	EngineMode mode;
	int32 attempt;

	engine_mode_enter(&mode);

	/* The run may never have been committed, or be purged by now. */
	attempt = activity_claim(order->run_id, order->no, MyProcPid);
	if (attempt > 0)
	{
		start_run_if_first(run_info(order->run_id), order->activity_no, at);
		wakeup_my_work(order, attempt);
		wakeup_run_event(order->run_id);
	}
	else if (activity_is_claimable(order->run_id, order->no))
	{
		/* Its row is locked, by a cancel in an open transaction, say. */
		control_lock();
		database_find(MyDatabaseId)->refill_at = GetCurrentTimestamp() +
			CLAIM_AGAIN_AFTER;
		control_unlock();
		wakeup_scheduler(ERRAND_REFILL);
	}
	engine_mode_leave(&mode);
	return attempt;
}

/* An error that was caught meanwhile has let them in already. */
static void
let_cancels_in(void)
{
	if (QueryCancelHoldoffCount > 0)
		RESUME_CANCEL_INTERRUPTS();
}

/*
 * The activity stays queued; the scheduler, which starts an executor for it or
 * finds that it cannot, says why.
 */
static void
give_up_role(void)
{
	wakeup_scheduler(ERRAND_REFILL);
	work_commit(false);
	let_cancels_in();
	(void) slot_work_done();
	slot_retire();
}

/* The run leaves the queue when the first of its activities starts. */
static void
start_run_if_first(const RunInfo *run, int32 activity_no, TimestampTz at)
{
	if (run->started || !may_be_first(run, activity_no))
		return;
	if (!run_start(run->run_id, at, run->document->timeout))
	{
		/* Only once it is committed: what started it may be rolled back. */
		if (run_has_started(run->run_id))
			run_note_started(run);
	}
	else if (run->document->timeout > 0)
		wakeup_at(at + run->document->timeout);
}

/* It waits for nothing, or only for what may have ended at the beginning. */
static bool
may_be_first(const RunInfo *run, int32 activity_no)
{
	const Document *document = run->document;
	const Graph *graph = document->list->graph;
	int i;

	/* One inside of a container comes after that. */
	if (activity_no >= graph->nnodes)
		return false;
	if (graph->first_in[activity_no] == graph->first_in[activity_no + 1] ||
		run->rerun_of != 0)
		return true;
	for (i = 0; i < activity_no; i++)
		if (!document->activities[i].active)
			return true;
	return false;
}

void
attempt_run(const WorkOrder *order, int32 attempt, NextActivity *next)
{
	Failure *volatile failure = NULL;
	MemoryContext failure_context =
		AllocSetContextCreate(TopMemoryContext, "mlpipe failure",
							  ALLOCSET_SMALL_SIZES);

	next->claimed = false;
	next->taken = false;
	PG_TRY();
	{
		work_begin();
		work(call_begin(order->run_id, order->no, order->activity_no, attempt),
			 next);
	}
	PG_CATCH();
	{
		journal_capture_stop();
		lineage_stop();
		failure = failure_catch(failure_context);
	}
	PG_END_TRY();

	if (failure != NULL)
	{
		if (next->taken)
			executor_put_back(&next->order);
		record_failure(order, attempt, failure, next);
	}
	MemoryContextDelete(failure_context);
	call_end();
	if (!next->claimed)
		(void) slot_work_done();
	pgstat_report_activity(STATE_IDLE, NULL);
}

static void
work(ActivityCall *call, NextActivity *next)
{
	ActivityOutcome outcome;
	ErrorContextCallback callback = {.previous = error_context_stack,
									 .callback = attempt_context,
									 .arg = call};
	int64 run_id = call->run_id;
	int32 no = call->no;
	bool run_ended;

	error_context_stack = &callback;
	session_reset();
	if (call->def->own_transactions)
		flush_claim();
	outcome = run_user_part(call);
	run_ended = finish_outcome(call, outcome, next);
	error_context_stack = callback.previous;
	if (!next->claimed && outcome != OUTCOME_STEP)
		claim_from_queue(next);

	work_commit(run_ended || flushes_each_end(call->document));
	if ((next->claimed || outcome == OUTCOME_STEP) && crash_was_lately())
		flush_claim();
	if (outcome == OUTCOME_STEP)
		publish_step(run_id, no);
}

static bool
flushes_each_end(const Document *document)
{
	return document->durability == DURABILITY_ACTIVITY ||
		(document->durability == DURABILITY_DEFAULT &&
		 mlpipe_durability == DURABILITY_ACTIVITY);
}

/* Its effects cannot be rolled back, so its claim must not be either. */
static void
flush_claim(void)
{
	XLogFlush(XactLastCommitEnd);
}

static ActivityOutcome
run_user_part(ActivityCall *call)
{
	ActivityOutcome outcome;
	bool worked = false;

	if (call->document->problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the pipeline's document is not valid any more: %s",
						call->document->problem)));
	journal_capture_start();
	attempt_timeout_start_rest(call->def->timeout, time_limit(call));
	transaction_limit_start();
	if (!rerun_call(call, &outcome))
	{
		worked = !call->def->reuse || !reuse_take(call);
		outcome = worked ? run_watched(call) : OUTCOME_DONE;
	}

	/*
	 * Deferred constraints belong to the user's part, and to its time, even
	 * where a trigger defers them again; so do cursors WITH HOLD, which the
	 * commit would read to their end.
	 */
	AfterTriggerFireDeferred();
	PortalHashTableDeleteAll();
	lineage_stop();
	if (call->def->reuse && worked)
		reuse_look(call, outcome);
	attempt_check_interrupt();
	attempt_timeout_stop();
	transaction_limit_stop();
	journal_capture_stop();
	return outcome;
}

static ActivityOutcome
run_watched(ActivityCall *call)
{
	lineage_start();
	return activity_type(call->def)->run(call);
}

/* An activity that waits has so long in all; this may be one look of many. */
static int64
time_limit(ActivityCall *call)
{
	if (call->def->timeout == 0 || !(call->def->kind->takes & TAKES_ITS_TIME))
		return call->def->timeout;
	return Max(call_deadline(call) - GetCurrentTimestamp(), MIN_TIME_LIMIT);
}

/* True if the run has ended. */
static bool
finish_outcome(ActivityCall *call, ActivityOutcome outcome, NextActivity *next)
{
	bool run_ended = false;

	XactReadOnly = false;
	journal_write(call->run_id, call->no, 0);
	if (outcome != OUTCOME_PARKED && !call->def->internal)
		lineage_write(call->run_id, call->no);
	if (call->def->reuse)
		reuse_write(call);
	store_variables(call);
	switch (outcome)
	{
		case OUTCOME_DONE:
			run_ended = activity_succeed(run_info(call->run_id), call->no,
										 call->attempt, call->output,
										 call->items_in, call->items_out,
										 next);
			break;
		case OUTCOME_PARKED:
			run_ended = park(call, next);
			break;
		case OUTCOME_BODY:
			run_ended = container_start(call, next);
			break;
		case OUTCOME_STEP:
			break;
	}
	return run_ended;
}

/* In order of their names, so that two ends lock them in the same order. */
static void
store_variables(ActivityCall *call)
{
	EngineMode mode;
	ListCell *cell;

	if (call->variables == NIL)
		return;
	list_sort(call->variables, compare_variables);
	engine_mode_enter(&mode);
	foreach(cell, call->variables)
	{
		VariableChange *change = lfirst(cell);

		if (change->append)
			run_variable_append(&change->key, change->value);
		else
			run_variable_set(&change->key, change->value);
		variable_change_insert(call->no, &change->key, change->append,
							   change->value);
	}
	engine_mode_leave(&mode);
}

static int
compare_variables(const ListCell *a, const ListCell *b)
{
	return strcmp(((VariableChange *) lfirst(a))->key.name,
				  ((VariableChange *) lfirst(b))->key.name);
}

static bool
park(ActivityCall *call, NextActivity *next)
{
	EngineMode mode;
	TimestampTz limit = DT_NOEND;
	bool parked;

	if (call->def->timeout > 0 && !(call->def->kind->takes & TAKES_ITS_TIME))
		limit = GetCurrentTimestamp() + call->def->timeout;
	if (call->due_at != 0 && call->due_at <= GetCurrentTimestamp() &&
		activity_type(call->def)->when_due == DUE_SUCCEEDS)
		return activity_succeed(run_info(call->run_id), call->no,
								call->attempt, call->output, -1, -1, next);
	engine_mode_enter(&mode);
	parked = activity_park(call->run_id, call->no, call->attempt,
						   Min(call->due_at, limit), limit < call->due_at, 0,
						   call->output);
	engine_mode_leave(&mode);
	if (!parked)
		return activity_cancel(run_info(call->run_id), call->no, call->attempt,
							   NULL);
	if (call->due_at != 0)
		wakeup_at(Min(call->due_at, limit));
	wakeup_run_event(call->run_id);
	return false;
}

/*
 * The first activity in the queue is claimed along with the end of ours, which
 * saves a commit.  It cannot endanger that end: a claim waits for no lock.
 */
static void
claim_from_queue(NextActivity *next)
{
	next->taken = role_is_still_allowed() &&
		executor_take_activity(&next->order);
	if (!next->taken)
		return;
	next->attempt = claim(&next->order);
	next->claimed = next->attempt > 0;
}

/*
 * If shared memory has no room, the scheduler publishes it when there is: it
 * looks for steps in progress that are not in shared memory.
 */
static void
publish_step(int64 run_id, int32 no)
{
	work_begin();
	if (!parallel_publish(run_id, no))
		wakeup_scheduler(ERRAND_REFILL);
	work_commit(false);
}

static void
record_failure(const WorkOrder *order, int32 attempt, const Failure *failure,
			   NextActivity *next)
{
	const RunInfo *run;
	bool run_ended;

	next->claimed = false;

	/* A cancel while this waits for its locks is too late for the statement. */
	HOLD_CANCEL_INTERRUPTS();
	work_begin();
	run = run_info(order->run_id);
	journal_write(order->run_id, order->no, 0);
	run_ended = activity_fail(run, order->no, attempt, failure, true, next);
	work_commit(run_ended || flushes_each_end(run->document));
	if (next->claimed && crash_was_lately())
		flush_claim();
	let_cancels_in();
}

/* What the server's log says about an error of the user's statements. */
static void
attempt_context(void *arg)
{
	ActivityCall *call = arg;
	const ActivityDef *def = call->def;

	/* A loop's look at its condition has no name of its own. */
	if (def->internal)
		def = &call->document->activities[def->list->container];
	errcontext("activity \"%s\" of run " INT64_FORMAT, def->name,
			   call->run_id);
}

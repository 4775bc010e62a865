/*-------------------------------------------------------------------------
 *
 * parallel_group.c
 *	  One transaction of a worker: some mini-batches and the rows that say that
 *	  they are done.
 *
 * Each mini-batch runs in a subtransaction.  Where it fails, that is rolled
 * back and the failed attempt is recorded along with the others' success.  The
 * counters in shared memory are changed after the commit, so they never count
 * what a crash of this process takes back.
 *
 * A commit costs more than a small mini-batch; so while mini-batches are short,
 * as many share a transaction as last a few milliseconds together.  When such a
 * transaction fails as a whole, its mini-batches are done again one by one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "activity/parallel_columns.h"
#include "activity/parallel_crash.h"
#include "activity/parallel_judge.h"
#include "activity/parallel_worker.h"
#include "definition/catch.h"
#include "engine/horizon.h"
#include "engine/journal.h"
#include "engine/lineage.h"
#include "engine/session.h"
#include "engine/slot.h"
#include "engine/step.h"

/* How long a group should last, and when it is cut short. */
#define GROUP_SECONDS  0.006
#define GROUP_TOO_LONG (20 * INT64CONST(1000)) /* microseconds */

/*
 * A worker that dies takes its mini-batches along, which counts as an attempt
 * at them; fewer than so many are not held against them.
 */
#define MAX_LOST_ATTEMPTS 10

static int group_size(const ParallelWorker *worker);
static int take_group(ParallelWorker *worker, BatchResult *results);
static void do_group(ParallelWorker *worker, BatchResult *results, int n);
static Failure *run_group(ParallelWorker *worker, BatchResult *results, int n);
static void fire_deferred_triggers(ParallelWorker *worker);
static void set_limits(const ParallelWorker *worker, WatchLimits *limits);
static void run_one_by_one(ParallelWorker *worker, BatchResult *results,
						   int n);
static void run_alone(ParallelWorker *worker, BatchResult *result);
static void record_failure(ParallelWorker *worker, BatchResult *result,
						   Failure *failure);
static int tries(const ParallelWorker *worker, const BatchResult *result);
static void try_all(ParallelWorker *worker, BatchResult *results, int n);
static void try_batch(ParallelWorker *worker, BatchResult *result);
static bool attempts_were_lost(ParallelWorker *worker, BatchResult *result);
static void run_in_subtransaction(ParallelWorker *worker, BatchResult *result,
								  CurrentBatch *batch);
static void run_batch(ParallelWorker *worker, BatchResult *result,
					  CurrentBatch *batch);
static int64 items_of(CurrentBatch *batch);
static void check_all_there(CurrentBatch *batch);
static void renew_plan_if_renamed(ParallelWorker *worker);
static void check_gap(ParallelWorker *worker, const BatchResult *result);
static void take_failure(ParallelWorker *worker, BatchResult *result,
						 ErrorData *error, WatchAlarm alarm);
static void count_items(BatchResult *result, CurrentBatch *batch);
static void count_items_of(void *arg);

bool
parallel_do_group(ParallelWorker *worker)
{
	BatchResult *results;
	Failure *failure;
	int n;

	MemoryContextReset(worker->scratch);
	MemoryContextSwitchTo(worker->scratch);
	results = palloc0(MAX_BATCH_GROUP * sizeof(BatchResult));
	n = take_group(worker, results);
	if (n == 0)
		return false;

	failure = crash_claim(worker);
	if (failure != NULL)
		worker->failure = failure->interrupt == INTERRUPT_NONE ? failure :
																 NULL;
	else
		do_group(worker, results, n);

	/* What was not tried, or was interrupted, is for others. */
	step_put_back(worker->step);
	return true;
}

static void
do_group(ParallelWorker *worker, BatchResult *results, int n)
{
	Failure *failure = run_group(worker, results, n);

	if (failure == NULL)
		parallel_count_ends(worker, results, n);
	else if (failure->interrupt == INTERRUPT_NONE && n > 1)
		run_one_by_one(worker, results, n);
	else if (failure->interrupt == INTERRUPT_NONE)
		record_failure(worker, results, failure);
}

/* One, until it is known how long mini-batches last. */
static int
group_size(const ParallelWorker *worker)
{
	StepCounts counts;

	step_counts(worker->step, &counts);
	if (counts.batch_seconds <= 0)
		return counts.first_batch_at == 0 ? 1 : 2;
	return (
		int) Max(Min(GROUP_SECONDS / counts.batch_seconds, MAX_BATCH_GROUP),
				 1);
}

static int
take_group(ParallelWorker *worker, BatchResult *results)
{
	int n = step_take(worker->step, group_size(worker));
	int i;

	for (i = 0; i < n; i++)
	{
		results[i].batch = MySlot->batches[i];
		results[i].attempt = MySlot->batch_attempts[i];
	}
	return n;
}

/* NULL, or the error for which all of it was rolled back. */
static Failure *
run_group(ParallelWorker *worker, BatchResult *results, int n)
{
	Failure *volatile failure = NULL;
	LineageMark mark = lineage_mark();
	WatchAlarm alarm;

	PG_TRY();
	{
		work_begin();
		if (worker->snapshot != NULL)
			horizon_share(worker->snapshot->xmin);
		MemoryContextSwitchTo(worker->scratch);
		journal_capture_start();
		lineage_start();
		try_all(worker, results, n);
		fire_deferred_triggers(worker);
		lineage_stop();
		journal_capture_stop();
		parallel_record(worker, results, n);
		work_commit(worker->call->document->durability == DURABILITY_ACTIVITY);
	}
	PG_CATCH();
	{
		alarm = watch_stop();
		MyBatch = NULL;
		journal_capture_stop();
		lineage_stop();
		lineage_go_back(&mark);
		failure = failure_catch(worker->scratch);
		if (alarm == WATCH_BATCH && strcmp(failure->sqlstate, "57014") == 0)
			failure = timeout_failure(worker->scratch, worker->call->def,
									  alarm, "the mini-batch",
									  worker->config->batch_timeout);
		else if (alarm == WATCH_STEP || alarm == WATCH_STALLED)
			worker->failure = timeout_failure(worker->context,
											  worker->call->def, alarm, NULL,
											  0);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(worker->scratch);
	return failure;
}

/*
 * Each mini-batch has run its own deferred triggers; one that defers itself
 * again would leave the rest to the commit, where nobody looks at the time.
 */
static void
fire_deferred_triggers(ParallelWorker *worker)
{
	WatchLimits limits;

	set_limits(worker, &limits);
	watch_start(&limits);
	AfterTriggerFireDeferred();
	(void) watch_stop();
}

static void
run_one_by_one(ParallelWorker *worker, BatchResult *results, int n)
{
	int i;

	for (i = 0; i < n && worker->failure == NULL &&
		 !parallel_exceeds(worker, NULL, 0);
		 i++)
		run_alone(worker, &results[i]);
}

static void
run_alone(ParallelWorker *worker, BatchResult *result)
{
	BatchResult again = {.batch = result->batch, .attempt = result->attempt};
	Failure *failure;
	StepCounts counts;

	step_counts(worker->step, &counts);
	if (counts.stopping)
		return;
	*result = again;
	failure = run_group(worker, result, 1);
	if (failure == NULL)
		parallel_count_ends(worker, result, 1);
	else if (failure->interrupt == INTERRUPT_NONE)
		record_failure(worker, result, failure);
}

/*
 * The attempt failed after its statement was done, usually at the commit.  A
 * unique violation is that of its row: somebody else made this attempt, which
 * will be noticed when the step has nothing left to hand out.
 */
static void
record_failure(ParallelWorker *worker, BatchResult *result, Failure *failure)
{
	Failure *volatile again = NULL;

	if (strcmp(failure->sqlstate, "23505") == 0)
	{
		step_let_go(worker->step, result->batch);
		return;
	}
	result->tried = true;
	result->succeeded = false;
	result->final = tries(worker, result) > worker->config->max_retries;
	result->failure = failure;
	result->items_out = 0;
	if (result->finished_at == 0)
		result->finished_at = GetCurrentTimestamp();
	PG_TRY();
	{
		work_begin();
		MemoryContextSwitchTo(worker->scratch);
		parallel_record(worker, result, 1);
		work_commit(false);
	}
	PG_CATCH();
	{
		again = failure_catch(worker->context);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(worker->scratch);

	/* When not even this can be written, going on would be in vain. */
	if (again == NULL)
		parallel_count_ends(worker, result, 1);
	else if (again->interrupt == INTERRUPT_NONE)
		worker->failure = again;
}

/* Attempts at it, this one included, in this attempt at the activity. */
static int
tries(const ParallelWorker *worker, const BatchResult *result)
{
	return result->attempt - worker->split.attempts_before;
}

static void
try_all(ParallelWorker *worker, BatchResult *results, int n)
{
	TimestampTz started_at = GetCurrentTimestamp();
	int i;

	for (i = 0; i < n && worker->failure == NULL; i++)
	{
		if (i > 0 && results[i - 1].finished_at - started_at > GROUP_TOO_LONG)
			break;
		try_batch(worker, &results[i]);
		journal_write(worker->order.run_id, worker->order.no,
					  results[i].batch);
		journal_reset();
		/* Then what is left of the group is not started any more. */
		if (parallel_exceeds(worker, results, i + 1))
			break;
	}
}

static void
try_batch(ParallelWorker *worker, BatchResult *result)
{
	CurrentBatch batch;

	result->started_at = GetCurrentTimestamp();
	result->items_in = -1;
	if (!attempts_were_lost(worker, result))
	{
		parallel_locate_batch(worker, result->batch, &batch);
		result->keys = batch.keys;
		MyBatch = &batch;
		run_in_subtransaction(worker, result, &batch);
		result->failed_items = batch.failed_items;
		result->final = result->succeeded ||
			tries(worker, result) > worker->config->max_retries;
		count_items(result, &batch);
		columns_forget(&batch);
		MyBatch = NULL;
	}
	result->finished_at = GetCurrentTimestamp();
}

/* Has one worker after the other died of it? */
static bool
attempts_were_lost(ParallelWorker *worker, BatchResult *result)
{
	if (tries(worker, result) <=
		worker->config->max_retries + MAX_LOST_ATTEMPTS)
		return false;
	result->tried = true;
	result->final = true;
	result->failure =
		failure_create(worker->scratch, "57P01",
					   "the workers of the last attempts were terminated",
					   NULL, NULL);
	return true;
}

static void
run_in_subtransaction(ParallelWorker *worker, BatchResult *result,
					  CurrentBatch *batch)
{
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;
	volatile WatchAlarm alarm = WATCH_NONE;
	LineageMark mark = lineage_mark();

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(worker->scratch);
	PG_TRY();
	{
		run_batch(worker, result, batch);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		alarm = watch_stop();
		MemoryContextSwitchTo(worker->scratch);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		lineage_go_back(&mark);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(worker->scratch);
	CurrentResourceOwner = owner;

	if (error == NULL)
		result->tried = result->succeeded = true;
	else
		take_failure(worker, result, error, alarm);
}

static void
set_limits(const ParallelWorker *worker, WatchLimits *limits)
{
	memset(limits, 0, sizeof(*limits));
	limits->batch_timeout = worker->config->batch_timeout;
	limits->step_deadline = worker->deadline;
	limits->progress_timeout = worker->config->progress_timeout;
	limits->step = worker->step;
	limits->ready_at = worker->ready_at;
}

static void
run_batch(ParallelWorker *worker, BatchResult *result, CurrentBatch *batch)
{
	WatchLimits limits;
	int64 rows;
	int64 items_in;

	set_limits(worker, &limits);
	watch_start(&limits);
	if (worker->plan != NULL)
	{
		renew_plan_if_renamed(worker);
		rows = batch_plan_run(worker->plan);
	}
	else
	{
		CachedPlanSource *plan;

		/* Made for this one alone. */
		batch->usual_items = 0;
		plan = batch_plan_create(parallel_run_text(worker->call),
								 parallel_batch_relation(worker->config,
														 &worker->split),
								 worker->append_to, false);

		rows = batch_plan_run(plan);
		DropCachedPlan(plan);
	}

	PortalHashTableDeleteAll();
	items_in = items_of(batch);
	watch_enforce();
	(void) watch_stop();

	/* Only now: had it failed before, it would have returned nothing. */
	result->items_out = rows;
	result->items_in = items_in;
	result->failed_items = batch->failed_items;
	check_gap(worker, result);
}

/* A statement with a LIMIT, or over an empty join, stops its scan early. */
static int64
items_of(CurrentBatch *batch)
{
	if (batch->items >= 0)
	{
		check_all_there(batch);
		return batch->items;
	}
	return batch->read_whole ? batch->items_read : batch_count_items(batch);
}

/*
 * If nobody held the step's snapshot for a while after a crash, because the
 * launcher did not come up (horizon_gate.c) or the library was not loaded, rows
 * can have been pruned away that were updated or deleted since the split.  The
 * new versions of updated rows are in no mini-batch.
 */
static void
check_all_there(CurrentBatch *batch)
{
	if (batch->snapshot == NULL || !batch->read_whole ||
		batch->items_read == batch->items)
		return;
	batch->rows_gone = true;
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg("rows of the input were vacuumed away after a crash"),
		 errdetail("Mini-batch %d had " INT64_FORMAT
				   " rows when the input was split, and has " INT64_FORMAT
				   " of them now.",
				   batch->number, batch->items, batch->items_read),
		 errhint(
			 "mlpipe_rerun() does what is left, with the rows as they are by then.")));
}

/* A name that is another table's by now would go unnoticed. */
static void
renew_plan_if_renamed(ParallelWorker *worker)
{
	Oid relation = parallel_batch_relation(worker->config, &worker->split);
	InputName name;
	CachedPlanSource *plan;

	batch_input_name(relation, &name);
	if (memcmp(&name, &worker->input_name, sizeof(name)) == 0)
		return;
	plan = batch_plan_create(worker->run_text, relation, worker->append_to,
							 true);
	DropCachedPlan(worker->plan);
	worker->plan = plan;
	worker->input_name = name;
}

static void
check_gap(ParallelWorker *worker, const BatchResult *result)
{
	if (gap_fails_batch(worker->config, result->items_in, result->items_out,
						list_length(result->failed_items)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("the mini-batch has " INT64_FORMAT
						" items, and \"run\" returned " INT64_FORMAT " rows",
						result->items_in, result->items_out),
				 errhint(
					 "Where rows are not items, set \"count\" to \"none\".")));

	if (worker->config->compare_items && !worker->surplus_logged &&
		result->items_out > result->items_in)
	{
		call_log(WARNING,
				 psprintf("mini-batch %d has " INT64_FORMAT
						  " items, and \"run\" returned " INT64_FORMAT " rows",
						  result->batch, result->items_in, result->items_out));
		worker->surplus_logged = true;
	}
}

/*
 * An interrupt that is meant for all that this worker does is passed on, and
 * ends the transaction.
 */
static void
take_failure(ParallelWorker *worker, BatchResult *result, ErrorData *error,
			 WatchAlarm alarm)
{
	if (MySlot->interrupt != INTERRUPT_NONE)
		ReThrowError(error);
	QueryCancelPending = false;
	if (alarm == WATCH_STEP || alarm == WATCH_STALLED)
	{
		worker->failure = timeout_failure(worker->context, worker->call->def,
										  alarm, NULL, 0);
		return;
	}
	result->tried = true;
	if (alarm == WATCH_BATCH && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		result->failure = timeout_failure(worker->context, worker->call->def,
										  alarm, "the mini-batch",
										  worker->config->batch_timeout);
	else
		result->failure = failure_from_error(error, INTERRUPT_NONE);

	/* No mini-batch can be read any more, and that is no fault of theirs. */
	if (MyBatch->rows_gone || !batch_input_is_intact(&worker->split))
	{
		result->tried = false;
		worker->failure = failure_create(worker->context,
										 result->failure->sqlstate,
										 result->failure->message,
										 result->failure->detail,
										 result->failure->hint);
	}
}

/* What failed may not have been read to its end. */
static void
count_items(BatchResult *result, CurrentBatch *batch)
{
	char *message;

	if (result->succeeded)
		return;
	if (batch->items >= 0 ||
		(result->final && catch_errors(count_items_of, batch, &message)))
		result->items_in = batch->items;
	else
		result->items_in = batch->items_read;
}

static void
count_items_of(void *arg)
{
	CurrentBatch *batch = arg;

	batch->items = batch_count_items(batch);
}

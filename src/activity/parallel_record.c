/*-------------------------------------------------------------------------
 *
 * parallel_record.c
 *	  What is kept of the mini-batches that a worker has done: their rows, and
 *	  then the counters in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "activity/parallel_judge.h"
#include "activity/parallel_monitor.h"
#include "activity/parallel_worker.h"
#include "engine/step.h"
#include "store/engine_mode.h"

static BatchRow row_of(const ParallelWorker *worker,
					   const BatchResult *result);
static void record_failure(const ParallelWorker *worker,
						   const BatchResult *result);
static void record_failed_items(const ParallelWorker *worker,
								const BatchResult *result);
static int64 items_failed(const ParallelWorker *worker,
						  const BatchResult *result);

void
parallel_record(const ParallelWorker *worker, const BatchResult *results,
				int n)
{
	BatchRow *rows = palloc(n * sizeof(BatchRow));
	EngineMode mode;
	int nrows = 0;
	int i;

	/* A user's SET TRANSACTION READ ONLY is over with the user's part. */
	XactReadOnly = false;
	engine_mode_enter(&mode);
	for (i = 0; i < n; i++)
	{
		if (results[i].tried)
			rows[nrows++] = row_of(worker, &results[i]);
	}
	if (nrows > 0)
		batches_insert(rows, nrows);
	for (i = 0; i < n; i++)
	{
		if (!results[i].tried)
			continue;
		if (results[i].failure != NULL)
			record_failure(worker, &results[i]);
		if (results[i].final)
			record_failed_items(worker, &results[i]);
	}
	monitor_write(worker->order.run_id, worker->order.no);
	engine_mode_leave(&mode);
}

static BatchRow
row_of(const ParallelWorker *worker, const BatchResult *result)
{
	const Failure *failure = result->failure;

	return (BatchRow){.run_id = worker->order.run_id,
					  .no = worker->order.no,
					  .batch = result->batch,
					  .attempt = result->attempt,
					  .succeeded = result->succeeded,
					  .final = result->final,
					  .executor_pid = MyProcPid,
					  .started_at = result->started_at,
					  .finished_at = result->finished_at,
					  .items_in = result->items_in,
					  .items_out = result->items_out,
					  .items_failed = list_length(result->failed_items),
					  .keys = result->keys,
					  .error = failure != NULL ? failure->message : NULL};
}

static void
record_failure(const ParallelWorker *worker, const BatchResult *result)
{
	BatchFailure failed = {.run_id = worker->order.run_id,
						   .no = worker->order.no,
						   .batch = result->batch,
						   .attempt = result->attempt,
						   .sqlstate = result->failure->sqlstate,
						   .message = result->failure->message,
						   .detail = result->failure->detail,
						   .hint = result->failure->hint,
						   .context = result->failure->context};

	batch_failure_insert(&failed);
}

/* Not those of an attempt that is repeated, which reports them again. */
static void
record_failed_items(const ParallelWorker *worker, const BatchResult *result)
{
	BatchFailure failed = {.run_id = worker->order.run_id,
						   .no = worker->order.no,
						   .batch = result->batch,
						   .attempt = result->attempt,
						   .sqlstate = "22000"};
	ListCell *cell;

	foreach(cell, result->failed_items)
	{
		FailedItem *item = lfirst(cell);

		failed.context = item != NULL ? item->key : NULL;
		failed.message = item != NULL ?
			item->message :
			psprintf("%d more failed items were not kept",
					 list_length(result->failed_items) -
						 foreach_current_index(cell));
		batch_failure_insert(&failed);
		if (item == NULL)
			break;
	}
}

void
parallel_count_ends(ParallelWorker *worker, const BatchResult *results, int n)
{
	int i;

	monitor_forget_written();
	for (i = 0; i < n; i++)
	{
		const BatchResult *result = &results[i];
		int64 items = Max(result->items_in, 0);
		BatchEnd end = result->succeeded ? BATCH_SUCCEEDED :
			result->final                ? BATCH_FAILED :
										   BATCH_RETRY;

		if (!result->tried)
			continue;
		step_batch_ended(worker->step, result->batch, result->attempt, end,
						 items, items - items_failed(worker, result),
						 (result->finished_at - result->started_at) /
							 (double) USECS_PER_SEC);
	}
}

bool
parallel_exceeds(const ParallelWorker *worker, const BatchResult *results,
				 int n)
{
	StepCounts counts;
	StepTally tally;
	int i;

	/* The usual case, without a look at what came before. */
	if (n > 0 && results[n - 1].succeeded &&
		items_failed(worker, &results[n - 1]) <= 0)
		return false;
	step_counts(worker->step, &counts);
	tally.batches = counts.batches;
	tally.failed = counts.failed;
	tally.items_failed = counts.items_failed;
	for (i = 0; i < n; i++)
	{
		if (!results[i].tried || !results[i].final)
			continue;
		tally.failed += !results[i].succeeded;
		tally.items_failed += items_failed(worker, &results[i]);
	}
	return parallel_judge(&worker->config->thresholds, &tally) !=
		VERDICT_TOLERABLE;
}

static int64
items_failed(const ParallelWorker *worker, const BatchResult *result)
{
	int64 items = Max(result->items_in, 0);

	return items -
		items_not_failed(worker->config->compare_items, items,
						 result->items_out, list_length(result->failed_items));
}

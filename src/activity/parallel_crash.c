/*-------------------------------------------------------------------------
 *
 * parallel_crash.c
 *	  Mini-batches that take the whole server down.
 *
 * What workers had in hand when the server crashed is not known afterwards; if
 * it is the cause, it would be done again for ever.  So a step that a crash has
 * interrupted, or that starts soon after one, goes on with care:
 *
 * A worker writes down and flushes which mini-batches it is about to do.  That
 * costs a flush for each transaction.
 *
 * After the next crash, all that had been handed out and is not done is under
 * suspicion.  Then the step has a single worker, which does these one by one.
 * If the server crashes in the middle of one, that counts as a failed attempt
 * at it.  If it crashes while that worker prepares, that counts, too: too many
 * of these fail the step.
 *
 * As with activities, a crash counts from the third time on, whatever the
 * retries: it may have been caused by others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "activity/parallel_crash.h"
#include "engine/slot.h"
#include "engine/step.h"
#include "store/claim_store.h"
#include "store/engine_mode.h"

#define MIN_RETRIES   2

#define CRASH_MESSAGE "the server crashed or was stopped during this attempt"
#define CRASH_STATE   "57P02"

static void count_attempt(const StepRow *split, const ParallelConfig *config,
						  const ClaimsLeft *left);
static int64 items_of(const StepRow *split, int32 batch);
static int64 items_of_partition(const StepRow *split, int32 batch);
static Failure *count_preparation(const StepRow *split,
								  const ParallelConfig *config);
static bool write_claim(ParallelWorker *worker);

int32
crash_take_stock(const StepRow *split, const ParallelConfig *config,
				 Failure **failure)
{
	ClaimsLeft left;

	*failure = NULL;
	claims_left(split->run_id, split->no, &left);
	claims_forget(split->run_id, split->no);
	if (left.alone && left.batch > 0)
		count_attempt(split, config, &left);
	else if (left.alone)
		*failure = count_preparation(split, config);
	return left.highest;
}

static void
count_attempt(const StepRow *split, const ParallelConfig *config,
			  const ClaimsLeft *left)
{
	int32 tries = left->attempt - split->attempts_before;
	BatchRow row = {.run_id = split->run_id,
					.no = split->no,
					.batch = left->batch,
					.attempt = left->attempt,
					.succeeded = false,
					.final = tries > Max(config->max_retries, MIN_RETRIES),
					.executor_pid = left->executor_pid,
					.started_at = left->claimed_at,
					.finished_at = GetCurrentTimestamp(),
					.items_in = items_of(split, left->batch),
					.error = CRASH_MESSAGE};
	BatchFailure failed = {.run_id = split->run_id,
						   .no = split->no,
						   .batch = left->batch,
						   .attempt = left->attempt,
						   .sqlstate = CRASH_STATE,
						   .message = CRASH_MESSAGE};

	batches_insert(&row, 1);
	batch_failure_insert(&failed);
}

/* -1 if nobody has counted them. */
static int64
items_of(const StepRow *split, int32 batch)
{
	if (split->partitioned)
		return items_of_partition(split, batch);
	if (split->rows_per_batch == 0)
		return -1;
	return Min(split->rows_per_batch,
			   split->items - (batch - 1) * split->rows_per_batch);
}

static int64
items_of_partition(const StepRow *split, int32 batch)
{
	bytea *entry = step_boundaries(split->run_id, split->no,
								   (batch - 1) * PARTITION_SIZE,
								   PARTITION_SIZE);
	Partition partition;

	partition_read(VARDATA_ANY(entry), &partition);
	return partition.items;
}

/* NULL if it may be tried again. */
static Failure *
count_preparation(const StepRow *split, const ParallelConfig *config)
{
	int32 crashes = step_note_crash(split->run_id, split->no);

	if (crashes <= Max(config->max_retries, MIN_RETRIES))
		return NULL;
	return failure_create(
		CurrentMemoryContext, CRASH_STATE,
		psprintf(
			"the server crashed or was stopped %d times while a worker was prepared",
			crashes),
		NULL, NULL);
}

Failure *
crash_claim(ParallelWorker *worker)
{
	if (!step_needs_care(worker->step))
		return NULL;
	return parallel_in_transaction(worker, write_claim);
}

static bool
write_claim(ParallelWorker *worker)
{
	BatchClaim claim = {.run_id = worker->order.run_id,
						.no = worker->order.no,
						.slot = MySlot - control->slots,
						.executor_pid = MyProcPid,
						.alone = step_is_mine_alone(worker->step),
						.nbatches = MySlot->nbatches,
						.batches = MySlot->batches,
						.attempts = MySlot->batch_attempts};
	EngineMode mode;

	engine_mode_enter(&mode);
	claim_write(&claim);
	engine_mode_leave(&mode);
	return true;
}

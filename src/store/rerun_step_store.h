/*-------------------------------------------------------------------------
 *
 * rerun_step_store.h
 *	  What a rerun's parallel step reads of that step in the earlier run, and
 *	  takes over.
 *
 * Called in engine mode, in a transaction.  Results live in the current memory
 * context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_RERUN_STEP_STORE_H
#define MLPIPE_RERUN_STEP_STORE_H

#include "utils/array.h"

#include "store/step_store.h"

/* How the step had been split. */
typedef struct EarlierStep
{
	StepRow row;
	bytea *boundaries; /* NULL: none, or not kept; like the next two */
	bytea *snapshot;
	bytea *hashes;
} EarlierStep;

/*
 * NULL where that is not known (any more).  Of a step that had copied what was
 * left of a table, how that was split at first.
 */
extern EarlierStep *earlier_step(int64 run_id, int32 no);

/* How each of its mini-batches ended. */
typedef struct EarlierBatches
{
	int count;
	int32 *numbers;  /* ascending */
	bool *succeeded; /* else failed or never run */
	int64 *items;    /* -1: not known */
} EarlierBatches;

extern void earlier_batches(int64 run_id, int32 no, EarlierBatches *batches);

/* Keeps for further reruns how the table was split at first. */
extern void step_origin_keep(int64 run_id, int64 from_run_id, int32 no);

/* The mini-batches that succeeded there, under the same numbers. */
extern void batches_take(int64 run_id, int64 from_run_id, int32 no);

/*
 * The same, by the keys of their partitions: numbers[i] is that of the
 * partition with keys[i] (jsonb) here.
 */
extern void batches_take_by_keys(int64 run_id, int64 from_run_id, int32 no,
								 const int32 *numbers, Datum *keys, int count);

/*
 * Are the partitions that succeeded there among those with these keys (jsonb),
 * and can none be taken for another?
 */
extern bool batches_have_keys(int64 from_run_id, int32 no, Datum *keys,
							  int count);

#endif /* MLPIPE_RERUN_STEP_STORE_H */

/*-------------------------------------------------------------------------
 *
 * parallel_crash.h
 *	  Mini-batches that take the whole server down.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_CRASH_H
#define MLPIPE_PARALLEL_CRASH_H

#include "activity/parallel_worker.h"

/*
 * For a step that a crash has interrupted: counts the attempt that caused it,
 * if that can be told, and returns the highest mini-batch that was in hand.
 * In engine mode, in a transaction.  Sets *failure if the step has to fail, as
 * it cannot be prepared.
 */
extern int32 crash_take_stock(const StepRow *split,
							  const ParallelConfig *config, Failure **failure);

/*
 * If the step goes on with care, writes down what the worker has in hand: its
 * mini-batches or, if there are none, that it prepares.  Returns an error that
 * kept it from that, or NULL.
 */
extern Failure *crash_claim(ParallelWorker *worker);

#endif /* MLPIPE_PARALLEL_CRASH_H */

/*-------------------------------------------------------------------------
 *
 * horizon.h
 *	  Keeps what a step's snapshot sees from being vacuumed away.
 *
 * The mini-batches of a table all read it as it was when it was split: a row
 * that is updated meanwhile, by the step itself or by others, is in one
 * mini-batch, the old version of it.  No transaction of a worker lasts as long
 * as the step, so a process of its own, the keeper of the database, advertises
 * the oldest xmin that is needed.  It is started with the first hold and ends
 * some time after the last.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_HORIZON_H
#define MLPIPE_HORIZON_H

#include "utils/snapshot.h"

#include "engine/shmem.h"

extern PGDLLEXPORT void mlpipe_keeper_main(Datum arg);

/*
 * Executor, in the transaction that has the snapshot: holds it from now on,
 * until the step ends, or until this executor has finished its work without
 * publishing a step.  False if no keeper came in time.
 */
extern bool horizon_hold(int64 run_id, int32 no, Snapshot snapshot);

/*
 * Executor, in a transaction that is going to read with such a snapshot: takes
 * its xmin over from the keeper.
 */
extern void horizon_share(TransactionId xmin);

/* Scheduler: starts a keeper where one is wanted. */
extern void horizon_start_keeper(void);

/* The following want the control lock held. */

/* The step has been published: the hold is now its own, made if need be. */
extern void horizon_bind_step(const StepState *step);
extern void horizon_release(Oid database, int64 run_id, int32 no);

/* Releases what a slot held for a step that was never published. */
extern void horizon_release_slot(ExecutorSlot *slot);

#endif /* MLPIPE_HORIZON_H */

/*-------------------------------------------------------------------------
 *
 * executor.h
 *	  What the code that runs inside an executor asks of its main loop.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_EXECUTOR_H
#define MLPIPE_EXECUTOR_H

#include "activity/activity.h"
#include "engine/shmem.h"
#include "engine/step.h"

extern PGDLLEXPORT void mlpipe_executor_main(Datum arg);

/*
 * Takes the activity that this executor should do next from the queue; false
 * if there is none, or something else goes first.  A caller that does not claim
 * it puts it back and looks for work again.
 */
extern bool executor_take_activity(WorkOrder *order);
extern void executor_put_back(const WorkOrder *order);

/*
 * Should a worker of this step look for other work now?  True if something
 * earlier in the order of work is ready, if another step of equal order has
 * markedly fewer workers, or if this executor was asked to retire.
 */
extern bool executor_should_yield(StepState *step);

/*
 * Is there anything that this executor could do, or should retire for?  Asked
 * while its step has nothing to hand out; the caller holds the control lock.
 */
extern bool executor_has_other_work(void);

/*
 * Work of a parallel step (activity/parallel_work.c): joins it, runs
 * mini-batches in transactions of its own until there are none, the step ends
 * or executor_should_yield(), and ends the activity where it was the last.
 * Called with no transaction open and MySlot empty; returns so too.
 */
extern void parallel_work(StepState *step, const WorkOrder *order);

/*
 * Makes the shared state of a split step from the tables and publishes it
 * (activity/parallel_restore.c); in an open transaction, by the executor that
 * split it and by the scheduler after a restart.  False where there is no room.
 */
extern bool parallel_publish(int64 run_id, int32 no);

/*
 * Ends a step that has no worker and nothing left to hand out, or is stopping;
 * in an open transaction, by the scheduler.
 */
extern void parallel_end_idle(int64 run_id, int32 no);

/* Likewise fails a step that has no worker and whose time is over. */
extern void parallel_time_out(int64 run_id, int32 no, StepOverdue why);

/* Sets MyCall up for an attempt, in WorkContext; and clears it. */
extern ActivityCall *call_begin(int64 run_id, int32 no, int32 activity_no,
								int32 attempt);
extern void call_end(void);

#endif /* MLPIPE_EXECUTOR_H */

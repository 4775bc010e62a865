/*-------------------------------------------------------------------------
 *
 * step.h
 *	  Handing out the mini-batches of parallel activities.
 *
 * A step's mini-batches are numbers from 1 to n, given out by a counter in
 * shared memory; numbers whose attempt failed come back through a short list.
 * What has been done is in mlpipe.mini_batch, from which a step's shared state
 * can be rebuilt.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_STEP_H
#define MLPIPE_STEP_H

#include "engine/shmem.h"

/* A worker that died tells nobody, so those who wait look after so long. */
#define LOOK_AGAIN_MS 1000

/* All of these take the control lock themselves, unless they say otherwise. */

/*
 * Publishes a split step as ready work of MyDatabaseId and role, and wakes
 * executors.  The state is copied from *initial except for its list node and
 * lane.  A step that is there already is left as it is.  False if there is no
 * room: the caller leaves the activity queued.
 */
extern bool step_publish(Oid role, const StepState *initial);

/*
 * Joins as a worker, and says so in MySlot; false if the step wants no more
 * workers or has ended.
 */
extern bool step_join(StepState *step, const WorkOrder *expected);

/*
 * Takes up to max mini-batches into MySlot (batches, batch_attempts), and
 * returns how many; 0 if there is nothing to take now.
 */
extern int step_take(StepState *step, int max);

/*
 * Sleeps while nothing can be taken but others have mini-batches in hand that
 * may come back, and while there is no other work for this executor.  True if
 * there is something to take again.
 */
extern bool step_linger(StepState *step);

/* Has the executors that linger look again; the lock is held. */
extern void step_wake_lingering(const StepState *step);

/*
 * Is this entry still the step that MySlot names?  Has it something to hand
 * out?  The lock is held.
 */
extern bool step_is_mine(const StepState *step);
extern bool step_has_work(const StepState *step);

/*
 * Must its workers write down what they take before they do it?  Does nobody
 * else work on it until this worker takes something more?
 */
extern bool step_needs_care(const StepState *step);
extern bool step_is_mine_alone(const StepState *step);

/* What became of one mini-batch in MySlot's hands. */
typedef enum BatchEnd
{
	BATCH_SUCCEEDED,
	BATCH_FAILED, /* for good */
	BATCH_RETRY   /* will be tried again */
} BatchEnd;

/*
 * Counts an end that has been committed.  items_done are the items that do not
 * count towards error_threshold.
 */
extern void step_batch_ended(StepState *step, int32 batch, int32 attempt,
							 BatchEnd end, int64 items, int64 items_done,
							 double seconds);

/* Gives all mini-batches in MySlot's hands back, untried. */
extern void step_put_back(StepState *step);

/* Forgets a mini-batch whose end may be in the table: it is looked for later. */
extern void step_let_go(StepState *step, int32 batch);

/*
 * Gives back what an executor had in hand that died, counted as tried once
 * more; the executor has left the step.  The lock is held.
 */
extern void step_give_back(ExecutorSlot *slot);

/*
 * Hands out nothing more: the step has failed.  Interrupts its other workers.
 * False if it was stopping already: then somebody else sees to its end.
 */
extern bool step_stop(StepState *step);

/*
 * Lets a stopping step go on from the given state.  Does nothing if it is no
 * longer stopping, or gone.
 */
extern void step_restart(const StepState *fresh);

/*
 * Hands out again: nobody knows why the step was stopping, or the table lacks
 * mini-batches that nobody has in hand.
 */
extern void step_reopen(StepState *step);

/* Sleeps until the caller is the only worker. */
extern void step_wait_for_others(StepState *step);

/* Why the scheduler has to see to a step without a worker (step_due.c). */
typedef enum StepOverdue
{
	STEP_IN_TIME,
	STEP_TIMED_OUT,
	STEP_STALLED,
	STEP_NOT_STARTED,
	STEP_PAUSED /* it need not end: its pause is over */
} StepOverdue;

/*
 * Has the scheduler look when the step will be overdue.  When the first step of
 * a database will be; 0: never.  The lock is held.
 */
extern void step_note_due(const StepState *step);
extern TimestampTz steps_next_due(Oid database);

/*
 * Scheduler: finds an overdue step of its database, and has it stop from now
 * on.  Those whose pause is over go on.
 */
extern bool step_take_overdue(WorkOrder *order, StepOverdue *why);

/* The counters at one moment. */
typedef struct StepCounts
{
	int32 batches;
	int32 failed;
	int64 items_failed;
	double batch_seconds; /* 0: not known yet */
	TimestampTz started_at;
	TimestampTz first_batch_at; /* 0: none was started */
	bool has_retries;
	bool stopping;
	bool suspended;
} StepCounts;

extern void step_counts(StepState *step, StepCounts *counts);

/*
 * Has the list of retries overflowed, so that the table has to be asked what
 * is missing?  If so, the caller is the one who asks; *taken (palloc'd) are
 * the mini-batches that are not missing although they have no final row.
 */
extern bool step_rescan_begin(StepState *step, int32 **taken, int *ntaken);

/* Adds a missing one; false if the list is full: rescan later. */
extern bool step_rescan_add(StepState *step, int32 batch, int32 attempt);

/*
 * Leaves the step.  True if the caller was its last worker and nothing is left
 * to hand out, or the step is stopping: then the caller ends the activity, and
 * calls step_remove() once that is committed.
 */
extern bool step_leave(StepState *step);
extern void step_remove(int64 run_id, int32 no);
extern void step_remove_locked(int64 run_id, int32 no);

#endif /* MLPIPE_STEP_H */

/*-------------------------------------------------------------------------
 *
 * wakeup.h
 *	  What a transaction tells other processes when it commits.
 *
 * Noted while the transaction goes on, done in its commit callback, forgotten
 * when it rolls back.  A transaction that has noted something cannot be
 * prepared for two-phase commit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_WAKEUP_H
#define MLPIPE_WAKEUP_H

#include "engine/shmem.h"

/* An activity is ready: put it into its role's queue, and wake an executor. */
extern void wakeup_ready(Oid role, const WorkOrder *order);

/* Something about the run changed: wake whoever watches it. */
extern void wakeup_run_event(int64 run_id);

/* The run has ended: wake whoever watches it or waits for its end. */
extern void wakeup_run_end(int64 run_id);

/* Interrupt what executors do for the run (no < 0: all its activities). */
extern void wakeup_interrupt(int64 run_id, int32 no, Interrupt why);

/* Hold back, or hand out again, the mini-batches of the run. */
extern void wakeup_suspend_steps(int64 run_id, bool suspended);

/* Remove the shared state of a step that has ended. */
extern void wakeup_remove_step(int64 run_id, int32 no);

/*
 * This executor goes on with another activity, claimed in this transaction.
 * Its slot says so from the moment when the claim is visible, and not before:
 * if the transaction fails, the slot still names the work that failed with it.
 */
extern void wakeup_my_work(const WorkOrder *order, int32 attempt);

/* The scheduler of this database has something to do. */
typedef enum SchedulerErrand
{
	ERRAND_ADMIT = 1 << 0,   /* runs wait for their pipeline's concurrency */
	ERRAND_CHANGES = 1 << 1, /* rows in mlpipe.source_change */
	ERRAND_SWEEP = 1 << 2,   /* look at steps and slots */
	ERRAND_REFILL = 1 << 3,  /* read the ready work from the tables */
	ERRAND_START = 1 << 4,   /* make sure that there is a scheduler */
	ERRAND_STOP = 1 << 5     /* runs are to be stopped */
} SchedulerErrand;

extern void wakeup_scheduler(int errands);

/* Something will be due at that time (a retry, a wait, a timeout). */
extern void wakeup_at(TimestampTz due_at);

#endif /* MLPIPE_WAKEUP_H */

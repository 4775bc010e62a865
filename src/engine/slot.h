/*-------------------------------------------------------------------------
 *
 * slot.h
 *	  The executors' places on the board in shared memory.
 *
 * A slot that names an activity is the proof that somebody works on it.  Its
 * process clears it after it has rolled back, also when it is terminated; if a
 * process dies without that, the server starts over with fresh memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_SLOT_H
#define MLPIPE_SLOT_H

#include "engine/shmem.h"

/* This executor's slot; NULL in other processes. */
extern ExecutorSlot *MySlot;

/* Executor, at its start: takes the slot that the scheduler reserved. */
extern void slot_attach(int index, uint32 generation);

/* Says what this executor works on from now on. */
extern void slot_work_on(const WorkOrder *order, int32 attempt,
						 StepState *step);
extern void slot_work_on_locked(const WorkOrder *order, int32 attempt,
								StepState *step);

/*
 * May this executor go on with that activity of its lane: is nothing better in
 * the queue, and is it to go on at all?
 */
extern bool slot_may_go_on_with(const WorkOrder *order);

/*
 * Says that this executor is done with its work, and forgets an interrupt that
 * was meant for that.  Returns the interrupt.
 */
extern Interrupt slot_work_done(void);

/*
 * This executor leaves its step: from now on it is not interrupted when that
 * fails, and forgets an interrupt that was meant for what it did there.
 */
extern void slot_leave_step(void);

/*
 * Says that this executor's activity waits for another run, or no longer does.
 * False if no executor would be left to get on with any run.
 */
extern bool slot_wait(bool waiting);

/* Has an executor that lingers in a step look again; the lock is held. */
extern void slot_wake_lingering(ExecutorSlot *slot);

/* This executor takes nothing more. */
extern void slot_retire(void);

/* Scheduler: reserves a free slot; -1 if there is none. */
extern int slot_reserve(Oid database, Oid role, uint32 *generation);
extern void slot_release(int index, uint32 generation);

/* Scheduler: the same if an earlier one reserved it and nobody ever came. */
extern void slot_release_abandoned(int index);

/* Scheduler: frees the slot of a dead executor whose work has been seen to. */
extern void slot_bury(int index, uint32 generation);

/*
 * Forgets the work of a database whose extension is gone.  Executors that still
 * live give back their slots themselves.  The caller holds the control lock.
 */
extern void slot_forget_database(Oid database);

/*
 * Interrupts all executors that work on an activity of a run, and stops it if
 * it is a step.  no < 0: all activities of the run.  The second form wants the
 * control lock held, and cannot fail.
 */
extern void slot_interrupt_run(Oid database, int64 run_id, int32 no,
							   Interrupt why);
extern void slot_interrupt_run_locked(Oid database, int64 run_id, int32 no,
									  Interrupt why);

/*
 * Scheduler: signals those again that were interrupted and have not stopped;
 * false if there are none.
 */
extern bool slot_interrupt_again(Oid database);

#endif /* MLPIPE_SLOT_H */

/*-------------------------------------------------------------------------
 *
 * scheduler.h
 *	  The parts of the scheduler of a database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_SCHEDULER_H
#define MLPIPE_SCHEDULER_H

#include "engine/shmem.h"

extern PGDLLEXPORT void mlpipe_scheduler_main(Datum arg);
extern PGDLLEXPORT void mlpipe_launcher_main(Datum arg);

/* Registers a dynamic worker of this library; NULL if no slot is free. */
struct BackgroundWorkerHandle;
extern struct BackgroundWorkerHandle *worker_start(const char *function,
												   const char *name,
												   const char *type, Datum arg,
												   const void *extra,
												   Size extra_size);

/*
 * The rest is the scheduler's own; each function opens and commits the
 * transactions that it needs.  Those that return a bool return false if they
 * could not read what there is to do.
 */

/* refill.c: shared memory from the tables. */
extern void recover_started(void);
extern bool refill_ready(void);

/* due.c: what time causes. */
extern void handle_due(void);
extern TimestampTz look_up_next_due(void);

/* Purges some runs that are past mlpipe.retention; true if there are more. */
extern bool purge_old_runs(void);

/* admission.c: the concurrency of pipelines. */
extern bool admit_runs(void);

/* child.c: runs that were asked to stop, or that nobody waits for any more. */
extern bool stop_runs(void);

/* sweep.c: dead executors, and steps that are idle or overdue. */
extern void sweep(void);
extern void end_overdue_steps(void);

/*
 * staffing.c: starts executors for lanes whose work waits.  Returns the
 * milliseconds after which to look again; -1: not before somebody asks.
 */
extern long staff_lanes(void);

/* changes.c: rows of mlpipe.source_change become runs. */
extern bool changes_to_runs(void);

/* The shorter of two pauses; -1 is for ever. */
extern long sooner(long a, long b);

/* Calls function(arg) in a transaction; logs an error, and returns false. */
extern bool try_in_transaction(void (*function)(void *), void *arg);

/* Something could not be done now: looks again later, as after an error. */
extern void look_again_after_pause(void);

#endif /* MLPIPE_SCHEDULER_H */

/*-------------------------------------------------------------------------
 *
 * scheduler.h
 *	  The scheduler of one database, in its parts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_SCHEDULER_H
#define MLPIPE_SCHEDULER_H

#include "engine/shmem.h"

extern PGDLLEXPORT void mlpipe_scheduler_main(Datum arg);
extern PGDLLEXPORT void mlpipe_launcher_main(Datum arg);

/* Registers a dynamic worker of this library; NULL where no slot is free. */
struct BackgroundWorkerHandle;
extern struct BackgroundWorkerHandle *worker_start(const char *function,
												   const char *name,
												   const char *type, Datum arg,
												   const void *extra,
												   Size extra_size);

/*
 * The rest is the scheduler's own; each function opens and commits the
 * transactions that it needs.  Those that return a bool: false where it was not
 * possible to read what there is to do.
 */

/* refill.c: shared memory from the tables. */
extern void recover_started(void);
extern bool refill_ready(void);

/* due.c: what time causes. */
extern void handle_due(void);
extern TimestampTz look_up_next_due(void);

/* Some of the runs that are past mlpipe.retention; true where there are more. */
extern bool purge_old_runs(void);

/* admission.c: the concurrency of pipelines. */
extern bool admit_runs(void);

/* child.c: runs that were asked to stop, or that nobody waits for any more. */
extern bool stop_runs(void);

/* sweep.c: dead executors, steps that nobody works on, or not in time. */
extern void sweep(void);
extern void end_overdue_steps(void);

/*
 * staffing.c: starts executors for lanes whose work waits.  Milliseconds after
 * which to look again; -1: not before somebody asks.
 */
extern long staff_lanes(void);

/* changes.c: rows of mlpipe.source_change become runs. */
extern bool changes_to_runs(void);

/* The shorter of two pauses; -1 is for ever. */
extern long sooner(long a, long b);

/* Runs fn(arg) in a transaction; an error is logged, and false returned. */
extern bool try_in_transaction(void (*function)(void *), void *arg);

/* Something could not be done now: as after an error. */
extern void look_again_after_pause(void);

#endif /* MLPIPE_SCHEDULER_H */

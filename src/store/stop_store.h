/*-------------------------------------------------------------------------
 *
 * stop_store.h
 *	  Statements that end or detach all that has not ended.
 *
 * All of these are called in engine mode, in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_STOP_STORE_H
#define MLPIPE_STOP_STORE_H

/* Locks what has not ended, in ascending order. */
extern void activities_lock(int64 run_id);

/*
 * Locks what has not ended, in order; cancels what waits, is queued or parked,
 * and detaches what is in progress.  Returns how many were detached.
 */
extern int32 activities_stop(int64 run_id);

/*
 * What is in progress, and nobody works on: ready again, or cancelled where it
 * is detached.  Returns how many were cancelled.
 */
extern int32 activities_abandon(int64 run_id);

/* All of a run that never started: skipped. */
extern void activities_skip(int64 run_id);

#endif /* MLPIPE_STOP_STORE_H */

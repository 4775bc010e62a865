/*-------------------------------------------------------------------------
 *
 * stop_store.h
 *	  Statements that end or detach all that has not ended.
 *
 * All of these are called in engine mode, in a transaction.  Results live in
 * the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_STOP_STORE_H
#define MLPIPE_STOP_STORE_H

#include "nodes/pg_list.h"

#include "definition/document.h"

/* Locks what has not ended, in the order that src/README.md demands. */
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

/*
 * activities_stop() for what is inside of a container, whose end then waits for
 * those that were detached.  Their numbers; a list of int.
 */
extern List *activities_stop_inside(int64 run_id, int32 no,
									const Document *document);

/* The container fails with that error when the detached ones have ended. */
extern void activity_stopping(int64 run_id, int32 no, int32 detached,
							  const char *error);

/* One of these has ended: how many are left; *error is what was said then. */
extern int32 activity_count_down(int64 run_id, int32 no, char **error);

/* Skips all activities of a run that never started. */
extern void activities_skip(int64 run_id);

#endif /* MLPIPE_STOP_STORE_H */

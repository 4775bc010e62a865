/*-------------------------------------------------------------------------
 *
 * activity_store.h
 *	  Every statement on mlpipe.activity_run and mlpipe.failure.
 *
 * All of these are called in engine mode, in a transaction.  Results live in
 * the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_ACTIVITY_STORE_H
#define MLPIPE_ACTIVITY_STORE_H

#include "definition/document.h"
#include "engine/failure.h"
#include "store/run_store.h"
#include "store/types.h"

/* The rows of a new run: its roots queued, the others waiting. */
extern void activities_insert(int64 run_id, const Document *document);

/*
 * From queued to in progress, where it may start and nobody holds its row; the
 * number of the attempt, or 0.
 */
extern int32 activity_claim(int64 run_id, int32 no, int pid);

/* Queued and allowed to start, but not claimed: somebody locks its row. */
extern bool activity_is_claimable(int64 run_id, int32 no);

typedef enum EndResult
{
	END_MARKED,
	END_MARKED_DETACHED,		/* its run has stopped */
	END_NOT_OURS				/* it is not that attempt's any more */
} EndResult;

/* status: succeeded, failed (cancelled, where it is detached) or cancelled. */
extern EndResult activity_end(int64 run_id, int32 no, int32 attempt,
							  ActivityStatus status, Jsonb *output,
							  const char *error, int64 items_in,
							  int64 items_out);

/*
 * From in progress to parked: it waits without an executor.  times_out: when
 * its time comes it has waited in vain.
 */
extern bool activity_park(int64 run_id, int32 no, int32 attempt,
						  TimestampTz due_at, bool times_out);

/* Attempts that were lost with their worker or a crash so far. */
extern int32 activity_lost(int64 run_id, int32 no);

/*
 * Back to queued, after a pause in microseconds; lost: the attempt died with
 * its worker.  False where it is not that attempt's any more, or detached.
 */
extern bool activity_requeue(int64 run_id, int32 no, int32 attempt,
							 int64 pause, bool lost, TimestampTz *due_at);

/* Inactive activities end without having been in progress. */
extern void activity_set_inactive(int64 run_id, int32 no);

/*
 * Of an activity that waits, so many dependencies have ended, so many of them
 * otherwise than it asks.  Once none is left it is skipped or becomes what
 * ready says; in_progress claims it for pid.  Returns what it is now;
 * ACTIVITY_CANCELLED where it was not waiting any more.
 */
extern ActivityStatus activity_dependencies_ended(int64 run_id, int32 no,
												  int32 ended, int32 unmet,
												  ActivityStatus ready,
												  int pid);

/* How each activity of a run ended, by number in the definition. */
extern void activity_ends(int64 run_id, const Document *document,
						  ActivityEnd *ends);

/* "name: error" of the first activity that failed; NULL where none did. */
extern char *activity_first_error(int64 run_id);

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

/* Numbers of the activities of a run that are queued, with no pause left. */
extern List *activities_queued(int64 run_id);	/* of int */

/* What is ready in the whole database, in the order of the queue. */
typedef struct ReadyRow
{
	Oid			role;
	int32		run_priority;
	int64		run_id;
	int32		no;
	int64		version_id;
} ReadyRow;

extern List *activities_ready(int limit);	/* of ReadyRow * */

/* In progress and not parked, in runs of this database. */
typedef struct StartedRow
{
	int64		run_id;
	int32		no;
	int32		attempt;
	bool		split;			/* a step that has been split */
} StartedRow;

extern List *activities_started(void);	/* of StartedRow * */

extern List *activities_due(int limit); /* of DueRow * */
extern void activity_clear_due(int64 run_id, int32 no);

/* batch 0: of the activity itself. */
extern void failure_insert(int64 run_id, int32 no, int32 batch, int32 attempt,
						   const Failure *failure);

/* The object that ${{ }} looks into. */
extern Jsonb *run_context_load(int64 run_id);

#endif							/* MLPIPE_ACTIVITY_STORE_H */

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

/*
 * From queued to in progress, where it may start and nobody holds its row; the
 * number of the attempt, or 0.  One that was parked goes on with its attempt.
 */
extern int32 activity_claim(int64 run_id, int32 no, int pid);

/* Queued and allowed to start, but not claimed: somebody locks its row. */
extern bool activity_is_claimable(int64 run_id, int32 no);

typedef enum EndResult
{
	END_MARKED,
	END_MARKED_DETACHED, /* its run has stopped */
	END_NOT_OURS         /* it is not that attempt's any more */
} EndResult;

/* Whose row it is. */
typedef struct ActivityRow
{
	int32 no;
	int32 activity_no; /* in the document */
	int32 parent_no;   /* the container's row; -1: none */
	int32 iteration;
	int32 attempt;
	ActivityStatus status;
	bool parked;
	int32 detached_to;      /* the container that has stopped; -1: none */
	TimestampTz started_at; /* 0: not yet */
	char *name;
} ActivityRow;

/*
 * status: succeeded, failed (cancelled, where it is detached), cancelled or
 * skipped.  attempt 0: whichever, but only while it is parked.  Fills row.
 */
extern EndResult activity_end(int64 run_id, int32 no, int32 attempt,
							  ActivityStatus status, Jsonb *output,
							  const char *error, int64 items_in,
							  int64 items_out, ActivityRow *row);

/*
 * From in progress to parked: it waits without an executor.  due_at 0: for no
 * time.  times_out: when its time comes it has waited in vain.  lanes: of a container that begins, the scopes that it has at once.
 */
extern bool activity_park(int64 run_id, int32 no, int32 attempt,
						  TimestampTz due_at, bool times_out, int32 lanes,
						  Jsonb *output);

/* NULL where there is no such row. */
extern ActivityRow *activity_load(int64 run_id, int32 no);

/* It and the containers around it, from the inside out; ActivityRow *. */
extern List *activity_ancestry(int64 run_id, int32 no);

/* A parked one is due for another look: queued, and still parked. */
extern bool activity_resume(int64 run_id, int32 no, int32 attempt);

/* Attempts so far that were lost with their worker or a crash, or made way. */
extern int32 activity_lost(int64 run_id, int32 no);

/* The same without those that made way; looked up among the failures. */
extern int32 activity_deaths(int64 run_id, int32 no);

/* Of one in progress, which stays that.  False where it is not this attempt's. */
extern bool activity_next_attempt(int64 run_id, int32 no, int32 attempt);

/*
 * Back to queued, after a pause in microseconds; lost: the attempt died with
 * its worker.  False where it is not that attempt's any more, or detached.
 */
extern bool activity_requeue(int64 run_id, int32 no, int32 attempt,
							 int64 pause, bool lost, TimestampTz *due_at);

/* Inactive activities end without having been in progress. */
extern void activity_set_inactive(int64 run_id, int32 no);

/*
 * All that an activity waited for has ended as it asks: from waiting to queued,
 * or to in progress for pid.  False where it was not waiting any more.
 */
extern bool activity_release(int64 run_id, int32 no);
extern bool activity_release_to(int64 run_id, int32 no, int pid);

/*
 * Of an activity that waits, so many dependencies have ended, so many of them
 * otherwise than it asks.  Once none is left it is skipped or becomes what
 * ready says; in_progress claims it for pid.  One that a rerun takes over has
 * succeeded then.  Returns what it is now; ACTIVITY_CANCELLED where it was not
 * waiting any more.
 */
extern ActivityStatus activity_dependencies_ended(int64 run_id, int32 no,
												  int32 ended, int32 unmet,
												  ActivityStatus ready,
												  bool join_any, int pid);

/* Activities of all levels that failed, but for those listed by number. */
extern int activity_failures(int64 run_id, List *containers);

/*
 * "name: error" of the first activity that failed; NULL where none did.
 * within: only of those inside of the container of that name; NULL: of all.
 */
extern char *activity_first_error(int64 run_id, const char *within);

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

/* The activities of a run that are queued, with no pause left. */
extern List *activities_queued(int64 run_id); /* of ReadyRow * */

/* What is ready in the whole database, in the order of the queue. */
typedef struct ReadyRow
{
	Oid role;
	int32 run_priority;
	int64 run_id;
	int32 no;
	int32 activity_no;
	int64 version_id;
} ReadyRow;

extern List *activities_ready(int limit); /* of ReadyRow * */

/* In progress and not parked, in runs of this database. */
typedef struct StartedRow
{
	int64 run_id;
	int32 no;
	int32 attempt;
	bool split; /* a step that has been split */
} StartedRow;

extern List *activities_started(void); /* of StartedRow * */

extern List *activities_due(int limit); /* of DueRow * */
extern void activity_clear_due(int64 run_id, int32 no);

/* batch 0: of the activity itself. */
extern void failure_insert(int64 run_id, int32 no, int32 batch, int32 attempt,
						   const Failure *failure);

/* Of the activity that failed first; NULL where none did. */
extern char *failure_first_sqlstate(int64 run_id);

/* The activity that views show by that name; NULL where there is none. */
extern ActivityRow *activity_find(int64 run_id, const char *name);

/*
 * How the activities of a run stand, by number in the document: of several
 * rows what most needs a look.  -1 of those that have no row.
 */
extern int *activity_statuses(int64 run_id, int count);

#endif /* MLPIPE_ACTIVITY_STORE_H */

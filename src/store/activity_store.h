/*-------------------------------------------------------------------------
 *
 * activity_store.h
 *	  Statements on a row of mlpipe.activity_run.
 *
 * Those that find activities to work on are in ready_store.h, those that follow
 * from the ends of others in release_store.h, those that stop many in
 * stop_store.h; rows are made by scope_store.h.
 *
 * All of these are called in engine mode, in a transaction.  Results live in
 * the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_ACTIVITY_STORE_H
#define MLPIPE_ACTIVITY_STORE_H

#include "definition/document.h"
#include "store/run_store.h"
#include "store/types.h"

/*
 * From queued to in progress, where it may start and nobody holds its row; the
 * number of the attempt, or 0.  One that was parked goes on with its attempt.
 */
extern int32 activity_claim(int64 run_id, int32 no, int pid);

/* Is it queued and allowed to start?  After a vain claim: its row is locked. */
extern bool activity_is_claimable(int64 run_id, int32 no);

typedef enum EndResult
{
	END_MARKED,
	END_MARKED_DETACHED, /* its run has stopped */
	END_NOT_OURS         /* it is not that attempt's any more */
} EndResult;

/* What most who deal with an activity's row ask of it. */
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
 * From in progress to parked: it waits without an executor, until due_at
 * unless that is 0.  times_out: when that time comes it has waited in vain.
 * lanes: how many scopes a container that begins works on at a time.
 */
extern bool activity_park(int64 run_id, int32 no, int32 attempt,
						  TimestampTz due_at, bool times_out, int32 lanes,
						  Jsonb *output);

/* NULL where there is no such row. */
extern ActivityRow *activity_load(int64 run_id, int32 no);

/* The same, once nobody else is about to end it, and as that has left it. */
extern ActivityRow *activity_lock(int64 run_id, int32 no);

/* It and the containers around it, from the inside out; ActivityRow *. */
extern List *activity_ancestry(int64 run_id, int32 no);

/* A parked one is due for another look: now it is queued, and still parked. */
extern bool activity_resume(int64 run_id, int32 no, int32 attempt);

/* How many attempts were lost with their worker or a crash, or made way. */
extern int32 activity_lost(int64 run_id, int32 no);

/*
 * Counts another attempt of an activity that stays in progress; it begins after
 * the pause (microseconds).  False where it is not that attempt's any more.
 */
extern bool activity_next_attempt(int64 run_id, int32 no, int32 attempt,
								  int64 pause);

/*
 * Back to queued, after a pause in microseconds; lost: the attempt died with
 * its worker.  False where it is not that attempt's any more, or detached.
 */
extern bool activity_requeue(int64 run_id, int32 no, int32 attempt,
							 int64 pause, bool lost, TimestampTz *due_at);

/*
 * Inactive activities end without having been in progress; false where this one
 * was cancelled before.
 */
extern bool activity_set_inactive(int64 run_id, int32 no);

/* The activity that views show by that name; NULL where there is none. */
extern ActivityRow *activity_find(int64 run_id, const char *name);

/*
 * How the activities of a run stand, by number in the document: where there are
 * several rows, the status that most needs a look; -1 where there is none.
 */
extern int *activity_statuses(int64 run_id, int count);

#endif /* MLPIPE_ACTIVITY_STORE_H */

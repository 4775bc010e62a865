/*-------------------------------------------------------------------------
 *
 * run_store.h
 *	  Statements on rows of mlpipe.run.
 *
 * Statements that make, admit and purge them are in submission_store.h,
 * admission_store.h and purge_store.h.
 *
 * All of these are called in engine mode, in a transaction.  Results live in
 * the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_RUN_STORE_H
#define MLPIPE_RUN_STORE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "store/types.h"

/* Who a run belongs to and what its activities' ends need to know of it. */
typedef struct RunRow
{
	int64 run_id;
	int64 version_id;
	int32 pipeline_id; /* 0: a document without a name */
	RunStatus status;
	int32 priority;
	Oid run_as;
	Oid submitted_by;
	RunStatus stop_status; /* RUN_QUEUED: it is not stopping */
	char *stop_reason;
	int32 level;         /* runs above it */
	int64 parent_run_id; /* that waits for its end; 0: none */
	int32 parent_no;
	int32 parent_attempt;
	int32 remaining;  /* ends of activities that its own end waits for */
	int64 rerun_of;   /* the run that it takes over from; 0: none */
	int32 rerun_from; /* what is done again in any case; -1: nothing */
	bool rerun_all;   /* so is all that this does not depend on */
} RunRow;

/* A run or an activity whose time has come. */
typedef struct DueRow
{
	int64 run_id;
	int32 no;      /* -1: the run itself */
	bool queued;   /* else in progress */
	int32 attempt; /* of an activity, as the next two */
	int32 activity_no;
	bool times_out; /* it has waited in vain */
	TimestampTz due_at;
} DueRow;

/* Which database a run belongs to: not that of a copy or a restored dump. */
extern int64 run_home(void);

/* Takes count row numbers for the caller alone; the first of them. */
extern int32 run_take_numbers(int64 run_id, int64 count);

/* NULL where there is no such run. */
extern RunRow *run_load(int64 run_id, bool lock);

/* May its activities start?  (It is at home, not suspended, not stopping.) */
extern bool run_is_startable(int64 run_id);

/* From queued to in progress; timeout in microseconds, 0: none. */
extern bool run_start(int64 run_id, TimestampTz at, int64 timeout);
extern bool run_has_started(int64 run_id);

/*
 * Takes ended activities off what its end waits for.  False where it waits for
 * no others: that is for the run's own end to say, and nothing is written.
 */
extern bool run_count_down(int64 run_id, int32 ended);

/*
 * The scheduler is to stop it; it starts nothing more until then.  False where
 * it has ended, or is stopping already.
 */
extern bool run_ask_stop(int64 run_id, RunStatus stop_status,
						 const char *reason);

typedef struct StopRow
{
	int64 run_id;
	RunStatus stop_status;
	char *reason;
} StopRow;

/* The runs that the scheduler is to stop: asked to, or awaited by nobody now. */
extern List *runs_to_stop(void); /* of StopRow * */

/* To cancelling; remaining: activities whose ends it still waits for. */
extern void run_stopping(int64 run_id, RunStatus stop_status,
						 const char *reason, int32 remaining);

/*
 * Ends it as succeeded.  NULL where it waits for more than these ended
 * activities, or is to stop; then nothing is written.
 */
extern RunRow *run_succeed(int64 run_id, int32 ended, int failures_handled,
						   Jsonb *output);

/* Ends it in any case; output and error may be NULL. */
extern void run_end(int64 run_id, RunStatus status, int failures_handled,
					Jsonb *output, const char *error);

/* False where its status does not allow it. */
extern bool run_suspend(int64 run_id);
extern bool run_resume(int64 run_id);

/* Makes this database its home; false where it is, or the run has ended. */
extern bool run_take_home(int64 run_id);

/*
 * What is due by now, earliest first, after one that has been looked at; and
 * the next time after that, or 0.
 */
extern List *runs_due(const DueRow *after, int limit); /* of DueRow * */
extern void run_clear_due(int64 run_id);
extern TimestampTz run_next_due(void);

#endif /* MLPIPE_RUN_STORE_H */

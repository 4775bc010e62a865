/*-------------------------------------------------------------------------
 *
 * run_store.h
 *	  Every statement on mlpipe.run and mlpipe.run_variable.
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

typedef struct NewRun
{
	int64 version_id;
	int32 pipeline_id; /* 0: none */
	bool held;
	int32 priority;
	int32 remaining;
	int32 next_no;
	int32 level;
	int64 parent_run_id; /* 0: none waits for its end */
	int32 parent_no;
	int32 parent_attempt;
	Oid run_as;
	Oid submitted_by;
	TimestampTz not_before; /* 0: at once */
	int64 group_id;         /* 0: its own */
	int64 rerun_of;         /* 0: it is no rerun */
	int32 rerun_from;       /* -1: no activity was named */
	bool rerun_all;
	const char *idempotency_key; /* NULL: none */
	Jsonb *parameters;
	Jsonb *tags;
	Jsonb *trigger;
} NewRun;

/* A run or an activity whose time has come. */
typedef struct DueRow
{
	int64 run_id;
	int32 no;      /* -1: the run itself */
	bool queued;   /* else in progress */
	int32 attempt; /* of an activity, as the next two */
	int32 activity_no;
	bool times_out; /* it has waited in vain */
} DueRow;

/* Which database a run belongs to: not that of a copy or a restored dump. */
extern int64 run_home(void);

/* 0 where there is one with that idempotency key already. */
extern int64 run_insert(const NewRun *run);
extern int64 run_find_by_key(int32 pipeline_id, Oid submitted_by,
							 const char *key);

/* Whose variable it is: the run's (no -1, iteration 0), or an iteration's. */
typedef struct VariableKey
{
	int64 run_id;
	int32 no; /* the loop */
	int32 iteration;
	const char *name;
} VariableKey;

extern void run_variable_insert(const VariableKey *key, Jsonb *value);
extern void run_variable_set(const VariableKey *key, Jsonb *value);

/* At the end of its array, NULL being an empty one; raises 22023 where none. */
extern void run_variable_append(const VariableKey *key, Jsonb *value);

/* An activity has just done that. */
extern void variable_change_insert(int32 no, const VariableKey *key,
								   bool append, Jsonb *value);

/* Until the end of the transaction nobody else changes it. */
extern void run_variable_lock(const VariableKey *key);

/* Row numbers that are the caller's own; the first of them. */
extern int32 run_take_numbers(int64 run_id, int64 count);

/* NULL where there is no such run. */
extern RunRow *run_load(int64 run_id, bool lock);

/* May its activities start?  (It is neither suspended nor stopping.) */
extern bool run_is_startable(int64 run_id);

/* From queued to in progress; timeout in microseconds, 0: none. */
extern bool run_start(int64 run_id, int64 timeout);

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

/* Those that it is to stop: they were asked, or nobody waits for them more. */
extern List *runs_to_stop(void); /* of StopRow * */

extern void run_stopping(int64 run_id, RunStatus stop_status,
						 const char *reason, int32 remaining);

/* NULL where its end waits for more than what ended, or it is to stop. */
extern RunRow *run_succeed(int64 run_id, int32 ended, int failures_handled,
						   Jsonb *output);
extern void run_end(int64 run_id, RunStatus status, int failures_handled,
					Jsonb *output, const char *error);
extern bool run_suspend(int64 run_id);
extern bool run_resume(int64 run_id);

/* Makes this database its home; false where it is, or the run has ended. */
extern bool run_take_home(int64 run_id);

/* The concurrency of pipelines. */
extern List *pipelines_with_held_runs(void); /* of int */
extern int runs_admitted(int32 pipeline_id);
extern int64 run_next_held(int32 pipeline_id); /* 0: none */
extern void run_release(int64 run_id);
extern List *runs_unfinished(int32 pipeline_id,
							 bool admitted_only); /* of int64 * */

/* What is due by now, earliest first; and the next time after that, or 0. */
extern List *runs_due(int limit); /* of DueRow * */
extern void run_clear_due(int64 run_id);
extern TimestampTz run_next_due(void);

/*
 * Deletes finished runs and all that hangs on them; at most limit of them, the
 * oldest first.  *from is where to begin, DT_NOBEGIN at first, and moves on, so
 * that one call after the other does not walk over what is deleted already.
 */
extern int64 runs_purge(TimestampTz *from, TimestampTz finished_before,
						int limit, Oid only_visible_to);

#endif /* MLPIPE_RUN_STORE_H */

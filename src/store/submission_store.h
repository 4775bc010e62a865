/*-------------------------------------------------------------------------
 *
 * submission_store.h
 *	  Statements that make rows of mlpipe.run, and find those already made.
 *
 * All of these are called in engine mode, in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_SUBMISSION_STORE_H
#define MLPIPE_SUBMISSION_STORE_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

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

/* The new run; 0 where there is one with that idempotency key already. */
extern int64 run_insert(const NewRun *run);

/* The run with that idempotency key; 0: none.  pipeline_id 0: of a document. */
extern int64 run_find_by_key(int32 pipeline_id, Oid submitted_by,
							 const char *key);

#endif /* MLPIPE_SUBMISSION_STORE_H */

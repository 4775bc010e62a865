/*-------------------------------------------------------------------------
 *
 * watch_store.h
 *	  What those who wait for a run, or watch it, read of it.
 *
 * Called in engine mode, in a transaction.  They see all that is committed at
 * the time of the call, also where the caller's transaction has a snapshot of
 * its own.  Results live in the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_WATCH_STORE_H
#define MLPIPE_WATCH_STORE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "store/types.h"

typedef struct RunLook
{
	RunStatus status;
	int32 pipeline_id; /* 0: a document without a name */
	Oid submitted_by;
	TransactionId xmin; /* who wrote the row last */
	TimestampTz submitted_at;
	TimestampTz started_at; /* 0: not yet; so the next two */
	TimestampTz finished_at;
} RunLook;

typedef struct ActivityLook
{
	int32 no;
	char *name;
	ActivityStatus status;
	int32 attempt;
	TimestampTz started_at; /* 0: not yet; so the next two */
	TimestampTz finished_at;
	TimestampTz due_at;
	char *
		error; /* NULL: none; of one that is tried again, of the last attempt */
	char *message; /* of an approval that waits; NULL: it is none */
} ActivityLook;

/* False where there is no such run. */
extern bool run_look(int64 run_id, RunLook *result);

/* Its pipeline's name, and its error; NULL: none. */
extern char *run_pipeline_name(int64 run_id);
extern char *run_error(int64 run_id);

extern List *activities_look(int64 run_id); /* of ActivityLook *, by no */

#endif /* MLPIPE_WATCH_STORE_H */

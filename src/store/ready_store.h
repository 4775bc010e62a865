/*-------------------------------------------------------------------------
 *
 * ready_store.h
 *	  Statements that find the activities to work on, or to look after.
 *
 * All of these are called in engine mode, in a transaction.  Results live in
 * the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_READY_STORE_H
#define MLPIPE_READY_STORE_H

#include "nodes/pg_list.h"

#include "store/run_store.h"

/* An activity that is ready. */
typedef struct ReadyRow
{
	Oid role;
	int32 run_priority;
	int64 run_id;
	int32 no;
	int32 activity_no;
	int32 priority; /* of the activity */
} ReadyRow;

/* The activities of a run that are queued, with no pause left. */
extern List *activities_queued(int64 run_id); /* of ReadyRow * */

/* What is ready in the whole database, in the order of the queue. */
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

/* What is due by now, earliest first, after one that has been looked at. */
extern List *activities_due(const DueRow *after, int limit); /* of DueRow * */
extern void activity_clear_due(int64 run_id, int32 no);

#endif /* MLPIPE_READY_STORE_H */

/*-------------------------------------------------------------------------
 *
 * change_store.h
 *	  Every statement on mlpipe.source_change.
 *
 * All of these are called in engine mode, in a transaction.  Results live in
 * the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_CHANGE_STORE_H
#define MLPIPE_CHANGE_STORE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* What a transaction did to a source table. */
typedef struct SourceChange
{
	int32 pipeline_id;
	int64 version_id; /* that the parameters were checked for */
	Oid trigger_oid;
	const char *trigger_name;
	const char *table;     /* qualified */
	const char *operation; /* "INSERT", ... */
	Jsonb *parameters;
	int64 debounce; /* microseconds */
	Oid submitted_by;
} SourceChange;

/* The changes of one trigger that wait to be turned into a run. */
typedef struct ChangeGroup
{
	int32 pipeline_id;
	Oid trigger_oid;
	Oid run_as;
	Oid run_as_by;
	Oid owner;
	bool wanted;      /* its pipeline is there and enabled */
	int64 version_id; /* of the latest, like the parameters */
	Jsonb *parameters;
	Jsonb *trigger; /* of the first, like the next two */
	Oid submitted_by;
	TimestampTz not_before; /* 0: no debounce */
	Datum change_ids;       /* bigint[] */
} ChangeGroup;

/* Leaves it for the scheduler. */
extern void change_insert(const SourceChange *change);

/* All that is committed, in the order in which the triggers fired first. */
extern List *changes_grouped(void); /* of ChangeGroup * */

/* Does a run that such a change made still wait to start? */
extern bool change_is_awaited(const ChangeGroup *group);

/* Deletes exactly the group's changes. */
extern void changes_delete(const ChangeGroup *group);

#endif /* MLPIPE_CHANGE_STORE_H */

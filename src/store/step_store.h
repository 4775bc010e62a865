/*-------------------------------------------------------------------------
 *
 * step_store.h
 *	  Every statement on mlpipe.step, and what a step asks of its activity's
 *	  row.
 *
 * All of these are called in engine mode, in a transaction.  Results live in
 * the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_STEP_STORE_H
#define MLPIPE_STEP_STORE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "store/types.h"

/* How an activity was split. */
typedef struct StepRow
{
	int64 run_id;
	int32 no;
	Oid relation;
	Oid filenode; /* of the relation when it was split */
	bool staged;
	bool partitioned; /* split by partition keys */
	Oid key_relation; /* the table of these; invalid: there is none */
	int32 batches;
	int64 items;          /* -1: not counted */
	int64 rows_per_batch; /* 0: split by size */
	int64 blocks;
	int32 blocks_per_batch; /* 0: split by rows */
	double split_seconds;
	int32 attempts_before; /* at mini-batches, in earlier attempts */
} StepRow;

/* Its activity, as far as a step has to know. */
typedef struct StepActivity
{
	ActivityStatus status;
	bool detached; /* its run has stopped */
	int32 attempt;
	int32 activity_no; /* in the document */
	TimestampTz started_at;
} StepActivity;

/*
 * What boundaries hold for each mini-batch, all of it big-endian: the block and
 * offset of its first tuple; of a partition after that the block and offset
 * before which it ends, the number of its rows, and where its keys stand in
 * their table.
 */
#define BOUNDARY_SIZE  6
#define PARTITION_SIZE (3 * BOUNDARY_SIZE + 8)

/* snapshot: NULL where there is none. */
extern void step_insert(const StepRow *step, const char *boundaries,
						Size length, bytea *snapshot, bytea *hashes);

/* NULL where the step has none. */
extern bytea *step_snapshot(int64 run_id, int32 no);

/* False where the activity has not been split. */
extern bool step_load(int64 run_id, int32 no, StepRow *step);

/*
 * What boundaries hold from byte start (from 0) on, length bytes of it or as
 * many as there are; only the pieces of the value that hold them are read.
 */
extern bytea *step_boundaries(int64 run_id, int32 no, int32 start,
							  int32 length);

/*
 * A further attempt at the activity begins: mini-batches that have failed are
 * not done any more, and all start with a new set of attempts.
 */
extern void step_begin_again(int64 run_id, int32 no);

/* The same mini-batches are elsewhere from now on. */
extern void step_move(const StepRow *step, const char *boundaries,
					  Size length);

/* Counts a crash of the server; returns how many this attempt has seen. */
extern int32 step_note_crash(int64 run_id, int32 no);

/* The step has ended: its boundaries are of no more use. */
extern void step_forget_boundaries(int64 run_id, int32 no);

/* Serializes what only one worker of a step may do; until the commit. */
extern void step_lock(int64 run_id, int32 no);

/* False where there is no such row.  lock: until the commit. */
extern bool step_activity(int64 run_id, int32 no, bool lock,
						  StepActivity *activity);

/*
 * The names of tables like "stage_RUN_NO" and "keys_RUN_NO" whose activity has
 * ended, or never was.
 */
extern List *step_orphaned_stages(void); /* of char * */

/* A log line of the activity. */
extern void step_log(int64 run_id, int32 no, const char *level,
					 const char *message);

/* One of the run itself, which says by its name what became of the activity. */
extern void step_log_to_run(int64 run_id, int32 no, const char *outcome);

#endif /* MLPIPE_STEP_STORE_H */

/*-------------------------------------------------------------------------
 *
 * board.h
 *	  Copies of what the board in shared memory says.
 *
 * Each function takes the control lock for as long as it copies, and returns
 * nothing where there is no shared memory.  Results are palloc'd.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_BOARD_H
#define MLPIPE_BOARD_H

#include "engine/shmem.h"

/*
 * The executors of a database; those that work on run_id alone, where it is
 * not 0.  The pointers in the copies are not to be followed.
 */
extern ExecutorSlot *board_slots(Oid database, int64 run_id, int *count);

/* A parallel activity that hands out mini-batches. */
typedef struct BoardStep
{
	int64 run_id;
	int32 no;
	int32 batches;
	int32 succeeded;
	int32 failed;
	int64 items;
	int64 items_done;
} BoardStep;

/* The steps of one run, or with run_id 0 of all. */
extern BoardStep *board_steps(Oid database, int64 run_id, int *count);

typedef struct BoardQueueEntry
{
	Oid role;
	WorkOrder order;
} BoardQueueEntry;

/* What is ready in a database, in no particular order. */
extern BoardQueueEntry *board_queue(Oid database, int *count);

typedef struct BoardFacts
{
	bool loaded;       /* is there shared memory at all? */
	int scheduler_pid; /* of that database; 0: none */
	int schedulers;    /* in the whole server, like the next two */
	int executors;
	int idle;
	TimestampTz starved_since; /* since when a lane of that database has work
								 * and no executor; 0: none */
} BoardFacts;

extern BoardFacts board_facts(Oid database);

#endif /* MLPIPE_BOARD_H */

/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  The mini-batch that this process is working on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_BATCH_H
#define MLPIPE_BATCH_H

#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"

/*
 * A range of tuples of one table, in physical order: from begin up to, but not
 * including, end.  If the table was split by size, both are the first tuple of
 * a block.
 */
typedef struct CurrentBatch
{
	int32 number;
	Oid relation;
	Oid filenode; /* of the relation when it was split */
	ItemPointerData begin;
	ItemPointerData end;
	struct SnapshotData *snapshot; /* the step's; NULL: whatever is there */
	int64 items;                   /* -1: not counted when it was split */
	int64 usual_items;             /* of the step's partitions; 0: not known */
	Jsonb *keys;              /* of its partition, an object; NULL: none */
	int64 items_read;         /* by the scan that read most of them */
	bool read_whole;          /* did that come to the end? */
	bool rows_gone;           /* fewer are left than the split counted */
	List *failed_items;       /* of FailedItem *, in context; NULL: not kept */
	struct varlena **columns; /* of mlpipe_column(); NULL: not made yet */
	MemoryContext columns_context; /* that they live in */
	MemoryContext context;
} CurrentBatch;

typedef struct FailedItem
{
	char *key;
	char *message;
} FailedItem;

/* NULL while no mini-batch runs. */
extern CurrentBatch *MyBatch;

/* What mlpipe_batch() returns, palloc'd; NULL outside a mini-batch. */
extern Jsonb *batch_context(void);

/*
 * Notes an item of the current mini-batch as failed; 55000 outside one.
 * Written to mlpipe.failure with the mini-batch's row.
 */
extern void batch_item_failed(const char *key, const char *message);

#endif /* MLPIPE_BATCH_H */

/*-------------------------------------------------------------------------
 *
 * parallel_key_table.h
 *	  The keys of a step's partitions, in a table.
 *
 * Unlike the staged rows it is logged: after a crash the rows can be staged
 * again, but the partitions have to be the same.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_KEY_TABLE_H
#define MLPIPE_PARALLEL_KEY_TABLE_H

#include "activity/parallel_keys.h"
#include "activity/stage_pages.h"

typedef struct KeyTable
{
	Relation relation; /* its columns are the keys, in their order */
	StagePages pages;
} KeyTable;

/* The columns of such a table, for keys that are columns of the given rows. */
extern TupleDesc key_table_columns(TupleDesc rows, const BatchKeys *keys);

/* The table is new. */
extern KeyTable *key_table_begin(Relation relation);
extern void key_table_add(KeyTable *table, Datum *values, bool *nulls,
						  ItemPointer tid);
extern void key_table_end(KeyTable *table);

/* The keys that were added there; the slot is one of the table's. */
extern void key_table_read(Relation relation, ItemPointer tid,
						   TupleTableSlot *keys);

#endif /* MLPIPE_PARALLEL_KEY_TABLE_H */

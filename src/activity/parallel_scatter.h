/*-------------------------------------------------------------------------
 *
 * parallel_scatter.h
 *	  Brings rows together by partition keys, without sorting them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_SCATTER_H
#define MLPIPE_PARALLEL_SCATTER_H

#include "activity/parallel_key_table.h"
#include "activity/parallel_keys.h"
#include "activity/parallel_partition.h"
#include "activity/stage_pages.h"

typedef struct Scatter Scatter;

/*
 * The rows go into a new table (stage_pages.h); where each partition is there
 * is added to the list, and its keys to the key table.  The keys are columns of
 * the new table, and can be hashed.
 *
 * If each row only has nnumbers numbers of type float8 after its keys, and
 * these are its first columns, that is not 0, and the table is one of
 * parallel_numbers.h.  NULL becomes NaN then.
 */
extern Scatter *scatter_begin(Relation relation, BatchKeys *keys,
							  KeyTable *key_table, PartitionList *partitions,
							  int nnumbers);

/*
 * Without a key table, the partitions are those of the list, and rows of
 * others are left out.  Their keys are given before the first row comes; where
 * they are is noted in the list, in its order.  index: in the list.
 */
extern void scatter_expect(Scatter *scatter, int32 index, Datum *values,
						   bool *nulls);

/* A row of the table's columns, or of keys and numbers. */
extern void scatter_add(Scatter *scatter, TupleTableSlot *row);

/* The same for a tuple; spare: a slot for such tuples. */
extern void scatter_add_tuple(Scatter *scatter, HeapTuple tuple,
							  TupleTableSlot *spare);

/* Writes the table.  Returns the number of rows in it. */
extern int64 scatter_end(Scatter *scatter);

#endif /* MLPIPE_PARALLEL_SCATTER_H */

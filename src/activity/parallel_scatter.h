/*-------------------------------------------------------------------------
 *
 * parallel_scatter.h
 *	  Brings rows together by partition keys, without sorting them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_SCATTER_H
#define MLPIPE_PARALLEL_SCATTER_H

#include "activity/parallel_keys.h"
#include "activity/parallel_partition.h"
#include "activity/stage_pages.h"

typedef struct Scatter Scatter;

/*
 * The rows go into a new table (stage_pages.h); where each partition lies there
 * is added to the list.  The keys are columns of the table, and can be hashed.
 */
extern Scatter *scatter_begin(Relation relation, BatchKeys *keys,
							  PartitionList *partitions);

/* A row of the table's columns. */
extern void scatter_add(Scatter *scatter, TupleTableSlot *row);

/* Writes the table.  Returns the number of rows. */
extern int64 scatter_end(Scatter *scatter);

#endif							/* MLPIPE_PARALLEL_SCATTER_H */

/*-------------------------------------------------------------------------
 *
 * parallel_stage_table.h
 *	  The tables that the rows of a step, and the keys of its partitions, are
 *	  kept in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_STAGE_TABLE_H
#define MLPIPE_PARALLEL_STAGE_TABLE_H

#include "access/tupdesc.h"
#include "utils/relcache.h"

/*
 * Makes a table mlpipe.KIND_RUN_NO with such columns, open and locked, that the
 * current user may read.
 */
extern Relation stage_table_create(const char *kind, int64 run_id, int32 no,
								   TupleDesc rows, char persistence);

/* Is it one of these tables? */
extern bool is_stage_table(Oid relation);

/* Drops it if there is one. */
extern void stage_table_drop(const char *kind, int64 run_id, int32 no);

#endif /* MLPIPE_PARALLEL_STAGE_TABLE_H */

/*-------------------------------------------------------------------------
 *
 * parallel_columns.h
 *	  Numeric columns of a partition as buffers, instead of its rows.
 *
 * Only these columns, as float8, are staged then.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_COLUMNS_H
#define MLPIPE_PARALLEL_COLUMNS_H

#include "activity/parallel.h"

/*
 * The query for the keys and the columns of a query's rows; raises if there is
 * no such column, or it has no numbers.
 */
extern char *columns_query(const char *query, List *keys, List *columns);

/* Frees what mlpipe_column() has made for a mini-batch. */
extern void columns_forget(CurrentBatch *batch);

#endif /* MLPIPE_PARALLEL_COLUMNS_H */

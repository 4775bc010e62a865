/*-------------------------------------------------------------------------
 *
 * parallel_rerun.h
 *	  A parallel step that goes on with what it had done in an earlier run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_RERUN_H
#define MLPIPE_PARALLEL_RERUN_H

#include "activity/parallel.h"
#include "compat.h"
#include "store/rerun_step_store.h"

/*
 * Splits what is left of a table that the earlier run had split where it is;
 * false if it had not.
 */
extern bool parallel_split_left(ActivityCall *call, Split *split);

/*
 * The split has been stored: takes over the mini-batches that had succeeded.
 * Raises 55000 if they cannot be told from the others.
 */
extern void parallel_take_over(ActivityCall *call, const Split *split);

/* Raises 55000: what is done cannot be told from the rest of the input. */
never_returns extern void parallel_refuse_rerun(const ActivityCall *call,
												const char *detail);

/*
 * parallel_left.c: copies what is left of the table to a staged one.
 */
extern void parallel_copy_left(ActivityCall *call, Oid relation,
							   const EarlierStep *earlier, Split *split);

#endif /* MLPIPE_PARALLEL_RERUN_H */

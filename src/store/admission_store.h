/*-------------------------------------------------------------------------
 *
 * admission_store.h
 *	  Statements on the runs of a pipeline that its concurrency is about.
 *
 * All of these are called in engine mode, in a transaction.  Results live in
 * the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_ADMISSION_STORE_H
#define MLPIPE_ADMISSION_STORE_H

#include "nodes/pg_list.h"

extern List *pipelines_with_held_runs(void); /* of int */

/* How many runs of the pipeline are neither held nor finished. */
extern int runs_admitted(int32 pipeline_id);

/* The held run whose turn it is, and that may start by now; 0: none. */
extern int64 run_next_held(int32 pipeline_id);

/* Admits a held run. */
extern void run_release(int64 run_id);

/* Oldest first, those of other databases too; a list of int64 *. */
extern List *runs_unfinished(int32 pipeline_id, bool admitted_only);

#endif /* MLPIPE_ADMISSION_STORE_H */

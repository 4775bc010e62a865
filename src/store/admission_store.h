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

/* The concurrency of pipelines. */
extern List *pipelines_with_held_runs(void); /* of int */
extern int runs_admitted(int32 pipeline_id);
extern int64 run_next_held(int32 pipeline_id); /* 0: none */
extern void run_release(int64 run_id);
extern List *runs_unfinished(int32 pipeline_id,
							 bool admitted_only); /* of int64 * */

#endif /* MLPIPE_ADMISSION_STORE_H */

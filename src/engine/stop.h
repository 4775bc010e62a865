/*-------------------------------------------------------------------------
 *
 * stop.h
 *	  Stopping a run before its natural end: cancel, timeout, fail_fast.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_STOP_H
#define MLPIPE_STOP_H

#include "engine/shmem.h"

typedef enum StopCause
{
	STOP_CANCELLED, /* the run ends cancelled */
	STOP_TIMEOUT,   /* the run ends failed */
	STOP_FAIL_FAST  /* the run ends failed */
} StopCause;

/*
 * In the caller's transaction: what waits or is parked is cancelled, what runs
 * is detached and interrupted at commit, and the run ends when the last of that
 * has.  False if the run had ended or was stopping already.  ended, if not
 * NULL, says whether it has ended at once.
 */
extern bool run_stop(int64 run_id, StopCause cause, const char *reason,
					 bool *ended);

/*
 * Takes in a run that a dump or a copied database brought along: nobody works
 * on what it has in progress.  False if it belongs to this database already.
 */
extern bool run_adopt(int64 run_id);

/* Cancels all unfinished runs of a pipeline that is being dropped. */
extern void run_cancel_all_of_pipeline(int32 pipeline_id, const char *reason);

#endif /* MLPIPE_STOP_H */

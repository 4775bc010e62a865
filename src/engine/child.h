/*-------------------------------------------------------------------------
 *
 * child.h
 *	  Child runs, and the activities that wait for them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_CHILD_H
#define MLPIPE_CHILD_H

#include "store/run_store.h"

/*
 * A run has ended for which an activity of another run waits: that activity
 * ends too, in the same transaction.  run is as it was before its end.
 */
extern void child_ended(const RunRow *run, RunStatus status, Jsonb *output,
						const char *error);

/* The output of an activity that has, or had, that child. */
extern Jsonb *child_output(int64 run_id, RunStatus status, Jsonb *value);

#endif /* MLPIPE_CHILD_H */

/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Keeps the stopping of a run, or of a container, and what makes new rows in
 *	  it apart.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_GUARD_H
#define MLPIPE_GUARD_H

#include "engine/advance.h"

/*
 * Until the end of the transaction.  Taken before the run's rows are locked:
 * shared by whoever ends an activity or begins a container, exclusively by
 * whoever stops things.  Of a run without containers they do nothing.
 */
extern void guard_share(const RunInfo *run);
extern void guard_alone(const RunInfo *run);

#endif /* MLPIPE_GUARD_H */

/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Keeps apart what stops a run, or a container, and what makes new rows in
 *	  it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_GUARD_H
#define MLPIPE_GUARD_H

#include "engine/advance.h"

/*
 * Locks until the end of the transaction, taken before the run's rows are
 * locked: shared by whoever ends an activity or begins a container, exclusively
 * by whoever stops things, or locks the run's row before others.  For a run
 * without containers they do nothing.
 */
extern void guard_share(const RunInfo *run);
extern void guard_alone(const RunInfo *run);

#endif /* MLPIPE_GUARD_H */

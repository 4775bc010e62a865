/*-------------------------------------------------------------------------
 *
 * rerun.h
 *	  Taking over what an earlier run has done.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_RERUN_H
#define MLPIPE_RERUN_H

#include "activity/activity.h"
#include "engine/container.h"

/* Makes the rows of a new rerun's own scope.  True if the run has ended. */
extern bool rerun_begin(const RunInfo *run);

/*
 * The same for a scope of a container that goes on with what it had done; false
 * if there is nothing to go on with: it begins as in any run.
 */
extern bool rerun_scope(Advance *advance, const Scope *scope,
						TimestampTz due_at);

/*
 * Is the activity a container that goes on with what it had done, so that it
 * need not find out what to do?  Then that is put into the call, as run() would
 * do.  For a step that goes on, the call says so.
 */
extern bool rerun_call(ActivityCall *call, ActivityOutcome *outcome);

/*
 * Was the activity to be done again, as it was named or depends on one that
 * was?  In engine mode.
 */
extern bool rerun_demands(const ActivityCall *call);

/* Makes the iterations of such a loop.  Returns how many have yet to begin. */
extern int32 rerun_iterations(const RunInfo *run, ActivityCall *call,
							  Scope *scope);

#endif /* MLPIPE_RERUN_H */

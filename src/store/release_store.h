/*-------------------------------------------------------------------------
 *
 * release_store.h
 *	  Statements that start activities when what they waited for has ended.
 *
 * All of these are called in engine mode, in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_RELEASE_STORE_H
#define MLPIPE_RELEASE_STORE_H

#include "store/types.h"

/*
 * All that an activity waited for has ended as it asks: from waiting to queued,
 * or to in progress for pid.  False where it was not waiting any more.
 */
extern bool activity_release(int64 run_id, int32 no);
extern bool activity_release_to(int64 run_id, int32 no, int pid);

/*
 * Counts that so many dependencies of a waiting activity have ended, unmet of
 * them otherwise than it asks.  Once none is left it is skipped, or becomes
 * what ready says; in_progress claims it for pid.  One that a rerun takes over
 * has succeeded then.  Returns what it is now; ACTIVITY_CANCELLED where it was
 * not waiting any more.
 */
extern ActivityStatus activity_dependencies_ended(int64 run_id, int32 no,
												  int32 ended, int32 unmet,
												  ActivityStatus ready,
												  bool join_any, int pid);

#endif /* MLPIPE_RELEASE_STORE_H */

/*-------------------------------------------------------------------------
 *
 * finish.h
 *	  The end of an attempt at an activity, in the open transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_FINISH_H
#define MLPIPE_FINISH_H

#include "activity/activity.h"
#include "engine/advance.h"
#include "engine/failure.h"
#include "engine/journal.h"
#include "engine/run_cache.h"

/*
 * Marks the attempt as succeeded and does what follows from it.  Raises 55000
 * if the activity is no longer this attempt's, so that its work is rolled back.
 * True if the run has ended: the caller commits synchronously.  output may be
 * NULL; items are -1 if not known.
 */
extern bool activity_succeed(const RunInfo *run, int32 no, int32 attempt,
							 Jsonb *output, int64 items_in, int64 items_out,
							 NextActivity *next);

/*
 * Records the failure, and either sets up the next retry, as the activity's
 * policy says, or marks it as failed and does what follows.  may_retry false:
 * no further attempt whatever the policy says (the step has judged).
 */
extern bool activity_fail(const RunInfo *run, int32 no, int32 attempt,
						  const Failure *failure, bool may_retry,
						  NextActivity *next);

/* Fails it for good, with the output that it has come to: only views show that. */
extern bool activity_fail_with(const RunInfo *run, int32 no, int32 attempt,
							   const Failure *failure, Jsonb *output,
							   int64 items_in, int64 items_out);

/*
 * If the policy allows another attempt, records the failure and begins that
 * attempt; the activity stays in progress.  Its start lies in the future if
 * there is a pause before it, which the caller has to keep.  False if this was
 * the last attempt.
 */
extern bool activity_try_again(const RunInfo *run, int32 no, int32 attempt,
							   const Failure *failure);

/* The SQLSTATE of a failure that is nobody's fault: the worker made way. */
#define SQLSTATE_MADE_WAY "57000"

/*
 * The attempt died with its worker or with the server: it is tried again, as
 * the policy says and at least twice, or has failed.  If it only made way, that
 * does not count.
 */
extern bool activity_lose(const RunInfo *run, int32 no, int32 attempt,
						  const Failure *failure);

/* Marks it as cancelled: its run has stopped. */
extern bool activity_cancel(const RunInfo *run, int32 no, int32 attempt,
							const char *reason);

#endif /* MLPIPE_FINISH_H */

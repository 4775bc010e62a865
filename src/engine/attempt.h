/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  One attempt at an activity, from its claim to its end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_ATTEMPT_H
#define MLPIPE_ATTEMPT_H

#include "engine/advance.h"

/*
 * Claims a ready activity in a transaction of its own.  Returns the number of
 * the attempt, or 0 if the activity cannot be had.
 */
extern int32 attempt_claim(const WorkOrder *order);

/*
 * Runs a claimed activity and records what came of it.  next says which
 * activity was claimed along with that end, for the caller to go on with.
 */
extern void attempt_run(const WorkOrder *order, int32 attempt,
						NextActivity *next);

#endif /* MLPIPE_ATTEMPT_H */

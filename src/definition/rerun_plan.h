/*-------------------------------------------------------------------------
 *
 * rerun_plan.h
 *	  What a rerun does with each activity of a list.  Pure: no database, no
 *	  shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_RERUN_PLAN_H
#define MLPIPE_RERUN_PLAN_H

#include "definition/document.h"

/* How an activity of the list ended in the run that is taken over from. */
typedef struct EarlierEnd
{
	ActivityEnd end; /* END_NONE: it has no row, or was inactive */
	int64 begun_in;  /* run with results inside of it to go on with; 0: none */
	bool incomplete; /* a step that succeeded, but not all of it */
} EarlierEnd;

/* What is done again in any case. */
typedef struct RerunDemand
{
	int from;         /* place of the activity that was named; -1: not here */
	bool from_inside; /* it is a container of the one that was named */
	bool all;         /* keep nothing but what that one depends on */
} RerunDemand;

typedef enum RerunAction
{
	RERUN_ANEW,       /* as in any run: it waits, runs or is skipped */
	RERUN_KEEP,       /* its result is taken over */
	RERUN_KEEP_LATER, /* once what it waits for has ended as it asks */
	RERUN_GO_ON       /* what is inside of it is judged in its turn */
} RerunAction;

/* What to do with each activity, by place in the list, like earlier; palloc'd. */
extern RerunAction *rerun_plan(const Document *document,
							   const ActivityList *list,
							   const EarlierEnd *earlier,
							   const RerunDemand *demand);

/* By place: is it that one, or does it depend on it, directly or not? */
extern bool *rerun_following(const ActivityList *list, int from);

#endif /* MLPIPE_RERUN_PLAN_H */

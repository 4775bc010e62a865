/*-------------------------------------------------------------------------
 *
 * parallel_judge.h
 *	  Has a parallel step failed more than it may?  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_JUDGE_H
#define MLPIPE_PARALLEL_JUDGE_H

#include "activity/parallel_config.h"

/* What a step has come to so far. */
typedef struct StepTally
{
	int32 batches; /* in all */
	int32 failed;  /* for good */
	int64 items_failed;
} StepTally;

typedef enum Verdict
{
	VERDICT_TOLERABLE,
	VERDICT_TOO_MANY_BATCHES,
	VERDICT_TOO_MANY_ITEMS,
	VERDICT_TOO_HIGH_PERCENTAGE
} Verdict;

extern Verdict parallel_judge(const Thresholds *thresholds,
							  const StepTally *tally);

/* Which threshold was exceeded, and by how much; palloc'd. */
extern char *verdict_message(Verdict verdict, const Thresholds *thresholds,
							 const StepTally *tally);

/*
 * How many items of a mini-batch do not count towards error_threshold, given
 * the items that it had, the rows that it returned, and the items that it
 * reported as failed.
 */
extern int64 items_not_failed(bool compare_items, int64 items, int64 rows,
							  int64 reported);

/*
 * Has it items that it neither returned nor reported, so that it fails?
 */
extern bool gap_fails_batch(const ParallelConfig *config, int64 items,
							int64 rows, int64 reported);

#endif /* MLPIPE_PARALLEL_JUDGE_H */

/*-------------------------------------------------------------------------
 *
 * parallel_judge.c
 *	  Has a parallel step failed more than it may?  Pure: looks at counters only.
 *
 * A threshold is what is tolerated: at it a step goes on, one beyond it fails.
 * Any one of them suffices.  The percentage is of all mini-batches of the step,
 * not of those that have ended, so that an early failure does not weigh more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/parallel_judge.h"

Verdict
parallel_judge(const Thresholds *thresholds, const StepTally *tally)
{
	if (thresholds->batches >= 0 && tally->failed > thresholds->batches)
		return VERDICT_TOO_MANY_BATCHES;
	if (thresholds->items >= 0 && tally->items_failed > thresholds->items)
		return VERDICT_TOO_MANY_ITEMS;
	if ((int64) tally->failed * 100 >
		(int64) thresholds->percent * tally->batches)
		return VERDICT_TOO_HIGH_PERCENTAGE;
	return VERDICT_TOLERABLE;
}

char *
verdict_message(Verdict verdict, const Thresholds *thresholds,
				const StepTally *tally)
{
	switch (verdict)
	{
		case VERDICT_TOLERABLE:
			break;
		case VERDICT_TOO_MANY_BATCHES:
			return psprintf(
				"%d of %d mini-batches failed, and \"mini_batch_error_threshold\" is " INT64_FORMAT,
				tally->failed, tally->batches, thresholds->batches);
		case VERDICT_TOO_MANY_ITEMS:
			return psprintf(
				INT64_FORMAT
				" %s failed, and \"error_threshold\" is " INT64_FORMAT,
				tally->items_failed,
				tally->items_failed == 1 ? "item" : "items",
				thresholds->items);
		case VERDICT_TOO_HIGH_PERCENTAGE:
			return psprintf(
				"%d of %d mini-batches failed, and \"allowed_failed_percent\" is %d",
				tally->failed, tally->batches, thresholds->percent);
	}
	return pstrdup("the failures are within the thresholds");
}

int64
items_not_failed(bool compare_items, int64 items, int64 rows, int64 reported)
{
	int64 failed = reported;

	/* An item that was reported was usually not returned either. */
	if (compare_items)
		failed = Max(failed, items - rows);
	return items - Max(failed, 0);
}

bool
gap_fails_batch(const ParallelConfig *config, int64 items, int64 rows,
				int64 reported)
{
	return config->compare_items && config->thresholds.items >= 0 &&
		items - rows > reported;
}

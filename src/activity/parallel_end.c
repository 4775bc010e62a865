/*-------------------------------------------------------------------------
 *
 * parallel_end.c
 *	  The end of a parallel activity.
 *
 * What a step came to is read from its rows in mlpipe.mini_batch, under the
 * lock of its activity's row, by whoever comes to end it: the step's last
 * worker, or the scheduler.  So it does not matter what the process that
 * decided to stop the step knew, or whether it still lives.  Only a failure
 * that is not a mini-batch's (but init's, say) is handed over by the worker
 * that met it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "activity/output.h"
#include "activity/parallel.h"
#include "activity/parallel_judge.h"
#include "engine/finish.h"
#include "engine/guard.h"
#include "engine/reuse.h"
#include "store/claim_store.h"
#include "store/engine_mode.h"
#include "store/stop_store.h"

/* What is known of the step that is to be ended. */
typedef struct Ending
{
	const RunInfo *run;
	int64 run_id;
	int32 no;
	const ParallelConfig *config;
	StepActivity activity;
	StepRow split;
	BatchTotals totals;
	const Failure *failure;
} Ending;

static StepEnd end_unreadable(const RunInfo *run, int32 no);
static void lock_all(int64 run_id);
static bool load_ending(Ending *ending);
static Failure *failed_verdict(const Ending *ending);
static StepEnd end_cancelled(Ending *ending);
static bool try_again(Ending *ending);
static StepEnd end_failed(Ending *ending);
static StepEnd end_succeeded(Ending *ending);
static void clean_up(const Ending *ending, bool cancel_rest);
static void log_tolerated(const Ending *ending);
static void log_to_run(int64 run_id, int32 no, const ParallelConfig *config,
					   const char *outcome);
static Jsonb *summary_of(const Ending *ending, const char *verdict);
static Numeric rounded(double number, int digits);

StepEnd
parallel_end(int64 run_id, int32 no, const Failure *failure, bool may_retry)
{
	Ending ending = {.run_id = run_id, .no = no, .failure = failure};
	const ActivityDef *def;

	ending.run = run_info(run_id);
	if (ending.run->document->problem != NULL)
		return end_unreadable(ending.run, no);
	def = run_activity(ending.run, no);
	ending.config = def->config;
	guard_share(ending.run);
	if (!ending.run->document->nested && failure_stops_run(ending.run, def))
		lock_all(run_id);
	if (!load_ending(&ending))
		return STEP_GONE;
	if (ending.activity.detached)
		return end_cancelled(&ending);
	if (ending.failure == NULL)
		ending.failure = failed_verdict(&ending);
	if (ending.failure != NULL && may_retry && try_again(&ending))
		return STEP_TRIED_AGAIN;
	if (ending.failure != NULL)
		return end_failed(&ending);
	if (ending.totals.succeeded + ending.totals.failed < ending.split.batches)
		return STEP_UNFINISHED;
	return end_succeeded(&ending);
}

/* Nobody can say any more what its mini-batches are. */
static StepEnd
end_unreadable(const RunInfo *run, int32 no)
{
	Failure *failure;
	StepActivity activity;
	EngineMode mode;
	bool found;

	engine_mode_enter(&mode);
	found = step_activity(run->run_id, no, false, &activity) &&
		activity.status == ACTIVITY_IN_PROGRESS;
	engine_mode_leave(&mode);
	if (!found)
		return STEP_GONE;
	parallel_drop_stage(run->run_id, no);
	failure = failure_create(
		CurrentMemoryContext, "22023",
		psprintf("the pipeline's document is not valid any more: %s",
				 run->document->problem),
		NULL, NULL);
	return activity_fail(run, no, activity.attempt, failure, false, NULL) ?
		STEP_ENDED_RUN :
		STEP_ENDED;
}

/* A failure may stop the run, so rows are locked in the order of numbers. */
static void
lock_all(int64 run_id)
{
	EngineMode mode;

	engine_mode_enter(&mode);
	activities_lock(run_id);
	engine_mode_leave(&mode);
}

/* False if the activity has ended already. */
static bool
load_ending(Ending *ending)
{
	EngineMode mode;
	bool found;

	engine_mode_enter(&mode);
	found = step_activity(ending->run_id, ending->no, true,
						  &ending->activity) &&
		ending->activity.status == ACTIVITY_IN_PROGRESS &&
		step_load(ending->run_id, ending->no, &ending->split);
	if (found)
		batch_totals(ending->run_id, ending->no, ending->config->compare_items,
					 &ending->totals);
	engine_mode_leave(&mode);
	return found;
}

/* NULL if the failures are within the thresholds. */
static Failure *
failed_verdict(const Ending *ending)
{
	const Thresholds *thresholds = &ending->config->thresholds;
	StepTally tally = {.batches = ending->split.batches,
					   .failed = ending->totals.failed,
					   .items_failed = ending->totals.items_failed};
	Verdict verdict = parallel_judge(thresholds, &tally);
	EngineMode mode;
	char *error;
	int32 batch;

	if (verdict == VERDICT_TOLERABLE)
		return NULL;
	engine_mode_enter(&mode);
	error = batch_first_error(ending->run_id, ending->no, &batch);
	engine_mode_leave(&mode);
	if (error != NULL)
		error = psprintf("The first error was in mini-batch %d: %s", batch,
						 error);
	return failure_create(CurrentMemoryContext, "53400",
						  verdict_message(verdict, thresholds, &tally), error,
						  NULL);
}

static StepEnd
end_cancelled(Ending *ending)
{
	clean_up(ending, true);
	return activity_cancel(ending->run, ending->no, ending->activity.attempt,
						   NULL) ?
		STEP_ENDED_RUN :
		STEP_ENDED;
}

/* Staged rows and boundaries stay for the next attempt. */
static bool
try_again(Ending *ending)
{
	EngineMode mode;

	if (!activity_try_again(ending->run, ending->no, ending->activity.attempt,
							ending->failure))
		return false;
	engine_mode_enter(&mode);
	step_begin_again(ending->run_id, ending->no);
	engine_mode_leave(&mode);
	return true;
}

static StepEnd
end_failed(Ending *ending)
{
	clean_up(ending, true);
	log_to_run(ending->run_id, ending->no, ending->config,
			   psprintf(" failed: %s", ending->failure->message));
	return activity_fail_with(ending->run, ending->no,
							  ending->activity.attempt, ending->failure,
							  summary_of(ending, "failed"),
							  ending->totals.items,
							  ending->totals.items_done) ?
		STEP_ENDED_RUN :
		STEP_ENDED;
}

static StepEnd
end_succeeded(Ending *ending)
{
	const BatchTotals *totals = &ending->totals;
	Jsonb *summary = summary_of(ending, "succeeded");

	/* The scheduler, which ends what was left over, must not read for users. */
	if (MyCall != NULL && MyCall->run_id == ending->run_id &&
		MyCall->no == ending->no && MyCall->def->reuse)
		reuse_step_end(MyCall, totals->failed == 0);
	clean_up(ending, false);
	log_tolerated(ending);
	parallel_log_summary(ending->run_id, ending->no, ending->config, summary);
	return activity_succeed(ending->run, ending->no, ending->activity.attempt,
							summary, totals->items, totals->items_done, NULL) ?
		STEP_ENDED_RUN :
		STEP_ENDED;
}

/* A rerun that goes on with a table needs the boundaries of its mini-batches. */
static void
clean_up(const Ending *ending, bool cancel_rest)
{
	EngineMode mode;

	engine_mode_enter(&mode);
	if (cancel_rest)
		batch_cancel_rest(ending->run_id, ending->no, ending->split.batches);
	if (ending->split.staged || (!cancel_rest && ending->totals.failed == 0))
		step_forget_boundaries(ending->run_id, ending->no);
	claims_forget(ending->run_id, ending->no);
	engine_mode_leave(&mode);
	if (ending->split.staged)
		parallel_drop_stage(ending->run_id, ending->no);
}

/* Logs that failures were tolerated. */
static void
log_tolerated(const Ending *ending)
{
	EngineMode mode;

	if (ending->totals.failed == 0)
		return;
	engine_mode_enter(&mode);
	step_log(
		ending->run_id, ending->no, "warning",
		psprintf("%d of %d mini-batches failed, which the thresholds tolerate",
				 ending->totals.failed, ending->split.batches));
	engine_mode_leave(&mode);
}

static Jsonb *
summary_of(const Ending *ending, const char *verdict)
{
	double seconds = (GetCurrentTimestamp() - ending->activity.started_at) /
		(double) USECS_PER_SEC;

	return parallel_summary(ending->split.batches, &ending->totals, seconds,
							verdict);
}

void
parallel_log_summary(int64 run_id, int32 no, const ParallelConfig *config,
					 Jsonb *summary)
{
	log_to_run(run_id, no, config,
			   psprintf(": %s",
						JsonbToCString(NULL, &summary->root,
									   VARSIZE(summary))));
}

/* Also in the run's log, if the step's document asks for that. */
static void
log_to_run(int64 run_id, int32 no, const ParallelConfig *config,
		   const char *outcome)
{
	EngineMode mode;

	if (!config->log_to_run)
		return;
	engine_mode_enter(&mode);
	step_log_to_run(run_id, no, outcome);
	engine_mode_leave(&mode);
}

Jsonb *
parallel_summary(int32 batches, const BatchTotals *totals, double seconds,
				 const char *verdict)
{
	int32 ended = totals->succeeded + totals->failed;
	Output output;

	output_begin(&output);
	output_count(&output, "batches", batches);
	output_count(&output, "succeeded", totals->succeeded);
	output_count(&output, "failed", totals->failed);
	output_count(&output, "retried", totals->retried);
	output_count(&output, "items", totals->items);
	output_count(&output, "items_done", totals->items_done);
	output_count(&output, "items_failed", totals->items_failed);
	output_numeric(&output, "seconds", rounded(seconds, 3));
	output_numeric(&output, "batches_per_second",
				   rounded(seconds > 0 ? ended / seconds : 0, 1));
	output_text(&output, "verdict", verdict);
	return output_end(&output);
}

static Numeric
rounded(double number, int digits)
{
	Datum numeric = DirectFunctionCall1(float8_numeric,
										Float8GetDatum(number));

	return DatumGetNumeric(
		DirectFunctionCall2(numeric_round, numeric, Int32GetDatum(digits)));
}

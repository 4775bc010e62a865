/*-------------------------------------------------------------------------
 *
 * run_end.c
 *	  The end of a run: how it ended, its output, and who hears of it.
 *
 * Only ends of activities that others will follow are counted in the run's row;
 * those that end the run need no write of their own.  Most runs succeed, and
 * that is one statement, which looks itself whether nobody has stopped the run
 * meanwhile.  Any other end locks the row before it decides.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "activity/activity.h"
#include "engine/child.h"
#include "engine/context.h"
#include "engine/run_cache.h"
#include "engine/run_end.h"
#include "engine/wakeup.h"
#include "mlpipe.h"
#include "store/failure_store.h"
#include "store/pipeline_store.h"
#include "store/run_store.h"
#include "store/tally_store.h"

#define OUTPUT_LIMIT_MS 5000
#define HURRY_LIMIT_MS  200

/* The rest of the queue is for who comes between our look and our commit. */
#define NOTIFY_QUEUE_LIMIT 0.9
#define TOLD_AGAIN_MS      60000

static int output_limit_ms = OUTPUT_LIMIT_MS;
static bool refuse_output = false;
static bool output_was_refused = false;
static TimeoutId output_limit = MAX_TIMEOUTS;
static volatile sig_atomic_t past_limit = false;

static bool succeed(const RunInfo *info, int32 ended, const ActivityEnd *ends);
static ActivityEnd *ends_of_run(const RunInfo *run);
static void run_ended(const RunInfo *info, const RunRow *run, RunStatus status,
					  Jsonb *output, const char *error);
static int count_failures(const RunInfo *run, const ActivityEnd *ends);
static Jsonb *work_out_output(const RunInfo *run, Failure **failure);
static Failure *output_failure(const ErrorData *error, bool out_of_time);
static void start_limit(void);
static void limit_passed(void);
static bool stop_limit(void);
static void announce_end(int64 run_id, const char *status);

/*
 * Whoever finds none left to count knows that it stays so: a run that is
 * stopped waits for more again, but to stop it takes the rows that we have
 * locked.
 */
bool
run_activities_ended(const RunInfo *run, int32 ended, const ActivityEnd *ends)
{
	if (ended < run->document->list->nawaited &&
		run_count_down(run->run_id, ended))
		return false;
	return succeed(run, ended, ends != NULL ? ends : ends_of_run(run)) ||
		run_finish(run->run_id, ended);
}

/* The usual end, in one statement; false if it is another. */
static bool
succeed(const RunInfo *info, int32 ended, const ActivityEnd *ends)
{
	Jsonb *output = NULL;
	Failure *failure = NULL;
	RunRow *run;

	if (!graph_succeeded(info->document->list->graph, ends))
		return false;
	if (info->document->output != NULL)
		output = work_out_output(info, &failure);
	if (failure != NULL)
		return false;
	run = run_succeed(info->run_id, ended, count_failures(info, ends), output);
	if (run == NULL)
		return false;
	run_ended(info, run, RUN_SUCCEEDED, output, NULL);
	return true;
}

bool
run_finish(int64 run_id, int32 ended)
{
	const RunInfo *info = run_info(run_id);
	RunRow *run = run_load(run_id, true);
	ActivityEnd *ends;
	RunStatus status;
	Jsonb *output = NULL;
	Failure *failure = NULL;
	char *error = NULL;

	if (run == NULL || run_status_is_final(run->status) ||
		run->remaining != ended)
		return false;
	ends = ends_of_run(info);
	if (run->stop_status != RUN_QUEUED)
		status = run->stop_status;
	else
		status = graph_succeeded(info->document->list->graph, ends) ?
			RUN_SUCCEEDED :
			RUN_FAILED;

	if (status == RUN_SUCCEEDED && info->document->output != NULL)
	{
		output = work_out_output(info, &failure);
		if (failure != NULL)
		{
			status = RUN_FAILED;
			error = failure->message;
			failure_insert(run_id, RUN_OUTPUT, 0, failure);
		}
	}
	if (error == NULL && status != RUN_SUCCEEDED)
		error = run->stop_reason != NULL ? run->stop_reason :
										   activity_first_error(run_id);
	if (error == NULL && status == RUN_FAILED)
		error = "an inactive activity counts as failed";

	run_end(run_id, status,
			status == RUN_SUCCEEDED ? count_failures(info, ends) : 0, output,
			error);
	run_ended(info, run, status, output, error);
	return true;
}

static ActivityEnd *
ends_of_run(const RunInfo *run)
{
	const ActivityList *list = run->document->list;
	Scope scope = {.list = list, .parent_no = -1};
	ActivityEnd *ends = palloc(list->count * sizeof(ActivityEnd));

	activity_ends(run->run_id, run->document, &scope, ends);
	return ends;
}

/* What follows from the end of a run. */
static void
run_ended(const RunInfo *info, const RunRow *run, RunStatus status,
		  Jsonb *output, const char *error)
{
	if (info->document->spread)
		tally_clear(info->run_id);
	wakeup_run_end(info->run_id);
	if (info->document->concurrency > 0)
		wakeup_scheduler(ERRAND_ADMIT);
	if (mlpipe_notify)
		announce_end(info->run_id, run_status_name(status));
	if (info->document->has_children)
		wakeup_scheduler(ERRAND_STOP);
	if (run->parent_run_id != 0)
		child_ended(run, status, output, error);
}

/* Not containers are counted, but what failed in them. */
static int
count_failures(const RunInfo *run, const ActivityEnd *ends)
{
	const Document *document = run->document;
	List *containers = NIL;
	int failures = 0;

	for (int no = 0; no < document->nactivities; no++)
	{
		const ActivityDef *def = &document->activities[no];

		/* One whose branches are all empty has no bodies. */
		if (activity_type(def)->body_ended != NULL)
			containers = lappend_int(containers, no);
		else if (!document->nested)
			failures += ends[no] == END_FAILED && def->active;
	}
	return document->nested ? activity_failures(run->run_id, containers) :
							  failures;
}

/*
 * A path that finds nothing fails the run, but not whoever ends it.  Nor may
 * one that looks for ever hold that process up: it may be the scheduler.
 */
static Jsonb *
work_out_output(const RunInfo *run, Failure **failure)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Jsonb *volatile output = NULL;
	Scope scope = {.list = run->document->list, .parent_no = -1};

	if (refuse_output)
	{
		output_was_refused = true;
		ereport(ERROR,
				(errcode(ERRCODE_OUTPUT_REFUSED),
				 errmsg_internal("the output of run " INT64_FORMAT
								 " is not for this process",
								 run->run_id)));
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	start_limit();
	PG_TRY();
	{
		output = template_render_json(run->document->output,
									  context_load(run->run_id, run->document,
												   list_make1(&scope), -1,
												   run->document
													   ->output_needs));
		ReleaseCurrentSubTransaction();
		(void) stop_limit();
	}
	PG_CATCH();
	{
		ErrorData *data;

		MemoryContextSwitchTo(context);
		data = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		*failure = output_failure(data, stop_limit());
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return output;
}

static Failure *
output_failure(const ErrorData *error, bool out_of_time)
{
	Failure *failure = failure_from_error(error, INTERRUPT_NONE);

	failure->message = out_of_time ?
		psprintf("output: it took longer than %g s",
				 output_limit_ms / 1000.0) :
		psprintf("output: %s", failure->message);
	failure->context = NULL; /* of the activity that happened to end last */
	return failure;
}

void
run_output_refuse(bool refuse)
{
	refuse_output = refuse;
}

bool
run_output_was_refused(void)
{
	bool was_refused = output_was_refused;

	output_was_refused = false;
	return was_refused;
}

void
run_output_hurry(void)
{
	output_limit_ms = HURRY_LIMIT_MS;
}

static void
start_limit(void)
{
	if (output_limit == MAX_TIMEOUTS)
		output_limit = RegisterTimeout(USER_TIMEOUT, limit_passed);
	past_limit = false;
	enable_timeout_after(output_limit, output_limit_ms);
}

/* A signal handler. */
static void
limit_passed(void)
{
	past_limit = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

/* Has the time passed?  Then a pending cancel was meant for the output alone. */
static bool
stop_limit(void)
{
	disable_timeout(output_limit, false);
	if (past_limit)
		QueryCancelPending = false;
	return past_limit;
}

/*
 * A notification that finds no room in the server's queue is an error when the
 * transaction commits: then one session that listens to anything, and does not
 * read, would keep all runs from ending.
 */
static void
announce_end(int64 run_id, const char *status)
{
	static TimestampTz told_at = 0;
	TimestampTz now;

	if (DatumGetFloat8(OidFunctionCall0(F_PG_NOTIFICATION_QUEUE_USAGE)) >
		NOTIFY_QUEUE_LIMIT)
	{
		now = GetCurrentTimestamp();
		if (TimestampDifferenceExceeds(told_at, now, TOLD_AGAIN_MS))
		{
			ereport(LOG,
					(errmsg("ends of runs are not notified while the NOTIFY "
							"queue is nearly full"),
					 errhint("Sessions that LISTEN, and are in a transaction, "
							 "keep it from being emptied.")));
			told_at = now;
		}
		return;
	}
	Async_Notify("mlpipe",
				 psprintf("{\"run_id\": " INT64_FORMAT ", \"status\": \"%s\"}",
						  run_id, status));
}

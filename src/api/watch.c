/*-------------------------------------------------------------------------
 *
 * watch.c
 *	  CALL mlpipe_watch(): tells as notices what happens in a run.
 *
 * Between two looks it holds no snapshot and no lock, so it is in nobody's
 * way: it commits after each look, and therefore cannot be called in a
 * transaction block.
 *
 * What is told is what a row says now compared with what it said at the last
 * look.  Each line bears the time of the row, not of the look, and the lines
 * of one look are sorted by it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgtime.h"
#include "storage/condition_variable.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "api/argument.h"
#include "api/look.h"
#include "compat.h"
#include "engine/board.h"
#include "store/engine_mode.h"

#define PROGRESS_EVERY_MS 1000  /* progress is no event, so it is looked for */
#define LOOK_EVERY_MS     60000 /* when nothing is in progress */
#define GATHER_MS         20    /* events that come together make one look */
#define BAR_WIDTH         20
#define MIN_NAME_WIDTH    16
#define MAX_NAME_WIDTH    48

/* What has been told of an activity. */
typedef struct Told
{
	int32 no; /* the key */
	ActivityStatus status;
	int32 attempt;
	bool asks;          /* an approval */
	TimestampTz bar_at; /* when its last bar was told; 0: never */
	double bar_share;
} Told;

typedef struct Line
{
	TimestampTz at;
	int place; /* among lines of the same time */
	char *text;
} Line;

typedef struct Watch
{
	int64 run_id;
	HTAB *told; /* of Told */
	int name_width;
	bool suspended;        /* has that been told? */
	bool working;          /* is an activity in progress? */
	TimestampTz now;       /* of this look */
	List *lines;           /* of Line *, of this look */
	MemoryContext scratch; /* reset before each look */
} Watch;

static void require_no_transaction_block(FunctionCallInfo fcinfo);
static void watch_begin(Watch *watch, int64 run_id);
static bool look_and_tell(Watch *watch);
static List *read_activities(int64 run_id);
static void note_activities(Watch *watch, List *activities);
static void measure_names(Watch *watch, List *activities);
static void note_activity(Watch *watch, const ActivityLook *activity);
static bool has_ended(ActivityStatus status);
static void note_end(Watch *watch, const ActivityLook *activity);
static void note_progress(Watch *watch, List *activities);
static void note_share(Watch *watch, List *activities, int32 no, int64 done,
					   int64 total, const char *what);
static const ActivityLook *find_activity(List *activities, int32 no);
static void note_suspension(Watch *watch, const RunLook *run);
static void note_run_end(Watch *watch, const RunLook *run);
static char *run_end_text(int64 run_id);
static void add_line(Watch *watch, TimestampTz at, const char *name,
					 const char *format, ...) pg_attribute_printf(4, 5);
static void tell_lines(Watch *watch);
static int compare_lines(const ListCell *a, const ListCell *b);
static char *clock_text(TimestampTz at);
static char *elapsed_text(TimestampTz from, TimestampTz to);
static char *bar_text(double share);
static void sleep_until_event(const Watch *watch);

PG_FUNCTION_INFO_V1(mlpipe_watch);
Datum
mlpipe_watch(PG_FUNCTION_ARGS)
{
	Watch watch;
	bool ended;

	argument_require(fcinfo, 0, "run_id");
	require_no_transaction_block(fcinfo);
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	watch_begin(&watch, PG_GETARG_INT64(0));
	do
	{
		CHECK_FOR_INTERRUPTS();

		/* First, so that no broadcast after the look is missed. */
		if (control != NULL)
			ConditionVariablePrepareToSleep(run_event(watch.run_id));
		ended = look_and_tell(&watch);
		if (!ended)
			sleep_until_event(&watch);
	} while (!ended);
	ConditionVariableCancelSleep();
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
	PG_RETURN_VOID();
}

static void
require_no_transaction_block(FunctionCallInfo fcinfo)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(
			ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg(
				 "mlpipe_watch cannot run inside a transaction block or a function"),
			 errhint("Use mlpipe_wait() there.")));
}

static void
watch_begin(Watch *watch, int64 run_id)
{
	HASHCTL info = {.keysize = sizeof(int32),
					.entrysize = sizeof(Told),
					.hcxt = CurrentMemoryContext};
	RunLook run;

	memset(watch, 0, sizeof(*watch));
	watch->run_id = run_id;
	watch->name_width = MIN_NAME_WIDTH;
	watch->told = hash_create("mlpipe watch", 64, &info,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	watch->scratch = AllocSetContextCreate(CurrentMemoryContext,
										   "mlpipe watch",
										   ALLOCSET_DEFAULT_SIZES);

	run_look_first(run_id, &run);
	if (!run_status_is_final(run.status))
	{
		shmem_require();
		if (RecoveryInProgress())
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("cannot watch a run during recovery"),
					 errhint("Runs are executed on the primary server.")));
	}
}

/* True where the run has ended. */
static bool
look_and_tell(Watch *watch)
{
	MemoryContext caller;
	RunLook run;
	List *activities;

	MemoryContextReset(watch->scratch);
	caller = MemoryContextSwitchTo(watch->scratch);
	watch->lines = NIL;
	watch->working = false;
	watch->now = GetCurrentTimestamp();

	/* The run first: once it has ended, no activity changes any more. */
	PushActiveSnapshot(GetTransactionSnapshot());
	run_look_again(watch->run_id, &run);
	activities = read_activities(watch->run_id);
	note_activities(watch, activities);
	note_progress(watch, activities);
	if (run_status_is_final(run.status))
		note_run_end(watch, &run);
	else
		note_suspension(watch, &run);
	PopActiveSnapshot();
	SPI_commit();

	MemoryContextSwitchTo(watch->scratch);
	tell_lines(watch);
	MemoryContextSwitchTo(caller);
	return run_status_is_final(run.status);
}

static List *
read_activities(int64 run_id)
{
	EngineMode mode;
	List *activities;

	engine_mode_enter(&mode);
	activities = activities_look(run_id);
	engine_mode_leave(&mode);
	return activities;
}

static void
note_activities(Watch *watch, List *activities)
{
	ListCell *cell;

	measure_names(watch, activities);
	foreach(cell, activities)
		note_activity(watch, lfirst(cell));
}

static void
measure_names(Watch *watch, List *activities)
{
	ListCell *cell;

	foreach(cell, activities)
	{
		int length = strlen(((ActivityLook *) lfirst(cell))->name);

		if (length <= MAX_NAME_WIDTH)
			watch->name_width = Max(watch->name_width, length);
	}
}

static void
note_activity(Watch *watch, const ActivityLook *activity)
{
	bool found;
	Told *told = hash_search(watch->told, &activity->no, HASH_ENTER, &found);

	if (!found)
	{
		told->status = ACTIVITY_WAITING;
		told->attempt = 0;
		told->asks = false;
		told->bar_at = 0;
		told->bar_share = -1;
	}
	if (activity->attempt > told->attempt && activity->started_at != 0)
	{
		if (activity->attempt == 1)
			add_line(watch, activity->started_at, activity->name, "started");
		else
			add_line(watch, activity->started_at, activity->name,
					 "started     attempt %d", activity->attempt);
	}
	if (activity->message != NULL && !told->asks)
		add_line(watch, watch->now, activity->name,
				 "waits for mlpipe_approve()  %s", activity->message);
	if (has_ended(activity->status) && !has_ended(told->status))
		note_end(watch, activity);
	else if (activity->status == ACTIVITY_QUEUED && activity->attempt > 0 &&
			 (told->status != ACTIVITY_QUEUED ||
			  told->attempt != activity->attempt))
		add_line(watch, watch->now, activity->name,
				 "failed      attempt %d, to be tried again%s%s%s%s",
				 activity->attempt, activity->due_at != 0 ? " at " : "",
				 activity->due_at != 0 ? clock_text(activity->due_at) : "",
				 activity->error != NULL ? "  " : "",
				 activity->error != NULL ? activity->error : "");
	told->asks = activity->message != NULL;
	told->status = activity->status;
	told->attempt = activity->attempt;
	watch->working |= activity->status == ACTIVITY_IN_PROGRESS;
}

static bool
has_ended(ActivityStatus status)
{
	switch (status)
	{
		case ACTIVITY_WAITING:
		case ACTIVITY_QUEUED:
		case ACTIVITY_IN_PROGRESS:
			return false;
		case ACTIVITY_SUCCEEDED:
		case ACTIVITY_FAILED:
		case ACTIVITY_SKIPPED:
		case ACTIVITY_CANCELLED:
		case ACTIVITY_INACTIVE:
			break;
	}
	return true;
}

static void
note_end(Watch *watch, const ActivityLook *activity)
{
	TimestampTz at = activity->finished_at != 0 ? activity->finished_at :
												  watch->now;
	const char *status = activity_status_name(activity->status);

	if (activity->started_at == 0)
		add_line(watch, at, activity->name, "%s", status);
	else if (activity->error == NULL)
		add_line(watch, at, activity->name, "%-10s  %s", status,
				 elapsed_text(activity->started_at, at));
	else
		add_line(watch, at, activity->name, "%-10s  %s  %s", status,
				 elapsed_text(activity->started_at, at), activity->error);
}

static void
note_progress(Watch *watch, List *activities)
{
	int count;
	BoardStep *steps = board_steps(MyDatabaseId, watch->run_id, &count);
	ExecutorSlot *slots;
	int i;

	for (i = 0; i < count; i++)
		note_share(watch, activities, steps[i].no,
				   steps[i].succeeded + steps[i].failed, steps[i].batches,
				   "mini-batches");
	slots = board_slots(MyDatabaseId, watch->run_id, &count);
	for (i = 0; i < count; i++)
		if (slots[i].step == NULL && slots[i].progress_total > 0)
			note_share(watch, activities, slots[i].no, slots[i].progress_done,
					   slots[i].progress_total, "done");
}

/* At most once a second an activity, and not when nothing has changed. */
static void
note_share(Watch *watch, List *activities, int32 no, int64 done, int64 total,
		   const char *what)
{
	const ActivityLook *activity = find_activity(activities, no);
	Told *told = hash_search(watch->told, &no, HASH_FIND, NULL);
	double share = total > 0 ? Min((double) done / total, 1.0) : 0;
	TimestampTz last;

	if (activity == NULL || told == NULL ||
		activity->status != ACTIVITY_IN_PROGRESS)
		return;
	last = told->bar_at != 0 ? told->bar_at : activity->started_at;
	if (share == told->bar_share ||
		watch->now - last < PROGRESS_EVERY_MS * INT64CONST(1000))
		return;
	add_line(watch, watch->now, activity->name,
			 "%s %3.0f %%  " INT64_FORMAT " of " INT64_FORMAT " %s",
			 bar_text(share), floor(share * 100), done, total, what);
	told->bar_at = watch->now;
	told->bar_share = share;
}

static const ActivityLook *
find_activity(List *activities, int32 no)
{
	ListCell *cell;

	foreach(cell, activities)
		if (((ActivityLook *) lfirst(cell))->no == no)
			return lfirst(cell);
	return NULL;
}

static void
note_suspension(Watch *watch, const RunLook *run)
{
	bool suspended = run->status == RUN_SUSPENDED;

	if (suspended != watch->suspended)
		add_line(watch, watch->now,
				 psprintf("run " INT64_FORMAT, watch->run_id), "%s",
				 suspended ? "suspended, until mlpipe_resume()" : "resumed");
	watch->suspended = suspended;
}

/* The last line, after those of activities that ended with the run. */
static void
note_run_end(Watch *watch, const RunLook *run)
{
	TimestampTz began = run->started_at != 0 ? run->started_at :
											   run->submitted_at;
	TimestampTz ended = run->finished_at != 0 ? run->finished_at : watch->now;
	Line *line;

	add_line(watch, ended, psprintf("run " INT64_FORMAT, watch->run_id),
			 "%-10s  %s%s", run_status_name(run->status),
			 elapsed_text(began, ended), run_end_text(watch->run_id));
	line = llast(watch->lines);
	line->at = DT_NOEND;
}

static char *
run_end_text(int64 run_id)
{
	EngineMode mode;
	char *error;

	engine_mode_enter(&mode);
	error = run_error(run_id);
	engine_mode_leave(&mode);
	return error == NULL ? "" : psprintf("  %s", error);
}

static void
add_line(Watch *watch, TimestampTz at, const char *name, const char *format,
		 ...)
{
	StringInfoData text;
	Line *line = palloc(sizeof(Line));

	initStringInfo(&text);
	appendStringInfo(&text, "%s  %-*s  ", clock_text(at), watch->name_width,
					 name);
	for (;;)
	{
		va_list args;
		int needed;

		va_start(args, format);
		needed = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	line->at = at;
	line->place = list_length(watch->lines);
	line->text = text.data;
	watch->lines = lappend(watch->lines, line);
}

static void
tell_lines(Watch *watch)
{
	ListCell *cell;

	list_sort(watch->lines, compare_lines);
	foreach(cell, watch->lines)
		ereport(NOTICE,
				(errmsg_internal("%s", ((Line *) lfirst(cell))->text)));
}

static int
compare_lines(const ListCell *a, const ListCell *b)
{
	const Line *left = lfirst(a);
	const Line *right = lfirst(b);

	if (left->at != right->at)
		return left->at < right->at ? -1 : 1;
	return left->place - right->place;
}

/* In the time zone of the one who watches. */
static char *
clock_text(TimestampTz at)
{
	pg_time_t seconds = timestamptz_to_time_t(at);
	char *text = palloc(16);

	pg_strftime(text, 16, "%H:%M:%S",
				pg_localtime(&seconds, session_timezone));
	return text;
}

static char *
elapsed_text(TimestampTz from, TimestampTz to)
{
	int64 elapsed = Max(to - from, 0);
	int64 seconds = elapsed / USECS_PER_SEC;

	if (seconds < 60)
		return psprintf("%.2f s", elapsed / (double) USECS_PER_SEC);
	if (seconds < 3600)
		return psprintf("%d min %d s", (int) (seconds / 60),
						(int) (seconds % 60));
	return psprintf(INT64_FORMAT " h %d min", seconds / 3600,
					(int) (seconds % 3600 / 60));
}

static char *
bar_text(double share)
{
	int full = (int) floor(share * BAR_WIDTH);
	char *bar = palloc(BAR_WIDTH + 3);

	bar[0] = '[';
	memset(bar + 1, '#', full);
	memset(bar + 1 + full, '-', BAR_WIDTH - full);
	bar[BAR_WIDTH + 1] = ']';
	bar[BAR_WIDTH + 2] = '\0';
	return bar;
}

/* Then waits a little, so that a burst of events makes one look. */
static void
sleep_until_event(const Watch *watch)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = wait_event_new("MlpipeWatch");
	(void) ConditionVariableTimedSleep(run_event(watch->run_id),
									   watch->working ? PROGRESS_EVERY_MS :
														LOOK_EVERY_MS,
									   wait_event);
	CHECK_FOR_INTERRUPTS();
	pg_usleep(GATHER_MS * 1000L);
}

/*-------------------------------------------------------------------------
 *
 * parallel_watch.c
 *	  The clock of a worker in a parallel step.
 *
 * While a mini-batch runs, three things can end it: its own time is over, the
 * activity's time is over, or no worker of the step has finished a mini-batch
 * or reported progress for too long.  One timer serves all three.  The last one
 * moves while the mini-batch runs, so when the timer goes off early it looks
 * again a second later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "activity/parallel_worker.h"
#include "engine/slot.h"

#define LOOK_AGAIN_MS 1000

static TimeoutId watch_id = MAX_TIMEOUTS;
static bool watching = false;
static WatchLimits limits;
static TimestampTz batch_deadline; /* 0: none */
static volatile sig_atomic_t alarm_raised = WATCH_NONE;

static void look(void);
static WatchAlarm passed_limit(TimestampTz now);
static TimestampTz stall_deadline(void);
static TimestampTz sooner(TimestampTz a, TimestampTz b);

void
watch_start(const WatchLimits *new_limits)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz first;

	limits = *new_limits;
	batch_deadline = limits.batch_timeout > 0 ? now + limits.batch_timeout : 0;
	alarm_raised = WATCH_NONE;
	first = sooner(sooner(batch_deadline, limits.step_deadline),
				   stall_deadline());
	if (first == 0)
		return;
	if (watch_id == MAX_TIMEOUTS)
		watch_id = RegisterTimeout(USER_TIMEOUT, look);
	watching = true;
	enable_timeout_every(watch_id, first, LOOK_AGAIN_MS);
}

/* A cancel of ours is not meant for what comes next. */
WatchAlarm
watch_stop(void)
{
	WatchAlarm alarm;

	if (!watching)
		return WATCH_NONE;
	disable_timeout(watch_id, false);
	watching = false;
	alarm = (WatchAlarm) alarm_raised;
	alarm_raised = WATCH_NONE;
	if (alarm != WATCH_NONE && MySlot->interrupt == INTERRUPT_NONE)
		QueryCancelPending = false;
	return alarm;
}

/* Rolls back what was interrupted, but caught that and went on. */
void
watch_enforce(void)
{
	if (watching && alarm_raised != WATCH_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("canceling statement due to a time limit")));
}

/* A signal handler. */
static void
look(void)
{
	WatchAlarm alarm = passed_limit(GetCurrentTimestamp());

	if (alarm == WATCH_NONE)
		return;
	alarm_raised = alarm;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

static WatchAlarm
passed_limit(TimestampTz now)
{
	TimestampTz stalled_at = stall_deadline();

	if (limits.step_deadline != 0 && now >= limits.step_deadline)
		return WATCH_STEP;
	if (batch_deadline != 0 && now >= batch_deadline)
		return WATCH_BATCH;
	if (stalled_at != 0 && now >= stalled_at)
		return WATCH_STALLED;
	return WATCH_NONE;
}

/*
 * Read without the lock: a signal handler cannot take it, and an old value at
 * worst leads to a look a second later, as time only goes forward.
 */
static TimestampTz
stall_deadline(void)
{
	TimestampTz progress = limits.ready_at;

	if (limits.progress_timeout == 0)
		return 0;
	progress = Max(progress,
				   ((const volatile StepState *) limits.step)->last_batch_at);
	progress = Max(progress, MySlot->progress_at);
	return progress + limits.progress_timeout;
}

/* The earlier of two times; 0 is never. */
static TimestampTz
sooner(TimestampTz a, TimestampTz b)
{
	if (a == 0 || b == 0)
		return Max(a, b);
	return Min(a, b);
}

Failure *
timeout_failure(MemoryContext context, const ActivityDef *def,
				WatchAlarm alarm, const char *what, int64 timeout)
{
	const ParallelConfig *config = def->config;
	double progress = config->progress_timeout / (double) USECS_PER_SEC;
	double first = config->first_batch_timeout / (double) USECS_PER_SEC;
	char *message = NULL;

	switch (alarm)
	{
		case WATCH_NONE:
			break;
		case WATCH_BATCH:
			message = psprintf("timeout: %s took longer than %g s", what,
							   timeout / (double) USECS_PER_SEC);
			break;
		case WATCH_STEP:
			message = psprintf("timeout: the attempt took longer than %g s",
							   def->timeout / (double) USECS_PER_SEC);
			break;
		case WATCH_STALLED:
			message = psprintf(
				"no mini-batch was finished and no progress reported for %g s, and \"progress_update_timeout\" is %g",
				progress, progress);
			break;
		case WATCH_UNSTARTED:
			message = psprintf(
				"no mini-batch was started in %g s, and \"first_task_creation_timeout\" is %g",
				first, first);
			break;
	}
	return failure_create(context, "57014", message, NULL, NULL);
}

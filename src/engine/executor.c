/*-------------------------------------------------------------------------
 *
 * executor.c
 *	  A worker of one role in one database: takes ready work, runs it, takes
 *	  the next, and ends when there has been none for a while.
 *
 * It is connected as that role for its whole life, so that nothing that one
 * role's code leaves in a session can ever reach another's.  An error of the
 * user's statements is recorded; an error of the bookkeeping ends the process,
 * and the scheduler sees to what it had in its hands.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/attempt.h"
#include "engine/culprit.h"
#include "engine/executor.h"
#include "engine/role.h"
#include "engine/run_cache.h"
#include "engine/session.h"
#include "engine/slot.h"
#include "mlpipe.h"

typedef enum WorkKind
{
	WORK_NONE,
	WORK_ACTIVITY,
	WORK_STEP,
	WORK_RETIRE
} WorkKind;

typedef struct Work
{
	WorkKind kind;
	WorkOrder order;
	StepState *step;
} Work;

static uint32 wait_event;

static void work_until_idle(void);
static void reload_config_if_asked(void);
static void do_activity(const WorkOrder *order);
static void take_work(Work *work);
static void take_first(Lane *lane, WorkOrder *order);
static StepState *best_step(Lane *lane);
static bool activity_goes_first(const WorkOrder *activity,
								const StepState *step);
static void note_taken(Lane *lane);
static void ask_for_refill(Lane *lane);
static void become_idle(Lane *lane);
static void leave_nothing_behind(void);
static bool wait_for_work(void);
static bool leave_idleness(bool timed_out);

void
mlpipe_executor_main(Datum arg)
{
	uint32 generation;

	memcpy(&generation, MyBgworkerEntry->bgw_extra, sizeof(generation));
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	slot_attach(DatumGetInt32(arg), generation);
	culprit_watch_quit();
	BackgroundWorkerUnblockSignals();

	BackgroundWorkerInitializeConnectionByOid(MySlot->database, MySlot->role,
											  0);
	session_init();
	role_watch();
	wait_event = wait_event_new("MlpipeExecutorIdle");
	pgstat_report_activity(STATE_IDLE, NULL);

	control_lock();
	MySlot->state = SLOT_BUSY;
	control_unlock();
	do
	{
		work_until_idle();
		leave_nothing_behind();
	} while (wait_for_work());
	proc_exit(0);
}

static void
work_until_idle(void)
{
	Work work;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		reload_config_if_asked();
		take_work(&work);
		switch (work.kind)
		{
			case WORK_ACTIVITY:
				do_activity(&work.order);
				break;
			case WORK_STEP:
				parallel_work(work.step, &work.order);
				pgstat_report_activity(STATE_IDLE, NULL);
				break;
			case WORK_NONE:
				return;
			case WORK_RETIRE:
				proc_exit(0);
		}
		run_cache_trim();
	}
}

static void
reload_config_if_asked(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
}

/* One activity, and those that are claimed along with the end of another. */
static void
do_activity(const WorkOrder *order)
{
	NextActivity next = {.order = *order};

	next.attempt = attempt_claim(order);
	next.claimed = next.attempt > 0;
	while (next.claimed)
	{
		WorkOrder current = next.order;

		reload_config_if_asked();
		attempt_run(&current, next.attempt, &next);
		run_cache_trim();
	}
}

/*
 * Finding nothing and becoming idle are one step under the lock, so that
 * whoever brings work sees either an executor that looks or one that sleeps.
 */
static void
take_work(Work *work)
{
	Lane *lane = MySlot->lane;
	const WorkOrder *activity;

	work->kind = WORK_NONE;
	control_lock();
	activity = ready_first(lane);
	work->step = best_step(lane);
	if (MySlot->retire)
		work->kind = WORK_RETIRE;
	else if (!mlpipe_enabled || (activity == NULL && work->step == NULL))
		become_idle(lane);
	else if (activity != NULL && activity_goes_first(activity, work->step))
	{
		work->kind = WORK_ACTIVITY;
		take_first(lane, &work->order);
	}
	else
	{
		work->kind = WORK_STEP;
		work->order = work->step->order;
		note_taken(lane);
	}
	control_unlock();
}

bool
executor_take_activity(WorkOrder *order)
{
	Lane *lane = MySlot->lane;
	const WorkOrder *activity;
	bool taken;

	control_lock();
	activity = ready_first(lane);
	taken = activity != NULL && mlpipe_enabled && !ConfigReloadPending &&
		!MySlot->retire && activity_goes_first(activity, best_step(lane));
	if (taken)
		take_first(lane, order);
	control_unlock();
	return taken;
}

/* Nobody is woken: this executor is about to look for work. */
void
executor_put_back(const WorkOrder *order)
{
	control_lock();
	if (!ready_push(MySlot->lane, order))
		database_find(MyDatabaseId)->overflowed = true;
	control_unlock();
}

/* caller holds the control lock */
static void
take_first(Lane *lane, WorkOrder *order)
{
	(void) ready_pop(lane, order);
	note_taken(lane);
	ask_for_refill(lane);
}

/* caller holds the control lock */
static StepState *
best_step(Lane *lane)
{
	StepState *best = NULL;
	dlist_iter iter;

	dlist_foreach(iter, &lane->steps)
	{
		StepState *step = dlist_container(StepState, node, iter.cur);

		if (!step_is_joinable(step))
			continue;
		if (best == NULL ||
			step->order.run_priority > best->order.run_priority ||
			(step->order.run_priority == best->order.run_priority &&
			 (step->nworkers < best->nworkers ||
			  (step->nworkers == best->nworkers &&
			   work_compare(&step->order, &best->order) < 0))))
			best = step;
	}
	return best;
}

/* Within a run, starting an activity goes before more workers for a step. */
static bool
activity_goes_first(const WorkOrder *activity, const StepState *step)
{
	if (step == NULL)
		return true;
	if (activity->run_priority != step->order.run_priority)
		return activity->run_priority > step->order.run_priority;
	return activity->run_id <= step->order.run_id;
}

/* caller holds the control lock */
static void
note_taken(Lane *lane)
{
	lane->last_take_at = GetCurrentTimestamp();
	lane->waiting_since = lane->nready > 0 ? lane->last_take_at : 0;
}

/* What found no room is in the tables; there is room for it now. */
static void
ask_for_refill(Lane *lane)
{
	DatabaseState *database;

	if (control->nready != REFILL_BELOW)
		return;
	database = database_find(lane->database);
	if (database != NULL && database->overflowed)
		scheduler_wake(database);
}

/* caller holds the control lock */
static void
become_idle(Lane *lane)
{
	MySlot->state = SLOT_IDLE;
	MySlot->since = GetCurrentTimestamp();
	lane->nidle++;
	lane->waiting_since = 0;
	lane->looked_at = 0;
}

/* An idle process keeps no locks or temporary tables of the last activity. */
static void
leave_nothing_behind(void)
{
	work_begin();
	session_reset();
	work_commit(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* False when it has been idle long enough to end. */
static bool
wait_for_work(void)
{
	int events;

	pgstat_report_stat(true);
	events = WaitLatch(MyLatch,
					   WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					   mlpipe_executor_idle_timeout * 1000L, wait_event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return leave_idleness((events & WL_LATCH_SET) == 0);
}

/*
 * Whoever woke us with work has made the slot busy already.  Otherwise we were
 * woken for something else and look for work again, or time is up.
 */
static bool
leave_idleness(bool timed_out)
{
	bool go_on = true;

	control_lock();
	if (MySlot->state == SLOT_IDLE)
	{
		MySlot->state = SLOT_BUSY;
		MySlot->lane->nidle--;
		go_on = !timed_out && !MySlot->retire;
	}
	control_unlock();
	return go_on;
}

bool
executor_should_yield(StepState *step)
{
	Lane *lane = MySlot->lane;
	const WorkOrder *activity;
	StepState *other;
	bool yield;

	if (!mlpipe_enabled)
		return true;
	control_lock_shared();
	activity = ready_first(lane);
	other = best_step(lane);
	yield = MySlot->retire ||
		(activity != NULL && activity_goes_first(activity, step)) ||
		(other != NULL && other != step &&
		 (other->order.run_priority > step->order.run_priority ||
		  (other->order.run_priority == step->order.run_priority &&
		   other->nworkers + 1 < step->nworkers)));
	control_unlock();
	return yield;
}

bool
executor_has_other_work(void)
{
	Lane *lane = MySlot->lane;

	return MySlot->retire || !mlpipe_enabled || ready_first(lane) != NULL ||
		best_step(lane) != NULL;
}

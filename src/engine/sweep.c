/*-------------------------------------------------------------------------
 *
 * sweep.c
 *	  The scheduler sees to what executors could not finish themselves: the
 *	  work of those that died, and steps that nobody works on any more.
 *
 * A slot is freed only when what it had in hand has been dealt with; if that
 * fails, the slot stays as it is until the next sweep.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "engine/executor.h"
#include "engine/finish.h"
#include "engine/scheduler.h"
#include "engine/session.h"
#include "engine/slot.h"
#include "engine/step.h"
#include "engine/wakeup.h"
#include "store/engine_mode.h"
#include "store/run_store.h"

/* What a dead slot named. */
typedef struct Remains
{
	int index;
	uint32 generation;
	int64 run_id;
	int32 no;
	int32 attempt;
	bool of_step;
	bool evicted;
} Remains;

typedef struct OverdueStep
{
	WorkOrder order;
	StepOverdue why;
} OverdueStep;

static void bury_dead(void);
static bool find_dead(int index, Remains *remains);
static void lose_attempt(void *arg);
static Failure *failure_of(const Remains *remains);
static bool run_is_there(int64 run_id);
static void sweep_again(void);
static void end_idle_steps(void);
static bool find_idle_step(int index, WorkOrder *order);
static void end_overdue_step(void *arg);
static void end_step(void *arg);

void
sweep(void)
{
	bury_dead();
	end_idle_steps();
}

static void
bury_dead(void)
{
	Remains remains;
	int i;

	for (i = 0; i < control->nslots; i++)
	{
		if (!find_dead(i, &remains))
			continue;
		if (remains.of_step || try_in_transaction(lose_attempt, &remains))
			slot_bury(i, remains.generation);
		else
			sweep_again();
	}
}

static void
sweep_again(void)
{
	control_lock();
	database_find(MyDatabaseId)->sweep = true;
	control_unlock();
}

/* Mini-batches are given back at once: a step's truth is in its table. */
static bool
find_dead(int index, Remains *remains)
{
	ExecutorSlot *slot = &control->slots[index];
	bool found;

	control_lock();
	found = slot->state == SLOT_DEAD && slot->database == MyDatabaseId;
	if (found)
	{
		remains->index = index;
		remains->generation = slot->generation;
		remains->run_id = slot->run_id;
		remains->no = slot->no;
		remains->attempt = slot->attempt;
		remains->of_step = slot->step != NULL;
		remains->evicted = slot->evicted;
		step_give_back(slot);
	}
	control_unlock();
	return found;
}

/*
 * The executor may have died between taking the activity from the queue and
 * claiming it, or after it had ended it; then nothing is lost, but the queue
 * may lack an entry.
 */
static void
lose_attempt(void *arg)
{
	Remains *remains = arg;
	Failure *failure = failure_of(remains);

	if (run_is_there(remains->run_id) &&
		activity_lose(run_info(remains->run_id), remains->no, remains->attempt,
					  failure))
		ForceSyncCommit();
	wakeup_scheduler(ERRAND_REFILL);
}

static Failure *
failure_of(const Remains *remains)
{
	if (remains->evicted)
		return failure_create(
			CurrentMemoryContext, SQLSTATE_MADE_WAY,
			"the executor made way for a statement during this attempt",
			"The statement wanted nobody connected to the database, or changed the extension.",
			NULL);
	return failure_create(CurrentMemoryContext, "57P01",
						  "the executor was terminated during this attempt",
						  NULL, NULL);
}

/* One that never was committed, or has been purged, has lost nothing. */
static bool
run_is_there(int64 run_id)
{
	EngineMode mode;
	bool there;

	engine_mode_enter(&mode);
	there = run_load(run_id, false) != NULL;
	engine_mode_leave(&mode);
	return there;
}

static void
end_idle_steps(void)
{
	WorkOrder order;
	int i;

	for (i = 0; i < MAX_STEPS; i++)
		if (find_idle_step(i, &order))
			if (!try_in_transaction(end_step, &order))
				sweep_again();
}

static bool
find_idle_step(int index, WorkOrder *order)
{
	StepState *step = &control->steps[index];
	bool found;

	control_lock_shared();
	found = step->lane != NULL && step->lane->database == MyDatabaseId &&
		step->order.run_id != 0 && step->nworkers == 0 &&
		(step->stopping || !step_has_work(step));
	if (found)
		*order = step->order;
	control_unlock();
	return found;
}

/* A step that could not be ended is stopping: the next sweep goes on with it. */
void
end_overdue_steps(void)
{
	OverdueStep overdue;

	while (step_take_overdue(&overdue.order, &overdue.why))
		if (!try_in_transaction(end_overdue_step, &overdue))
			sweep_again();
}

static void
end_overdue_step(void *arg)
{
	OverdueStep *overdue = arg;

	parallel_time_out(overdue->order.run_id, overdue->order.no, overdue->why);
}

static void
end_step(void *arg)
{
	WorkOrder *order = arg;

	parallel_end_idle(order->run_id, order->no);
}

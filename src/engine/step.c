/*-------------------------------------------------------------------------
 *
 * step.c
 *	  Handing out the mini-batches of parallel activities.
 *
 * A mini-batch's number is in one of four places: not handed out yet (at or
 * above next_batch), in the list of retries, in the hands of one worker (its
 * slot), or done, which only the table knows.  The list is short: what does not
 * fit is left to a look at the table (rescan), which finds every number that is
 * in none of the other places.
 *
 * A worker has left, and what it had in hand has been given back, before its
 * slot is free; so nworkers counts the slots that name the step.  The entry of
 * a step that was removed under its workers stays taken until the last of them
 * has left: its run_id is 0 then, and nobody finds or joins it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "engine/horizon.h"
#include "engine/shmem.h"
#include "engine/slot.h"
#include "engine/step.h"

/* The weight of a new mini-batch in the average of their durations. */
#define AVERAGE_WEIGHT 0.2

static StepState *free_step(void);
static void let_others_join(StepState *step);
static int take_retry(StepState *step);
static int take_new(StepState *step, int max);
static void hold(int32 batch, int32 attempt);
static void note_start(StepState *step);
static void let_go(int32 batch);
static void push_retry(StepState *step, int32 batch, int32 attempt);
static void worker_left(StepState *step);
static void release(StepState *step);
static int collect_held(const StepState *step, int32 *numbers);

bool
step_publish(Oid role, const StepState *initial)
{
	StepState *step;
	Lane *lane;
	int wanted;

	control_lock();
	if (step_find(MyDatabaseId, initial->order.run_id, initial->order.no) !=
		NULL)
	{
		control_unlock();
		return true;
	}
	step = free_step();
	lane = step != NULL ? lane_find_or_add(MyDatabaseId, role) : NULL;
	if (lane != NULL)
	{
		*step = *initial;
		step->lane = lane;
		step->nworkers = 0;
		dlist_push_tail(&lane->steps, &step->node);
		horizon_bind_step(step);
		wanted = Min(step->max_workers, step->batches);
		for (; wanted > 0 && lane->nidle > 0; wanted--)
			lane_wake(lane);
		/* None is idle: asks the scheduler for more. */
		if (wanted > 0)
			lane_wake(lane);
		step_note_due(step);
	}
	control_unlock();
	return lane != NULL;
}

static StepState *
free_step(void)
{
	int i;

	for (i = 0; i < MAX_STEPS; i++)
		if (control->steps[i].lane == NULL)
			return &control->steps[i];
	return NULL;
}

bool
step_join(StepState *step, const WorkOrder *expected)
{
	bool joined;

	control_lock();
	joined = step->lane == MySlot->lane &&
		step->order.run_id == expected->run_id &&
		step->order.no == expected->no && step_is_joinable(step);
	if (joined)
	{
		step->nworkers++;
		slot_work_on_locked(expected, 0, step);
		/* Others may be wanted too, and are not woken by the step alone. */
		if (step_is_joinable(step) && step->lane->nidle > 0)
			lane_wake(step->lane);
	}
	control_unlock();
	return joined;
}

bool
step_is_mine(const StepState *step)
{
	return MySlot->step == step && step->lane != NULL &&
		(step->order.run_id == MySlot->run_id || step->order.run_id == 0);
}

int
step_take(StepState *step, int max)
{
	int taken = 0;

	control_lock();
	MySlot->nbatches = 0;
	if (step_is_mine(step) && !step->stopping && !step->suspended)
	{
		if (step->alone && step->nsuspects == 0)
			let_others_join(step);

		/* First, so that the list does not overflow and failures tell early. */
		taken = take_retry(step);
		if (taken == 0)
			taken = take_new(step, max);
		if (taken > 0)
			note_start(step);
	}
	control_unlock();
	return taken;
}

/* The worker has run init, and done what was under suspicion. */
static void
let_others_join(StepState *step)
{
	step->alone = false;
	if (step_is_joinable(step))
		lane_wake(step->lane);
}

/* Alone: what failed once may fail again, and take a group with it. */
static int
take_retry(StepState *step)
{
	if (step->nretries == 0)
		return 0;
	hold(step->retry_batches[0], step->retry_attempts[0]);
	step->nretries--;
	step->nsuspects = Max(step->nsuspects - 1, 0);
	memmove(&step->retry_batches[0], &step->retry_batches[1],
			step->nretries * sizeof(step->retry_batches[0]));
	memmove(&step->retry_attempts[0], &step->retry_attempts[1],
			step->nretries * sizeof(step->retry_attempts[0]));
	return 1;
}

/* Fewer at once towards the end, so that all workers end together. */
static int
take_new(StepState *step, int max)
{
	int32 left = step->batches - step->next_batch + 1;
	int share = left / (2 * Max(step->nworkers, 1));
	int i;

	max = Min(Min(max, MAX_BATCH_GROUP), Max(share, 1));
	max = Min(max, left);
	for (i = 0; i < max; i++)
		hold(step->next_batch++, step->attempts_before + 1);
	return Max(max, 0);
}

static void
hold(int32 batch, int32 attempt)
{
	MySlot->batches[MySlot->nbatches] = batch;
	MySlot->batch_attempts[MySlot->nbatches] = attempt;
	MySlot->nbatches++;
}

/* For those who look: the views have nothing else to go by. */
static void
note_start(StepState *step)
{
	MySlot->since = GetCurrentTimestamp();
	if (step->first_batch_at == 0)
		step->first_batch_at = MySlot->since;
}

static void
let_go(int32 batch)
{
	int i;

	for (i = 0; i < MySlot->nbatches; i++)
	{
		if (MySlot->batches[i] != batch)
			continue;
		MySlot->nbatches--;
		MySlot->batches[i] = MySlot->batches[MySlot->nbatches];
		MySlot->batch_attempts[i] = MySlot->batch_attempts[MySlot->nbatches];
		return;
	}
}

static void
push_retry(StepState *step, int32 batch, int32 attempt)
{
	if (step->nretries == MAX_STEP_RETRIES)
	{
		step->rescan = true;
		return;
	}
	step->retry_batches[step->nretries] = batch;
	step->retry_attempts[step->nretries] = attempt;
	step->nretries++;
}

void
step_batch_ended(StepState *step, int32 batch, int32 attempt, BatchEnd end,
				 int64 items, int64 items_done, double seconds)
{
	control_lock();
	if (step_is_mine(step))
	{
		switch (end)
		{
			case BATCH_SUCCEEDED:
				step->succeeded++;
				break;
			case BATCH_FAILED:
				step->failed++;
				break;
			case BATCH_RETRY:
				step->retried++;
				push_retry(step, batch, attempt + 1);
				break;
		}
		if (end != BATCH_RETRY)
		{
			step->items += items;
			step->items_done += items_done;
		}
		step->last_batch_at = GetCurrentTimestamp();
		step->batch_seconds = step->batch_seconds == 0 ? seconds :
														 step->batch_seconds +
				(seconds - step->batch_seconds) * AVERAGE_WEIGHT;
	}
	let_go(batch);
	step_wake_lingering(step);
	control_unlock();
}

void
step_put_back(StepState *step)
{
	int i;

	control_lock();
	if (step_is_mine(step))
		for (i = 0; i < MySlot->nbatches; i++)
			push_retry(step, MySlot->batches[i], MySlot->batch_attempts[i]);
	MySlot->nbatches = 0;
	step_wake_lingering(step);
	control_unlock();
}

void
step_let_go(StepState *step, int32 batch)
{
	control_lock();
	if (step_is_mine(step))
		step->rescan = true;
	let_go(batch);
	step_wake_lingering(step);
	control_unlock();
}

void
step_give_back(ExecutorSlot *slot)
{
	StepState *step = slot->step;
	int i;

	if (step == NULL)
		return;
	if (step->lane != NULL &&
		(step->order.run_id == slot->run_id || step->order.run_id == 0))
	{
		for (i = 0; i < slot->nbatches; i++)
			push_retry(step, slot->batches[i], slot->batch_attempts[i] + 1);
		worker_left(step);
		if (step->lane != NULL && step_is_joinable(step))
			lane_wake(step->lane);
	}
	slot->step = NULL;
	slot->nbatches = 0;
	step_wake_lingering(step);
}

/* Never changes, so it can be read without the lock. */
bool
step_needs_care(const StepState *step)
{
	return step->careful;
}

bool
step_is_mine_alone(const StepState *step)
{
	bool alone;

	control_lock_shared();
	alone = step_is_mine(step) && step->alone;
	control_unlock();
	return alone;
}

bool
step_stop(StepState *step)
{
	bool first;

	control_lock();
	first = step_is_mine(step) && !step->stopping;
	if (first)
		slot_interrupt_run_locked(MyDatabaseId, step->order.run_id,
								  step->order.no, INTERRUPT_STEP);
	control_unlock();
	return first;
}

void
step_reopen(StepState *step)
{
	control_lock();
	if (step->lane != NULL)
	{
		step->stopping = false;
		step->rescan = true;
		step_note_due(step);
		lane_wake(step->lane);
	}
	control_unlock();
}

void
step_restart(const StepState *fresh)
{
	StepState *step;

	control_lock();
	step = step_find(MyDatabaseId, fresh->order.run_id, fresh->order.no);
	if (step != NULL && step->nworkers == 0)
	{
		StepState before = *step;

		*step = *fresh;
		step->node = before.node;
		step->lane = before.lane;
		step->batch_seconds = before.batch_seconds;
		step_note_due(step);
		lane_wake(step->lane);
	}
	control_unlock();
}

void
step_wait_for_others(StepState *step)
{
	ConditionVariable *event = run_event(MySlot->run_id);

	for (;;)
	{
		int nworkers;

		control_lock_shared();
		nworkers = step_is_mine(step) ? step->nworkers : 0;
		control_unlock();
		if (nworkers <= 1)
			break;
		(void) ConditionVariableTimedSleep(event, LOOK_AGAIN_MS,
										   PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

void
step_counts(StepState *step, StepCounts *counts)
{
	control_lock_shared();
	counts->batches = step->batches;
	counts->failed = step->failed;
	counts->items_failed = step->items - step->items_done;
	counts->batch_seconds = step->batch_seconds;
	counts->started_at = step->started_at;
	counts->first_batch_at = step->first_batch_at;
	counts->has_retries = step->nretries > 0;
	counts->stopping = step->stopping || !step_is_mine(step);
	counts->suspended = step->suspended;
	control_unlock();
}

bool
step_rescan_begin(StepState *step, int32 **taken, int *ntaken)
{
	/* The number of slots never changes, so the room can be had beforehand. */
	int32 *numbers = palloc(
		sizeof(int32) *
		(control->nslots * MAX_BATCH_GROUP + MAX_STEP_RETRIES));
	bool mine;

	control_lock();
	mine = step_is_mine(step) && step->rescan && !step->stopping &&
		!step->suspended && step->next_batch > step->batches;
	if (mine)
	{
		step->rescan = false;
		*ntaken = collect_held(step, numbers);
	}
	control_unlock();
	*taken = numbers;
	return mine;
}

static int
collect_held(const StepState *step, int32 *numbers)
{
	int n = 0;
	int i;
	int j;

	for (i = 0; i < step->nretries; i++)
		numbers[n++] = step->retry_batches[i];
	for (i = 0; i < control->nslots; i++)
	{
		ExecutorSlot *slot = &control->slots[i];

		if (slot->step != step)
			continue;
		for (j = 0; j < slot->nbatches; j++)
			numbers[n++] = slot->batches[j];
	}
	return n;
}

bool
step_rescan_add(StepState *step, int32 batch, int32 attempt)
{
	bool room;

	control_lock();
	push_retry(step, batch, attempt);
	room = !step->rescan;
	control_unlock();
	return room;
}

bool
step_leave(StepState *step)
{
	bool last = false;

	control_lock();
	if (step_is_mine(step))
	{
		bool ended = step->order.run_id == 0;

		worker_left(step);
		last = !ended && step->nworkers == 0 &&
			(step->stopping || !step_has_work(step));
	}
	MySlot->step = NULL;
	MySlot->nbatches = 0;
	control_unlock();
	ConditionVariableBroadcast(run_event(MySlot->run_id));
	return last;
}

bool
step_has_work(const StepState *step)
{
	return step->next_batch <= step->batches || step->nretries > 0 ||
		step->rescan;
}

static void
worker_left(StepState *step)
{
	step->nworkers--;
	if (step->nworkers > 0)
		return;
	if (step->order.run_id == 0)
		release(step);
	else if (step_has_work(step))
		step_note_due(step);
}

void
step_remove(int64 run_id, int32 no)
{
	control_lock();
	step_remove_locked(run_id, no);
	control_unlock();
}

void
step_remove_locked(int64 run_id, int32 no)
{
	StepState *step = step_find(MyDatabaseId, run_id, no);

	horizon_release(MyDatabaseId, run_id, no);
	if (step == NULL)
		return;
	step->stopping = true;
	step->order.run_id = 0;
	if (step->nworkers == 0)
		release(step);
}

static void
release(StepState *step)
{
	Lane *lane = step->lane;

	dlist_delete(&step->node);
	step->lane = NULL;
	lane_free_if_unused(lane);
}

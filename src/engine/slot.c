/*-------------------------------------------------------------------------
 *
 * slot.c
 *	  The executors' places on the board in shared memory.
 *
 * The scheduler reserves a slot and starts a process for it; the process
 * attaches, works, and clears the slot when it ends.  Its exit callback is an
 * on_shmem_exit one, which runs after the process has rolled back: a slot that
 * says DEAD names work whose transaction is over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "engine/horizon.h"
#include "engine/shmem.h"
#include "engine/slot.h"
#include "mlpipe.h"

/* A process that was asked for has come within this time, or never will. */
#define ABANDONED_AFTER_MS 10000

ExecutorSlot *MySlot = NULL;

static void detach(int code, Datum arg);
static void forget_work(ExecutorSlot *slot);
static void free_slot(ExecutorSlot *slot);
static void interrupt_slot(ExecutorSlot *slot, Interrupt why);
static void stop_steps(Oid database, int64 run_id, int32 no);
static bool slot_is_on(const ExecutorSlot *slot, Oid database, int64 run_id,
					   int32 no);

int
slot_reserve(Oid database, Oid role, uint32 *generation)
{
	int found = -1;
	int i;
	Lane *lane;

	control_lock();
	lane = lane_find_or_add(database, role);
	for (i = 0; i < control->nslots && lane != NULL && found < 0; i++)
		if (control->slots[i].state == SLOT_FREE)
			found = i;
	if (found >= 0)
	{
		ExecutorSlot *slot = &control->slots[found];

		*generation = slot->generation + 1;
		memset(slot, 0, sizeof(*slot));
		slot->state = SLOT_STARTING;
		slot->generation = *generation;
		slot->database = database;
		slot->role = role;
		slot->lane = lane;
		slot->since = GetCurrentTimestamp();
		lane->nexecutors++;
	}
	control_unlock();
	return found;
}

/* Undoes slot_reserve() if no process came to attach. */
void
slot_release(int index, uint32 generation)
{
	ExecutorSlot *slot = &control->slots[index];

	control_lock();
	if (slot->state == SLOT_STARTING && slot->generation == generation &&
		slot->proc == NULL)
		free_slot(slot);
	control_unlock();
}

void
slot_release_abandoned(int index)
{
	ExecutorSlot *slot = &control->slots[index];

	control_lock();
	if (slot->state == SLOT_STARTING && slot->database == MyDatabaseId &&
		slot->proc == NULL &&
		TimestampDifferenceExceeds(slot->since, GetCurrentTimestamp(),
								   ABANDONED_AFTER_MS))
		free_slot(slot);
	control_unlock();
}

void
slot_attach(int index, uint32 generation)
{
	ExecutorSlot *slot = &control->slots[index];
	bool mine;

	control_lock();
	mine = slot->state == SLOT_STARTING && slot->generation == generation;
	if (mine)
	{
		slot->proc = MyProc;
		slot->pid = MyProcPid;
	}
	control_unlock();

	/* The scheduler gave up waiting for us. */
	if (!mine)
		proc_exit(0);
	MySlot = slot;
	on_shmem_exit(detach, (Datum) 0);
}

static void
detach(int code, Datum arg)
{
	ExecutorSlot *slot = MySlot;
	DatabaseState *database;
	int i;

	control_lock();
	database = database_find(slot->database);
	slot->proc = NULL;
	horizon_release_slot(slot);
	if (!slot->evicted &&
		(slot->state == SLOT_STARTING ||
		 (slot->run_id != 0 && slot->attempt == 0 && slot->step == NULL)))
	{
		slot->lane->failed_starts++;
		slot->lane->failed_start_at = GetCurrentTimestamp();
	}
	if (slot->run_id != 0)
	{
		slot->state = SLOT_DEAD;
		slot->lane->nexecutors--;
		if (database != NULL)
			database->sweep = true;
	}
	else
		free_slot(slot);
	if (database != NULL)
		scheduler_wake(database);

	/* Others may have been waiting for a slot. */
	for (i = 0; i < MAX_DATABASES; i++)
		if (OidIsValid(control->databases[i].database) &&
			control->databases[i].start_executors)
			scheduler_wake(&control->databases[i]);
	control_unlock();
	MySlot = NULL;
}

/* Frees a slot whose process had nothing in its hands. */
static void
free_slot(ExecutorSlot *slot)
{
	Lane *lane = slot->lane;

	if (slot->state == SLOT_IDLE)
		lane->nidle--;
	if (slot->state != SLOT_DEAD)
		lane->nexecutors--;
	slot->state = SLOT_FREE;
	slot->lane = NULL;
	slot->database = InvalidOid;
	slot->pid = 0;
	forget_work(slot);
	lane_free_if_unused(lane);
}

void
slot_bury(int index, uint32 generation)
{
	ExecutorSlot *slot = &control->slots[index];

	control_lock();
	if (slot->state == SLOT_DEAD && slot->generation == generation)
		free_slot(slot);
	control_unlock();
}

void
slot_forget_database(Oid database)
{
	int i;

	for (i = 0; i < MAX_STEPS; i++)
	{
		StepState *step = &control->steps[i];

		if (step->lane == NULL || step->lane->database != database)
			continue;
		dlist_delete(&step->node);
		step->lane = NULL;
		horizon_release(database, step->order.run_id, step->order.no);
	}
	for (i = 0; i < control->nslots; i++)
		if (control->slots[i].state == SLOT_DEAD &&
			control->slots[i].database == database)
			free_slot(&control->slots[i]);
	for (i = 0; i < MAX_LANES; i++)
	{
		Lane *lane = &control->lanes[i];

		if (lane->database != database)
			continue;
		ready_clear(lane);
		lane_free_if_unused(lane);
	}
}

static void
forget_work(ExecutorSlot *slot)
{
	horizon_release_slot(slot);
	slot->run_id = 0;
	slot->no = 0;
	slot->attempt = 0;
	slot->step = NULL;
	slot->lingering = false;
	slot->leaving = false;
	slot->nbatches = 0;
	slot->waiting = false;
	slot->interrupt = INTERRUPT_NONE;
	slot->progress_done = 0;
	slot->progress_total = 0;
}

void
slot_work_on(const WorkOrder *order, int32 attempt, StepState *step)
{
	control_lock();
	slot_work_on_locked(order, attempt, step);
	control_unlock();
}

void
slot_work_on_locked(const WorkOrder *order, int32 attempt, StepState *step)
{
	if (MySlot->interrupt != INTERRUPT_NONE)
		QueryCancelPending = false;
	forget_work(MySlot);
	MySlot->run_id = order->run_id;
	MySlot->no = order->no;
	MySlot->attempt = attempt;
	MySlot->step = step;
	MySlot->since = GetCurrentTimestamp();
	if (attempt > 0)
		MySlot->lane->failed_starts = 0;
}

/* Counts as busy from now on, so that the next piece wakes another. */
void
slot_wake_lingering(ExecutorSlot *slot)
{
	slot->lingering = false;
	if (slot->proc != NULL)
		SetLatch(&slot->proc->procLatch);
}

void
slot_retire(void)
{
	control_lock();
	MySlot->retire = true;
	control_unlock();
}

bool
slot_wait(bool waiting)
{
	bool left = false;
	int i;

	control_lock();
	MySlot->waiting = waiting;
	for (i = 0; i < control->nslots; i++)
		left |= !control->slots[i].waiting;
	control_unlock();
	return left;
}

bool
slot_may_go_on_with(const WorkOrder *order)
{
	const WorkOrder *first;
	bool may;

	/* Perhaps it is off by now; the main loop will see. */
	if (!mlpipe_enabled || ConfigReloadPending)
		return false;
	control_lock_shared();
	first = ready_first(MySlot->lane);
	may = !MySlot->retire && (first == NULL || work_compare(order, first) < 0);
	control_unlock();
	return may;
}

/*
 * Whoever interrupts us does so under the lock; so once we hold it, a signal
 * that was meant for this work has arrived, and none can come any more.
 */
Interrupt
slot_work_done(void)
{
	Interrupt interrupt;

	control_lock();
	interrupt = MySlot->interrupt;
	forget_work(MySlot);
	control_unlock();

	if (interrupt != INTERRUPT_NONE)
		QueryCancelPending = false;
	return interrupt;
}

void
slot_leave_step(void)
{
	Interrupt interrupt;

	control_lock();
	interrupt = MySlot->interrupt;
	MySlot->interrupt = INTERRUPT_NONE;
	MySlot->leaving = true;
	control_unlock();

	if (interrupt != INTERRUPT_NONE)
		QueryCancelPending = false;
}

void
slot_interrupt_run(Oid database, int64 run_id, int32 no, Interrupt why)
{
	control_lock();
	slot_interrupt_run_locked(database, run_id, no, why);
	control_unlock();
}

void
slot_interrupt_run_locked(Oid database, int64 run_id, int32 no, Interrupt why)
{
	int i;

	stop_steps(database, run_id, no);
	for (i = 0; i < control->nslots; i++)
		if (slot_is_on(&control->slots[i], database, run_id, no) &&
			!(why == INTERRUPT_STEP && control->slots[i].leaving))
			interrupt_slot(&control->slots[i], why);
}

/* User code may have caught the first one. */
bool
slot_interrupt_again(Oid database)
{
	bool found = false;
	int i;

	control_lock();
	for (i = 0; i < control->nslots; i++)
	{
		ExecutorSlot *slot = &control->slots[i];

		if (slot->state != SLOT_BUSY || slot->database != database ||
			slot->run_id == 0 || slot->interrupt == INTERRUPT_NONE)
			continue;
		interrupt_slot(slot, slot->interrupt);
		found = true;
	}
	control_unlock();
	return found;
}

static bool
slot_is_on(const ExecutorSlot *slot, Oid database, int64 run_id, int32 no)
{
	return slot->state == SLOT_BUSY && slot->database == database &&
		slot->run_id == run_id && (no < 0 || slot->no == no) && slot != MySlot;
}

static void
interrupt_slot(ExecutorSlot *slot, Interrupt why)
{
	if (slot->interrupt == INTERRUPT_NONE)
		slot->interrupt = why;
	if (slot->proc != NULL)
		(void) kill(slot->pid, SIGINT);
}

static void
stop_steps(Oid database, int64 run_id, int32 no)
{
	int i;

	for (i = 0; i < MAX_STEPS; i++)
	{
		StepState *step = &control->steps[i];

		if (step->lane != NULL && step->lane->database == database &&
			step->order.run_id == run_id && (no < 0 || step->order.no == no))
			step->stopping = true;
	}
}

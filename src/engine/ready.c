/*-------------------------------------------------------------------------
 *
 * ready.c
 *	  The queue of ready activities of each role, and who is woken for them.
 *
 * An entry is a hint: whoever takes it still has to claim the row, and finds
 * out then that the run was cancelled, say.  So entries need not be removed
 * when things change, and a double one does no harm.
 *
 * All functions want the control lock held, and none of them can fail: they
 * run in commit callbacks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/latch.h"
#include "utils/timestamp.h"

#include "engine/shmem.h"
#include "engine/slot.h"
#include "engine/step.h"

static ExecutorSlot *idle_executor(Lane *lane);
static ExecutorSlot *lingering_executor(const Lane *lane);

bool
ready_push(Lane *lane, const WorkOrder *order)
{
	ReadyEntry *entry = control->free_ready;

	if (entry == NULL)
		return false;
	control->free_ready = entry->next_free;
	entry->order = *order;
	pairingheap_add(&lane->ready, &entry->node);
	lane->nready++;
	control->nready++;
	return true;
}

const WorkOrder *
ready_first(Lane *lane)
{
	pairingheap_node *first;

	if (lane->nready == 0)
		return NULL;
	first = pairingheap_first(&lane->ready);
	return &pairingheap_container(ReadyEntry, node, first)->order;
}

bool
ready_pop(Lane *lane, WorkOrder *order)
{
	ReadyEntry *entry;

	if (lane->nready == 0)
		return false;
	entry = pairingheap_container(ReadyEntry, node,
								  pairingheap_remove_first(&lane->ready));
	*order = entry->order;
	entry->next_free = control->free_ready;
	control->free_ready = entry;
	lane->nready--;
	control->nready--;
	return true;
}

void
ready_clear(Lane *lane)
{
	WorkOrder order;

	while (ready_pop(lane, &order))
		;
}

bool
step_is_joinable(const StepState *step)
{
	return !step->stopping && !step->suspended && step->paused_until == 0 &&
		step_room(step) > 0 && step_has_work(step);
}

/* More workers than mini-batches would run init for nothing. */
int
step_room(const StepState *step)
{
	int unfinished = step->batches - step->succeeded - step->failed;
	int most = step->alone ? 1 : Min(step->max_workers, Max(unfinished, 1));

	return most - step->nworkers;
}

void
lane_wake(Lane *lane)
{
	ExecutorSlot *slot = idle_executor(lane);
	DatabaseState *database;

	if (slot != NULL)
	{
		/* Busy from now on, so that the next piece wakes another. */
		slot->state = SLOT_BUSY;
		lane->nidle--;
		SetLatch(&slot->proc->procLatch);
		return;
	}
	slot = lingering_executor(lane);
	if (slot != NULL)
	{
		slot_wake_lingering(slot);
		return;
	}

	if (lane->waiting_since == 0)
		lane->waiting_since = GetCurrentTimestamp();
	database = database_find(lane->database);
	if (database != NULL && !database->start_executors)
	{
		database->start_executors = true;
		scheduler_wake(database);
	}
}

/* The one that became idle last: its caches are the warmest. */
static ExecutorSlot *
idle_executor(Lane *lane)
{
	ExecutorSlot *best = NULL;
	int i;

	if (lane->nidle == 0)
		return NULL;
	for (i = 0; i < control->nslots; i++)
	{
		ExecutorSlot *slot = &control->slots[i];

		if (slot->state == SLOT_IDLE && slot->lane == lane && !slot->retire &&
			(best == NULL || slot->since > best->since))
			best = slot;
	}
	return best;
}

static ExecutorSlot *
lingering_executor(const Lane *lane)
{
	int i;

	for (i = 0; i < control->nslots; i++)
		if (control->slots[i].lingering && control->slots[i].lane == lane)
			return &control->slots[i];
	return NULL;
}

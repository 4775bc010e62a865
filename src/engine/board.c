/*-------------------------------------------------------------------------
 *
 * board.c
 *	  Copies of what the board in shared memory says.
 *
 * Room for the copies is allocated before the lock is taken, never under it:
 * for as many as there can be, or were a moment ago.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "engine/board.h"

static int collect_queue(Oid database, const ReadyEntry **entries,
						 BoardQueueEntry *copies, int room);
static int collect_lane(const Lane *lane, const ReadyEntry **entries,
						int count, int room);
static const ReadyEntry *entry_of(const pairingheap_node *node);
static void count_executors(BoardFacts *facts);
static void look_at_lanes(BoardFacts *facts, Oid database);

ExecutorSlot *
board_slots(Oid database, int64 run_id, int *count)
{
	ExecutorSlot *copies;
	int i;

	*count = 0;
	if (control == NULL)
		return NULL;
	copies = palloc(control->nslots * sizeof(ExecutorSlot));
	control_lock_shared();
	for (i = 0; i < control->nslots; i++)
	{
		const ExecutorSlot *slot = &control->slots[i];

		if (slot->state != SLOT_FREE && slot->state != SLOT_DEAD &&
			slot->database == database &&
			(run_id == 0 || slot->run_id == run_id))
			copies[(*count)++] = *slot;
	}
	control_unlock();
	return copies;
}

BoardStep *
board_steps(Oid database, int64 run_id, int *count)
{
	BoardStep *copies;
	int i;

	*count = 0;
	if (control == NULL)
		return NULL;
	copies = palloc(MAX_STEPS * sizeof(BoardStep));
	control_lock_shared();
	for (i = 0; i < MAX_STEPS; i++)
	{
		const StepState *step = &control->steps[i];
		BoardStep *copy = &copies[*count];

		/* A run_id of 0: removed, but its workers have not all left yet. */
		if (step->lane == NULL || step->lane->database != database ||
			step->order.run_id == 0 ||
			(run_id != 0 && step->order.run_id != run_id))
			continue;
		copy->run_id = step->order.run_id;
		copy->no = step->order.no;
		copy->batches = step->batches;
		copy->succeeded = step->succeeded;
		copy->failed = step->failed;
		copy->items = step->items;
		copy->items_done = step->items_done;
		(*count)++;
	}
	control_unlock();
	return copies;
}

/*
 * nready is read without the lock, to size the arrays; what was added since
 * then is left out.
 */
BoardQueueEntry *
board_queue(Oid database, int *count)
{
	const ReadyEntry **entries;
	BoardQueueEntry *copies;
	int room;

	*count = 0;
	if (control == NULL)
		return NULL;
	room = Max(control->nready, 1);
	entries = palloc(room * sizeof(ReadyEntry *));
	copies = palloc(room * sizeof(BoardQueueEntry));
	control_lock_shared();
	*count = collect_queue(database, entries, copies, room);
	control_unlock();
	pfree(entries);
	return copies;
}

/* caller holds the control lock */
static int
collect_queue(Oid database, const ReadyEntry **entries,
			  BoardQueueEntry *copies, int room)
{
	int count = 0;
	int done = 0;
	int i;

	for (i = 0; i < MAX_LANES; i++)
	{
		const Lane *lane = &control->lanes[i];

		if (lane->database != database)
			continue;
		count = collect_lane(lane, entries, count, room);
		for (; done < count; done++)
		{
			copies[done].role = lane->role;
			copies[done].order = entries[done]->order;
		}
	}
	return count;
}

/*
 * Walks a lane's heap with the array itself as the list of what is still to be
 * walked.  caller holds the control lock
 */
static int
collect_lane(const Lane *lane, const ReadyEntry **entries, int count, int room)
{
	int next = count;

	if (lane->ready.ph_root != NULL && count < room)
		entries[count++] = entry_of(lane->ready.ph_root);
	while (next < count)
	{
		const pairingheap_node *child = entries[next++]->node.first_child;

		for (; child != NULL && count < room; child = child->next_sibling)
			entries[count++] = entry_of(child);
	}
	return count;
}

static const ReadyEntry *
entry_of(const pairingheap_node *node)
{
	return pairingheap_const_container(ReadyEntry, node, node);
}

BoardFacts
board_facts(Oid database)
{
	BoardFacts facts = {0};
	const DatabaseState *state;
	int i;

	facts.loaded = control != NULL;
	if (!facts.loaded)
		return facts;
	control_lock_shared();
	state = database_find(database);
	if (state != NULL && state->scheduler != NULL)
		facts.scheduler_pid = state->scheduler_pid;
	for (i = 0; i < MAX_DATABASES; i++)
		if (control->databases[i].scheduler != NULL)
			facts.schedulers++;
	count_executors(&facts);
	look_at_lanes(&facts, database);
	control_unlock();
	return facts;
}

/* caller holds the control lock */
static void
count_executors(BoardFacts *facts)
{
	int i;

	for (i = 0; i < control->nslots; i++)
	{
		SlotState state = control->slots[i].state;

		if (state == SLOT_FREE || state == SLOT_DEAD)
			continue;
		facts->executors++;
		if (state == SLOT_IDLE)
			facts->idle++;
	}
}

/* caller holds the control lock */
static void
look_at_lanes(BoardFacts *facts, Oid database)
{
	int i;

	for (i = 0; i < MAX_LANES; i++)
	{
		const Lane *lane = &control->lanes[i];

		if (lane->database == database && lane->nexecutors == 0 &&
			(lane->nready > 0 ||
			 !dlist_is_empty(unconstify(dlist_head *, &lane->steps))) &&
			lane->waiting_since != 0 &&
			(facts->starved_since == 0 ||
			 lane->waiting_since < facts->starved_since))
			facts->starved_since = lane->waiting_since;
	}
}

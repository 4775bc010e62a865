/*-------------------------------------------------------------------------
 *
 * wakeup.c
 *	  What a transaction tells other processes when it commits.
 *
 * The commit callback runs after the transaction has become visible to others
 * and before its locks are released, with interrupts held; an error there
 * would be a PANIC.  So the notes are an array that has been allocated before,
 * and all that is done with them is loads, stores and latches.
 *
 * What a subtransaction has noted goes when it is rolled back; otherwise a
 * cancel that was taken back would interrupt a run all the same.  Events,
 * errands and times stay: they only lead to a look for nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "engine/shmem.h"
#include "engine/slot.h"
#include "engine/step.h"
#include "engine/wakeup.h"

typedef enum NoteKind
{
	NOTE_READY,
	NOTE_INTERRUPT,
	NOTE_SUSPEND_STEPS,
	NOTE_RESUME_STEPS,
	NOTE_REMOVE_STEP,
	NOTE_MY_WORK
} NoteKind;

typedef struct Note
{
	NoteKind kind;
	Oid role;        /* of NOTE_READY */
	WorkOrder order; /* of others run_id and no alone */
	Interrupt why;   /* of NOTE_INTERRUPT */
	int32 attempt;   /* of NOTE_MY_WORK */
	SubTransactionId subtransaction;
} Note;

#define FEW_NOTES 256

static Note *notes = NULL;
static int nnotes = 0;
static int max_notes = 0;
static uint64 event_buckets = 0; /* a bit for each of control->run_events */
static uint64 end_buckets = 0;   /* and of control->run_ends */
static int pending_errands = 0;
static TimestampTz pending_due = 0;

static void note_about(NoteKind kind, int64 run_id, int32 no, Interrupt why);
static void note_add(NoteKind kind, Oid role, const WorkOrder *order,
					 Interrupt why);
static void watch_transaction(void);
static void at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
								  SubTransactionId parent, void *arg);
static void at_transaction_end(XactEvent event, void *arg);
static void forget_notes(void);
static void deliver_notes(void);
static void deliver_note(const Note *note);
static void deliver_ready(const Note *note);
static void set_steps_suspended(int64 run_id, bool suspended);
static void deliver_errands(void);
static uint64 bucket_bit(int64 run_id);
static void broadcast_events(void);
static void broadcast(ConditionVariable *events, uint64 buckets);

void
wakeup_ready(Oid role, const WorkOrder *order)
{
	note_add(NOTE_READY, role, order, INTERRUPT_NONE);
}

void
wakeup_run_event(int64 run_id)
{
	watch_transaction();
	event_buckets |= bucket_bit(run_id);
}

void
wakeup_run_end(int64 run_id)
{
	wakeup_run_event(run_id);
	end_buckets |= bucket_bit(run_id);
}

static uint64
bucket_bit(int64 run_id)
{
	return UINT64CONST(1) << ((uint64) run_id % RUN_EVENT_BUCKETS);
}

void
wakeup_interrupt(int64 run_id, int32 no, Interrupt why)
{
	note_about(NOTE_INTERRUPT, run_id, no, why);
}

void
wakeup_suspend_steps(int64 run_id, bool suspended)
{
	note_about(suspended ? NOTE_SUSPEND_STEPS : NOTE_RESUME_STEPS, run_id, 0,
			   INTERRUPT_NONE);
}

void
wakeup_remove_step(int64 run_id, int32 no)
{
	note_about(NOTE_REMOVE_STEP, run_id, no, INTERRUPT_NONE);
}

void
wakeup_my_work(const WorkOrder *order, int32 attempt)
{
	note_add(NOTE_MY_WORK, InvalidOid, order, INTERRUPT_NONE);
	notes[nnotes - 1].attempt = attempt;
}

void
wakeup_scheduler(int errands)
{
	watch_transaction();
	pending_errands |= errands;
}

void
wakeup_at(TimestampTz due_at)
{
	watch_transaction();
	if (pending_due == 0 || due_at < pending_due)
		pending_due = due_at;
}

static void
note_about(NoteKind kind, int64 run_id, int32 no, Interrupt why)
{
	WorkOrder order = {.run_id = run_id, .no = no};

	note_add(kind, InvalidOid, &order, why);
}

static void
note_add(NoteKind kind, Oid role, const WorkOrder *order, Interrupt why)
{
	watch_transaction();
	if (nnotes == max_notes)
	{
		int more = Max(FEW_NOTES, max_notes * 2);

		if (notes == NULL)
			notes = MemoryContextAlloc(TopMemoryContext, more * sizeof(Note));
		else
			notes = repalloc_huge(notes, more * sizeof(Note));
		max_notes = more;
	}
	notes[nnotes++] = (Note){kind, role, *order,
							 why,  0,    GetCurrentSubTransactionId()};
}

/* Has at_transaction_end() called, from this transaction on. */
static void
watch_transaction(void)
{
	static bool registered = false;

	if (registered)
		return;
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	registered = true;
}

/*
 * Its number is lower than those of the subtransactions in it, and higher than
 * those of all that was noted before it began.
 */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (nnotes > 0 && notes[nnotes - 1].subtransaction >= mine)
		nnotes--;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (control != NULL)
				deliver_notes();
			forget_notes();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			forget_notes();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (nnotes > 0 || pending_errands != 0)
				ereport(
					ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg(
						 "cannot PREPARE a transaction that has submitted or changed a run"),
					 errhint("Use COMMIT instead of PREPARE TRANSACTION.")));
			break;
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			break;
	}
}

static void
forget_notes(void)
{
	nnotes = 0;
	event_buckets = 0;
	end_buckets = 0;
	pending_errands = 0;
	pending_due = 0;
	if (max_notes > FEW_NOTES)
	{
		pfree(notes);
		notes = NULL;
		max_notes = 0;
	}
}

static void
deliver_notes(void)
{
	int i;

	if (nnotes > 0 || pending_errands != 0 || pending_due != 0)
	{
		control_lock();
		for (i = 0; i < nnotes; i++)
			deliver_note(&notes[i]);
		deliver_errands();
		control_unlock();
	}
	broadcast_events();
}

static void
deliver_note(const Note *note)
{
	switch (note->kind)
	{
		case NOTE_READY:
			deliver_ready(note);
			break;
		case NOTE_INTERRUPT:
			slot_interrupt_run_locked(MyDatabaseId, note->order.run_id,
									  note->order.no, note->why);
			pending_errands |= ERRAND_SWEEP;
			break;
		case NOTE_SUSPEND_STEPS:
		case NOTE_RESUME_STEPS:
			set_steps_suspended(note->order.run_id,
								note->kind == NOTE_SUSPEND_STEPS);
			break;
		case NOTE_REMOVE_STEP:
			step_remove_locked(note->order.run_id, note->order.no);
			break;
		case NOTE_MY_WORK:
			MySlot->lane->begun++;
			slot_work_on_locked(&note->order, note->attempt, NULL);
			break;
	}
}

/* What finds no room is in the tables, for the scheduler's next refill. */
static void
deliver_ready(const Note *note)
{
	Lane *lane = lane_find_or_add(MyDatabaseId, note->role);
	DatabaseState *database = database_find_or_add(MyDatabaseId);

	if (lane != NULL && ready_push(lane, &note->order))
		lane_wake(lane);
	else if (database != NULL)
		database->overflowed = true;

	/* The first submit after CREATE DATABASE ... TEMPLATE, for one. */
	if (database != NULL && database->scheduler == NULL)
		scheduler_wake(database);
}

static void
set_steps_suspended(int64 run_id, bool suspended)
{
	int i;

	for (i = 0; i < MAX_STEPS; i++)
	{
		StepState *step = &control->steps[i];

		if (step->lane == NULL || step->lane->database != MyDatabaseId ||
			step->order.run_id != run_id)
			continue;
		step->suspended = suspended;
		if (suspended)
			continue;
		step->last_batch_at = GetCurrentTimestamp();
		step_note_due(step);
		lane_wake(step->lane);
	}
}

static void
deliver_errands(void)
{
	DatabaseState *database;
	bool known;

	if (pending_errands == 0 && pending_due == 0)
		return;
	database = database_find_or_add(MyDatabaseId);
	if (database == NULL)
		return;

	/* Who set it has woken the scheduler, which may be taking its time. */
	known = pending_errands == ERRAND_CHANGES && database->changes;
	database->admit |= (pending_errands & ERRAND_ADMIT) != 0;
	database->changes |= (pending_errands & ERRAND_CHANGES) != 0;
	database->sweep |= (pending_errands & ERRAND_SWEEP) != 0;
	database->refill |= (pending_errands & ERRAND_REFILL) != 0;
	database->stop |= (pending_errands & ERRAND_STOP) != 0;
	if (pending_errands != 0 && !known)
		scheduler_wake(database);

	if (pending_due != 0 &&
		(database->next_due == 0 || pending_due < database->next_due))
	{
		database->next_due = pending_due;
		scheduler_wake(database);
	}
}

static void
broadcast_events(void)
{
	broadcast(control->run_events, event_buckets);
	broadcast(control->run_ends, end_buckets);
}

static void
broadcast(ConditionVariable *events, uint64 buckets)
{
	for (; buckets != 0; buckets &= buckets - 1)
		ConditionVariableBroadcast(&events[pg_rightmost_one_pos64(buckets)]);
}

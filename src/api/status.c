/*-------------------------------------------------------------------------
 *
 * status.c
 *	  What shared memory says, as rows for the views.
 *
 * These are internal functions, which the views join with the tables.  A view
 * calls them with the rights of the one who looks, so everybody may call them,
 * and they themselves leave out what that one may not see.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api/rights.h"
#include "engine/board.h"
#include "mlpipe.h"
#include "store/run_store.h"

/* The queue as it was when a statement first asked, with places found. */
typedef struct QueuePlace
{
	Oid role;
	WorkOrder order;
	int position; /* from 1, in the queue of its role */
} QueuePlace;

typedef struct QueueCopy
{
	TimestampTz statement; /* when the statement began */
	int count;
	QueuePlace *places; /* by run_id and no */
} QueueCopy;

static bool may_see_slot(const ExecutorSlot *slot);
static void put_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls);
static const char *slot_state_name(SlotState state);
static const QueueCopy *queue_copy(FmgrInfo *flinfo);
static void fill_queue_copy(QueueCopy *copy);
static void number_places(QueueCopy *copy);
static int compare_by_turn(const void *a, const void *b);
static int compare_by_key(const void *a, const void *b);

/*
 * executor_slots(pid, role, state, run_id, no, attempt, batch, since): the
 * executors of this database
 */
PG_FUNCTION_INFO_V1(mlpipe_executor_slots);
Datum
mlpipe_executor_slots(PG_FUNCTION_ARGS)
{
	int count;
	ExecutorSlot *slots = board_slots(MyDatabaseId, 0, &count);
	int i;

	InitMaterializedSRF(fcinfo, 0);
	for (i = 0; i < count; i++)
	{
		const ExecutorSlot *slot = &slots[i];
		bool works = slot->run_id != 0;
		Datum values[] = {Int32GetDatum(slot->pid),
						  ObjectIdGetDatum(slot->role),
						  CStringGetTextDatum(slot_state_name(slot->state)),
						  Int64GetDatum(slot->run_id),
						  Int32GetDatum(slot->no),
						  Int32GetDatum(slot->attempt),
						  Int32GetDatum(slot->batches[0]),
						  TimestampTzGetDatum(slot->since)};
		bool nulls[] = {slot->pid == 0,
						false,
						false,
						!works,
						!works,
						!works || slot->attempt == 0,
						!works || slot->nbatches == 0,
						slot->since == 0};

		if (may_see_slot(slot))
			put_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

/* One that does nothing shows to members of its role. */
static bool
may_see_slot(const ExecutorSlot *slot)
{
	if (slot->run_id != 0)
		return run_id_may_see(slot->run_id);
	return user_sees_all() || has_privs_of_role(GetUserId(), slot->role);
}

/* batches_in_hand(run_id, no, batch, attempt, pid, since) */
PG_FUNCTION_INFO_V1(mlpipe_batches_in_hand);
Datum
mlpipe_batches_in_hand(PG_FUNCTION_ARGS)
{
	int count;
	ExecutorSlot *slots = board_slots(MyDatabaseId, 0, &count);
	int i;
	int batch;

	InitMaterializedSRF(fcinfo, 0);
	for (i = 0; i < count; i++)
	{
		if (slots[i].run_id == 0 || slots[i].nbatches == 0 ||
			!run_id_may_see(slots[i].run_id))
			continue;
		for (batch = 0; batch < slots[i].nbatches; batch++)
		{
			Datum values[] = {Int64GetDatum(slots[i].run_id),
							  Int32GetDatum(slots[i].no),
							  Int32GetDatum(slots[i].batches[batch]),
							  Int32GetDatum(slots[i].batch_attempts[batch]),
							  Int32GetDatum(slots[i].pid),
							  TimestampTzGetDatum(slots[i].since)};
			bool nulls[lengthof(values)] = {0};

			put_row(fcinfo, values, nulls);
		}
	}
	return (Datum) 0;
}

/*
 * work_of_run(run_id bigint) returns (no, batches, succeeded, failed, items,
 * items_done, done, total): the mini-batches of its steps, or what its other
 * activities said with mlpipe_progress()
 */
PG_FUNCTION_INFO_V1(mlpipe_work_of_run);
Datum
mlpipe_work_of_run(PG_FUNCTION_ARGS)
{
	int64 run_id = PG_GETARG_INT64(0);
	int count;
	BoardStep *steps = board_steps(MyDatabaseId, run_id, &count);
	ExecutorSlot *slots;
	int nslots;
	int i;

	InitMaterializedSRF(fcinfo, 0);
	slots = board_slots(MyDatabaseId, run_id, &nslots);
	if (count + nslots == 0 || !run_id_may_see(run_id))
		return (Datum) 0;
	for (i = 0; i < count; i++)
	{
		Datum values[] = {Int32GetDatum(steps[i].no),
						  Int32GetDatum(steps[i].batches),
						  Int32GetDatum(steps[i].succeeded),
						  Int32GetDatum(steps[i].failed),
						  Int64GetDatum(steps[i].items),
						  Int64GetDatum(steps[i].items_done),
						  Int64GetDatum(steps[i].succeeded + steps[i].failed),
						  Int64GetDatum(steps[i].batches)};
		bool nulls[lengthof(values)] = {0};

		put_row(fcinfo, values, nulls);
	}

	for (i = 0; i < nslots; i++)
	{
		Datum values[8] = {Int32GetDatum(slots[i].no)};
		bool nulls[8] = {false, true, true, true, true, true, false, false};

		/* A mini-batch's own progress is none of its step's. */
		if (slots[i].step != NULL || slots[i].progress_total <= 0)
			continue;
		values[6] = Int64GetDatum(slots[i].progress_done);
		values[7] = Int64GetDatum(slots[i].progress_total);
		put_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

/*
 * facts(): one row: loaded, in_recovery, enabled, scheduler_pid, schedulers,
 * executors, idle, max_executors, starved_since, home, looked_at,
 * library_version
 */
PG_FUNCTION_INFO_V1(mlpipe_facts);
Datum
mlpipe_facts(PG_FUNCTION_ARGS)
{
	BoardFacts facts = board_facts(MyDatabaseId);
	Datum values[] = {BoolGetDatum(facts.loaded),
					  BoolGetDatum(RecoveryInProgress()),
					  BoolGetDatum(mlpipe_enabled),
					  Int32GetDatum(facts.scheduler_pid),
					  Int32GetDatum(facts.schedulers),
					  Int32GetDatum(facts.executors),
					  Int32GetDatum(facts.idle),
					  Int32GetDatum(mlpipe_max_executors),
					  TimestampTzGetDatum(facts.starved_since),
					  Int64GetDatum(run_home()),
					  TimestampTzGetDatum(GetCurrentTimestamp()),
					  CStringGetTextDatum(MLPIPE_VERSION)};
	bool nulls[lengthof(values)] = {0};

	nulls[3] = facts.scheduler_pid == 0;
	nulls[8] = facts.starved_since == 0;
	InitMaterializedSRF(fcinfo, 0);
	put_row(fcinfo, values, nulls);
	return (Datum) 0;
}

/*
 * status_text(anyenum): what a cast to text does, but known to be leakproof,
 * so that status = 'failed' gets inside the views' security barriers
 */
PG_FUNCTION_INFO_V1(mlpipe_status_text);
Datum
mlpipe_status_text(PG_FUNCTION_ARGS)
{
	char *text = DatumGetCString(
		DirectFunctionCall1(enum_out, PG_GETARG_DATUM(0)));

	PG_RETURN_TEXT_P(cstring_to_text(text));
}

static void
put_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static const char *
slot_state_name(SlotState state)
{
	switch (state)
	{
		case SLOT_FREE:
			return "free";
		case SLOT_STARTING:
			return "starting";
		case SLOT_IDLE:
			return "idle";
		case SLOT_BUSY:
			return "busy";
		case SLOT_DEAD:
			break;
	}
	return "dead";
}

/*
 * queue_position(run_id bigint, no integer): the activity's turn among the
 * ready ones of its role, from 1; NULL where it is not in the queue
 *
 * A view asks for many activities in one statement, so the queue is copied and
 * sorted once for it.
 */
PG_FUNCTION_INFO_V1(mlpipe_queue_position);
Datum
mlpipe_queue_position(PG_FUNCTION_ARGS)
{
	const QueueCopy *copy = queue_copy(fcinfo->flinfo);
	QueuePlace key = {0};
	const QueuePlace *place;

	key.order.run_id = PG_GETARG_INT64(0);
	key.order.no = PG_GETARG_INT32(1);
	place = copy->count == 0 ? NULL :
							   bsearch(&key, copy->places, copy->count,
									   sizeof(QueuePlace), compare_by_key);
	if (place == NULL || !run_id_may_see(key.order.run_id))
		PG_RETURN_NULL();
	PG_RETURN_INT32(place->position);
}

static const QueueCopy *
queue_copy(FmgrInfo *flinfo)
{
	QueueCopy *copy = flinfo->fn_extra;
	MemoryContext previous;

	if (copy != NULL && copy->statement == GetCurrentStatementStartTimestamp())
		return copy;
	previous = MemoryContextSwitchTo(flinfo->fn_mcxt);
	copy = palloc0(sizeof(QueueCopy));
	copy->statement = GetCurrentStatementStartTimestamp();
	fill_queue_copy(copy);
	MemoryContextSwitchTo(previous);
	flinfo->fn_extra = copy;
	return copy;
}

static void
fill_queue_copy(QueueCopy *copy)
{
	BoardQueueEntry *entries = board_queue(MyDatabaseId, &copy->count);
	int i;

	if (copy->count == 0)
		return;
	copy->places = palloc(copy->count * sizeof(QueuePlace));
	for (i = 0; i < copy->count; i++)
	{
		copy->places[i].role = entries[i].role;
		copy->places[i].order = entries[i].order;
	}
	pfree(entries);
	number_places(copy);
	qsort(copy->places, copy->count, sizeof(QueuePlace), compare_by_key);
}

static void
number_places(QueueCopy *copy)
{
	QueuePlace *places = copy->places;
	int i;

	qsort(places, copy->count, sizeof(QueuePlace), compare_by_turn);
	for (i = 0; i < copy->count; i++)
		places[i].position = i > 0 && places[i].role == places[i - 1].role ?
			places[i - 1].position + 1 :
			1;
}

static int
compare_by_turn(const void *a, const void *b)
{
	const QueuePlace *left = a;
	const QueuePlace *right = b;

	if (left->role != right->role)
		return left->role < right->role ? -1 : 1;
	return work_compare(&left->order, &right->order);
}

static int
compare_by_key(const void *a, const void *b)
{
	const WorkOrder *left = &((const QueuePlace *) a)->order;
	const WorkOrder *right = &((const QueuePlace *) b)->order;

	if (left->run_id != right->run_id)
		return left->run_id < right->run_id ? -1 : 1;
	return left->no < right->no ? -1 : left->no > right->no;
}

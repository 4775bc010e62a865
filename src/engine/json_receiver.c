/*-------------------------------------------------------------------------
 *
 * json_receiver.c
 *	  Gathers the rows of a statement as a JSON array.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "activity/activity.h"

/* A JsonReceiver, and what only this file needs. */
typedef struct RowReceiver
{
	JsonReceiver json; /* first */
	TupleDesc columns;
	MemoryContext row_context; /* reset for each row */
} RowReceiver;

static void start_rows(DestReceiver *self, int operation, TupleDesc typeinfo);
static bool receive_row(TupleTableSlot *slot, DestReceiver *self);
static void end_rows(DestReceiver *self);
static text *row_json(RowReceiver *receiver, TupleTableSlot *slot);
static void keep_row(JsonReceiver *receiver, const text *row);
static void pass_limit(JsonReceiver *receiver, const char *limit);

JsonReceiver *
json_receiver_create(MemoryContext context, int64 max_rows, int64 max_bytes,
					 bool strict)
{
	RowReceiver *receiver = MemoryContextAllocZero(context,
												   sizeof(RowReceiver));
	MemoryContext previous = MemoryContextSwitchTo(context);

	receiver->json.pub.rStartup = start_rows;
	receiver->json.pub.receiveSlot = receive_row;
	receiver->json.pub.rShutdown = end_rows;
	receiver->json.pub.rDestroy = end_rows;
	receiver->json.pub.mydest = DestNone;
	receiver->json.context = context;
	receiver->json.max_rows = max_rows;
	receiver->json.max_bytes = max_bytes;
	receiver->json.strict = strict;
	initStringInfo(&receiver->json.text);
	appendStringInfoChar(&receiver->json.text, '[');
	receiver->row_context = AllocSetContextCreate(context, "mlpipe row",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(previous);
	return &receiver->json;
}

Jsonb *
json_receiver_value(JsonReceiver *receiver)
{
	MemoryContext previous = MemoryContextSwitchTo(receiver->context);
	char *array = psprintf("%s]", receiver->text.data);
	Datum value = DirectFunctionCall1(jsonb_in, CStringGetDatum(array));

	pfree(array);
	MemoryContextSwitchTo(previous);
	return DatumGetJsonbP(value);
}

/*
 * The rows may come in slots of a table's own row type, whose columns may have
 * other names than the statement gave them; so they are formed anew, as records
 * with the names given here.
 */
static void
start_rows(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MemoryContext previous = MemoryContextSwitchTo(receiver->json.context);

	receiver->columns = CreateTupleDescCopy(typeinfo);
	receiver->columns->tdtypeid = RECORDOID;
	receiver->columns->tdtypmod = -1;
	BlessTupleDesc(receiver->columns);
	MemoryContextSwitchTo(previous);
}

/* Memory goes with the context that the receiver was made in. */
static void
end_rows(DestReceiver *self)
{
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	JsonReceiver *json = &receiver->json;
	MemoryContext previous;

	json->rows++;
	if (json->truncated)
		return true;
	if (json->rows > json->max_rows)
	{
		pass_limit(json, psprintf(INT64_FORMAT " rows", json->max_rows));
		return true;
	}

	previous = MemoryContextSwitchTo(receiver->row_context);
	keep_row(json, row_json(receiver, slot));
	MemoryContextSwitchTo(previous);
	MemoryContextReset(receiver->row_context);
	return true;
}

static text *
row_json(RowReceiver *receiver, TupleTableSlot *slot)
{
	HeapTuple tuple;

	slot_getallattrs(slot);
	tuple = heap_form_tuple(receiver->columns, slot->tts_values,
							slot->tts_isnull);
	return DatumGetTextPP(
		DirectFunctionCall1(row_to_json, HeapTupleGetDatum(tuple)));
}

static void
keep_row(JsonReceiver *receiver, const text *row)
{
	int length = VARSIZE_ANY_EXHDR(row);

	if ((int64) receiver->text.len + length > receiver->max_bytes)
	{
		pass_limit(receiver,
				   psprintf(INT64_FORMAT " bytes", receiver->max_bytes));
		return;
	}
	if (receiver->text.len > 1)
		appendStringInfoString(&receiver->text, ", ");
	appendBinaryStringInfo(&receiver->text, VARDATA_ANY(row), length);
}

static void
pass_limit(JsonReceiver *receiver, const char *limit)
{
	if (receiver->strict)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("query returns more than %s", limit),
				 errhint("Write large results to a table.")));
	receiver->truncated = true;
}

/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  The mini-batch that this process is working on, as its own statement and
 *	  the functions that it calls see it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "activity/batch.h"

/* There may be one for each item: all are counted, and not all are kept. */
#define MAX_ITEM_TEXT  8192 /* bytes of a key or a message */
#define MAX_ITEMS_KEPT 10000

CurrentBatch *MyBatch = NULL;

static void push_number(JsonbParseState **state, char *key, int64 number);

Jsonb *
batch_context(void)
{
	JsonbParseState *state = NULL;
	Jsonb *batch;

	if (MyBatch == NULL)
		return NULL;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_number(&state, "number", MyBatch->number);
	push_number(&state, "items", MyBatch->items);
	batch = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	if (MyBatch->keys == NULL)
		return batch;

	/* A partition key called "number" or "items" wins: it was asked for. */
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(batch),
											  JsonbPGetDatum(MyBatch->keys)));
}

/* A negative number is one that is not known: null. */
static void
push_number(JsonbParseState **state, char *key, int64 number)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = key;
	value.val.string.len = strlen(key);
	pushJsonbValue(state, WJB_KEY, &value);

	value.type = number < 0 ? jbvNull : jbvNumeric;
	if (number >= 0)
		value.val.numeric = int64_to_numeric(number);
	pushJsonbValue(state, WJB_VALUE, &value);
}

void
batch_item_failed(const char *key, const char *message)
{
	MemoryContext previous;
	FailedItem *item = NULL;

	if (MyBatch == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no mini-batch is being run"),
			 errhint(
				 "An item can be reported as failed by the statement \"run\" of a parallel activity.")));

	previous = MemoryContextSwitchTo(MyBatch->context);
	if (list_length(MyBatch->failed_items) < MAX_ITEMS_KEPT)
	{
		item = palloc(sizeof(FailedItem));
		item->key = pnstrdup(key,
							 pg_mbcliplen(key, strlen(key), MAX_ITEM_TEXT));
		item->message = pnstrdup(message,
								 pg_mbcliplen(message, strlen(message),
											  MAX_ITEM_TEXT));
	}
	MyBatch->failed_items = lappend(MyBatch->failed_items, item);
	MemoryContextSwitchTo(previous);
}

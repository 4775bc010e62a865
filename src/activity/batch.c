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

#include "activity/batch.h"
#include "activity/output.h"

/* There may be one for each item: all are counted, and not all are kept. */
#define MAX_ITEM_TEXT  8192 /* bytes of a key or a message */
#define MAX_ITEMS_KEPT 10000

CurrentBatch *MyBatch = NULL;

Jsonb *
batch_context(void)
{
	Output output;
	Jsonb *batch;

	if (MyBatch == NULL)
		return NULL;
	output_begin(&output);
	output_count(&output, "number", MyBatch->number);
	output_count(&output, "items", MyBatch->items);
	batch = output_end(&output);
	if (MyBatch->keys == NULL)
		return batch;

	/* A partition key called "number" or "items" wins: it was asked for. */
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(batch),
											  JsonbPGetDatum(MyBatch->keys)));
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

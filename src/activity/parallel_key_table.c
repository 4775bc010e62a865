/*-------------------------------------------------------------------------
 *
 * parallel_key_table.c
 *	  The keys of a step's partitions, in a table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/tableam.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "activity/parallel_key_table.h"

TupleDesc
key_table_columns(TupleDesc rows, const BatchKeys *keys)
{
	TupleDesc columns = CreateTemplateTupleDesc(keys->n);
	int i;

	for (i = 0; i < keys->n; i++)
		TupleDescCopyEntry(columns, (AttrNumber) (i + 1), rows,
						   keys->keys[i].column);
	return columns;
}

KeyTable *
key_table_begin(Relation relation)
{
	KeyTable *table = palloc(sizeof(KeyTable));

	table->relation = relation;
	stage_pages_begin(&table->pages, relation);
	return table;
}

void
key_table_add(KeyTable *table, Datum *values, bool *nulls, ItemPointer tid)
{
	HeapTuple tuple = heap_form_tuple(RelationGetDescr(table->relation),
									  values, nulls);

	tuple = stage_toast(table->relation, tuple);
	stage_pages_add(&table->pages, tuple->t_data, tuple->t_len, tid);
	heap_freetuple(tuple);
}

void
key_table_end(KeyTable *table)
{
	stage_pages_end(&table->pages);
	table_close(table->relation, NoLock);
	pfree(table);
}

void
key_table_read(Relation relation, ItemPointer tid, TupleTableSlot *keys)
{
	if (!table_tuple_fetch_row_version(relation, tid, GetActiveSnapshot(),
									   keys))
		elog(ERROR, "the keys of a partition are missing");
}

/*-------------------------------------------------------------------------
 *
 * parallel_columns.c
 *	  Numeric columns of a partition as buffers, instead of its rows.
 *
 * The rows that are brought together (parallel_scatter.c) have no other
 * columns, and the staged table has many of them in a tuple
 * (parallel_numbers.c), so that this costs as little as possible.  The first
 * mlpipe_column() in a mini-batch reads the partition once and packs all
 * columns.  The values of a row have the same place in each column's buffer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "activity/page_scan.h"
#include "activity/parallel_columns.h"
#include "activity/parallel_keys.h"
#include "activity/parallel_numbers.h"
#include "activity/select.h"

/* The columns of one partition, while they are being packed. */
typedef struct Packing
{
	int nkeys; /* columns of the staged table before them */
	int ncolumns;
	int64 room; /* for so many values of each */
	int64 items;
	bool many_in_tuple; /* or a row each */
	bytea **buffers;
} Packing;

static Form_pg_attribute find_column(TupleDesc rows, const char *name);
static void check_is_number(Form_pg_attribute column);
static int column_index(List *columns, const char *name);
static void pack_columns(CurrentBatch *batch, int nkeys, int ncolumns);
static void pack_range(Packing *packing, const CurrentBatch *batch);
static void pack_tuple(Packing *packing, HeapTuple tuple, TupleDesc columns);
static void pack_row(Packing *packing, HeapTuple tuple, TupleDesc columns);
static void pack_rows(Packing *packing, const char *numbers, int64 rows);
static void check_room(const Packing *packing, int64 rows);
static bytea *create_buffer(int64 items);
static void put_number(bytea *buffer, int64 place, double number);

char *
columns_query(const char *query, List *keys, List *columns)
{
	TupleDesc rows = select_rows(query);
	StringInfoData text;
	ListCell *cell;

	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT ");
	foreach(cell, keys)
		appendStringInfo(&text, "%s, ", quote_identifier(lfirst(cell)));
	foreach(cell, columns)
	{
		check_is_number(find_column(rows, lfirst(cell)));
		appendStringInfo(&text, "%s%s::pg_catalog.float8 AS \"packed %d\"",
						 foreach_current_index(cell) > 0 ? ", " : "",
						 quote_identifier(lfirst(cell)),
						 foreach_current_index(cell) + 1);
	}
	appendStringInfo(&text, " FROM (%s\n) AS input", query);
	return text.data;
}

static Form_pg_attribute
find_column(TupleDesc rows, const char *name)
{
	int i;

	for (i = 0; i < rows->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(rows, i)->attname), name) == 0)
			return TupleDescAttr(rows, i);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of \"columns\" is no column of the input",
					name),
			 errhint("Its columns are: %s.", batch_column_names(rows))));
}

static void
check_is_number(Form_pg_attribute column)
{
	char category;
	bool preferred;

	get_type_category_preferred(getBaseType(column->atttypid), &category,
								&preferred);
	if (category != TYPCATEGORY_NUMERIC)
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg(
				 "column \"%s\" of \"columns\" is of type %s, which is no type of numbers",
				 NameStr(column->attname), format_type_be(column->atttypid))));
}

PG_FUNCTION_INFO_V1(mlpipe_column);
Datum
mlpipe_column(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const ParallelConfig *config;
	int index;

	if (MyBatch == NULL || MyCall == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no mini-batch is being run"),
			 errhint(
				 "The function \"%s\" is for the statement \"run\" of parallel activities with \"columns\".",
				 "mlpipe_column")));
	config = MyCall->def->config;
	index = column_index(config->columns, name);
	if (MyBatch->columns == NULL)
		pack_columns(MyBatch, list_length(config->partition_keys),
					 list_length(config->columns));
	PG_RETURN_BYTEA_P(MyBatch->columns[index]);
}

static int
column_index(List *columns, const char *name)
{
	StringInfoData names;
	ListCell *cell;

	initStringInfo(&names);
	foreach(cell, columns)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return foreach_current_index(cell);
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
						 (char *) lfirst(cell));
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("no column \"%s\" is packed", name),
			 columns == NIL ?
				 errhint("The activity has no \"columns\".") :
				 errhint("The \"columns\" of the activity are: %s.",
						 names.data)));
}

static void
pack_columns(CurrentBatch *batch, int nkeys, int ncolumns)
{
	MemoryContext context = AllocSetContextCreate(batch->context,
												  "mlpipe columns",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	Packing packing = {.nkeys = nkeys, .ncolumns = ncolumns};
	int i;

	packing.room = batch->items;
	packing.buffers = palloc(ncolumns * sizeof(bytea *));
	for (i = 0; i < ncolumns; i++)
		packing.buffers[i] = create_buffer(batch->items);
	MemoryContextSwitchTo(previous);

	pack_range(&packing, batch);
	if (packing.items != batch->items)
		elog(ERROR, "a partition has fewer rows than were staged");
	batch->columns_context = context;
	batch->columns = packing.buffers;
}

/* Takes the rest of each page at once, without a slot for each row. */
static void
pack_range(Packing *packing, const CurrentBatch *batch)
{
	Relation relation = table_open(batch->relation, AccessShareLock);
	TupleTableSlot *row = table_slot_create(relation, NULL);
	ItemPointerData begin = batch->begin;
	ItemPointerData last = batch->end;
	HeapTupleData tuple;
	TableScanDesc scan;

	packing->many_in_tuple = numbers_are_in(RelationGetDescr(relation),
											packing->nkeys);

	/* The range is inclusive there; offset 0 is before all tuples. */
	ItemPointerSetOffsetNumber(&last,
							   ItemPointerGetOffsetNumber(&batch->end) - 1);
	scan = table_beginscan_tidrange(relation, GetActiveSnapshot(), &begin,
									&last);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, row))
	{
		CHECK_FOR_INTERRUPTS();
		pack_tuple(packing, ((HeapTupleTableSlot *) row)->tuple,
				   RelationGetDescr(relation));
		while (scan_page_next(scan, &tuple) &&
			   ItemPointerCompare(&tuple.t_self, &last) <= 0)
			pack_tuple(packing, &tuple, RelationGetDescr(relation));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
	table_close(relation, NoLock);
}

static void
pack_tuple(Packing *packing, HeapTuple tuple, TupleDesc columns)
{
	Size row_size = packing->ncolumns * sizeof(double);
	const char *numbers;
	Size size;

	if (packing->many_in_tuple)
	{
		numbers = numbers_read(tuple, columns, packing->nkeys, &size);
		pack_rows(packing, numbers, size / row_size);
	}
	else
		pack_row(packing, tuple, columns);
}

static void
pack_rows(Packing *packing, const char *numbers, int64 rows)
{
	Size row_size = packing->ncolumns * sizeof(double);
	int64 row;
	int i;

	check_room(packing, rows);
	for (i = 0; i < packing->ncolumns; i++)
		for (row = 0; row < rows; row++)
		{
			double number;

			memcpy(&number, numbers + row * row_size + i * sizeof(number),
				   sizeof(number));
			put_number(packing->buffers[i], packing->items + row, number);
		}
	packing->items += rows;
}

/* The staged table is ours; but a superuser can write to any. */
static void
check_room(const Packing *packing, int64 rows)
{
	if (rows > packing->room - packing->items)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a partition has more rows than were staged")));
}

static void
pack_row(Packing *packing, HeapTuple tuple, TupleDesc columns)
{
	int i;

	check_room(packing, 1);
	for (i = 0; i < packing->ncolumns; i++)
	{
		bool is_null;
		Datum value = heap_getattr(tuple, packing->nkeys + i + 1, columns,
								   &is_null);

		put_number(packing->buffers[i], packing->items,
				   is_null ? get_float8_nan() : DatumGetFloat8(value));
	}
	packing->items++;
}

static bytea *
create_buffer(int64 items)
{
	bytea *buffer;

	if (items > (MaxAllocSize - VARHDRSZ) / sizeof(double))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a partition of " INT64_FORMAT
						" rows is too large to be packed",
						items)));
	buffer = palloc(VARHDRSZ + items * sizeof(double));
	SET_VARSIZE(buffer, VARHDRSZ + items * sizeof(double));
	return buffer;
}

/* Little-endian, as mlpipe_pack() does it. */
static void
put_number(bytea *buffer, int64 place, double number)
{
	uint64 bits;

	memcpy(&bits, &number, sizeof(bits));
#ifdef WORDS_BIGENDIAN
	bits = pg_bswap64(bits);
#endif
	memcpy(VARDATA(buffer) + place * sizeof(bits), &bits, sizeof(bits));
}

void
columns_forget(CurrentBatch *batch)
{
	if (batch->columns == NULL)
		return;
	batch->columns = NULL;
	MemoryContextDelete(batch->columns_context);
}

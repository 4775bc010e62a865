/*-------------------------------------------------------------------------
 *
 * parallel_numbers.c
 *	  Many rows of numbers in one tuple of the staged table.
 *
 * If a step only asks for columns of numbers, its rows are not staged one by
 * one: the header of each would take more room than its numbers.  A tuple has
 * the numbers of as many rows of one partition as fit into its page.
 *
 * The keys are in the key table.  The staged table has columns for them only to
 * have a place for long ones while the rows are in buckets.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/rel.h"

#include "activity/parallel_keys.h"
#include "activity/parallel_numbers.h"

/* Of a tuple with these columns, of which only the last one is not null. */
#define HEADER_SIZE(columns) \
	(MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN((columns)->natts)) + VARHDRSZ)

static void start_tuple(NumberTuple *tuple);
static int rows_in(const NumberTuple *tuple, Size room);

TupleDesc
numbers_columns(TupleDesc rows, int nkeys)
{
	TupleDesc columns = CreateTemplateTupleDesc(nkeys + 1);
	int i;

	for (i = 1; i <= nkeys; i++)
	{
		TupleDescCopyEntry(columns, (AttrNumber) i, rows, (AttrNumber) i);
		snprintf(NameStr(TupleDescAttr(columns, i - 1)->attname), NAMEDATALEN,
				 "key %d", i);
	}
	TupleDescInitEntry(columns, (AttrNumber) i, "numbers", BYTEAOID, -1, 0);
	return columns;
}

NumberTuple *
numbers_begin(StagePages *pages, int nnumbers)
{
	NumberTuple *tuple = palloc(sizeof(NumberTuple));
	Size length;

	tuple->pages = pages;
	tuple->columns = RelationGetDescr(pages->relation);
	tuple->row_size = nnumbers * sizeof(double);
	length = HEADER_SIZE(tuple->columns) + tuple->row_size;
	if (length > MaxHeapTupleSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("row is too big: size %zu, maximum size %zu", length,
						(Size) MaxHeapTupleSize)));
	tuple->value = palloc(MaxHeapTupleSize);
	start_tuple(tuple);
	return tuple;
}

/* In the rest of the page, or on the next one. */
static void
start_tuple(NumberTuple *tuple)
{
	tuple->rows = 0;
	tuple->room = rows_in(tuple, stage_pages_room(tuple->pages));
	if (tuple->room == 0)
		tuple->room = rows_in(tuple, MaxHeapTupleSize);
}

static int
rows_in(const NumberTuple *tuple, Size room)
{
	Size header = HEADER_SIZE(tuple->columns);

	return room > header ? (room - header) / tuple->row_size : 0;
}

int
numbers_write(NumberTuple *tuple, ItemPointer tid)
{
	int rows = tuple->rows;
	Datum values[MAX_BATCH_KEYS + 1];
	bool nulls[MAX_BATCH_KEYS + 1];
	int natts = tuple->columns->natts;
	HeapTuple written;

	if (rows == 0)
		return 0;
	SET_VARSIZE(tuple->value, VARHDRSZ + (Size) rows * tuple->row_size);
	memset(nulls, true, natts);
	values[natts - 1] = PointerGetDatum(tuple->value);
	nulls[natts - 1] = false;
	written = heap_form_tuple(tuple->columns, values, nulls);
	stage_pages_add(tuple->pages, written->t_data, written->t_len, tid);
	heap_freetuple(written);
	start_tuple(tuple);
	return rows;
}

bool
numbers_are_in(TupleDesc columns, int nkeys)
{
	return TupleDescAttr(columns, nkeys)->atttypid == BYTEAOID;
}

const char *
numbers_read(HeapTuple tuple, TupleDesc columns, int nkeys, Size *size)
{
	bool is_null;
	Datum value = heap_getattr(tuple, nkeys + 1, columns, &is_null);

	*size = is_null ? 0 : VARSIZE_ANY_EXHDR(DatumGetPointer(value));
	return is_null ? NULL : VARDATA_ANY(DatumGetPointer(value));
}

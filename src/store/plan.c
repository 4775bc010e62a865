/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  What the functions of store/ share: plans, parameters and columns.
 *
 * SPI reports what goes wrong by its return codes; here they become errors,
 * so that no store function can forget to look.  None of them can be caused
 * by a user: they are internal errors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "store/plan.h"

static void *copy_varlena(Datum datum);

/* At store_begin(); store functions do not call each other, so one is enough. */
static MemoryContext caller_context = NULL;

void
store_begin(void)
{
	MemoryContext caller = CurrentMemoryContext;
	int code = SPI_connect();

	caller_context = caller;
	if (code != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed: %s", SPI_result_code_string(code));
}

void
store_end(void)
{
	int code = SPI_finish();

	if (code != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed: %s", SPI_result_code_string(code));
}

List *
store_append(List *list, void *row)
{
	MemoryContext spi = MemoryContextSwitchTo(caller_context);

	list = lappend(list, row);
	MemoryContextSwitchTo(spi);
	return list;
}

List *
store_append_int(List *list, int number)
{
	MemoryContext spi = MemoryContextSwitchTo(caller_context);

	list = lappend_int(list, number);
	MemoryContextSwitchTo(spi);
	return list;
}

List *
store_append_oid(List *list, Oid oid)
{
	MemoryContext spi = MemoryContextSwitchTo(caller_context);

	list = lappend_oid(list, oid);
	MemoryContextSwitchTo(spi);
	return list;
}

SPIPlanPtr
plan_keep(SPIPlanPtr *slot, const char *sql, int nargs, const Oid *argtypes)
{
	SPIPlanPtr plan;

	if (*slot != NULL)
		return *slot;

	/*
	 * Looking at values could only lead away from the index that a statement
	 * is written for, and would mean planning it five times over.
	 */
	plan = SPI_prepare_cursor(sql, nargs, unconstify(Oid *, argtypes),
							  CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql,
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", sql);
	*slot = plan;
	return plan;
}

uint64
plan_execute(SPIPlanPtr plan, Datum *values, const char *nulls, bool read_only,
			 int expected)
{
	int code = SPI_execute_plan(plan, values, nulls, read_only, 0);

	if (code != expected)
		elog(ERROR, "unexpected result of a kept plan: %s",
			 SPI_result_code_string(code));
	return SPI_processed;
}

uint64
store_execute(SPIPlanPtr *slot, const char *sql, int nargs,
			  const Oid *argtypes, Datum *values, const char *nulls)
{
	uint64 rows;
	int code;

	store_begin();
	plan_keep(slot, sql, nargs, argtypes);
	code = SPI_execute_plan(*slot, values, nulls, false, 0);
	if (code < 0)
		elog(ERROR, "unexpected result of a kept plan: %s",
			 SPI_result_code_string(code));
	rows = SPI_processed;
	store_end();
	return rows;
}

bool
column_is_null(uint64 row, int column)
{
	bool isnull;

	(void) SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, &isnull);
	return isnull;
}

Datum
column_datum(uint64 row, int column)
{
	bool isnull;
	Datum datum = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								column, &isnull);

	return isnull ? (Datum) 0 : datum;
}

bool
column_bool(uint64 row, int column)
{
	return DatumGetBool(column_datum(row, column));
}

int32
column_int32(uint64 row, int column)
{
	return DatumGetInt32(column_datum(row, column));
}

int64
column_int64(uint64 row, int column)
{
	return column_is_null(row, column) ?
		0 :
		DatumGetInt64(column_datum(row, column));
}

double
column_double(uint64 row, int column)
{
	return column_is_null(row, column) ?
		0 :
		DatumGetFloat8(column_datum(row, column));
}

Oid
column_oid(uint64 row, int column)
{
	return DatumGetObjectId(column_datum(row, column));
}

TimestampTz
column_timestamp(uint64 row, int column)
{
	return column_is_null(row, column) ?
		0 :
		DatumGetTimestampTz(column_datum(row, column));
}

char *
column_text(uint64 row, int column)
{
	char *value;
	char *copy;
	Size size;

	if (column_is_null(row, column))
		return NULL;
	value = TextDatumGetCString(column_datum(row, column));
	size = strlen(value) + 1;
	copy = SPI_palloc(size);
	memcpy(copy, value, size);
	return copy;
}

Jsonb *
column_jsonb(uint64 row, int column)
{
	if (column_is_null(row, column))
		return NULL;
	return copy_varlena(column_datum(row, column));
}

bytea *
column_bytea(uint64 row, int column)
{
	if (column_is_null(row, column))
		return NULL;
	return copy_varlena(column_datum(row, column));
}

/* Detoasted, in the context that was current at store_begin(). */
static void *
copy_varlena(Datum datum)
{
	struct varlena *value = PG_DETOAST_DATUM(datum);
	void *copy = SPI_palloc(VARSIZE(value));

	memcpy(copy, value, VARSIZE(value));
	return copy;
}

Datum
store_text(const char *text)
{
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

Datum
store_integers(const int32 *numbers, int count)
{
	Datum *values = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		values[i] = Int32GetDatum(numbers[i]);
	return PointerGetDatum(construct_array(values, count, INT4OID,
										   sizeof(int32), true, TYPALIGN_INT));
}

Datum
store_integer_list(const List *numbers)
{
	int32 *copy = palloc(Max(list_length(numbers), 1) * sizeof(int32));
	const ListCell *cell;

	foreach(cell, numbers)
		copy[foreach_current_index(cell)] = lfirst_int(cell);
	return store_integers(copy, list_length(numbers));
}

Datum
store_texts(const Datum *values, int count)
{
	return PointerGetDatum(construct_array(unconstify(Datum *, values), count,
										   TEXTOID, -1, false, TYPALIGN_INT));
}

/*-------------------------------------------------------------------------
 *
 * batch_store.c
 *	  Every statement on mlpipe.mini_batch, and on the rows of mlpipe.failure
 *	  that belong to mini-batches.
 *
 * Mini-batches of one transaction are inserted together, in that of their work.
 * All the rest is done once a step: its rows are counted by walking its part of
 * the primary key, never while mini-batches are handed out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "store/batch_store.h"
#include "store/plan.h"

/* What differs from row to row of a group. */
static const Oid cell_types[] = {INT4OID,  INT4OID,        BOOLOID,
								 BOOLOID,  TIMESTAMPTZOID, TIMESTAMPTZOID,
								 INT8OID,  INT8OID,        TEXTOID,
								 JSONBOID, INT8OID};
#define NUM_CELLS lengthof(cell_types)

static void put_cells(const BatchRow *row, NullableDatum *cells);
static Datum array_of_cells(const NullableDatum *column, Oid type, int n);

void
batches_insert(const BatchRow *rows, int n)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID,
								INT4OID,
								INT4OID,
								INT4ARRAYOID,
								INT4ARRAYOID,
								BOOLARRAYOID,
								BOOLARRAYOID,
								TIMESTAMPTZARRAYOID,
								TIMESTAMPTZARRAYOID,
								INT8ARRAYOID,
								INT8ARRAYOID,
								TEXTARRAYOID,
								JSONBARRAYOID,
								INT8ARRAYOID};
	NullableDatum *cells = palloc(n * NUM_CELLS * sizeof(NullableDatum));
	char nulls[] = "              ";
	Datum values[lengthof(types)];

	for (int i = 0; i < n; i++)
		put_cells(&rows[i], &cells[i * NUM_CELLS]);
	values[0] = Int64GetDatum(rows[0].run_id);
	values[1] = Int32GetDatum(rows[0].no);
	values[2] = Int32GetDatum(rows[0].executor_pid);
	for (size_t i = 0; i < NUM_CELLS; i++)
	{
		values[3 + i] = array_of_cells(&cells[i], cell_types[i], n);
		nulls[3 + i] = NULL_IF(values[3 + i] == (Datum) 0);
	}
	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.mini_batch (run_id, no, executor_pid, batch, attempt,"
		" status, final, started_at, finished_at, items_in, items_out, error, keys, items_failed)"
		" SELECT $1, $2, $3, batch, attempt,"
		" CASE WHEN succeeded THEN 'succeeded'::mlpipe.batch_status ELSE 'failed' END,"
		" final, started_at, finished_at, items_in, items_out, error, keys, items_failed"
		" FROM (SELECT unnest($4) AS batch, unnest($5) AS attempt, unnest($6) AS succeeded,"
		" unnest($7) AS final, unnest($8) AS started_at, unnest($9) AS finished_at,"
		" unnest($10) AS items_in, unnest($11) AS items_out, unnest($12) AS error, unnest($13) AS keys,"
		" unnest($14) AS items_failed) b",
		lengthof(types), types, values, nulls);
}

/* In the order of cell_types. */
static void
put_cells(const BatchRow *row, NullableDatum *cells)
{
	cells[0] = (NullableDatum){Int32GetDatum(row->batch)};
	cells[1] = (NullableDatum){Int32GetDatum(row->attempt)};
	cells[2] = (NullableDatum){BoolGetDatum(row->succeeded)};
	cells[3] = (NullableDatum){BoolGetDatum(row->final)};
	cells[4] = (NullableDatum){TimestampTzGetDatum(row->started_at),
							   row->started_at == 0};
	cells[5] = (NullableDatum){TimestampTzGetDatum(row->finished_at)};
	cells[6] = (NullableDatum){Int64GetDatum(row->items_in),
							   row->items_in < 0};
	cells[7] = (NullableDatum){Int64GetDatum(row->items_out)};
	cells[8] = (NullableDatum){store_text(row->error), row->error == NULL};
	cells[9] = (NullableDatum){JsonbPGetDatum(row->keys), row->keys == NULL};
	cells[10] = (NullableDatum){Int64GetDatum(row->items_failed),
								row->items_failed == 0};
}

/* One column of all rows; 0 where all of it is null: unnest() makes it so. */
static Datum
array_of_cells(const NullableDatum *column, Oid type, int n)
{
	Datum *elements = palloc(n * sizeof(Datum));
	bool *nulls = palloc(n * sizeof(bool));
	int16 length;
	bool by_value;
	char align;
	int lower_bound = 1;
	bool has_any = false;

	for (int i = 0; i < n; i++)
	{
		elements[i] = column[i * NUM_CELLS].value;
		nulls[i] = column[i * NUM_CELLS].isnull;
		has_any |= !nulls[i];
	}
	if (!has_any)
		return (Datum) 0;
	get_typlenbyvalalign(type, &length, &by_value, &align);
	return PointerGetDatum(construct_md_array(elements, nulls, 1, &n,
											  &lower_bound, type, length,
											  by_value, align));
}

void
batch_failure_insert(const BatchFailure *failure)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, INT4OID, TEXTOID,
								TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	const char *texts[] = {failure->sqlstate, failure->message,
						   failure->detail, failure->hint, failure->context};
	char nulls[] = "         ";
	Datum values[lengthof(types)];

	values[0] = Int64GetDatum(failure->run_id);
	values[1] = Int32GetDatum(failure->no);
	values[2] = Int32GetDatum(failure->batch);
	values[3] = Int32GetDatum(failure->attempt);
	for (int i = 0; i < lengthof(texts); i++)
	{
		values[4 + i] = store_text(texts[i]);
		nulls[4 + i] = NULL_IF(texts[i] == NULL);
	}

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.failure (run_id, no, batch, attempt, at,"
		" sqlstate, message, detail, hint, context)"
		" VALUES ($1, $2, $3, $4, clock_timestamp(), $5, $6, $7, $8, $9)",
		lengthof(types), types, values, nulls);
}

/*
 * An item that mlpipe_item_failed() reported usually is one of the rows that
 * were not returned, and is counted once.
 */
void
batch_totals(int64 run_id, int32 no, bool compare_items, BatchTotals *totals)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, BOOLOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  BoolGetDatum(compare_items)};

	store_begin();
	plan_keep(&plan,
			  "SELECT count(*) FILTER (WHERE final AND status = 'succeeded'),"
			  " count(*) FILTER (WHERE final AND status = 'failed'),"
			  " count(*) FILTER (WHERE final AND status = 'cancelled'),"
			  " count(*) FILTER (WHERE NOT final),"
			  " coalesce(max(batch), 0),"
			  " coalesce(sum(items_in) FILTER (WHERE final"
			  " AND status <> 'cancelled'), 0)::bigint,"
			  " coalesce(sum(items_out) FILTER (WHERE final"
			  " AND status = 'succeeded'), 0)::bigint,"
			  " coalesce(sum(greatest(CASE WHEN $3 THEN items_in - items_out"
			  " END, items_failed, 0)) FILTER (WHERE final"
			  " AND status <> 'cancelled'), 0)::bigint"
			  " FROM mlpipe.mini_batch WHERE run_id = $1 AND no = $2",
			  lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	totals->succeeded = (int32) column_int64(0, 1);
	totals->failed = (int32) column_int64(0, 2);
	totals->cancelled = (int32) column_int64(0, 3);
	totals->retried = (int32) column_int64(0, 4);
	totals->highest = column_int32(0, 5);
	totals->items = column_int64(0, 6);
	totals->items_done = column_int64(0, 7);
	totals->items_failed = column_int64(0, 8);
	store_end();
}

/*
 * Numbers that have no row are the gaps between those that have one; the row
 * up_to + 1 that is added here closes the last gap.
 */
List *
batch_missing(int64 run_id, int32 no, int32 up_to, int32 before,
			  const int32 *exclude, int nexclude, int limit)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID,      INT4OID, INT4OID,
								INT4ARRAYOID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(up_to),  store_integers(exclude, nexclude),
					  Int32GetDatum(limit),  Int32GetDatum(before)};
	List *missing = NIL;
	uint64 rows;

	store_begin();
	plan_keep(
		&plan,
		"WITH seen AS (SELECT batch::bigint AS batch,"
		" max(attempt) AS attempt, bool_or(final) AS final"
		" FROM mlpipe.mini_batch"
		" WHERE run_id = $1 AND no = $2 AND batch <= $3 GROUP BY 1"
		" UNION ALL SELECT $3::bigint + 1, 0, true),"
		" gap AS (SELECT lag(batch, 1, 0::bigint) OVER (ORDER BY batch) + 1 AS low,"
		" batch - 1 AS high FROM seen)"
		" SELECT batch::integer, attempt FROM ("
		" SELECT batch, greatest(attempt, $6) + 1 AS attempt"
		" FROM seen WHERE NOT final"
		" UNION ALL"
		" SELECT g, $6 + 1 FROM gap, generate_series(low, high) g"
		" WHERE low <= high) m"
		" WHERE batch <> ALL ($4) ORDER BY 1 LIMIT $5",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
	{
		BatchAttempt *batch = SPI_palloc(sizeof(BatchAttempt));

		batch->batch = column_int32(i, 1);
		batch->attempt = column_int32(i, 2);
		missing = store_append(missing, batch);
	}
	store_end();
	return missing;
}

/*
 * The step's workers have left by now.  Should one have been lost track of, its
 * commit is waited for here, or it finds its attempt taken and is rolled back.
 */
void
batch_cancel_rest(int64 run_id, int32 no, int32 batches)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(batches)};

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.mini_batch"
		" (run_id, no, batch, attempt, status, final, finished_at)"
		" SELECT $1, $2, g, coalesce(seen.attempt, 0) + 1, 'cancelled',"
		" true, clock_timestamp()"
		" FROM generate_series(1, $3) g LEFT JOIN"
		" (SELECT batch, max(attempt) AS attempt, bool_or(final) AS final"
		" FROM mlpipe.mini_batch WHERE run_id = $1 AND no = $2"
		" GROUP BY batch) seen ON seen.batch = g"
		" WHERE seen.final IS NOT TRUE ORDER BY g"
		" ON CONFLICT DO NOTHING",
		lengthof(types), types, values, NULL);
}

char *
batch_first_error(int64 run_id, int32 no, int32 *batch)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	char *message = NULL;

	store_begin();
	plan_keep(&plan,
			  "SELECT error, batch FROM mlpipe.mini_batch"
			  " WHERE run_id = $1 AND no = $2 AND error IS NOT NULL"
			  " ORDER BY finished_at, batch LIMIT 1",
			  lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
	{
		message = column_text(0, 1);
		*batch = column_int32(0, 2);
	}
	store_end();
	return message;
}

/*-------------------------------------------------------------------------
 *
 * batch_store.c
 *	  Every statement on mlpipe.mini_batch, and on the rows of mlpipe.failure
 *	  that belong to mini-batches.
 *
 * A mini-batch costs one insert here, in the transaction of its work.  All the
 * rest is done once a step: its rows are counted by walking its part of the
 * primary key, never while mini-batches are handed out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/batch_store.h"
#include "store/plan.h"

static Datum int4_array(const int32 *numbers, int n);

void
batch_insert(const BatchRow *row)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID,        INT4OID,
								INT4OID, BOOLOID,        BOOLOID,
								INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID,
								INT8OID, INT8OID,        TEXTOID,
								JSONBOID};
	char nulls[] = "             ";
	Datum values[13];

	values[0] = Int64GetDatum(row->run_id);
	values[1] = Int32GetDatum(row->no);
	values[2] = Int32GetDatum(row->batch);
	values[3] = Int32GetDatum(row->attempt);
	values[4] = BoolGetDatum(row->succeeded);
	values[5] = BoolGetDatum(row->final);
	values[6] = Int32GetDatum(row->executor_pid);
	values[7] = TimestampTzGetDatum(row->started_at);
	values[8] = TimestampTzGetDatum(row->finished_at);
	values[9] = Int64GetDatum(row->items_in);
	values[10] = Int64GetDatum(row->items_out);
	values[11] = row->error == NULL ? (Datum) 0 :
									  CStringGetTextDatum(row->error);
	values[12] = PointerGetDatum(row->keys);
	nulls[7] = row->started_at == 0 ? 'n' : ' ';
	nulls[9] = row->items_in < 0 ? 'n' : ' ';
	nulls[11] = row->error == NULL ? 'n' : ' ';
	nulls[12] = row->keys == NULL ? 'n' : ' ';

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.mini_batch (run_id, no, batch, attempt,"
		" status, final, executor_pid, started_at, finished_at,"
		" items_in, items_out, error, keys)"
		" VALUES ($1, $2, $3, $4,"
		" CASE WHEN $5 THEN 'succeeded'::mlpipe.batch_status"
		" ELSE 'failed'::mlpipe.batch_status END,"
		" $6, $7, $8, $9, $10, $11, $12, $13)",
		lengthof(types), types, values, nulls);
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
	Datum values[9];
	int i;

	values[0] = Int64GetDatum(failure->run_id);
	values[1] = Int32GetDatum(failure->no);
	values[2] = Int32GetDatum(failure->batch);
	values[3] = Int32GetDatum(failure->attempt);
	for (i = 0; i < lengthof(texts); i++)
	{
		values[4 + i] = texts[i] == NULL ? (Datum) 0 :
										   CStringGetTextDatum(texts[i]);
		nulls[4 + i] = texts[i] == NULL ? 'n' : ' ';
	}

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.failure (run_id, no, batch, attempt, at,"
		" sqlstate, message, detail, hint, context)"
		" VALUES ($1, $2, $3, $4, clock_timestamp(), $5, $6, $7, $8, $9)",
		lengthof(types), types, values, nulls);
}

/*
 * Each attempt that failed has one row in mlpipe.failure; what is there beyond
 * that are items which mlpipe_item_failed() reported.  Such an item usually is
 * one of the rows that were not returned, and is counted once.
 */
void
batch_totals(int64 run_id, int32 no, bool compare_items, BatchTotals *totals)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, BOOLOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  BoolGetDatum(compare_items)};

	store_begin();
	plan_keep(
		&plan,
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
		" END, reported, 0)) FILTER (WHERE final"
		" AND status <> 'cancelled'), 0)::bigint"
		" FROM mlpipe.mini_batch b"
		" LEFT JOIN (SELECT f.batch, f.attempt, count(*) - 1 AS all_but_one"
		" FROM mlpipe.failure f WHERE f.run_id = $1 AND f.no = $2"
		" AND f.batch IS NOT NULL GROUP BY 1, 2) f USING (batch, attempt),"
		" LATERAL (SELECT all_but_one"
		" + (b.status = 'succeeded')::integer AS reported) r"
		" WHERE b.run_id = $1 AND b.no = $2",
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
	MemoryContext context = CurrentMemoryContext;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(up_to),  int4_array(exclude, nexclude),
					  Int32GetDatum(limit),  Int32GetDatum(before)};
	List *missing = NIL;
	uint64 n;
	uint64 i;

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
	n = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (i = 0; i < n; i++)
	{
		MemoryContext previous = MemoryContextSwitchTo(context);
		BatchAttempt *batch = palloc(sizeof(BatchAttempt));

		batch->batch = column_int32(i, 1);
		batch->attempt = column_int32(i, 2);
		missing = lappend(missing, batch);
		MemoryContextSwitchTo(previous);
	}
	store_end();
	return missing;
}

static Datum
int4_array(const int32 *numbers, int n)
{
	Datum *elements = palloc(Max(n, 1) * sizeof(Datum));
	int i;

	for (i = 0; i < n; i++)
		elements[i] = Int32GetDatum(numbers[i]);
	return PointerGetDatum(construct_array(elements, n, INT4OID, sizeof(int32),
										   true, TYPALIGN_INT));
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

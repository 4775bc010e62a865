/*-------------------------------------------------------------------------
 *
 * journal_store.c
 *	  Rows of mlpipe.log and mlpipe.metric, many at once.
 *
 * One statement takes all rows as arrays: an attempt may leave thousands of
 * them, and most leave few.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "store/journal_store.h"
#include "store/plan.h"

static Datum fixed_array(Datum *values, bool *nulls, int count, Oid type);

void
log_insert(int64 run_id, int32 no, int32 batch, int count, Datum *at,
		   Datum *levels, Datum *messages)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID,      INT4OID,
								INT4OID,      TIMESTAMPTZARRAYOID,
								TEXTARRAYOID, TEXTARRAYOID};
	Datum values[] = {Int64GetDatum(run_id),
					  Int32GetDatum(no),
					  Int32GetDatum(batch),
					  fixed_array(at, NULL, count, TIMESTAMPTZOID),
					  store_texts(levels, count),
					  store_texts(messages, count)};

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.log (run_id, no, batch, at, level, message)"
		" SELECT $1, $2, nullif($3, 0), at, level, message"
		" FROM unnest($4, $5, $6) WITH ORDINALITY AS line (at, level, message, place)"
		" ORDER BY place",
		lengthof(types), types, values, NULL);
}

void
metric_insert(int64 run_id, int32 no, int count, Datum *at, Datum *names,
			  Datum *steps, bool *no_step, Datum *metrics)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID,
								INT4OID,
								TIMESTAMPTZARRAYOID,
								TEXTARRAYOID,
								INT8ARRAYOID,
								FLOAT8ARRAYOID};
	Datum values[] = {Int64GetDatum(run_id),
					  Int32GetDatum(no),
					  fixed_array(at, NULL, count, TIMESTAMPTZOID),
					  store_texts(names, count),
					  fixed_array(steps, no_step, count, INT8OID),
					  fixed_array(metrics, NULL, count, FLOAT8OID)};

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.metric (run_id, no, at, name, step, value)"
		" SELECT $1, $2, at, name, step, value"
		" FROM unnest($3, $4, $5, $6) WITH ORDINALITY AS metric (at, name, step, value, place)"
		" ORDER BY place",
		lengthof(types), types, values, NULL);
}

/* Of an eight-byte type; nulls may be NULL. */
static Datum
fixed_array(Datum *values, bool *nulls, int count, Oid type)
{
	int lower_bound = 1;

	return PointerGetDatum(
		construct_md_array(values, nulls, 1, &count, &lower_bound, type,
						   sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

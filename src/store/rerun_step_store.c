/*-------------------------------------------------------------------------
 *
 * rerun_step_store.c
 *	  What a rerun's parallel step reads of that step in the earlier run, and
 *	  takes over.
 *
 * Rows of mini-batches that are taken over keep their attempt and their times,
 * but no process did them in this run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/guc.h"

#include "store/plan.h"
#include "store/rerun_step_store.h"
#include "store/scope_store.h"

static const Oid key_types[] = {INT8OID, INT4OID};

static Datum keys_array(Datum *keys, int count);
static void forbid_nested_loops(SPIPlanPtr plan);
static void *column_array(int column, Size size, int *count);

#define SPLIT_COLUMNS                                            \
	"relation, filenode, batches, coalesce(items, -1) AS items," \
	" rows_per_batch, blocks, blocks_per_batch, boundaries, snapshot"

EarlierStep *
earlier_step(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	EarlierStep *step = NULL;

	store_begin();
	plan_keep(&plan,
			  "SELECT " SPLIT_COLUMNS
			  ", false, false, NULL::bytea, 1 AS source"
			  " FROM mlpipe.step_origin WHERE run_id = $1 AND no = $2"
			  " UNION ALL SELECT " SPLIT_COLUMNS
			  ", staged, partitioned, hashes, 2 AS source"
			  " FROM mlpipe.step WHERE run_id = $1 AND no = $2"
			  " ORDER BY source LIMIT 1",
			  lengthof(key_types), key_types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
	{
		step = SPI_palloc(sizeof(EarlierStep));
		memset(step, 0, sizeof(EarlierStep));
		step->row.run_id = run_id;
		step->row.no = no;
		step->row.relation = column_oid(0, 1);
		step->row.filenode = column_oid(0, 2);
		step->row.batches = column_int32(0, 3);
		step->row.items = column_int64(0, 4);
		step->row.rows_per_batch = column_int64(0, 5);
		step->row.blocks = column_int64(0, 6);
		step->row.blocks_per_batch = column_int32(0, 7);
		step->boundaries = column_bytea(0, 8);
		step->snapshot = column_bytea(0, 9);
		step->row.staged = column_bool(0, 10);
		step->row.partitioned = column_bool(0, 11);
		step->hashes = column_bytea(0, 12);
	}
	store_end();
	return step;
}

void
earlier_batches(int64 run_id, int32 no, EarlierBatches *batches)
{
	static SPIPlanPtr plan = NULL;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	memset(batches, 0, sizeof(*batches));
	store_begin();
	plan_keep(
		&plan,
		"SELECT array_agg(batch), array_agg(status = 'succeeded'), array_agg(coalesce(items_in, -1))"
		" FROM (SELECT * FROM mlpipe.mini_batch WHERE run_id = $1 AND no = $2 AND final ORDER BY batch) b",
		lengthof(key_types), key_types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	if (!column_is_null(0, 1))
	{
		batches->numbers = column_array(1, sizeof(int32), &batches->count);
		batches->succeeded = column_array(2, sizeof(bool), &batches->count);
		batches->items = column_array(3, sizeof(int64), &batches->count);
	}
	store_end();
}

/* The elements of an array that has no nulls. */
static void *
column_array(int column, Size size, int *count)
{
	ArrayType *array = DatumGetArrayTypeP(column_datum(0, column));
	void *elements;

	*count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	elements = SPI_palloc(*count * size);
	memcpy(elements, ARR_DATA_PTR(array), *count * size);
	return elements;
}

void
step_origin_keep(int64 run_id, int64 from_run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int64GetDatum(from_run_id),
					  Int32GetDatum(no)};

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.step_origin (run_id, no, relation, filenode, batches, items, rows_per_batch,"
		" blocks, blocks_per_batch, boundaries, snapshot)"
		" SELECT $1, $3, relation, filenode, batches, nullif(items, -1), rows_per_batch, blocks,"
		" blocks_per_batch, boundaries, snapshot"
		" FROM (SELECT " SPLIT_COLUMNS
		", 1 AS source FROM mlpipe.step_origin WHERE run_id = $2 AND no = $3"
		" UNION ALL SELECT " SPLIT_COLUMNS
		", 2 FROM mlpipe.step WHERE run_id = $2 AND no = $3 ORDER BY source LIMIT 1) s",
		lengthof(types), types, values, NULL);
}

#define BATCH_COLUMNS                                        \
	"run_id, no, batch, attempt, status, final, started_at," \
	" finished_at, items_in, items_out, items_failed, keys"

/* Failed items of mini-batches that succeeded nevertheless. */
#define TAKE_FAILURES                                                              \
	" INSERT INTO mlpipe.failure (run_id, no, batch, attempt, at, sqlstate,"       \
	" message, detail, hint, context)"                                             \
	" SELECT $1, f.no, t.batch, f.attempt, f.at, f.sqlstate, f.message, f.detail," \
	" f.hint, f.context FROM mlpipe.failure f JOIN taken t"                        \
	" ON t.earlier = f.batch AND t.attempt = f.attempt"                            \
	" WHERE f.run_id = $2 AND f.no = $3"

void
batches_take(int64 run_id, int64 from_run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int64GetDatum(from_run_id),
					  Int32GetDatum(no)};

	(void) store_execute(
		&plan,
		"WITH taken AS (INSERT INTO mlpipe.mini_batch (" BATCH_COLUMNS ")"
		" SELECT $1, no, batch, attempt, status, true, started_at, finished_at, items_in, items_out, items_failed, keys"
		" FROM mlpipe.mini_batch WHERE run_id = $2 AND no = $3 AND final AND status = 'succeeded'"
		" RETURNING batch AS earlier, batch, attempt)" TAKE_FAILURES,
		lengthof(types), types, values, NULL);
}

void
batches_take_by_keys(int64 run_id, int64 from_run_id, int32 no,
					 const int32 *numbers, Datum *keys, int count)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT8OID, INT4OID, INT4ARRAYOID,
								JSONBARRAYOID};
	Datum values[] = {Int64GetDatum(run_id), Int64GetDatum(from_run_id),
					  Int32GetDatum(no), store_integers(numbers, count),
					  keys_array(keys, count)};

	store_begin();
	forbid_nested_loops(plan);
	plan_keep(
		&plan,
		"WITH same AS MATERIALIZED (SELECT n.number, b.* FROM ROWS FROM (unnest($4), unnest($5)) AS n (number, keys)"
		" JOIN mlpipe.mini_batch b ON b.keys = n.keys"
		" WHERE b.run_id = $2 AND b.no = $3 AND b.final AND b.status = 'succeeded'),"
		" ins AS (INSERT INTO mlpipe.mini_batch (" BATCH_COLUMNS ")"
		" SELECT $1, no, number, attempt, status, true, started_at, finished_at, items_in, items_out, items_failed, keys"
		" FROM same),"
		" taken AS (SELECT batch AS earlier, number AS batch, attempt FROM same)" TAKE_FAILURES,
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_INSERT);
	store_end();
}

static Datum
keys_array(Datum *keys, int count)
{
	return PointerGetDatum(
		construct_array(keys, count, JSONBOID, -1, false, TYPALIGN_INT));
}

/* Nothing is known of the arrays when a statement is planned. */
static void
forbid_nested_loops(SPIPlanPtr plan)
{
	if (plan == NULL)
		(void) set_config_option("enable_nestloop", "off", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
}

bool
batches_have_keys(int64 from_run_id, int32 no, Datum *keys, int count)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, JSONBARRAYOID};
	Datum values[] = {Int64GetDatum(from_run_id), Int32GetDatum(no),
					  keys_array(keys, count)};
	bool found;

	store_begin();
	forbid_nested_loops(plan);
	plan_keep(
		&plan,
		"SELECT FROM (SELECT keys, count(*) AS n FROM mlpipe.mini_batch"
		" WHERE run_id = $1 AND no = $2 AND final GROUP BY keys HAVING bool_or(status = 'succeeded')) b"
		" LEFT JOIN (SELECT keys, count(*) AS n FROM unnest($3) AS keys GROUP BY keys) k USING (keys)"
		" WHERE b.n > 1 OR k.n IS DISTINCT FROM 1 LIMIT 1",
		lengthof(types), types);
	found = plan_execute(plan, values, NULL, true, SPI_OK_SELECT) == 0;
	store_end();
	return found;
}

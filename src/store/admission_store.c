/*-------------------------------------------------------------------------
 *
 * admission_store.c
 *	  Statements on the runs of a pipeline that its concurrency is about.
 *
 * A run is held as long as others of its pipeline are as many as the pipeline
 * allows at a time; the others are admitted until they end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "store/admission_store.h"
#include "store/plan.h"
#include "store/run_store.h"

static List *column_of_int64s(uint64 rows);

List *
pipelines_with_held_runs(void)
{
	static SPIPlanPtr plan = NULL;
	List *pipelines = NIL;
	uint64 rows;

	store_begin();
	plan_keep(&plan, "SELECT DISTINCT pipeline_id FROM mlpipe.run WHERE held",
			  0, NULL);
	rows = plan_execute(plan, NULL, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
	{
		pipelines = store_append_int(pipelines, column_int32(i, 1));
	}
	store_end();
	return pipelines;
}

int
runs_admitted(int32 pipeline_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8OID};
	Datum values[] = {Int32GetDatum(pipeline_id), Int64GetDatum(run_home())};
	int count;

	store_begin();
	plan_keep(&plan,
			  "SELECT count(*)::integer FROM mlpipe.run WHERE pipeline_id = $1"
			  " AND finished_at IS NULL AND NOT held AND home = $2",
			  lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	count = column_int32(0, 1);
	store_end();
	return count;
}

/* The highest priority first, then the oldest. */
int64
run_next_held(int32 pipeline_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8OID};
	Datum values[] = {Int32GetDatum(pipeline_id), Int64GetDatum(run_home())};
	int64 run_id = 0;

	store_begin();
	plan_keep(
		&plan,
		"SELECT run_id FROM mlpipe.run WHERE pipeline_id = $1 AND held AND home = $2"
		" AND status = 'queued' AND (due_at IS NULL OR due_at <= clock_timestamp())"
		" ORDER BY priority DESC, run_id LIMIT 1",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		run_id = column_int64(0, 1);
	store_end();
	return run_id;
}

void
run_release(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.run SET held = false, due_at = NULL WHERE run_id = $1",
		lengthof(types), types, values, NULL);
}

List *
runs_unfinished(int32 pipeline_id, bool admitted_only)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, BOOLOID};
	Datum values[] = {Int32GetDatum(pipeline_id), BoolGetDatum(admitted_only)};
	List *runs;

	store_begin();
	plan_keep(
		&plan,
		"SELECT run_id FROM mlpipe.run WHERE pipeline_id = $1 AND finished_at IS NULL"
		" AND NOT (held AND $2) ORDER BY run_id",
		lengthof(types), types);
	runs = column_of_int64s(
		plan_execute(plan, values, NULL, false, SPI_OK_SELECT));
	store_end();
	return runs;
}

static List *
column_of_int64s(uint64 rows)
{
	List *list = NIL;

	for (uint64 i = 0; i < rows; i++)
	{
		int64 *value = SPI_palloc(sizeof(*value));

		*value = column_int64(i, 1);
		list = store_append(list, value);
	}
	return list;
}

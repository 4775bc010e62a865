/*-------------------------------------------------------------------------
 *
 * watch_store.c
 *	  What those who wait for a run, or watch it, read of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "store/plan.h"
#include "store/watch_store.h"

static uint64 look(SPIPlanPtr plan, int64 run_id);
static char *look_text(SPIPlanPtr *plan, const char *sql, int64 run_id);
static ActivityLook *read_activity(uint64 row);

static const Oid run_id_type[] = {INT8OID};

bool
run_look(int64 run_id, RunLook *result)
{
	static SPIPlanPtr plan = NULL;
	bool found;

	store_begin();
	plan_keep(
		&plan,
		"SELECT status::text, coalesce(pipeline_id, 0), submitted_by::oid, xmin,"
		" submitted_at, started_at, finished_at FROM mlpipe.run WHERE run_id = $1",
		lengthof(run_id_type), run_id_type);
	found = look(plan, run_id) > 0;
	if (found)
	{
		result->status = run_status_parse(column_text(0, 1));
		result->pipeline_id = column_int32(0, 2);
		result->submitted_by = column_oid(0, 3);
		result->xmin = DatumGetTransactionId(column_datum(0, 4));
		result->submitted_at = column_timestamp(0, 5);
		result->started_at = column_timestamp(0, 6);
		result->finished_at = column_timestamp(0, 7);
	}
	store_end();
	return found;
}

/* Runs a plan under a new snapshot, whatever the transaction's level is. */
static uint64
look(SPIPlanPtr plan, int64 run_id)
{
	Datum values[] = {Int64GetDatum(run_id)};
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	int code = SPI_execute_snapshot(plan, values, NULL, snapshot,
									InvalidSnapshot, true, false, 0);

	UnregisterSnapshot(snapshot);
	if (code != SPI_OK_SELECT)
		elog(ERROR, "unexpected result of a kept plan: %s",
			 SPI_result_code_string(code));
	return SPI_processed;
}

char *
run_pipeline_name(int64 run_id)
{
	static SPIPlanPtr plan = NULL;

	return look_text(
		&plan,
		"SELECT p.name FROM mlpipe.run r JOIN mlpipe.pipeline p USING (pipeline_id)"
		" WHERE r.run_id = $1",
		run_id);
}

char *
run_error(int64 run_id)
{
	static SPIPlanPtr plan = NULL;

	return look_text(
		&plan,
		"SELECT coalesce(error, stop_reason) FROM mlpipe.run WHERE run_id = $1",
		run_id);
}

static char *
look_text(SPIPlanPtr *plan, const char *sql, int64 run_id)
{
	char *text = NULL;

	store_begin();
	plan_keep(plan, sql, lengthof(run_id_type), run_id_type);
	if (look(*plan, run_id) > 0)
		text = column_text(0, 1);
	store_end();
	return text;
}

List *
activities_look(int64 run_id)
{
	static SPIPlanPtr plan = NULL;

	List *activities = NIL;
	uint64 rows;

	store_begin();
	plan_keep(
		&plan,
		"SELECT a.no, a.name, a.status::text, a.attempt, a.started_at, a.finished_at, a.due_at,"
		" CASE WHEN a.status = 'queued' AND a.attempt > 0 THEN"
		" (SELECT f.message FROM mlpipe.failure f WHERE f.run_id = a.run_id AND f.no = a.no"
		" AND f.batch IS NULL ORDER BY f.failure_id DESC LIMIT 1) ELSE a.error END,"
		" CASE WHEN a.status = 'in_progress' AND a.parked THEN"
		" (SELECT CASE WHEN d.secure_output THEN '' ELSE a.output->>'message' END"
		" FROM mlpipe.run r JOIN mlpipe.activity d USING (version_id)"
		" WHERE r.run_id = a.run_id AND d.no = a.activity_no AND d.type = 'approval') END"
		" FROM mlpipe.activity_run a WHERE a.run_id = $1 AND NOT a.internal ORDER BY a.no",
		lengthof(run_id_type), run_id_type);
	rows = look(plan, run_id);
	for (uint64 row = 0; row < rows; row++)
	{
		ActivityLook *activity = read_activity(row);
		activities = store_append(activities, activity);
	}
	store_end();
	return activities;
}

static ActivityLook *
read_activity(uint64 row)
{
	ActivityLook *activity = SPI_palloc(sizeof(ActivityLook));

	activity->no = column_int32(row, 1);
	activity->name = column_text(row, 2);
	activity->status = activity_status_parse(column_text(row, 3));
	activity->attempt = column_int32(row, 4);
	activity->started_at = column_timestamp(row, 5);
	activity->finished_at = column_timestamp(row, 6);
	activity->due_at = column_timestamp(row, 7);
	activity->error = column_text(row, 8);
	activity->message = column_text(row, 9);
	return activity;
}

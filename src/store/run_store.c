/*-------------------------------------------------------------------------
 *
 * run_store.c
 *	  Statements on rows of mlpipe.run.
 *
 * A run's row is written when it is made, when its first activity starts, for
 * each leaf of its graph that ends before the last one, and when it ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/engine_mode.h"
#include "store/plan.h"
#include "store/run_store.h"

static RunRow *read_run(void);

/*
 * Asked of one run by its status: by finished_at, the index of unfinished runs
 * looks as good as the primary key while there are few, and that plan is kept.
 */
#define NOT_ENDED \
	"status NOT IN ('succeeded', 'failed', 'cancelled', 'skipped')"

/*
 * A promoted standby is the same home, a restored dump and a copied database
 * are not.
 */
int64
run_home(void)
{
	return (int64) (GetSystemIdentifier() ^ ((uint64) MyDatabaseId << 32) ^
					engine_extension());
}

int32
run_take_numbers(int64 run_id, int64 count)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(run_id), Int64GetDatum(count)};
	int64 first = -1;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.run SET next_no = next_no + $2::integer"
		" WHERE run_id = $1 AND next_no + $2 <= 2147483647 RETURNING (next_no - $2)::bigint",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_UPDATE_RETURNING) > 0)
		first = column_int64(0, 1);
	store_end();
	if (first < 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("run " INT64_FORMAT " has too many activities",
						run_id)));
	return (int32) first;
}

bool
run_ask_stop(int64 run_id, RunStatus stop_status, const char *reason)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, TEXTOID, TEXTOID};
	Datum values[] = {Int64GetDatum(run_id),
					  CStringGetTextDatum(run_status_name(stop_status)),
					  store_text(reason)};
	char nulls[] = {' ', ' ', NULL_IF(reason == NULL), '\0'};

	return store_execute(
			   &plan,
			   "UPDATE mlpipe.run SET stop_status = $2::mlpipe.run_status, stop_reason = $3"
			   " WHERE run_id = $1 AND stop_status IS NULL AND " NOT_ENDED,
			   lengthof(types), types, values, nulls) > 0;
}

List *
runs_to_stop(void)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_home())};
	List *list = NIL;
	uint64 rows;

	store_begin();
	plan_keep(
		&plan,
		"SELECT r.run_id, coalesce(r.stop_status, 'cancelled')::text, coalesce(r.stop_reason,"
		" CASE WHEN r.stop_status IS NULL THEN format('run %s does not wait for it any more', r.parent_run_id) END)"
		" FROM mlpipe.run r WHERE r.finished_at IS NULL AND r.status <> 'cancelling' AND r.home = $1"
		" AND (r.stop_status IS NOT NULL OR r.parent_run_id IS NOT NULL AND NOT EXISTS"
		" (SELECT FROM mlpipe.activity_run a WHERE a.run_id = r.parent_run_id AND a.no = r.parent_no"
		" AND a.attempt = r.parent_attempt AND a.finished_at IS NULL))"
		" ORDER BY r.run_id",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
	{
		StopRow *row = SPI_palloc(sizeof(StopRow));

		row->run_id = column_int64(i, 1);
		row->stop_status = run_status_parse(column_text(i, 2));
		row->reason = column_text(i, 3);
		list = store_append(list, row);
	}
	store_end();
	return list;
}

#define LOAD_COLUMNS                                                            \
	"run_id, version_id, pipeline_id, status::text, priority, run_as::oid,"     \
	" submitted_by::oid, stop_status::text, stop_reason, level, parent_run_id," \
	" parent_no, parent_attempt, remaining, rerun_of, coalesce(rerun_from, -1), rerun_all"

RunRow *
run_load(int64 run_id, bool lock)
{
	static SPIPlanPtr plain = NULL;
	static SPIPlanPtr locking = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};
	SPIPlanPtr plan;
	RunRow *run = NULL;

	store_begin();
	plan = lock ?
		plan_keep(&locking,
				  "SELECT " LOAD_COLUMNS
				  " FROM mlpipe.run WHERE run_id = $1 FOR NO KEY UPDATE",
				  1, types) :
		plan_keep(&plain,
				  "SELECT " LOAD_COLUMNS " FROM mlpipe.run WHERE run_id = $1",
				  1, types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		run = read_run();
	store_end();
	return run;
}

static RunRow *
read_run(void)
{
	RunRow *run = SPI_palloc(sizeof(RunRow));
	char *stop_status = column_text(0, 8);

	run->run_id = column_int64(0, 1);
	run->version_id = column_int64(0, 2);
	run->pipeline_id = column_int32(0, 3);
	run->status = run_status_parse(column_text(0, 4));
	run->priority = column_int32(0, 5);
	run->run_as = column_oid(0, 6);
	run->submitted_by = column_oid(0, 7);
	run->stop_status = stop_status == NULL ? RUN_QUEUED :
											 run_status_parse(stop_status);
	run->stop_reason = column_text(0, 9);
	run->level = column_int32(0, 10);
	run->parent_run_id = column_int64(0, 11);
	run->parent_no = column_int32(0, 12);
	run->parent_attempt = column_int32(0, 13);
	run->remaining = column_int32(0, 14);
	run->rerun_of = column_int64(0, 15);
	run->rerun_from = column_int32(0, 16);
	run->rerun_all = column_bool(0, 17);
	return run;
}

bool
run_is_startable(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(run_id), Int64GetDatum(run_home())};

	return store_execute(
			   &plan,
			   "SELECT FROM mlpipe.run WHERE run_id = $1 AND home = $2"
			   " AND status IN ('queued', 'in_progress') AND stop_status IS NULL",
			   lengthof(types), types, values, NULL) > 0;
}

/*
 * Of several first activities that start at once, one does this; the others
 * pass by, rather than wait for its commit.
 */
bool
run_start(int64 run_id, TimestampTz at, int64 timeout)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum values[] = {Int64GetDatum(run_id), TimestampTzGetDatum(at),
					  TimestampTzGetDatum(at + timeout)};
	char nulls[] = {' ', ' ', NULL_IF(timeout == 0), '\0'};

	return store_execute(
			   &plan,
			   "UPDATE mlpipe.run SET status = 'in_progress', started_at = $2, due_at = $3"
			   " WHERE ctid = (SELECT ctid FROM mlpipe.run WHERE run_id = $1 AND status = 'queued'"
			   " FOR NO KEY UPDATE SKIP LOCKED)",
			   lengthof(types), types, values, nulls) > 0;
}

bool
run_has_started(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	return store_execute(
			   &plan,
			   "SELECT FROM mlpipe.run WHERE run_id = $1 AND started_at IS NOT NULL",
			   lengthof(types), types, values, NULL) > 0;
}

bool
run_count_down(int64 run_id, int32 ended)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(ended)};

	return store_execute(&plan,
						 "UPDATE mlpipe.run SET remaining = remaining - $2"
						 " WHERE run_id = $1 AND remaining > $2",
						 lengthof(types), types, values, NULL) > 0;
}

void
run_stopping(int64 run_id, RunStatus stop_status, const char *reason,
			 int32 remaining)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, TEXTOID, TEXTOID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id),
					  CStringGetTextDatum(run_status_name(stop_status)),
					  store_text(reason), Int32GetDatum(remaining)};
	char nulls[] = {' ', ' ', NULL_IF(reason == NULL), ' ', '\0'};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.run SET status = 'cancelling', stop_status = $2::mlpipe.run_status,"
		" stop_reason = $3, remaining = $4, held = false, due_at = NULL"
		" WHERE run_id = $1",
		lengthof(types), types, values, nulls);
}

RunRow *
run_succeed(int64 run_id, int32 ended, int failures_handled, Jsonb *output)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, JSONBOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(ended),
					  Int32GetDatum(failures_handled), JsonbPGetDatum(output)};
	char nulls[] = {' ', ' ', ' ', NULL_IF(output == NULL), '\0'};
	RunRow *run = NULL;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.run SET status = 'succeeded', finished_at = clock_timestamp(), remaining = 0,"
		" failures_handled = $3, output = $4, held = false, due_at = NULL"
		" WHERE run_id = $1 AND remaining = $2 AND stop_status IS NULL AND " NOT_ENDED
		" RETURNING " LOAD_COLUMNS,
		lengthof(types), types);
	if (plan_execute(plan, values, nulls, false, SPI_OK_UPDATE_RETURNING) > 0)
		run = read_run();
	store_end();
	return run;
}

void
run_end(int64 run_id, RunStatus status, int failures_handled, Jsonb *output,
		const char *error)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, TEXTOID, INT4OID, JSONBOID, TEXTOID};
	Datum values[] = {Int64GetDatum(run_id),
					  CStringGetTextDatum(run_status_name(status)),
					  Int32GetDatum(failures_handled), JsonbPGetDatum(output),
					  store_text(error)};
	char nulls[] =
		{' ', ' ', ' ', NULL_IF(output == NULL), NULL_IF(error == NULL), '\0'};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.run SET status = $2::mlpipe.run_status, finished_at = clock_timestamp(), remaining = 0,"
		" failures_handled = $3, output = $4, error = $5, held = false, due_at = NULL"
		" WHERE run_id = $1",
		lengthof(types), types, values, nulls);
}

bool
run_suspend(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	return store_execute(
			   &plan,
			   "UPDATE mlpipe.run SET status = 'suspended'"
			   " WHERE run_id = $1 AND status IN ('queued', 'in_progress')",
			   lengthof(types), types, values, NULL) > 0;
}

bool
run_take_home(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(run_id), Int64GetDatum(run_home())};

	return store_execute(&plan,
						 "UPDATE mlpipe.run SET home = $2"
						 " WHERE run_id = $1 AND home <> $2 AND " NOT_ENDED,
						 lengthof(types), types, values, NULL) > 0;
}

bool
run_resume(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	return store_execute(
			   &plan,
			   "UPDATE mlpipe.run SET status ="
			   " CASE WHEN started_at IS NULL THEN 'queued'::mlpipe.run_status ELSE 'in_progress' END"
			   " WHERE run_id = $1 AND status = 'suspended'",
			   lengthof(types), types, values, NULL) > 0;
}

/* Suspended before it has started, a run has no timeout yet. */
#define HAS_DUE_TIME "(status <> 'suspended' OR started_at IS NOT NULL)"

List *
runs_due(const DueRow *after, int limit)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID};
	Datum values[] = {Int64GetDatum(run_home()), Int64GetDatum(limit),
					  TimestampTzGetDatum(after->due_at),
					  Int64GetDatum(after->run_id)};
	List *due = NIL;
	uint64 rows;

	store_begin();
	plan_keep(
		&plan,
		"SELECT run_id, status = 'queued', due_at FROM mlpipe.run"
		" WHERE due_at <= clock_timestamp() AND home = $1 AND " HAS_DUE_TIME
		" AND due_at >= $3 AND (due_at, run_id) > ($3, $4)"
		" ORDER BY due_at, run_id LIMIT $2",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
	{
		DueRow *row = SPI_palloc(sizeof(DueRow));

		row->run_id = column_int64(i, 1);
		row->no = -1;
		row->queued = column_bool(i, 2);
		row->attempt = 0;
		row->times_out = false;
		row->due_at = column_timestamp(i, 3);
		due = store_append(due, row);
	}
	store_end();
	return due;
}

void
run_clear_due(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	(void)
		store_execute(&plan,
					  "UPDATE mlpipe.run SET due_at = NULL WHERE run_id = $1",
					  lengthof(types), types, values, NULL);
}

/*
 * Of runs and activities; what is due already counts too.  Runs that a dump
 * brought along are left out, or they would be due for ever.  An activity's run
 * is looked up by a subquery: for a join 17 reads all activities.
 */
TimestampTz
run_next_due(void)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_home())};
	TimestampTz due;

	store_begin();
	plan_keep(
		&plan,
		"SELECT least("
		"(SELECT due_at FROM mlpipe.run WHERE due_at IS NOT NULL AND home = $1"
		" AND " HAS_DUE_TIME " ORDER BY due_at LIMIT 1),"
		" (SELECT a.due_at FROM mlpipe.activity_run a WHERE a.due_at IS NOT NULL"
		" AND (SELECT r.home FROM mlpipe.run r WHERE r.run_id = a.run_id) = $1"
		" ORDER BY a.due_at LIMIT 1))",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	due = column_timestamp(0, 1);
	store_end();
	return due;
}

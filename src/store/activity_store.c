/*-------------------------------------------------------------------------
 *
 * activity_store.c
 *	  Statements on a row of mlpipe.activity_run.
 *
 * An activity's row is written when it is made, when it is claimed and when it
 * ends, and once for each dependency that ends before the last one does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/activity_store.h"
#include "store/plan.h"
#include "store/run_store.h"

static ActivityRow *load_one(SPIPlanPtr *plan, const char *statement,
							 int64 run_id, int32 no);
static void read_row(uint64 row, ActivityRow *activity);

#define CLAIMABLE                                                               \
	"run_id = $1 AND no = $2 AND status = 'queued'"                             \
	" AND (due_at IS NULL OR due_at <= clock_timestamp())"                      \
	" AND EXISTS (SELECT FROM mlpipe.run r WHERE r.run_id = $1 AND r.home = $3" \
	" AND NOT r.held AND r.stop_status IS NULL"                                 \
	" AND (r.status = 'in_progress' OR r.status = 'queued' AND r.due_at IS NULL))"

int32
activity_claim(int64 run_id, int32 no, int pid)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int64GetDatum(run_home()), Int32GetDatum(pid)};
	int32 attempt = 0;

	store_begin();

	/*
	 * A claim never waits for a row lock: its transaction may hold those of
	 * another run, and somebody may have locked both in the other order.
	 */
	plan_keep(
		&plan,
		"UPDATE mlpipe.activity_run SET status = 'in_progress', parked = false, times_out = false,"
		" attempt = CASE WHEN parked THEN attempt ELSE attempt + 1 END,"
		" started_at = CASE WHEN parked THEN started_at ELSE clock_timestamp() END,"
		" finished_at = NULL, executor_pid = $4, due_at = NULL"
		" WHERE ctid = (SELECT ctid FROM mlpipe.activity_run WHERE " CLAIMABLE
		" FOR NO KEY UPDATE SKIP LOCKED) RETURNING attempt",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_UPDATE_RETURNING) > 0)
		attempt = column_int32(0, 1);
	store_end();
	return attempt;
}

bool
activity_is_claimable(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT8OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int64GetDatum(run_home())};

	return store_execute(&plan,
						 "SELECT FROM mlpipe.activity_run WHERE " CLAIMABLE,
						 lengthof(types), types, values, NULL) > 0;
}

#define ROW_COLUMNS_WITH(status)                                            \
	"no, activity_no, coalesce(parent_no, -1), iteration, attempt, " status \
	","                                                                     \
	" parked, coalesce(detached_to, -1), started_at, name"
#define ROW_COLUMNS     ROW_COLUMNS_WITH("status::text")
#define NUM_ROW_COLUMNS 10

static void
read_row(uint64 row, ActivityRow *activity)
{
	activity->no = column_int32(row, 1);
	activity->activity_no = column_int32(row, 2);
	activity->parent_no = column_int32(row, 3);
	activity->iteration = column_int32(row, 4);
	activity->attempt = column_int32(row, 5);
	activity->status = activity_status_parse(column_text(row, 6));
	activity->parked = column_bool(row, 7);
	activity->detached_to = column_int32(row, 8);
	activity->started_at = column_timestamp(row, 9);
	activity->name = column_text(row, 10);
}

/* Nearly all ends are successes, and a statement without choices is cheaper. */
#define SUCCEED                                                                             \
	"UPDATE mlpipe.activity_run SET status = 'succeeded', finished_at = clock_timestamp()," \
	" due_at = NULL, parked = false, output = $5, error = NULL,"                            \
	" items_in = coalesce($7, items_in), items_out = coalesce($8, items_out)"               \
	" WHERE run_id = $1 AND no = $2 AND attempt = $3 AND status = 'in_progress'"            \
	" RETURNING " ROW_COLUMNS_WITH("'succeeded'::text") ", detached"
#define END_ANY_WAY                                                                                 \
	"UPDATE mlpipe.activity_run SET status = CASE WHEN detached AND $4 = 'failed' THEN 'cancelled'" \
	" ELSE $4::mlpipe.activity_status END,"                                                         \
	" attempt = CASE WHEN $4 = 'skipped' THEN 0 ELSE attempt END,"                                  \
	" started_at = CASE WHEN $4 <> 'skipped' THEN started_at END,"                                  \
	" finished_at = clock_timestamp(), due_at = NULL, parked = false, output = $5, error = $6,"     \
	" items_in = coalesce($7, items_in), items_out = coalesce($8, items_out)"                       \
	" WHERE run_id = $1 AND no = $2 AND CASE WHEN $3 = 0 THEN parked ELSE attempt = $3 END"         \
	" AND status = 'in_progress' RETURNING " ROW_COLUMNS ", detached"

EndResult
activity_end(int64 run_id, int32 no, int32 attempt, ActivityStatus status,
			 Jsonb *output, const char *error, int64 items_in, int64 items_out,
			 ActivityRow *row)
{
	static SPIPlanPtr usual = NULL;
	static SPIPlanPtr other = NULL;
	static const Oid types[] = {INT8OID,  INT4OID, INT4OID, TEXTOID,
								JSONBOID, TEXTOID, INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(run_id),
					  Int32GetDatum(no),
					  Int32GetDatum(attempt),
					  store_text(activity_status_name(status)),
					  JsonbPGetDatum(output),
					  store_text(error),
					  Int64GetDatum(items_in),
					  Int64GetDatum(items_out)};
	char nulls[] = {' ',
					' ',
					' ',
					' ',
					NULL_IF(output == NULL),
					NULL_IF(error == NULL),
					NULL_IF(items_in < 0),
					NULL_IF(items_out < 0),
					'\0'};
	SPIPlanPtr plan;
	EndResult result = END_NOT_OURS;

	store_begin();
	plan = status == ACTIVITY_SUCCEEDED && attempt > 0 ?
		plan_keep(&usual, SUCCEED, lengthof(types), types) :
		plan_keep(&other, END_ANY_WAY, lengthof(types), types);
	if (plan_execute(plan, values, nulls, false, SPI_OK_UPDATE_RETURNING) > 0)
	{
		result = column_bool(0, NUM_ROW_COLUMNS + 1) ? END_MARKED_DETACHED :
													   END_MARKED;
		read_row(0, row);
	}
	store_end();
	return result;
}

bool
activity_park(int64 run_id, int32 no, int32 attempt, TimestampTz due_at,
			  bool times_out, int32 lanes, Jsonb *output)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, TIMESTAMPTZOID,
								BOOLOID, INT4OID, JSONBOID};
	Datum values[] = {Int64GetDatum(run_id),   Int32GetDatum(no),
					  Int32GetDatum(attempt),  TimestampTzGetDatum(due_at),
					  BoolGetDatum(times_out), Int32GetDatum(lanes),
					  JsonbPGetDatum(output)};
	char nulls[] = {' ',
					' ',
					' ',
					NULL_IF(due_at == 0),
					' ',
					' ',
					NULL_IF(output == NULL),
					'\0'};
	bool parked;

	store_begin();

	/* One whose run is stopping has to end, not to wait. */
	plan_keep(
		&plan,
		"UPDATE mlpipe.activity_run SET parked = true, due_at = $4, times_out = $5,"
		" executor_pid = NULL, remaining = $6, unmet = 0, output = $7"
		" WHERE run_id = $1 AND no = $2 AND attempt = $3 AND status = 'in_progress' AND NOT detached",
		lengthof(types), types);
	parked = plan_execute(plan, values, nulls, false, SPI_OK_UPDATE) > 0;
	store_end();
	return parked;
}

#define SELECT_ONE        \
	"SELECT " ROW_COLUMNS \
	" FROM mlpipe.activity_run WHERE run_id = $1 AND no = $2"

ActivityRow *
activity_load(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;

	return load_one(&plan, SELECT_ONE, run_id, no);
}

ActivityRow *
activity_lock(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;

	return load_one(&plan, SELECT_ONE " FOR NO KEY UPDATE", run_id, no);
}

static ActivityRow *
load_one(SPIPlanPtr *plan, const char *statement, int64 run_id, int32 no)
{
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	ActivityRow *row = NULL;

	store_begin();
	plan_keep(plan, statement, lengthof(types), types);
	if (plan_execute(*plan, values, NULL, false, SPI_OK_SELECT) > 0)
	{
		row = SPI_palloc(sizeof(ActivityRow));
		read_row(0, row);
	}
	store_end();
	return row;
}

ActivityRow *
activity_find(int64 run_id, const char *name)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, TEXTOID};
	Datum values[] = {Int64GetDatum(run_id), CStringGetTextDatum(name)};
	ActivityRow *row = NULL;

	store_begin();
	plan_keep(
		&plan,
		"SELECT " ROW_COLUMNS
		" FROM mlpipe.activity_run WHERE run_id = $1 AND name = $2 AND NOT internal",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
	{
		row = SPI_palloc(sizeof(ActivityRow));
		read_row(0, row);
	}
	store_end();
	return row;
}

List *
activity_ancestry(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	List *list = NIL;
	uint64 rows;

	store_begin();
	plan_keep(
		&plan,
		"WITH RECURSIVE line AS (SELECT a.*, 0 AS up FROM mlpipe.activity_run a WHERE run_id = $1 AND no = $2"
		" UNION ALL SELECT a.*, l.up + 1 FROM line l"
		" JOIN mlpipe.activity_run a ON a.run_id = $1 AND a.no = l.parent_no)"
		" SELECT " ROW_COLUMNS " FROM line ORDER BY up",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
	{
		ActivityRow *row = SPI_palloc(sizeof(ActivityRow));

		read_row(i, row);
		list = store_append(list, row);
	}
	store_end();
	return list;
}

bool
activity_resume(int64 run_id, int32 no, int32 attempt)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(attempt)};

	return store_execute(
			   &plan,
			   "UPDATE mlpipe.activity_run SET status = 'queued', due_at = NULL"
			   " WHERE run_id = $1 AND no = $2 AND attempt = $3 AND status = 'in_progress' AND parked",
			   lengthof(types), types, values, NULL) > 0;
}

int32
activity_lost(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	int32 lost = 0;

	store_begin();
	plan_keep(
		&plan,
		"SELECT lost FROM mlpipe.activity_run WHERE run_id = $1 AND no = $2",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		lost = column_int32(0, 1);
	store_end();
	return lost;
}

bool
activity_requeue(int64 run_id, int32 no, int32 attempt, int64 pause, bool lost,
				 TimestampTz *due_at)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, TIMESTAMPTZOID,
								INT4OID};
	TimestampTz due = pause > 0 ? GetCurrentTimestamp() + pause : 0;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(attempt), TimestampTzGetDatum(due),
					  Int32GetDatum(lost ? 1 : 0)};
	char nulls[] = {' ', ' ', ' ', NULL_IF(due == 0), ' ', '\0'};
	bool requeued;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.activity_run SET status = 'queued', due_at = $4, lost = lost + $5,"
		" executor_pid = NULL, parked = false"
		" WHERE run_id = $1 AND no = $2 AND attempt = $3 AND status = 'in_progress' AND NOT detached",
		lengthof(types), types);
	requeued = plan_execute(plan, values, nulls, false, SPI_OK_UPDATE) > 0;
	store_end();
	*due_at = due;
	return requeued;
}

bool
activity_next_attempt(int64 run_id, int32 no, int32 attempt, int64 pause)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, FLOAT8OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(attempt), Float8GetDatum((double) pause)};

	return store_execute(
			   &plan,
			   "UPDATE mlpipe.activity_run SET attempt = attempt + 1,"
			   " started_at = clock_timestamp() + $4 * interval '1 microsecond'"
			   " WHERE run_id = $1 AND no = $2 AND attempt = $3 AND status = 'in_progress' AND NOT detached",
			   lengthof(types), types, values, NULL) > 0;
}

bool
activity_set_inactive(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	return store_execute(
			   &plan,
			   "UPDATE mlpipe.activity_run SET status = 'inactive', finished_at = clock_timestamp(),"
			   " due_at = NULL WHERE run_id = $1 AND no = $2 AND status = 'queued'",
			   lengthof(types), types, values, NULL) > 0;
}

int *
activity_statuses(int64 run_id, int count)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};
	int *statuses = palloc(count * sizeof(int));
	uint64 rows;

	memset(statuses, -1, count * sizeof(int));
	store_begin();
	plan_keep(
		&plan,
		"SELECT DISTINCT ON (activity_no) activity_no, now FROM mlpipe.activity_run,"
		" LATERAL (SELECT CASE WHEN parked THEN 'in_progress' ELSE status::text END AS now OFFSET 0) n"
		" WHERE run_id = $1 ORDER BY activity_no, array_position("
		"'{in_progress,failed,queued,waiting,cancelled,succeeded,inactive,skipped}'::text[], now)",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
		statuses[column_int32(i, 1)] = activity_status_parse(
			column_text(i, 2));
	store_end();
	return statuses;
}

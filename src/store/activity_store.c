/*-------------------------------------------------------------------------
 *
 * activity_store.c
 *	  Statements on mlpipe.activity_run and mlpipe.failure.
 *
 * An activity's row is written when it is made, when it is claimed and when it
 * ends, and once for each dependency that ends before the last one does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/activity_store.h"
#include "store/plan.h"

static void read_row(uint64 row, ActivityRow *activity);
static List *read_ready(uint64 rows);

#define CLAIMABLE                                                              \
	"run_id = $1 AND no = $2 AND status = 'queued'"                            \
	" AND (due_at IS NULL OR due_at <= clock_timestamp())"                     \
	" AND EXISTS (SELECT FROM mlpipe.run r WHERE r.run_id = $1 AND NOT r.held" \
	" AND r.stop_status IS NULL"                                               \
	" AND (r.status = 'in_progress' OR r.status = 'queued' AND r.due_at IS NULL))"

int32
activity_claim(int64 run_id, int32 no, int pid)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(pid)};
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
		" finished_at = NULL, executor_pid = $3, due_at = NULL"
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
	Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	bool found;

	store_begin();
	plan_keep(&plan, "SELECT FROM mlpipe.activity_run WHERE " CLAIMABLE,
			  lengthof(types), types);
	found = plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0;
	store_end();
	return found;
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
	activity->started_at = column_int64(row, 9);
	activity->name = column_text(row, 10);
}

/* Most ends are of one kind, and a statement that does not choose is cheaper. */
#define SUCCEED                                                                             \
	"UPDATE mlpipe.activity_run SET status = 'succeeded', finished_at = clock_timestamp()," \
	" due_at = NULL, parked = false, output = $5, error = NULL,"                            \
	" items_in = coalesce($7, items_in), items_out = coalesce($8, items_out)"               \
	" WHERE run_id = $1 AND no = $2 AND attempt = $3 AND status = 'in_progress'"            \
	" RETURNING " ROW_COLUMNS_WITH("'succeeded'::text") ", detached"
#define END_ANY_WAY                                                                                 \
	"UPDATE mlpipe.activity_run SET status = CASE WHEN detached AND $4 = 'failed' THEN 'cancelled'" \
	" ELSE $4::mlpipe.activity_status END,"                                                         \
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
	Oid types[] = {INT8OID,  INT4OID, INT4OID, TEXTOID,
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
	Oid types[] = {INT8OID, INT4OID, INT4OID, TIMESTAMPTZOID,
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

ActivityRow *
activity_load(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	ActivityRow *row = NULL;

	store_begin();
	plan_keep(&plan,
			  "SELECT " ROW_COLUMNS
			  " FROM mlpipe.activity_run WHERE run_id = $1 AND no = $2",
			  lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
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
	Oid types[] = {INT8OID, TEXTOID};
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
	Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	List *list = NIL;
	uint64 rows;
	uint64 i;

	store_begin();
	plan_keep(
		&plan,
		"WITH RECURSIVE line AS (SELECT a.*, 0 AS up FROM mlpipe.activity_run a WHERE run_id = $1 AND no = $2"
		" UNION ALL SELECT a.*, l.up + 1 FROM line l"
		" JOIN mlpipe.activity_run a ON a.run_id = $1 AND a.no = l.parent_no)"
		" SELECT " ROW_COLUMNS " FROM line ORDER BY up",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (i = 0; i < rows; i++)
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
	Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(attempt)};
	bool resumed;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.activity_run SET status = 'queued', due_at = NULL"
		" WHERE run_id = $1 AND no = $2 AND attempt = $3 AND status = 'in_progress' AND parked",
		lengthof(types), types);
	resumed = plan_execute(plan, values, NULL, false, SPI_OK_UPDATE) > 0;
	store_end();
	return resumed;
}

int32
activity_lost(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID};
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

int32
activity_deaths(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	int32 deaths;

	store_begin();
	plan_keep(
		&plan,
		"SELECT count(*)::integer FROM mlpipe.failure"
		" WHERE run_id = $1 AND no = $2 AND batch IS NULL AND sqlstate IN ('57P01', '57P02')",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	deaths = column_int32(0, 1);
	store_end();
	return deaths;
}

bool
activity_requeue(int64 run_id, int32 no, int32 attempt, int64 pause, bool lost,
				 TimestampTz *due_at)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID, INT4OID, TIMESTAMPTZOID, INT4OID};
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
activity_next_attempt(int64 run_id, int32 no, int32 attempt)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(attempt)};
	bool found;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.activity_run SET attempt = attempt + 1, started_at = clock_timestamp()"
		" WHERE run_id = $1 AND no = $2 AND attempt = $3 AND status = 'in_progress' AND NOT detached",
		lengthof(types), types);
	found = plan_execute(plan, values, NULL, false, SPI_OK_UPDATE) > 0;
	store_end();
	return found;
}

void
activity_set_inactive(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.activity_run SET status = 'inactive', finished_at = clock_timestamp()"
		" WHERE run_id = $1 AND no = $2",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_UPDATE);
	store_end();
}

bool
activity_release(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	bool released;

	store_begin();
	plan_keep(&plan,
			  "UPDATE mlpipe.activity_run SET remaining = 0, status = 'queued'"
			  " WHERE run_id = $1 AND no = $2 AND status = 'waiting'",
			  lengthof(types), types);
	released = plan_execute(plan, values, NULL, false, SPI_OK_UPDATE) > 0;
	store_end();
	return released;
}

bool
activity_release_to(int64 run_id, int32 no, int pid)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(pid)};
	bool released;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.activity_run SET remaining = 0, status = 'in_progress', attempt = attempt + 1,"
		" started_at = clock_timestamp(), executor_pid = $3"
		" WHERE run_id = $1 AND no = $2 AND status = 'waiting'",
		lengthof(types), types);
	released = plan_execute(plan, values, NULL, false, SPI_OK_UPDATE) > 0;
	store_end();
	return released;
}

#define STARTS \
	"(CASE WHEN $7 THEN $3 > $4 ELSE remaining = $3 AND unmet + $4 = 0 END)"
#define CLAIMED STARTS " AND $5 = 'in_progress' AND reused_from IS NULL"

/*
 * The first that is met starts one with join "any", the others find it gone.
 * What a rerun takes over is not started: it has succeeded.
 */
ActivityStatus
activity_dependencies_ended(int64 run_id, int32 no, int32 ended, int32 unmet,
							ActivityStatus ready, bool join_any, int pid)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID, INT4OID, INT4OID,
				   TEXTOID, INT4OID, BOOLOID};
	Datum values[] = {Int64GetDatum(run_id),
					  Int32GetDatum(no),
					  Int32GetDatum(ended),
					  Int32GetDatum(unmet),
					  store_text(activity_status_name(ready)),
					  Int32GetDatum(pid),
					  BoolGetDatum(join_any)};
	ActivityStatus status = ACTIVITY_CANCELLED;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.activity_run SET remaining = remaining - $3, unmet = unmet + $4,"
		" status = CASE WHEN " STARTS " THEN"
		" CASE WHEN reused_from IS NULL THEN $5::mlpipe.activity_status ELSE 'succeeded' END"
		" WHEN remaining > $3 THEN status ELSE 'skipped' END,"
		" finished_at = CASE WHEN CASE WHEN " STARTS
		" THEN $5 = 'inactive' OR reused_from IS NOT NULL ELSE remaining = $3 END"
		" THEN clock_timestamp() END,"
		" attempt = CASE WHEN " CLAIMED " THEN attempt + 1 ELSE attempt END,"
		" started_at = CASE WHEN " CLAIMED " THEN clock_timestamp() END,"
		" executor_pid = CASE WHEN " CLAIMED " THEN $6 END"
		" WHERE run_id = $1 AND no = $2 AND status = 'waiting' RETURNING status::text",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_UPDATE_RETURNING) > 0)
		status = activity_status_parse(column_text(0, 1));
	store_end();
	return status;
}

int
activity_failures(int64 run_id, List *containers)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4ARRAYOID};
	int count = list_length(containers);
	Datum *numbers = palloc(Max(count, 1) * sizeof(Datum));
	Datum values[2];
	ListCell *cell;
	int failures;

	foreach(cell, containers)
		numbers[foreach_current_index(cell)] = Int32GetDatum(lfirst_int(cell));
	values[0] = Int64GetDatum(run_id);
	values[1] = PointerGetDatum(construct_array(numbers, count, INT4OID,
												sizeof(int32), true,
												TYPALIGN_INT));
	store_begin();
	plan_keep(
		&plan,
		"SELECT count(*)::integer FROM mlpipe.activity_run WHERE run_id = $1 AND status = 'failed'"
		" AND NOT internal AND activity_no <> ALL ($2)",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	failures = column_int32(0, 1);
	store_end();
	return failures;
}

char *
activity_first_error(int64 run_id, const char *within)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, TEXTOID};
	Datum values[] = {Int64GetDatum(run_id), store_text(within)};
	char nulls[] = {' ', NULL_IF(within == NULL), '\0'};
	char *error = NULL;

	store_begin();
	plan_keep(
		&plan,
		"SELECT CASE WHEN internal THEN (SELECT d.type FROM mlpipe.run r JOIN mlpipe.activity d USING (version_id)"
		" WHERE r.run_id = $1 AND d.no = a.activity_no) ELSE name END || ': ' || error"
		" FROM mlpipe.activity_run a WHERE run_id = $1 AND status = 'failed' AND CASE WHEN $2 IS NULL THEN NOT internal"
		" ELSE starts_with(name, $2 || '.') OR starts_with(name, $2 || '[') OR internal AND name = $2 END"
		" ORDER BY finished_at, no LIMIT 1",
		lengthof(types), types);
	if (plan_execute(plan, values, nulls, false, SPI_OK_SELECT) > 0)
		error = column_text(0, 1);
	store_end();
	return error;
}

void
activities_lock(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	store_begin();
	plan_keep(
		&plan,
		"SELECT FROM mlpipe.activity_run WHERE run_id = $1 AND finished_at IS NULL"
		" ORDER BY depth DESC, no FOR NO KEY UPDATE",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	store_end();
}

int32
activities_stop(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};
	int32 detached;

	activities_lock(run_id);
	store_begin();
	plan_keep(
		&plan,
		"WITH stopped AS (UPDATE mlpipe.activity_run SET"
		" detached = status = 'in_progress' AND NOT parked, detached_to = NULL,"
		" status = CASE WHEN status = 'in_progress' AND NOT parked THEN status ELSE 'cancelled' END,"
		" finished_at = CASE WHEN status = 'in_progress' AND NOT parked THEN NULL ELSE clock_timestamp() END,"
		" parked = false, due_at = NULL"
		" WHERE run_id = $1 AND finished_at IS NULL RETURNING detached)"
		" SELECT count(*)::integer FROM stopped WHERE detached",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	detached = column_int32(0, 1);
	store_end();
	return detached;
}

int32
activities_abandon(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};
	int32 cancelled;

	store_begin();
	plan_keep(
		&plan,
		"WITH lost AS (UPDATE mlpipe.activity_run a SET"
		" status = CASE WHEN detached THEN 'cancelled'::mlpipe.activity_status ELSE 'queued' END,"
		" finished_at = CASE WHEN detached THEN clock_timestamp() END,"
		" lost = lost + 1, executor_pid = NULL"
		" WHERE run_id = $1 AND status = 'in_progress' AND NOT parked AND detached_to IS NULL"
		" AND (detached OR NOT EXISTS (SELECT FROM mlpipe.step s WHERE s.run_id = a.run_id AND s.no = a.no))"
		" RETURNING status)"
		" SELECT count(*)::integer FROM lost WHERE status = 'cancelled'",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	cancelled = column_int32(0, 1);
	store_end();
	return cancelled;
}

void
activities_skip(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.activity_run SET status = 'skipped', finished_at = clock_timestamp()"
		" WHERE run_id = $1 AND finished_at IS NULL",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_UPDATE);
	store_end();
}

#define READY_COLUMNS                                                               \
	"SELECT r.run_as::oid, r.priority, r.run_id, a.no, a.activity_no, r.version_id" \
	" FROM mlpipe.run r JOIN mlpipe.activity_run a USING (run_id)"

List *
activities_queued(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};
	List *list;

	store_begin();
	plan_keep(
		&plan,
		READY_COLUMNS
		" WHERE run_id = $1 AND a.status = 'queued' AND a.due_at IS NULL ORDER BY a.no",
		lengthof(types), types);
	list = read_ready(plan_execute(plan, values, NULL, false, SPI_OK_SELECT));
	store_end();
	return list;
}

List *
activities_ready(int limit)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(run_home()), Int64GetDatum(limit)};
	List *list;

	store_begin();
	plan_keep(
		&plan,
		READY_COLUMNS
		" WHERE r.finished_at IS NULL AND r.home = $1 AND NOT r.held"
		" AND (r.status = 'in_progress' OR r.status = 'queued' AND r.due_at IS NULL)"
		" AND a.status = 'queued' AND a.due_at IS NULL"
		" ORDER BY r.priority DESC, r.run_id, a.no LIMIT $2",
		lengthof(types), types);
	list = read_ready(plan_execute(plan, values, NULL, false, SPI_OK_SELECT));
	store_end();
	return list;
}

static List *
read_ready(uint64 rows)
{
	List *list = NIL;
	uint64 i;

	for (i = 0; i < rows; i++)
	{
		ReadyRow *row = SPI_palloc(sizeof(ReadyRow));

		row->role = column_oid(i, 1);
		row->run_priority = column_int32(i, 2);
		row->run_id = column_int64(i, 3);
		row->no = column_int32(i, 4);
		row->activity_no = column_int32(i, 5);
		row->version_id = column_int64(i, 6);
		list = store_append(list, row);
	}
	return list;
}

List *
activities_started(void)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_home())};
	List *list = NIL;
	uint64 rows;
	uint64 i;

	store_begin();
	plan_keep(
		&plan,
		"SELECT a.run_id, a.no, a.attempt,"
		" EXISTS (SELECT FROM mlpipe.step s WHERE s.run_id = a.run_id AND s.no = a.no)"
		" FROM mlpipe.run r JOIN mlpipe.activity_run a USING (run_id)"
		" WHERE r.finished_at IS NULL AND r.home = $1"
		" AND a.status = 'in_progress' AND NOT a.parked ORDER BY a.run_id, a.no",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (i = 0; i < rows; i++)
	{
		StartedRow *row = SPI_palloc(sizeof(StartedRow));

		row->run_id = column_int64(i, 1);
		row->no = column_int32(i, 2);
		row->attempt = column_int32(i, 3);
		row->split = column_bool(i, 4);
		list = store_append(list, row);
	}
	store_end();
	return list;
}

List *
activities_due(int limit)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(run_home()), Int64GetDatum(limit)};
	List *list = NIL;
	uint64 rows;
	uint64 i;

	store_begin();
	plan_keep(
		&plan,
		"SELECT a.run_id, a.no, a.status = 'queued', a.attempt, a.times_out, a.activity_no"
		" FROM mlpipe.activity_run a JOIN mlpipe.run r USING (run_id)"
		" WHERE a.due_at <= clock_timestamp() AND r.home = $1 ORDER BY a.due_at LIMIT $2",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (i = 0; i < rows; i++)
	{
		DueRow *row = SPI_palloc(sizeof(DueRow));

		row->run_id = column_int64(i, 1);
		row->no = column_int32(i, 2);
		row->queued = column_bool(i, 3);
		row->attempt = column_int32(i, 4);
		row->times_out = column_bool(i, 5);
		row->activity_no = column_int32(i, 6);
		list = store_append(list, row);
	}
	store_end();
	return list;
}

void
activity_clear_due(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.activity_run SET due_at = NULL WHERE run_id = $1 AND no = $2",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_UPDATE);
	store_end();
}

void
failure_insert(int64 run_id, int32 no, int32 batch, int32 attempt,
			   const Failure *failure)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID, INT4OID, INT4OID, TEXTOID,
				   TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum values[] = {Int64GetDatum(run_id),
					  Int32GetDatum(no),
					  Int32GetDatum(batch),
					  Int32GetDatum(attempt),
					  store_text(failure->sqlstate),
					  store_text(failure->message),
					  store_text(failure->detail),
					  store_text(failure->hint),
					  store_text(failure->context)};
	char nulls[] = {' ',
					' ',
					NULL_IF(batch == 0),
					' ',
					' ',
					' ',
					NULL_IF(failure->detail == NULL),
					NULL_IF(failure->hint == NULL),
					NULL_IF(failure->context == NULL),
					'\0'};

	store_begin();
	plan_keep(
		&plan,
		"INSERT INTO mlpipe.failure (run_id, no, batch, attempt, at, sqlstate, message, detail, hint, context)"
		" VALUES ($1, $2, $3, $4, clock_timestamp(), $5, $6, $7, $8, $9)",
		lengthof(types), types);
	(void) plan_execute(plan, values, nulls, false, SPI_OK_INSERT);
	store_end();
}

char *
failure_first_sqlstate(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};
	char *sqlstate = NULL;

	store_begin();
	plan_keep(
		&plan,
		"SELECT f.sqlstate FROM mlpipe.activity_run a JOIN mlpipe.failure f USING (run_id, no)"
		" WHERE run_id = $1 AND a.status = 'failed' AND f.batch IS NULL"
		" ORDER BY a.finished_at, a.no, f.failure_id DESC LIMIT 1",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		sqlstate = column_text(0, 1);
	store_end();
	return sqlstate;
}

int *
activity_statuses(int64 run_id, int count)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};
	int *statuses = palloc(count * sizeof(int));
	uint64 rows;
	uint64 i;

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
	for (i = 0; i < rows; i++)
		statuses[column_int32(i, 1)] = activity_status_parse(
			column_text(i, 2));
	store_end();
	return statuses;
}

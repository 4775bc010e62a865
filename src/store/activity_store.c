/*-------------------------------------------------------------------------
 *
 * activity_store.c
 *	  Every statement on mlpipe.activity_run and mlpipe.failure.
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

#define NULL_IF(condition)	((condition) ? 'n' : ' ')

static Datum text_datum(const char *text);
static List *append_row(List *list, void *row);
static ActivityEnd end_of(ActivityStatus status, const ActivityDef *def);

void
activities_insert(int64 run_id, const Document *document)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID, INT4ARRAYOID, TEXTARRAYOID};
	int			count = document->nactivities;
	Datum	   *waits = palloc(count * sizeof(Datum));
	Datum	   *names = palloc(count * sizeof(Datum));
	Datum		values[3];
	int			i;

	for (i = 0; i < count; i++)
	{
		waits[i] = Int32GetDatum(document->graph->first_in[i + 1] -
								 document->graph->first_in[i]);
		names[i] = CStringGetTextDatum(document->activities[i].name);
	}
	values[0] = Int64GetDatum(run_id);
	values[1] = PointerGetDatum(construct_array(waits, count, INT4OID,
												sizeof(int32), true,
												TYPALIGN_INT));
	values[2] = PointerGetDatum(construct_array(names, count, TEXTOID, -1,
												false, TYPALIGN_INT));

	store_begin();
	plan_keep(&plan,
			  "INSERT INTO mlpipe.activity_run (run_id, no, activity_no, status, remaining, name)"
			  " SELECT $1, i - 1, i - 1, CASE WHEN waits = 0 THEN 'queued'::mlpipe.activity_status ELSE 'waiting' END,"
			  " waits, name FROM ROWS FROM (unnest($2), unnest($3)) WITH ORDINALITY AS a (waits, name, i)",
			  lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_INSERT);
	store_end();
}

#define CLAIMABLE \
	"run_id = $1 AND no = $2 AND status = 'queued'" \
	" AND (due_at IS NULL OR due_at <= clock_timestamp())" \
	" AND EXISTS (SELECT FROM mlpipe.run r WHERE r.run_id = $1 AND NOT r.held" \
	" AND (r.status = 'in_progress' OR r.status = 'queued' AND r.due_at IS NULL))"

int32
activity_claim(int64 run_id, int32 no, int pid)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID, INT4OID, INT4OID};
	Datum		values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
	Int32GetDatum(pid)};
	int32		attempt = 0;

	store_begin();

	/*
	 * A claim never waits for a row lock: its transaction may hold those of
	 * another run, and somebody may have locked both in the other order.
	 */
	plan_keep(&plan,
			  "UPDATE mlpipe.activity_run SET status = 'in_progress', attempt = attempt + 1,"
			  " started_at = clock_timestamp(), finished_at = NULL, executor_pid = $3, due_at = NULL, times_out = false"
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
	Oid			types[] = {INT8OID, INT4OID};
	Datum		values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	bool		found;

	store_begin();
	plan_keep(&plan, "SELECT FROM mlpipe.activity_run WHERE " CLAIMABLE,
			  lengthof(types), types);
	found = plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0;
	store_end();
	return found;
}

EndResult
activity_end(int64 run_id, int32 no, int32 attempt, ActivityStatus status,
			 Jsonb *output, const char *error, int64 items_in,
			 int64 items_out)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID, INT4OID, INT4OID, TEXTOID, JSONBOID,
	TEXTOID, INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
		Int32GetDatum(attempt), text_datum(activity_status_name(status)),
		JsonbPGetDatum(output), text_datum(error), Int64GetDatum(items_in),
	Int64GetDatum(items_out)};
	char		nulls[] = {' ', ' ', ' ', ' ', NULL_IF(output == NULL),
		NULL_IF(error == NULL), NULL_IF(items_in < 0), NULL_IF(items_out < 0),
	'\0'};
	EndResult	result = END_NOT_OURS;

	store_begin();
	plan_keep(&plan,
			  "UPDATE mlpipe.activity_run SET status = CASE WHEN detached AND $4 = 'failed' THEN 'cancelled'"
			  " ELSE $4::mlpipe.activity_status END,"
			  " finished_at = clock_timestamp(), due_at = NULL, output = $5, error = $6,"
			  " items_in = coalesce($7, items_in), items_out = coalesce($8, items_out)"
			  " WHERE run_id = $1 AND no = $2 AND attempt = $3 AND status = 'in_progress'"
			  " RETURNING detached",
			  lengthof(types), types);
	if (plan_execute(plan, values, nulls, false, SPI_OK_UPDATE_RETURNING) > 0)
		result = column_bool(0, 1) ? END_MARKED_DETACHED : END_MARKED;
	store_end();
	return result;
}

bool
activity_park(int64 run_id, int32 no, int32 attempt, TimestampTz due_at,
			  bool times_out)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID, INT4OID, INT4OID, TIMESTAMPTZOID, BOOLOID};
	Datum		values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
		Int32GetDatum(attempt), TimestampTzGetDatum(due_at),
	BoolGetDatum(times_out)};
	bool		parked;

	store_begin();

	/* One whose run is stopping has to end, not to wait. */
	plan_keep(&plan,
			  "UPDATE mlpipe.activity_run SET due_at = $4, times_out = $5, executor_pid = NULL"
			  " WHERE run_id = $1 AND no = $2 AND attempt = $3 AND status = 'in_progress' AND NOT detached",
			  lengthof(types), types);
	parked = plan_execute(plan, values, NULL, false, SPI_OK_UPDATE) > 0;
	store_end();
	return parked;
}

int32
activity_lost(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID, INT4OID};
	Datum		values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	int32		lost = 0;

	store_begin();
	plan_keep(&plan,
			  "SELECT lost FROM mlpipe.activity_run WHERE run_id = $1 AND no = $2",
			  lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		lost = column_int32(0, 1);
	store_end();
	return lost;
}

bool
activity_requeue(int64 run_id, int32 no, int32 attempt, int64 pause,
				 bool lost, TimestampTz *due_at)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID, INT4OID, INT4OID, TIMESTAMPTZOID, INT4OID};
	TimestampTz due = pause > 0 ? GetCurrentTimestamp() + pause : 0;
	Datum		values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
		Int32GetDatum(attempt), TimestampTzGetDatum(due),
	Int32GetDatum(lost ? 1 : 0)};
	char		nulls[] = {' ', ' ', ' ', NULL_IF(due == 0), ' ', '\0'};
	bool		requeued;

	store_begin();
	plan_keep(&plan,
			  "UPDATE mlpipe.activity_run SET status = 'queued', due_at = $4, lost = lost + $5,"
			  " executor_pid = NULL"
			  " WHERE run_id = $1 AND no = $2 AND attempt = $3 AND status = 'in_progress' AND NOT detached",
			  lengthof(types), types);
	requeued = plan_execute(plan, values, nulls, false, SPI_OK_UPDATE) > 0;
	store_end();
	*due_at = due;
	return requeued;
}

void
activity_set_inactive(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID, INT4OID};
	Datum		values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	store_begin();
	plan_keep(&plan,
			  "UPDATE mlpipe.activity_run SET status = 'inactive', finished_at = clock_timestamp()"
			  " WHERE run_id = $1 AND no = $2",
			  lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_UPDATE);
	store_end();
}

#define LAST_AND_MET	"remaining = $3 AND unmet + $4 = 0"
#define CLAIMED			LAST_AND_MET " AND $5 = 'in_progress'"

ActivityStatus
activity_dependencies_ended(int64 run_id, int32 no, int32 ended, int32 unmet,
							ActivityStatus ready, int pid)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID, INT4OID, INT4OID, INT4OID, TEXTOID, INT4OID};
	Datum		values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
		Int32GetDatum(ended), Int32GetDatum(unmet),
	text_datum(activity_status_name(ready)), Int32GetDatum(pid)};
	ActivityStatus status = ACTIVITY_CANCELLED;

	store_begin();
	plan_keep(&plan,
			  "UPDATE mlpipe.activity_run SET remaining = remaining - $3, unmet = unmet + $4,"
			  " status = CASE WHEN remaining > $3 THEN status"
			  " WHEN " LAST_AND_MET " THEN $5::mlpipe.activity_status ELSE 'skipped' END,"
			  " finished_at = CASE WHEN remaining = $3 AND (unmet + $4 > 0 OR $5 = 'inactive')"
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

void
activity_ends(int64 run_id, const Document *document, ActivityEnd *ends)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(run_id)};
	uint64		rows;
	uint64		i;

	memset(ends, 0, document->nactivities * sizeof(ActivityEnd));
	store_begin();
	plan_keep(&plan,
			  "SELECT activity_no, status::text FROM mlpipe.activity_run WHERE run_id = $1",
			  lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (i = 0; i < rows; i++)
	{
		int			no = column_int32(i, 1);

		ends[no] = end_of(activity_status_parse(column_text(i, 2)),
						  &document->activities[no]);
	}
	store_end();
}

static ActivityEnd
end_of(ActivityStatus status, const ActivityDef *def)
{
	switch (status)
	{
		case ACTIVITY_SUCCEEDED:
			return END_SUCCEEDED;
		case ACTIVITY_FAILED:
			return END_FAILED;
		case ACTIVITY_SKIPPED:
			return END_SKIPPED;
		case ACTIVITY_CANCELLED:
			return END_CANCELLED;
		case ACTIVITY_INACTIVE:
			return def->on_inactive;
		case ACTIVITY_WAITING:
		case ACTIVITY_QUEUED:
		case ACTIVITY_IN_PROGRESS:
			return END_NONE;
	}
	return END_NONE;
}

char *
activity_first_error(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(run_id)};
	char	   *error = NULL;

	store_begin();
	plan_keep(&plan,
			  "SELECT name || ': ' || error FROM mlpipe.activity_run"
			  " WHERE run_id = $1 AND status = 'failed' ORDER BY finished_at, no LIMIT 1",
			  lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		error = column_text(0, 1);
	store_end();
	return error;
}

void
activities_lock(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(run_id)};

	store_begin();
	plan_keep(&plan,
			  "SELECT FROM mlpipe.activity_run WHERE run_id = $1 AND finished_at IS NULL"
			  " ORDER BY no FOR NO KEY UPDATE",
			  lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	store_end();
}

int32
activities_stop(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(run_id)};
	int32		detached;

	activities_lock(run_id);
	store_begin();
	plan_keep(&plan,
			  "WITH stopped AS (UPDATE mlpipe.activity_run SET"
			  " detached = status = 'in_progress' AND due_at IS NULL,"
			  " status = CASE WHEN status = 'in_progress' AND due_at IS NULL THEN status ELSE 'cancelled' END,"
			  " finished_at = CASE WHEN status = 'in_progress' AND due_at IS NULL THEN NULL ELSE clock_timestamp() END,"
			  " due_at = NULL"
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
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(run_id)};
	int32		cancelled;

	store_begin();
	plan_keep(&plan,
			  "WITH lost AS (UPDATE mlpipe.activity_run a SET"
			  " status = CASE WHEN detached THEN 'cancelled'::mlpipe.activity_status ELSE 'queued' END,"
			  " finished_at = CASE WHEN detached THEN clock_timestamp() END,"
			  " lost = lost + 1, executor_pid = NULL"
			  " WHERE run_id = $1 AND status = 'in_progress' AND due_at IS NULL"
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
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(run_id)};

	store_begin();
	plan_keep(&plan,
			  "UPDATE mlpipe.activity_run SET status = 'skipped', finished_at = clock_timestamp()"
			  " WHERE run_id = $1 AND finished_at IS NULL",
			  lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_UPDATE);
	store_end();
}

List *
activities_queued(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(run_id)};
	List	   *numbers = NIL;
	uint64		rows;
	uint64		i;

	store_begin();
	plan_keep(&plan,
			  "SELECT no FROM mlpipe.activity_run WHERE run_id = $1 AND status = 'queued'"
			  " AND due_at IS NULL ORDER BY no",
			  lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (i = 0; i < rows; i++)
	{
		MemoryContext spi = MemoryContextSwitchTo(store_context());

		numbers = lappend_int(numbers, column_int32(i, 1));
		MemoryContextSwitchTo(spi);
	}
	store_end();
	return numbers;
}

List *
activities_ready(int limit)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(run_home()), Int64GetDatum(limit)};
	List	   *list = NIL;
	uint64		rows;
	uint64		i;

	store_begin();
	plan_keep(&plan,
			  "SELECT r.run_as::oid, r.priority, r.run_id, a.no, r.version_id"
			  " FROM mlpipe.run r JOIN mlpipe.activity_run a USING (run_id)"
			  " WHERE r.finished_at IS NULL AND r.home = $1 AND NOT r.held"
			  " AND (r.status = 'in_progress' OR r.status = 'queued' AND r.due_at IS NULL)"
			  " AND a.status = 'queued' AND a.due_at IS NULL"
			  " ORDER BY r.priority DESC, r.run_id, a.no LIMIT $2",
			  lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (i = 0; i < rows; i++)
	{
		ReadyRow   *row = SPI_palloc(sizeof(ReadyRow));

		row->role = column_oid(i, 1);
		row->run_priority = column_int32(i, 2);
		row->run_id = column_int64(i, 3);
		row->no = column_int32(i, 4);
		row->version_id = column_int64(i, 5);
		list = append_row(list, row);
	}
	store_end();
	return list;
}

List *
activities_started(void)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(run_home())};
	List	   *list = NIL;
	uint64		rows;
	uint64		i;

	store_begin();
	plan_keep(&plan,
			  "SELECT a.run_id, a.no, a.attempt,"
			  " EXISTS (SELECT FROM mlpipe.step s WHERE s.run_id = a.run_id AND s.no = a.no)"
			  " FROM mlpipe.run r JOIN mlpipe.activity_run a USING (run_id)"
			  " WHERE r.finished_at IS NULL AND r.home = $1"
			  " AND a.status = 'in_progress' AND a.due_at IS NULL ORDER BY a.run_id, a.no",
			  lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (i = 0; i < rows; i++)
	{
		StartedRow *row = SPI_palloc(sizeof(StartedRow));

		row->run_id = column_int64(i, 1);
		row->no = column_int32(i, 2);
		row->attempt = column_int32(i, 3);
		row->split = column_bool(i, 4);
		list = append_row(list, row);
	}
	store_end();
	return list;
}

List *
activities_due(int limit)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(run_home()), Int64GetDatum(limit)};
	List	   *list = NIL;
	uint64		rows;
	uint64		i;

	store_begin();
	plan_keep(&plan,
			  "SELECT a.run_id, a.no, a.status = 'queued', a.attempt, a.times_out"
			  " FROM mlpipe.activity_run a JOIN mlpipe.run r USING (run_id)"
			  " WHERE a.due_at <= clock_timestamp() AND r.home = $1 ORDER BY a.due_at LIMIT $2",
			  lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (i = 0; i < rows; i++)
	{
		DueRow	   *row = SPI_palloc(sizeof(DueRow));

		row->run_id = column_int64(i, 1);
		row->no = column_int32(i, 2);
		row->queued = column_bool(i, 3);
		row->attempt = column_int32(i, 4);
		row->times_out = column_bool(i, 5);
		list = append_row(list, row);
	}
	store_end();
	return list;
}

void
activity_clear_due(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID, INT4OID};
	Datum		values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	store_begin();
	plan_keep(&plan,
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
	Oid			types[] = {INT8OID, INT4OID, INT4OID, INT4OID, TEXTOID,
	TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
		Int32GetDatum(batch), Int32GetDatum(attempt),
		text_datum(failure->sqlstate), text_datum(failure->message),
		text_datum(failure->detail), text_datum(failure->hint),
	text_datum(failure->context)};
	char		nulls[] = {' ', ' ', NULL_IF(batch == 0), ' ', ' ', ' ',
		NULL_IF(failure->detail == NULL), NULL_IF(failure->hint == NULL),
	NULL_IF(failure->context == NULL), '\0'};

	store_begin();
	plan_keep(&plan,
			  "INSERT INTO mlpipe.failure (run_id, no, batch, attempt, at, sqlstate, message, detail, hint, context)"
			  " VALUES ($1, $2, $3, $4, clock_timestamp(), $5, $6, $7, $8, $9)",
			  lengthof(types), types);
	(void) plan_execute(plan, values, nulls, false, SPI_OK_INSERT);
	store_end();
}

Jsonb *
run_context_load(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(run_id)};
	Jsonb	   *context = NULL;

	store_begin();
	plan_keep(&plan,
			  "SELECT jsonb_build_object("
			  "'parameters', r.parameters,"
			  "'variables', coalesce((SELECT jsonb_object_agg(v.name, v.value)"
			  " FROM mlpipe.run_variable v WHERE v.run_id = $1), '{}'),"
			  "'activities', coalesce((SELECT jsonb_object_agg(a.name, jsonb_build_object("
			  "'output', CASE WHEN a.status = 'succeeded' THEN a.output END,"
			  "'status', a.status, 'error', a.error))"
			  " FROM mlpipe.activity_run a WHERE a.run_id = $1 AND a.finished_at IS NOT NULL), '{}'),"
			  "'run', jsonb_build_object('id', r.run_id, 'pipeline', p.name, 'version', v.version,"
			  "'submitted_at', r.submitted_at, 'submitted_by', r.submitted_by::regrole::text),"
			  "'trigger', r.trigger)"
			  " FROM mlpipe.run r JOIN mlpipe.pipeline_version v USING (version_id)"
			  " LEFT JOIN mlpipe.pipeline p ON p.pipeline_id = r.pipeline_id WHERE r.run_id = $1",
			  lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		context = column_jsonb(0, 1);
	store_end();
	return context;
}

static Datum
text_datum(const char *text)
{
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static List *
append_row(List *list, void *row)
{
	MemoryContext spi = MemoryContextSwitchTo(store_context());

	list = lappend(list, row);
	MemoryContextSwitchTo(spi);
	return list;
}

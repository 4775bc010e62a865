/*-------------------------------------------------------------------------
 *
 * scope_store.c
 *	  Scopes: executions of a list of activities.
 *
 * A loop's iterations are rows from the beginning, and what an iteration's end
 * writes is its own row and the next one's.  The row of the loop is written
 * when it runs out of items, once for each iteration that it has in hand at a
 * time, and not once for each iteration: as long as somebody holds an old
 * snapshot no version of a row goes away, and every look at it passes them all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/plan.h"
#include "store/scope_store.h"

static void insert_only_activity(int64 run_id, const Document *document,
								 const Scope *scope, TimestampTz due_at,
								 bool claimed, int pid);
static const char *row_name(const Scope *scope, const ActivityDef *def);
static char *container_name(const ActivityRow *row, const ActivityDef *def);

void
activities_insert(int64 run_id, const Document *document, const Scope *scope,
				  TimestampTz due_at, int claim, int pid)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4ARRAYOID, TEXTARRAYOID,
								INT4OID, INT4OID,      INT4OID,
								INT4OID, INT4OID,      TIMESTAMPTZOID,
								INT4OID, INT4OID,      INT4OID};
	const ActivityList *list = scope->list;
	int count = list->count;
	int32 *waits;
	bool has_check = list_activity(document, list, count - 1)->internal;
	Datum values[12];
	char nulls[] = "            ";

	if (count == 1)
	{
		insert_only_activity(run_id, document, scope, due_at, claim == 0, pid);
		return;
	}
	waits = palloc(count * sizeof(int32));
	for (int i = 0; i < count; i++)
		waits[i] = list->graph->first_in[i + 1] - list->graph->first_in[i];
	values[0] = Int64GetDatum(run_id);
	values[1] = store_integers(waits, count);
	values[2] = scope_row_names(document, scope);
	values[3] = Int32GetDatum(scope->first_no);
	values[4] = Int32GetDatum(list->first);
	values[5] = Int32GetDatum(scope->parent_no);
	values[6] = Int32GetDatum(scope->iteration);
	values[7] = Int32GetDatum(list->depth);
	values[8] = TimestampTzGetDatum(due_at);
	values[9] = Int32GetDatum(claim);
	values[10] = Int32GetDatum(pid);
	values[11] = Int32GetDatum(has_check ? count - 1 : -1);
	nulls[8] = NULL_IF(due_at == 0);

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.activity_run (run_id, no, activity_no, parent_no, iteration, depth, internal,"
		" status, remaining, name, due_at, attempt, started_at, executor_pid)"
		" SELECT $1, $4 + i - 1, $5 + i - 1, nullif($6, -1), $7, $8, i - 1 = $12,"
		" CASE WHEN waits > 0 THEN 'waiting'::mlpipe.activity_status"
		" WHEN i - 1 = $10 THEN 'in_progress' ELSE 'queued' END,"
		" waits, name, CASE WHEN waits = 0 THEN $9 END,"
		" CASE WHEN i - 1 = $10 THEN 1 ELSE 0 END,"
		" CASE WHEN i - 1 = $10 THEN clock_timestamp() END,"
		" CASE WHEN i - 1 = $10 THEN $11 END"
		" FROM ROWS FROM (unnest($2), unnest($3)) WITH ORDINALITY AS a (waits, name, i)",
		lengthof(types), types, values, nulls);
}

/* The arrays would be half of what it costs to make a run of one activity. */
static void
insert_only_activity(int64 run_id, const Document *document,
					 const Scope *scope, TimestampTz due_at, bool claimed,
					 int pid)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, INT4OID,
								INT4OID, INT4OID, TEXTOID, TIMESTAMPTZOID,
								BOOLOID, INT4OID, BOOLOID};
	const ActivityDef *def = list_activity(document, scope->list, 0);
	Datum values[] = {Int64GetDatum(run_id),
					  Int32GetDatum(scope->first_no),
					  Int32GetDatum(scope->list->first),
					  Int32GetDatum(scope->parent_no),
					  Int32GetDatum(scope->iteration),
					  Int32GetDatum(scope->list->depth),
					  CStringGetTextDatum(row_name(scope, def)),
					  TimestampTzGetDatum(due_at),
					  BoolGetDatum(claimed),
					  Int32GetDatum(pid),
					  BoolGetDatum(def->internal)};
	char nulls[] = "           ";

	nulls[7] = NULL_IF(due_at == 0);
	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.activity_run (run_id, no, activity_no, parent_no, iteration, depth, internal,"
		" status, remaining, name, due_at, attempt, started_at, executor_pid)"
		" VALUES ($1, $2, $3, nullif($4, -1), $5, $6, $11,"
		" CASE WHEN $9 THEN 'in_progress'::mlpipe.activity_status ELSE 'queued' END,"
		" 0, $7, $8, $9::integer, CASE WHEN $9 THEN clock_timestamp() END, CASE WHEN $9 THEN $10 END)",
		lengthof(types), types, values, nulls);
}

Datum
scope_row_names(const Document *document, const Scope *scope)
{
	int count = scope->list->count;
	Datum *names = palloc(count * sizeof(Datum));

	for (int i = 0; i < count; i++)
		names[i] = CStringGetTextDatum(
			row_name(scope, list_activity(document, scope->list, i)));
	return store_texts(names, count);
}

/* What happens in an internal activity is its container's affair. */
static const char *
row_name(const Scope *scope, const ActivityDef *def)
{
	if (scope->container == NULL)
		return def->name;
	if (def->internal)
		return scope->container;
	if (scope->list->repeated)
		return psprintf("%s[%d].%s", scope->container, scope->iteration,
						def->name);
	return psprintf("%s.%s.%s", scope->container, scope->list->label,
					def->name);
}

Scope *
scope_of(const Document *document, const ActivityRow *row)
{
	const ActivityDef *def = &document->activities[row->activity_no];
	Scope *scope = palloc0(sizeof(Scope));

	scope->list = def->list;
	scope->first_no = row->no - activity_place(def);
	scope->parent_no = row->parent_no;
	scope->iteration = row->iteration;
	if (def->list->container >= 0)
		scope->container = container_name(row, def);
	return scope;
}

/* Takes off what row_name() has put behind it. */
static char *
container_name(const ActivityRow *row, const ActivityDef *def)
{
	int length = strlen(row->name);

	if (def->internal)
		return row->name;
	length -= 1 + strlen(def->name);
	if (def->list->repeated)
		length -= strlen(psprintf("[%d]", row->iteration));
	else
		length -= 1 + strlen(def->list->label);
	return pnstrdup(row->name, length);
}

void
activity_ends(int64 run_id, const Document *document, const Scope *scope,
			  ActivityEnd *ends)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(scope->first_no),
					  Int32GetDatum(scope->first_no + scope->list->count - 1)};
	uint64 rows;

	memset(ends, 0, scope->list->count * sizeof(ActivityEnd));
	store_begin();
	plan_keep(&plan,
			  "SELECT activity_no, status::text FROM mlpipe.activity_run"
			  " WHERE run_id = $1 AND no BETWEEN $2 AND $3",
			  lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
	{
		const ActivityDef *def = &document->activities[column_int32(i, 1)];

		ends[activity_place(def)] = activity_end_of(activity_status_parse(
														column_text(i, 2)),
													def);
	}
	store_end();
}

ActivityEnd
activity_end_of(ActivityStatus status, const ActivityDef *def)
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

/* A container may hand on as much as an activity: MAX_OUTPUT_BYTES, call.c. */
#define IS_NOT_TOO_LARGE                                           \
	"(SELECT coalesce(sum(octet_length(output::text)), 0) FROM o)" \
	" <= 64 * 1024 * 1024"

/* In the last part of a path there is no dot. */
#define LOCAL_NAME "substring(a.name FROM '[^.]*$')"

Jsonb *
activity_outputs(int64 run_id, const Document *document, const Scope *scope)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(scope->first_no),
					  Int32GetDatum(scope->first_no + scope->list->count - 1)};
	Jsonb *outputs;

	store_begin();
	plan_keep(
		&plan,
		"WITH o AS MATERIALIZED (SELECT " LOCAL_NAME
		" AS name, CASE WHEN a.status = 'succeeded' THEN a.output END AS output"
		" FROM mlpipe.activity_run a WHERE run_id = $1 AND no BETWEEN $2 AND $3 AND NOT internal)"
		" SELECT CASE WHEN " IS_NOT_TOO_LARGE
		" THEN (SELECT coalesce(jsonb_object_agg(name, output), '{}') FROM o) END",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	outputs = column_jsonb(0, 1);
	store_end();
	return outputs;
}

Jsonb *
activity_output(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	Jsonb *output = NULL;

	store_begin();
	plan_keep(
		&plan,
		"SELECT output FROM mlpipe.activity_run WHERE run_id = $1 AND no = $2",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		output = column_jsonb(0, 1);
	store_end();
	return output;
}

void
scope_items_insert(int64 run_id, int32 no, Jsonb *items)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, JSONBOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  JsonbPGetDatum(items)};

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.scope (run_id, no, iteration, item)"
		" SELECT $1, $2, i, item FROM jsonb_array_elements($3) WITH ORDINALITY AS e (item, i)",
		lengthof(types), types, values, NULL);
}

void
scope_insert(int64 run_id, const Scope *scope)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(scope->parent_no),
					  Int32GetDatum(scope->iteration),
					  Int32GetDatum(scope->first_no),
					  Int32GetDatum(scope->list->nawaited)};

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.scope (run_id, no, iteration, first_no, remaining)"
		" VALUES ($1, $2, $3, $4, $5)",
		lengthof(types), types, values, NULL);
}

/*
 * What another transaction is about to begin is skipped; if that is rolled
 * back, so is the end of the iteration that it came from, and whoever makes up
 * for that finds it.  From an iteration's end to the next one to begin there
 * are only those that began meanwhile, so this is linear in all.
 */
int32
scope_begin_next(int64 run_id, int32 no, int32 after, int32 first_no,
				 const ActivityList *list, int32 max_failures)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, INT4OID,
								INT4OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id),
					  Int32GetDatum(no),
					  Int32GetDatum(after),
					  Int32GetDatum(first_no),
					  Int32GetDatum(list->nrows),
					  Int32GetDatum(list->nawaited),
					  Int32GetDatum(max_failures)};
	int32 iteration = 0;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.scope SET first_no = $4 + (iteration - 1) * $5, remaining = $6"
		" WHERE ctid = (SELECT ctid FROM mlpipe.scope"
		" WHERE run_id = $1 AND no = $2 AND iteration > $3 AND first_no IS NULL"
		" AND ($7 < 0 OR (SELECT unmet <= $7 FROM mlpipe.activity_run WHERE run_id = $1 AND no = $2))"
		" ORDER BY iteration LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) RETURNING iteration",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_UPDATE_RETURNING) > 0)
		iteration = column_int32(0, 1);
	store_end();
	return iteration;
}

int32
scope_count_down(int64 run_id, const Scope *scope, int32 ended,
				 ActivityEnd verdict)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, INT4OID, BOOLOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(scope->parent_no),
					  Int32GetDatum(scope->iteration), Int32GetDatum(ended),
					  BoolGetDatum(verdict == END_SUCCEEDED)};
	char nulls[] = {' ', ' ', ' ', ' ', NULL_IF(verdict == END_NONE), '\0'};
	int32 remaining = -1;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.scope SET remaining = remaining - $4,"
		" succeeded = CASE WHEN remaining = $4 THEN $5 END"
		" WHERE run_id = $1 AND no = $2 AND iteration = $3 RETURNING remaining",
		lengthof(types), types);
	if (plan_execute(plan, values, nulls, false, SPI_OK_UPDATE_RETURNING) > 0)
		remaining = column_int32(0, 1);
	store_end();
	return remaining;
}

void
scope_end(int64 run_id, const Scope *scope, bool succeeded)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, BOOLOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(scope->parent_no),
					  Int32GetDatum(scope->iteration),
					  BoolGetDatum(succeeded)};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.scope SET succeeded = $4 WHERE run_id = $1 AND no = $2 AND iteration = $3",
		lengthof(types), types, values, NULL);
}

int32
loop_count_down(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	int32 remaining = -1;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.activity_run SET remaining = remaining - 1"
		" WHERE run_id = $1 AND no = $2 AND status = 'in_progress' AND parked RETURNING remaining",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_UPDATE_RETURNING) > 0)
		remaining = column_int32(0, 1);
	store_end();
	return remaining;
}

void
loop_count_failure(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.activity_run SET unmet = least(unmet, 2147483646) + 1 WHERE run_id = $1 AND no = $2",
		lengthof(types), types, values, NULL);
}

void
loop_break(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.activity_run SET unmet = 2147483647 WHERE run_id = $1 AND no = $2",
		lengthof(types), types, values, NULL);
}

void
loop_totals(int64 run_id, int32 no, int64 *count, int64 *succeeded,
			int64 *failed)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	store_begin();
	plan_keep(
		&plan,
		"SELECT count(*), count(*) FILTER (WHERE succeeded), count(*) FILTER (WHERE NOT succeeded)"
		" FROM mlpipe.scope WHERE run_id = $1 AND no = $2",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	*count = column_int64(0, 1);
	*succeeded = column_int64(0, 2);
	*failed = column_int64(0, 3);
	store_end();
}

Jsonb *
loop_outputs(int64 run_id, int32 no, int place)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(place)};
	Jsonb *outputs;

	store_begin();
	plan_keep(
		&plan,
		"WITH o AS MATERIALIZED (SELECT s.iteration, a.output FROM mlpipe.scope s"
		" LEFT JOIN LATERAL (SELECT CASE WHEN a.status = 'succeeded' THEN a.output END AS output"
		" FROM mlpipe.activity_run a WHERE a.run_id = $1 AND a.no = s.first_no + $3 OFFSET 0) a ON true"
		" WHERE s.run_id = $1 AND s.no = $2)"
		" SELECT CASE WHEN " IS_NOT_TOO_LARGE
		" THEN (SELECT coalesce(jsonb_agg(output ORDER BY iteration), '[]') FROM o) END",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	outputs = column_jsonb(0, 1);
	store_end();
	return outputs;
}

Jsonb *
scope_item(int64 run_id, int32 no, int32 iteration)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(iteration)};
	Jsonb *item = NULL;

	store_begin();
	plan_keep(
		&plan,
		"SELECT item FROM mlpipe.scope WHERE run_id = $1 AND no = $2 AND iteration = $3",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		item = column_jsonb(0, 1);
	store_end();
	return item;
}

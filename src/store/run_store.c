/*-------------------------------------------------------------------------
 *
 * run_store.c
 *	  Every statement on mlpipe.run and mlpipe.run_variable.
 *
 * A run's row is written when it is made, when its first activity starts, for
 * each leaf of its graph that ends before the last one, and when it ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "store/engine_mode.h"
#include "store/plan.h"
#include "store/run_store.h"

static List *column_of_int64s(uint64 rows);
static RunRow *read_run(void);
static int64 next_run_id(void);

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

#define INSERT_RUN                                                                                       \
	"INSERT INTO mlpipe.run (run_id, version_id, pipeline_id, held, priority, home, remaining,"          \
	" run_as, submitted_by, submitted_at, due_at, group_id, idempotency_key, parameters, tags, trigger," \
	" next_no, level, parent_run_id, parent_no, parent_attempt, rerun_of, rerun_from, rerun_all)"        \
	" VALUES ($20, $1, nullif($2, 0), $3, $4, $14, $5, $6, $7, now(), $8, $9, $10, $11, $12, $13,"       \
	" $15, $16, $17, $18, $19, $21, $22, $23)"

/* A row that might be there already is made, and marked as made, in two writes. */
int64
run_insert(const NewRun *run)
{
	static SPIPlanPtr plain = NULL;
	static SPIPlanPtr unless_there = NULL;
	Oid types[] = {INT8OID,  INT4OID,  BOOLOID,        INT4OID, INT4OID,
				   OIDOID,   OIDOID,   TIMESTAMPTZOID, INT8OID, TEXTOID,
				   JSONBOID, JSONBOID, JSONBOID,       INT8OID, INT4OID,
				   INT4OID,  INT8OID,  INT4OID,        INT4OID, INT8OID,
				   INT8OID,  INT4OID,  BOOLOID};
	Datum values[23];
	char nulls[24];
	int64 run_id = next_run_id();
	SPIPlanPtr plan;

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(run->version_id);
	values[1] = Int32GetDatum(run->pipeline_id);
	values[2] = BoolGetDatum(run->held);
	values[3] = Int32GetDatum(run->priority);
	values[4] = Int32GetDatum(run->remaining);
	values[5] = ObjectIdGetDatum(run->run_as);
	values[6] = ObjectIdGetDatum(run->submitted_by);
	values[7] = TimestampTzGetDatum(run->not_before);
	nulls[7] = run->not_before == 0 ? 'n' : ' ';
	values[8] = Int64GetDatum(run->group_id != 0 ? run->group_id : run_id);
	values[9] = store_text(run->idempotency_key);
	nulls[9] = NULL_IF(run->idempotency_key == NULL);
	values[10] = JsonbPGetDatum(run->parameters);
	values[11] = JsonbPGetDatum(run->tags);
	values[12] = JsonbPGetDatum(run->trigger);
	values[13] = Int64GetDatum(run_home());
	values[14] = Int32GetDatum(run->next_no);
	values[15] = Int32GetDatum(run->level);
	values[16] = Int64GetDatum(run->parent_run_id);
	values[17] = Int32GetDatum(run->parent_no);
	values[18] = Int32GetDatum(run->parent_attempt);
	values[19] = Int64GetDatum(run_id);
	values[20] = Int64GetDatum(run->rerun_of);
	values[21] = Int32GetDatum(run->rerun_from);
	values[22] = BoolGetDatum(run->rerun_all);
	if (run->parent_run_id == 0)
		nulls[16] = nulls[17] = nulls[18] = 'n';
	if (run->rerun_of == 0)
		nulls[20] = 'n';
	if (run->rerun_of == 0 || run->rerun_from < 0)
		nulls[21] = 'n';

	store_begin();
	plan = run->idempotency_key == NULL ?
		plan_keep(&plain, INSERT_RUN, lengthof(types), types) :
		plan_keep(&unless_there, INSERT_RUN " ON CONFLICT DO NOTHING",
				  lengthof(types), types);
	if (plan_execute(plan, values, nulls, false, SPI_OK_INSERT) == 0)
		run_id = 0;
	store_end();
	return run_id;
}

static int64
next_run_id(void)
{
	return nextval_internal(get_relname_relid("run_run_id_seq",
											  get_namespace_oid("mlpipe",
																false)),
							false);
}

int64
run_find_by_key(int32 pipeline_id, Oid submitted_by, const char *key)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT4OID, OIDOID, TEXTOID};
	Datum values[] = {Int32GetDatum(pipeline_id),
					  ObjectIdGetDatum(submitted_by),
					  CStringGetTextDatum(key)};
	int64 run_id = 0;

	store_begin();
	plan_keep(
		&plan,
		"SELECT run_id FROM mlpipe.run WHERE coalesce(pipeline_id, 0) = $1"
		" AND (CASE WHEN pipeline_id IS NULL THEN submitted_by::oid END)"
		" IS NOT DISTINCT FROM (CASE WHEN $1 = 0 THEN $2 END)"
		" AND idempotency_key = $3",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		run_id = column_int64(0, 1);
	store_end();
	return run_id;
}

#define VARIABLE_KEY "run_id = $1 AND no = $2 AND iteration = $3 AND name = $4"

static const Oid variable_types[] = {INT8OID, INT4OID, INT4OID, TEXTOID,
									 JSONBOID};

static void
variable_values(const VariableKey *key, Jsonb *value, Datum *values)
{
	values[0] = Int64GetDatum(key->run_id);
	values[1] = Int32GetDatum(key->no);
	values[2] = Int32GetDatum(key->iteration);
	values[3] = CStringGetTextDatum(key->name);
	values[4] = JsonbPGetDatum(value);
}

void
run_variable_insert(const VariableKey *key, Jsonb *value)
{
	static SPIPlanPtr plan = NULL;
	Datum values[lengthof(variable_types)];

	variable_values(key, value, values);
	store_begin();
	plan_keep(
		&plan,
		"INSERT INTO mlpipe.run_variable (run_id, no, iteration, name, value) VALUES ($1, $2, $3, $4, $5)",
		lengthof(variable_types), variable_types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_INSERT);
	store_end();
}

void
run_variable_set(const VariableKey *key, Jsonb *value)
{
	static SPIPlanPtr plan = NULL;
	Datum values[lengthof(variable_types)];

	variable_values(key, value, values);
	store_begin();
	plan_keep(&plan,
			  "UPDATE mlpipe.run_variable SET value = $5 WHERE " VARIABLE_KEY,
			  lengthof(variable_types), variable_types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_UPDATE);
	store_end();
}

void
run_variable_append(const VariableKey *key, Jsonb *value)
{
	static SPIPlanPtr plan = NULL;
	Datum values[lengthof(variable_types)];
	bool appended;

	variable_values(key, value, values);
	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.run_variable SET value ="
		" CASE jsonb_typeof(value) WHEN 'null' THEN '[]' ELSE value END || jsonb_build_array($5)"
		" WHERE " VARIABLE_KEY " AND jsonb_typeof(value) IN ('null', 'array')",
		lengthof(variable_types), variable_types);
	appended = plan_execute(plan, values, NULL, false, SPI_OK_UPDATE) > 0;
	store_end();
	if (!appended)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("variable \"%s\" does not hold an array", key->name)));
}

void
variable_change_insert(int32 no, const VariableKey *key, bool append,
					   Jsonb *value)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID,  INT4OID, INT4OID, TEXTOID,
				   JSONBOID, INT4OID, BOOLOID};
	Datum values[lengthof(types)];

	variable_values(key, value, values);
	values[5] = Int32GetDatum(no);
	values[6] = BoolGetDatum(append);
	store_begin();
	plan_keep(
		&plan,
		"INSERT INTO mlpipe.variable_change (run_id, variable_no, iteration, name, value, no, append)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_INSERT);
	store_end();
}

void
run_variable_lock(const VariableKey *key)
{
	static SPIPlanPtr plan = NULL;
	Datum values[lengthof(variable_types)];

	variable_values(key, NULL, values);
	store_begin();
	plan_keep(&plan,
			  "SELECT FROM mlpipe.run_variable WHERE " VARIABLE_KEY
			  " FOR NO KEY UPDATE",
			  lengthof(variable_types) - 1, variable_types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	store_end();
}

int32
run_take_numbers(int64 run_id, int64 count)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT8OID};
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
	Oid types[] = {INT8OID, TEXTOID, TEXTOID};
	Datum values[] = {Int64GetDatum(run_id),
					  CStringGetTextDatum(run_status_name(stop_status)), 0};
	char nulls[] = "   ";
	bool asked;

	values[2] = store_text(reason);
	nulls[2] = NULL_IF(reason == NULL);
	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.run SET stop_status = $2::mlpipe.run_status, stop_reason = $3"
		" WHERE run_id = $1 AND stop_status IS NULL AND " NOT_ENDED,
		lengthof(types), types);
	asked = plan_execute(plan, values, nulls, false, SPI_OK_UPDATE) > 0;
	store_end();
	return asked;
}

List *
runs_to_stop(void)
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
		"SELECT r.run_id, coalesce(r.stop_status, 'cancelled')::text, coalesce(r.stop_reason,"
		" CASE WHEN r.stop_status IS NULL THEN format('run %s does not wait for it any more', r.parent_run_id) END)"
		" FROM mlpipe.run r WHERE r.finished_at IS NULL AND r.status <> 'cancelling' AND r.home = $1"
		" AND (r.stop_status IS NOT NULL OR r.parent_run_id IS NOT NULL AND NOT EXISTS"
		" (SELECT FROM mlpipe.activity_run a WHERE a.run_id = r.parent_run_id AND a.no = r.parent_no"
		" AND a.attempt = r.parent_attempt AND a.finished_at IS NULL))"
		" ORDER BY r.run_id",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (i = 0; i < rows; i++)
	{
		StopRow *row = SPI_palloc(sizeof(StopRow));
		MemoryContext spi;

		row->run_id = column_int64(i, 1);
		row->stop_status = run_status_parse(column_text(i, 2));
		row->reason = column_text(i, 3);
		spi = MemoryContextSwitchTo(store_context());
		list = lappend(list, row);
		MemoryContextSwitchTo(spi);
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
	Oid types[] = {INT8OID};
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
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};
	bool found;

	store_begin();
	plan_keep(
		&plan,
		"SELECT FROM mlpipe.run WHERE run_id = $1"
		" AND status IN ('queued', 'in_progress') AND stop_status IS NULL",
		lengthof(types), types);
	found = plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0;
	store_end();
	return found;
}

/*
 * Of several first activities that start at once, one does this; the others
 * pass by, rather than wait for its commit.
 */
bool
run_start(int64 run_id, int64 timeout)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INTERVALOID};
	Interval limit = {.time = timeout};
	Datum values[] = {Int64GetDatum(run_id), IntervalPGetDatum(&limit)};
	char nulls[] = {' ', timeout == 0 ? 'n' : ' ', '\0'};
	bool started;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.run SET status = 'in_progress', started_at = clock_timestamp(),"
		" due_at = clock_timestamp() + $2"
		" WHERE ctid = (SELECT ctid FROM mlpipe.run WHERE run_id = $1 AND status = 'queued'"
		" FOR NO KEY UPDATE SKIP LOCKED)",
		lengthof(types), types);
	started = plan_execute(plan, values, nulls, false, SPI_OK_UPDATE) > 0;
	store_end();
	return started;
}

bool
run_count_down(int64 run_id, int32 ended)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(ended)};
	bool counted;

	store_begin();
	plan_keep(&plan,
			  "UPDATE mlpipe.run SET remaining = remaining - $2"
			  " WHERE run_id = $1 AND remaining > $2",
			  lengthof(types), types);
	counted = plan_execute(plan, values, NULL, false, SPI_OK_UPDATE) > 0;
	store_end();
	return counted;
}

void
run_stopping(int64 run_id, RunStatus stop_status, const char *reason,
			 int32 remaining)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, TEXTOID, TEXTOID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id),
					  CStringGetTextDatum(run_status_name(stop_status)), 0,
					  Int32GetDatum(remaining)};
	char nulls[] = "    ";

	values[2] = store_text(reason);
	nulls[2] = NULL_IF(reason == NULL);
	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.run SET status = 'cancelling', stop_status = $2::mlpipe.run_status,"
		" stop_reason = $3, remaining = $4, held = false, due_at = NULL"
		" WHERE run_id = $1",
		lengthof(types), types);
	(void) plan_execute(plan, values, nulls, false, SPI_OK_UPDATE);
	store_end();
}

RunRow *
run_succeed(int64 run_id, int32 ended, int failures_handled, Jsonb *output)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT4OID, INT4OID, JSONBOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(ended),
					  Int32GetDatum(failures_handled), JsonbPGetDatum(output)};
	char nulls[] = "    ";
	RunRow *run = NULL;

	nulls[3] = output == NULL ? 'n' : ' ';
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
	Oid types[] = {INT8OID, TEXTOID, INT4OID, JSONBOID, TEXTOID};
	Datum values[] = {Int64GetDatum(run_id),
					  CStringGetTextDatum(run_status_name(status)),
					  Int32GetDatum(failures_handled), JsonbPGetDatum(output),
					  0};
	char nulls[] = "     ";

	nulls[3] = output == NULL ? 'n' : ' ';
	values[4] = store_text(error);
	nulls[4] = NULL_IF(error == NULL);
	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.run SET status = $2::mlpipe.run_status, finished_at = clock_timestamp(), remaining = 0,"
		" failures_handled = $3, output = $4, error = $5, held = false, due_at = NULL"
		" WHERE run_id = $1",
		lengthof(types), types);
	(void) plan_execute(plan, values, nulls, false, SPI_OK_UPDATE);
	store_end();
}

bool
run_suspend(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};
	bool changed;

	store_begin();
	plan_keep(&plan,
			  "UPDATE mlpipe.run SET status = 'suspended'"
			  " WHERE run_id = $1 AND status IN ('queued', 'in_progress')",
			  lengthof(types), types);
	changed = plan_execute(plan, values, NULL, false, SPI_OK_UPDATE) > 0;
	store_end();
	return changed;
}

bool
run_take_home(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(run_id), Int64GetDatum(run_home())};
	bool taken;

	store_begin();
	plan_keep(&plan,
			  "UPDATE mlpipe.run SET home = $2"
			  " WHERE run_id = $1 AND home <> $2 AND " NOT_ENDED,
			  lengthof(types), types);
	taken = plan_execute(plan, values, NULL, false, SPI_OK_UPDATE) > 0;
	store_end();
	return taken;
}

bool
run_resume(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};
	bool changed;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.run SET status ="
		" CASE WHEN started_at IS NULL THEN 'queued'::mlpipe.run_status ELSE 'in_progress' END"
		" WHERE run_id = $1 AND status = 'suspended'",
		lengthof(types), types);
	changed = plan_execute(plan, values, NULL, false, SPI_OK_UPDATE) > 0;
	store_end();
	return changed;
}

List *
pipelines_with_held_runs(void)
{
	static SPIPlanPtr plan = NULL;
	List *pipelines = NIL;
	uint64 rows;
	uint64 i;

	store_begin();
	plan_keep(&plan, "SELECT DISTINCT pipeline_id FROM mlpipe.run WHERE held",
			  0, NULL);
	rows = plan_execute(plan, NULL, NULL, false, SPI_OK_SELECT);
	for (i = 0; i < rows; i++)
	{
		MemoryContext spi = MemoryContextSwitchTo(store_context());

		pipelines = lappend_int(pipelines, column_int32(i, 1));
		MemoryContextSwitchTo(spi);
	}
	store_end();
	return pipelines;
}

int
runs_admitted(int32 pipeline_id)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT4OID, INT8OID};
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

/* Of the highest priority, then the oldest; one whose time has not come waits. */
int64
run_next_held(int32 pipeline_id)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT4OID, INT8OID};
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
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.run SET held = false, due_at = NULL WHERE run_id = $1",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_UPDATE);
	store_end();
}

List *
runs_unfinished(int32 pipeline_id, bool admitted_only)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT4OID, BOOLOID};
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

/* Suspended before it has started, a run has no timeout yet. */
#define HAS_DUE_TIME "(status <> 'suspended' OR started_at IS NOT NULL)"

List *
runs_due(int limit)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(run_home()), Int64GetDatum(limit)};
	List *due = NIL;
	uint64 rows;
	uint64 i;

	store_begin();
	plan_keep(
		&plan,
		"SELECT run_id, status = 'queued' FROM mlpipe.run"
		" WHERE due_at <= clock_timestamp() AND home = $1 AND " HAS_DUE_TIME
		" ORDER BY due_at LIMIT $2",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (i = 0; i < rows; i++)
	{
		DueRow *row = SPI_palloc(sizeof(DueRow));
		MemoryContext spi;

		row->run_id = column_int64(i, 1);
		row->no = -1;
		row->queued = column_bool(i, 2);
		row->attempt = 0;
		row->times_out = false;
		spi = MemoryContextSwitchTo(store_context());
		due = lappend(due, row);
		MemoryContextSwitchTo(spi);
	}
	store_end();
	return due;
}

void
run_clear_due(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	store_begin();
	plan_keep(&plan, "UPDATE mlpipe.run SET due_at = NULL WHERE run_id = $1",
			  lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_UPDATE);
	store_end();
}

/*
 * Of runs and activities; what is due already counts too.  Runs that a dump
 * brought along are left out, or they would be due for ever.
 */
TimestampTz
run_next_due(void)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_home())};
	TimestampTz due = 0;

	store_begin();
	plan_keep(
		&plan,
		"SELECT least("
		"(SELECT due_at FROM mlpipe.run WHERE due_at IS NOT NULL AND home = $1"
		" AND " HAS_DUE_TIME " ORDER BY due_at LIMIT 1),"
		" (SELECT a.due_at FROM mlpipe.activity_run a JOIN mlpipe.run r USING (run_id)"
		" WHERE a.due_at IS NOT NULL AND r.home = $1 ORDER BY a.due_at LIMIT 1))",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	if (!column_is_null(0, 1))
		due = DatumGetTimestampTz(column_datum(0, 1));
	store_end();
	return due;
}

#define PURGE_TABLE(name)                                     \
#name "_rows AS (DELETE FROM mlpipe." #name " USING gone" \
		  " WHERE " #name ".run_id = gone.run_id),"

#define PURGE_TABLES             \
	PURGE_TABLE(run_variable)    \
	PURGE_TABLE(variable_change) \
	PURGE_TABLE(activity_run)    \
	PURGE_TABLE(scope)           \
	PURGE_TABLE(step)            \
	PURGE_TABLE(step_origin)     \
	PURGE_TABLE(mini_batch)      \
	PURGE_TABLE(batch_claim)     \
	PURGE_TABLE(failure)         \
	PURGE_TABLE(log)             \
	PURGE_TABLE(metric)          \
	PURGE_TABLE(lineage)         \
	PURGE_TABLE(reuse)           \
	PURGE_TABLE(reuse_table)

/* Reruns of a document without a name share its version. */
#define AND_NO_OTHER(condition)                                  \
	" AND NOT EXISTS (SELECT FROM mlpipe.run r WHERE " condition \
	" AND NOT EXISTS (SELECT FROM gone g WHERE g.run_id = r.run_id))"

int64
runs_purge(TimestampTz *from, TimestampTz finished_before, int limit,
		   Oid only_visible_to)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {TIMESTAMPTZOID, INT8OID, OIDOID, TIMESTAMPTZOID};
	Datum values[] = {TimestampTzGetDatum(finished_before),
					  Int64GetDatum(limit), ObjectIdGetDatum(only_visible_to),
					  TimestampTzGetDatum(*from)};
	int64 purged;

	store_begin();
	plan_keep(
		&plan,
		"WITH gone AS MATERIALIZED (DELETE FROM mlpipe.run WHERE run_id = ANY (ARRAY("
		"SELECT r.run_id FROM mlpipe.run r WHERE r.finished_at < $1 AND r.finished_at >= $4 AND ($3 = 0 OR pg_has_role($3,"
		" coalesce((SELECT p.owner::oid FROM mlpipe.pipeline p WHERE p.pipeline_id = r.pipeline_id),"
		" r.submitted_by::oid), 'USAGE'))"
		" AND NOT EXISTS (SELECT FROM mlpipe.run n WHERE n.group_id = r.group_id AND n.group_id <> n.run_id"
		" AND n.finished_at IS NULL)"
		" ORDER BY r.finished_at LIMIT $2 FOR UPDATE SKIP LOCKED))"
		" RETURNING run_id, version_id, pipeline_id, group_id, finished_at)," PURGE_TABLES
		" version_rows AS (DELETE FROM mlpipe.pipeline_version v USING gone"
		" WHERE v.version_id = gone.version_id AND gone.pipeline_id IS NULL" AND_NO_OTHER(
			"r.run_id = gone.group_id")
			AND_NO_OTHER(
				"r.group_id = gone.group_id AND r.group_id <> r.run_id") ")"
																		 " SELECT count(*), max(finished_at) FROM gone",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	purged = column_int64(0, 1);
	if (purged > 0)
		*from = DatumGetTimestampTz(column_datum(0, 2));
	store_end();
	return purged;
}

static List *
column_of_int64s(uint64 rows)
{
	List *list = NIL;
	uint64 i;

	for (i = 0; i < rows; i++)
	{
		int64 *value = SPI_palloc(sizeof(int64));
		MemoryContext spi;

		*value = column_int64(i, 1);
		spi = MemoryContextSwitchTo(store_context());
		list = lappend(list, value);
		MemoryContextSwitchTo(spi);
	}
	return list;
}

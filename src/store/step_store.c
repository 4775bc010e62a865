/*-------------------------------------------------------------------------
 *
 * step_store.c
 *	  Every statement on mlpipe.step, and what a step asks of its activity's
 *	  row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/plan.h"
#include "store/step_store.h"

static const Oid key_types[] = {INT8OID, INT4OID};

void
step_insert(const StepRow *step, const char *boundaries, Size length,
			bytea *snapshot, bytea *hashes)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID,  INT4OID, OIDOID,   OIDOID,
								BOOLOID,  INT4OID, INT8OID,  INT8OID,
								INT8OID,  INT4OID, BYTEAOID, FLOAT8OID,
								BYTEAOID, BOOLOID, OIDOID,   BYTEAOID};
	char nulls[] = "                ";
	Datum values[lengthof(types)];

	values[0] = Int64GetDatum(step->run_id);
	values[1] = Int32GetDatum(step->no);
	values[2] = ObjectIdGetDatum(step->relation);
	values[3] = ObjectIdGetDatum(step->filenode);
	values[4] = BoolGetDatum(step->staged);
	values[5] = Int32GetDatum(step->batches);
	values[6] = Int64GetDatum(step->items);
	values[7] = Int64GetDatum(step->rows_per_batch);
	values[8] = Int64GetDatum(step->blocks);
	values[9] = Int32GetDatum(step->blocks_per_batch);
	values[10] = PointerGetDatum(cstring_to_text_with_len(boundaries, length));
	values[11] = Float8GetDatum(step->split_seconds);
	values[12] = PointerGetDatum(snapshot);
	values[13] = BoolGetDatum(step->partitioned);
	values[14] = ObjectIdGetDatum(step->key_relation);
	values[15] = PointerGetDatum(hashes);
	nulls[15] = NULL_IF(hashes == NULL);
	nulls[14] = NULL_IF(!OidIsValid(step->key_relation));
	nulls[12] = NULL_IF(snapshot == NULL);
	nulls[6] = NULL_IF(step->items < 0);
	nulls[7] = NULL_IF(step->rows_per_batch == 0);
	nulls[9] = NULL_IF(step->blocks_per_batch == 0);
	nulls[10] = NULL_IF(length == 0);

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.step (run_id, no, relation, filenode, staged,"
		" batches, items, rows_per_batch, blocks, blocks_per_batch,"
		" boundaries, split_seconds, snapshot, partitioned, key_relation, hashes)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
		" $14, $15, $16)",
		lengthof(types), types, values, nulls);
}

bool
step_load(int64 run_id, int32 no, StepRow *step)
{
	static SPIPlanPtr plan = NULL;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	bool found;

	store_begin();
	plan_keep(&plan,
			  "SELECT relation, filenode, staged, batches,"
			  " coalesce(items, -1), rows_per_batch, blocks,"
			  " blocks_per_batch, split_seconds, partitioned, key_relation,"
			  " attempts_before"
			  " FROM mlpipe.step WHERE run_id = $1 AND no = $2",
			  lengthof(key_types), key_types);
	found = plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0;
	if (found)
	{
		step->run_id = run_id;
		step->no = no;
		step->relation = column_oid(0, 1);
		step->filenode = column_oid(0, 2);
		step->staged = column_bool(0, 3);
		step->batches = column_int32(0, 4);
		step->items = column_int64(0, 5);
		step->rows_per_batch = column_int64(0, 6);
		step->blocks = column_int64(0, 7);
		step->blocks_per_batch = column_int32(0, 8);
		step->split_seconds = column_double(0, 9);
		step->partitioned = column_bool(0, 10);
		step->key_relation = column_oid(0, 11);
		step->attempts_before = column_int32(0, 12);
	}
	store_end();
	return found;
}

bytea *
step_snapshot(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	bytea *snapshot = NULL;

	store_begin();
	plan_keep(&plan,
			  "SELECT snapshot FROM mlpipe.step WHERE run_id = $1 AND no = $2",
			  lengthof(key_types), key_types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		snapshot = column_bytea(0, 1);
	store_end();
	return snapshot;
}

bytea *
step_boundaries(int64 run_id, int32 no, int32 start, int32 length)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(start + 1), Int32GetDatum(length)};
	bytea *boundaries = NULL;

	store_begin();
	plan_keep(&plan,
			  "SELECT substr(boundaries, $3, $4)"
			  " FROM mlpipe.step WHERE run_id = $1 AND no = $2",
			  lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		boundaries = column_bytea(0, 1);
	store_end();
	if (boundaries == NULL)
		elog(ERROR, "boundaries of step " INT64_FORMAT ", %d are missing",
			 run_id, no);
	return boundaries;
}

void
step_begin_again(int64 run_id, int32 no)
{
	static SPIPlanPtr reopen = NULL;
	static SPIPlanPtr count = NULL;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	store_begin();
	plan_keep(&reopen,
			  "UPDATE mlpipe.mini_batch SET final = false"
			  " WHERE run_id = $1 AND no = $2 AND final AND status = 'failed'",
			  lengthof(key_types), key_types);
	(void) plan_execute(reopen, values, NULL, false, SPI_OK_UPDATE);
	plan_keep(&count,
			  "UPDATE mlpipe.step SET crashes = 0, attempts_before ="
			  " (SELECT coalesce(max(attempt), 0) FROM mlpipe.mini_batch"
			  " WHERE run_id = $1 AND no = $2)"
			  " WHERE run_id = $1 AND no = $2",
			  lengthof(key_types), key_types);
	(void) plan_execute(count, values, NULL, false, SPI_OK_UPDATE);
	store_end();
}

void
step_move(const StepRow *step, const char *boundaries, Size length)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, OIDOID,
								OIDOID,  INT8OID, BYTEAOID};
	Datum values[] = {Int64GetDatum(step->run_id),
					  Int32GetDatum(step->no),
					  ObjectIdGetDatum(step->relation),
					  ObjectIdGetDatum(step->filenode),
					  Int64GetDatum(step->blocks),
					  PointerGetDatum(
						  cstring_to_text_with_len(boundaries, length))};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.step SET relation = $3, filenode = $4,"
		" blocks = $5, boundaries = $6 WHERE run_id = $1 AND no = $2",
		lengthof(types), types, values, NULL);
}

int32
step_note_crash(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	int32 crashes;

	store_begin();
	plan_keep(&plan,
			  "UPDATE mlpipe.step SET crashes = crashes + 1"
			  " WHERE run_id = $1 AND no = $2 RETURNING crashes",
			  lengthof(key_types), key_types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_UPDATE_RETURNING);
	crashes = column_int32(0, 1);
	store_end();
	return crashes;
}

void
step_forget_boundaries(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.step SET boundaries = NULL"
		" WHERE run_id = $1 AND no = $2 AND boundaries IS NOT NULL",
		lengthof(key_types), key_types, values, NULL);
}

void
step_lock(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	(void)
		store_execute(&plan,
					  "SELECT FROM mlpipe.step WHERE run_id = $1 AND no = $2"
					  " FOR NO KEY UPDATE",
					  lengthof(key_types), key_types, values, NULL);
}

#define SELECT_ACTIVITY                                               \
	"SELECT status::text, detached, attempt, activity_no, started_at" \
	" FROM mlpipe.activity_run WHERE run_id = $1 AND no = $2"

bool
step_activity(int64 run_id, int32 no, bool lock, StepActivity *activity)
{
	static SPIPlanPtr plain = NULL;
	static SPIPlanPtr locking = NULL;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	SPIPlanPtr plan;
	bool found;

	store_begin();
	plan = lock ?
		plan_keep(&locking, SELECT_ACTIVITY " FOR NO KEY UPDATE",
				  lengthof(key_types), key_types) :
		plan_keep(&plain, SELECT_ACTIVITY, lengthof(key_types), key_types);
	found = plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0;
	if (found)
	{
		activity->status = activity_status_parse(column_text(0, 1));
		activity->detached = column_bool(0, 2);
		activity->attempt = column_int32(0, 3);
		activity->activity_no = column_int32(0, 4);
		activity->started_at = column_timestamp(0, 5);
	}
	store_end();
	return found;
}

List *
step_orphaned_stages(void)
{
	static SPIPlanPtr plan = NULL;
	List *names = NIL;
	uint64 rows;

	store_begin();
	plan_keep(
		&plan,
		"SELECT c.relname::text"
		" FROM pg_class c,"
		" regexp_match(c.relname, '^(?:stage|keys)_(\\d{1,18})_(\\d{1,9})$') m"
		" WHERE c.relnamespace = 'mlpipe'::regnamespace"
		" AND c.relkind = 'r' AND m IS NOT NULL"
		" AND NOT EXISTS (SELECT FROM mlpipe.activity_run a"
		" WHERE a.run_id = m[1]::bigint AND a.no = m[2]::integer"
		" AND a.finished_at IS NULL)",
		0, NULL);
	rows = plan_execute(plan, NULL, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
		names = store_append(names, column_text(i, 1));
	store_end();
	return names;
}

void
step_log(int64 run_id, int32 no, const char *level, const char *message)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, TEXTOID, TEXTOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  CStringGetTextDatum(level),
					  CStringGetTextDatum(message)};

	(void)
		store_execute(&plan,
					  "INSERT INTO mlpipe.log (run_id, no, at, level, message)"
					  " VALUES ($1, $2, clock_timestamp(), $3, $4)",
					  lengthof(types), types, values, NULL);
}

void
step_log_to_run(int64 run_id, int32 no, const char *outcome)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, TEXTOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  CStringGetTextDatum(outcome)};

	(void) store_execute(&plan,
						 "INSERT INTO mlpipe.log (run_id, at, level, message)"
						 " SELECT a.run_id, clock_timestamp(), 'info',"
						 " 'activity \"' || a.name || '\"' || $3"
						 " FROM mlpipe.activity_run a"
						 " WHERE a.run_id = $1 AND a.no = $2",
						 lengthof(types), types, values, NULL);
}

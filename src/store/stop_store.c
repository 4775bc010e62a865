/*-------------------------------------------------------------------------
 *
 * stop_store.c
 *	  Statements that end or detach all that has not ended.
 *
 * What nobody works on is cancelled at once.  What is in progress is detached:
 * its end then makes nothing else ready.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "store/inside.h"
#include "store/plan.h"
#include "store/stop_store.h"

/* Of container $2 of run $1; $3 are inside_sizes(). */
#define UNFINISHED_INSIDE                                          \
	"run_id = $1 AND finished_at IS NULL AND no = ANY (ARRAY("     \
	"WITH " INSIDE " SELECT a.no FROM inside i CROSS JOIN LATERAL" \
	" (SELECT a.no FROM mlpipe.activity_run a WHERE a.run_id = $1" \
	" AND " IS_OF_SCOPE " AND a.finished_at IS NULL OFFSET 0) a))"

void
activities_lock(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	(void) store_execute(
		&plan,
		"SELECT FROM mlpipe.activity_run WHERE run_id = $1 AND finished_at IS NULL"
		" ORDER BY depth DESC, no FOR NO KEY UPDATE",
		lengthof(types), types, values, NULL);
}

int32
activities_stop(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
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
	static const Oid types[] = {INT8OID};
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
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.activity_run SET status = 'skipped', finished_at = clock_timestamp()"
		" WHERE run_id = $1 AND finished_at IS NULL",
		lengthof(types), types, values, NULL);
}

List *
activities_stop_inside(int64 run_id, int32 no, const Document *document)
{
	static SPIPlanPtr lock_plan = NULL;
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4ARRAYOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  inside_sizes(document)};
	List *detached = NIL;
	uint64 rows;

	store_begin();
	plan_keep(&lock_plan,
			  "SELECT FROM mlpipe.activity_run WHERE " UNFINISHED_INSIDE
			  " ORDER BY depth DESC, no FOR NO KEY UPDATE",
			  lengthof(types), types);
	(void) plan_execute(lock_plan, values, NULL, false, SPI_OK_SELECT);

	plan_keep(
		&plan,
		"WITH stopped AS (UPDATE mlpipe.activity_run SET"
		" detached = status = 'in_progress' AND NOT parked, detached_to = $2,"
		" status = CASE WHEN status = 'in_progress' AND NOT parked THEN status ELSE 'cancelled' END,"
		" finished_at = CASE WHEN status = 'in_progress' AND NOT parked THEN NULL ELSE clock_timestamp() END,"
		" parked = false, due_at = NULL"
		" WHERE " UNFINISHED_INSIDE
		" RETURNING no, detached) SELECT no FROM stopped WHERE detached ORDER BY no",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
	{
		detached = store_append_int(detached, column_int32(i, 1));
	}
	store_end();
	return detached;
}

void
activity_stopping(int64 run_id, int32 no, int32 detached, const char *error)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, TEXTOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(detached), CStringGetTextDatum(error)};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.activity_run SET remaining = $3, error = $4, due_at = NULL"
		" WHERE run_id = $1 AND no = $2",
		lengthof(types), types, values, NULL);
}

int32
activity_count_down(int64 run_id, int32 no, char **error)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	int32 remaining = -1;

	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.activity_run SET remaining = remaining - 1"
		" WHERE run_id = $1 AND no = $2 AND status = 'in_progress' RETURNING remaining, error",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_UPDATE_RETURNING) > 0)
	{
		remaining = column_int32(0, 1);
		*error = column_text(0, 2);
	}
	store_end();
	return remaining;
}

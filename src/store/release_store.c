/*-------------------------------------------------------------------------
 *
 * release_store.c
 *	  Statements that start activities when what they waited for has ended.
 *
 * A row counts the dependencies that have not ended, and those that ended
 * otherwise than it asks, so no end looks at the other ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "store/plan.h"
#include "store/release_store.h"

bool
activity_release(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	return store_execute(
			   &plan,
			   "UPDATE mlpipe.activity_run SET remaining = 0, status = 'queued'"
			   " WHERE run_id = $1 AND no = $2 AND status = 'waiting'",
			   lengthof(types), types, values, NULL) > 0;
}

bool
activity_release_to(int64 run_id, int32 no, int pid)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(pid)};

	return store_execute(
			   &plan,
			   "UPDATE mlpipe.activity_run SET remaining = 0, status = 'in_progress', attempt = attempt + 1,"
			   " started_at = clock_timestamp(), executor_pid = $3"
			   " WHERE run_id = $1 AND no = $2 AND status = 'waiting'",
			   lengthof(types), types, values, NULL) > 0;
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
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, INT4OID,
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

/*-------------------------------------------------------------------------
 *
 * failure_store.c
 *	  Statements on mlpipe.failure, and those that ask what has failed.
 *
 * Each attempt that failed leaves a row of failure.  The activity itself has
 * the message only if that was its last attempt.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "store/failure_store.h"
#include "store/inside.h"
#include "store/plan.h"

static char *first_error(SPIPlanPtr *plan, const char *sql, int nargs,
						 const Oid *types, Datum *values);

void
failure_insert(int64 run_id, int32 no, int32 attempt, const Failure *failure)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, TEXTOID,
								TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum values[] = {Int64GetDatum(run_id),
					  Int32GetDatum(no),
					  Int32GetDatum(attempt),
					  store_text(failure->sqlstate),
					  store_text(failure->message),
					  store_text(failure->detail),
					  store_text(failure->hint),
					  store_text(failure->context)};
	char nulls[] = {' ',
					NULL_IF(no == RUN_OUTPUT),
					NULL_IF(no == RUN_OUTPUT),
					' ',
					' ',
					NULL_IF(failure->detail == NULL),
					NULL_IF(failure->hint == NULL),
					NULL_IF(failure->context == NULL),
					'\0'};

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.failure (run_id, no, attempt, at, sqlstate, message, detail, hint, context)"
		" VALUES ($1, $2, $3, clock_timestamp(), $4, $5, $6, $7, $8)",
		lengthof(types), types, values, nulls);
}

char *
failure_first_sqlstate(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};
	char *sqlstate = NULL;

	store_begin();
	plan_keep(
		&plan,
		"SELECT f.sqlstate FROM mlpipe.failure f LEFT JOIN mlpipe.activity_run a USING (run_id, no)"
		" WHERE run_id = $1 AND (no IS NULL OR a.status = 'failed') AND f.batch IS NULL"
		" ORDER BY no IS NOT NULL, a.finished_at, no, f.failure_id DESC LIMIT 1",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		sqlstate = column_text(0, 1);
	store_end();
	return sqlstate;
}

int32
activity_deaths(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
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

int
activity_failures(int64 run_id, List *containers)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4ARRAYOID};
	Datum values[] = {Int64GetDatum(run_id), store_integer_list(containers)};
	int failures;

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
activity_first_error(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	return first_error(
		&plan,
		"SELECT a.name || ': ' || a.error FROM mlpipe.activity_run a"
		" WHERE a.run_id = $1 AND a.status = 'failed' AND NOT a.internal"
		" ORDER BY a.finished_at, a.no LIMIT 1",
		lengthof(types), types, values);
}

/* Where a loop's look at its condition failed, the name is that of the key. */
char *
container_first_error(int64 run_id, int32 no, int32 check_no,
					  const Document *document)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4ARRAYOID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  inside_sizes(document), Int32GetDatum(check_no)};

	return first_error(
		&plan,
		"WITH " INSIDE
		" SELECT CASE WHEN a.internal THEN (SELECT d.type FROM mlpipe.run r JOIN mlpipe.activity d USING (version_id)"
		" WHERE r.run_id = $1 AND d.no = a.activity_no) ELSE a.name END || ': ' || a.error"
		" FROM inside i CROSS JOIN LATERAL (SELECT * FROM mlpipe.activity_run a"
		" WHERE a.run_id = $1 AND " IS_OF_SCOPE
		" AND a.status = 'failed' OFFSET 0) a"
		" ORDER BY a.no = $4 DESC, a.finished_at, a.no LIMIT 1",
		lengthof(types), types, values);
}

static char *
first_error(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types,
			Datum *values)
{
	char *error = NULL;

	store_begin();
	plan_keep(plan, sql, nargs, types);
	if (plan_execute(*plan, values, NULL, false, SPI_OK_SELECT) > 0)
		error = column_text(0, 1);
	store_end();
	return error;
}

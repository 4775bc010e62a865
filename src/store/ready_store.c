/*-------------------------------------------------------------------------
 *
 * ready_store.c
 *	  Statements that find the activities to work on, or to look after.
 *
 * After a start of the server shared memory is filled from what these find, and
 * the scheduler goes through what is due by them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "store/plan.h"
#include "store/ready_store.h"

static List *read_ready(uint64 rows);

#define READY_COLUMNS                                                                   \
	"SELECT r.run_as::oid, r.priority, r.run_id, a.no, a.activity_no, coalesce((SELECT" \
	" (d.definition->'priority')::integer FROM mlpipe.activity d"                       \
	" WHERE d.version_id = r.version_id AND d.no = a.activity_no), 0)"                  \
	" FROM mlpipe.run r JOIN mlpipe.activity_run a USING (run_id)"

List *
activities_queued(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
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
	static const Oid types[] = {INT8OID, INT8OID};
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

	for (uint64 i = 0; i < rows; i++)
	{
		ReadyRow *row = SPI_palloc(sizeof(ReadyRow));

		row->role = column_oid(i, 1);
		row->run_priority = column_int32(i, 2);
		row->run_id = column_int64(i, 3);
		row->no = column_int32(i, 4);
		row->activity_no = column_int32(i, 5);
		row->priority = column_int32(i, 6);
		list = store_append(list, row);
	}
	return list;
}

List *
activities_started(void)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_home())};
	List *list = NIL;
	uint64 rows;

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
	for (uint64 i = 0; i < rows; i++)
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
activities_due(const DueRow *after, int limit)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID,
								INT4OID};
	Datum values[] = {Int64GetDatum(run_home()), Int64GetDatum(limit),
					  TimestampTzGetDatum(after->due_at),
					  Int64GetDatum(after->run_id), Int32GetDatum(after->no)};
	List *list = NIL;
	uint64 rows;

	store_begin();
	plan_keep(
		&plan,
		"SELECT a.run_id, a.no, a.status = 'queued', a.attempt, a.times_out, a.activity_no,"
		" a.due_at"
		" FROM mlpipe.activity_run a WHERE a.due_at <= clock_timestamp()"
		" AND a.due_at >= $3 AND (a.due_at, a.run_id, a.no) > ($3, $4, $5)"
		" AND (SELECT r.home FROM mlpipe.run r WHERE r.run_id = a.run_id) = $1"
		" ORDER BY a.due_at, a.run_id, a.no LIMIT $2",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
	{
		DueRow *row = SPI_palloc(sizeof(DueRow));

		row->run_id = column_int64(i, 1);
		row->no = column_int32(i, 2);
		row->queued = column_bool(i, 3);
		row->attempt = column_int32(i, 4);
		row->times_out = column_bool(i, 5);
		row->activity_no = column_int32(i, 6);
		row->due_at = column_timestamp(i, 7);
		list = store_append(list, row);
	}
	store_end();
	return list;
}

void
activity_clear_due(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.activity_run SET due_at = NULL WHERE run_id = $1 AND no = $2",
		lengthof(types), types, values, NULL);
}

/*-------------------------------------------------------------------------
 *
 * change_store.c
 *	  Every statement on mlpipe.source_change.
 *
 * Writers only insert here and the scheduler only deletes what it has read, so
 * nobody waits for anybody.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/change_store.h"
#include "store/plan.h"
#include "store/run_store.h"

static ChangeGroup *read_group(uint64 row);

void
change_insert(const SourceChange *change)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID,  OIDOID,      TEXTOID,
								TEXTOID,  TEXTOID,     INT8OID,
								JSONBOID, INTERVALOID, OIDOID};
	Interval debounce = {.time = change->debounce};
	Datum values[] = {Int32GetDatum(change->pipeline_id),
					  ObjectIdGetDatum(change->trigger_oid),
					  CStringGetTextDatum(change->trigger_name),
					  CStringGetTextDatum(change->table),
					  CStringGetTextDatum(change->operation),
					  Int64GetDatum(change->version_id),
					  JsonbPGetDatum(change->parameters),
					  IntervalPGetDatum(&debounce),
					  ObjectIdGetDatum(change->submitted_by)};

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.source_change"
		" (pipeline_id, version_id, trigger_oid, trigger, parameters, debounce, submitted_by)"
		" VALUES ($1, $6, $2, jsonb_build_object('type', 'table', 'name', $3, 'table', $4,"
		" 'operation', $5, 'trigger_oid', $2::bigint), $7, $8, $9)",
		lengthof(types), types, values, NULL);
}

List *
changes_grouped(void)
{
	static SPIPlanPtr plan = NULL;

	List *groups = NIL;
	uint64 rows;

	store_begin();
	plan_keep(
		&plan,
		"SELECT c.pipeline_id, c.trigger_oid, p.run_as::oid,"
		" coalesce(p.enabled AND p.dropped_at IS NULL, false),"
		" (array_agg(c.version_id ORDER BY c.change_id DESC))[1],"
		" (array_agg(c.parameters ORDER BY c.change_id DESC))[1],"
		" (array_agg(c.trigger ORDER BY c.change_id))[1],"
		" (array_agg(c.submitted_by::oid ORDER BY c.change_id))[1],"
		" min(c.at + c.debounce) FILTER (WHERE c.debounce > '0'),"
		" array_agg(c.change_id), p.owner::oid, p.run_as_by::oid"
		" FROM mlpipe.source_change c LEFT JOIN mlpipe.pipeline p USING (pipeline_id)"
		" GROUP BY c.pipeline_id, c.trigger_oid, p.pipeline_id"
		" ORDER BY min(c.change_id)",
		0, NULL);
	rows = plan_execute(plan, NULL, NULL, false, SPI_OK_SELECT);
	for (uint64 row = 0; row < rows; row++)
	{
		ChangeGroup *group = read_group(row);
		groups = store_append(groups, group);
	}
	store_end();
	return groups;
}

static ChangeGroup *
read_group(uint64 row)
{
	ChangeGroup *group = SPI_palloc(sizeof(ChangeGroup));

	group->pipeline_id = column_int32(row, 1);
	group->trigger_oid = column_oid(row, 2);
	group->run_as = column_oid(row, 3);
	group->wanted = column_bool(row, 4);
	group->version_id = column_int64(row, 5);
	group->parameters = column_jsonb(row, 6);
	group->trigger = column_jsonb(row, 7);
	group->submitted_by = column_oid(row, 8);
	group->not_before = column_timestamp(row, 9);
	group->change_ids = SPI_datumTransfer(column_datum(row, 10), false, -1);
	group->owner = column_oid(row, 11);
	group->run_as_by = column_oid(row, 12);
	return group;
}

bool
change_is_awaited(const ChangeGroup *group)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, OIDOID, INT8OID};
	Datum values[] = {Int32GetDatum(group->pipeline_id),
					  ObjectIdGetDatum(group->trigger_oid),
					  Int64GetDatum(run_home())};

	return store_execute(
			   &plan,
			   "SELECT FROM mlpipe.run WHERE pipeline_id = $1 AND finished_at IS NULL"
			   " AND started_at IS NULL AND status IN ('queued', 'suspended') AND home = $3"
			   " AND trigger->>'trigger_oid' = $2::text LIMIT 1",
			   lengthof(types), types, values, NULL) > 0;
}

void
changes_delete(const ChangeGroup *group)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8ARRAYOID};
	Datum values[] = {group->change_ids};

	(void) store_execute(
		&plan, "DELETE FROM mlpipe.source_change WHERE change_id = ANY ($1)",
		lengthof(types), types, values, NULL);
}

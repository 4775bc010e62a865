/*-------------------------------------------------------------------------
 *
 * purge_store.c
 *	  The one statement that deletes runs, with all that hangs on them.
 *
 * A new table with rows of runs gets a line in ROWS_OF_RUNS.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "store/plan.h"
#include "store/purge_store.h"

/* A rerun that has not ended may still look at any run of its group. */
#define GROUP_HAS_ENDED                                                                             \
	"NOT EXISTS (SELECT FROM mlpipe.run n WHERE n.group_id = r.group_id AND n.group_id <> n.run_id" \
	" AND n.finished_at IS NULL)"

#define VISIBLE                                                                                   \
	"($3 = 0 OR pg_has_role($3,"                                                                  \
	" coalesce((SELECT p.owner::oid FROM mlpipe.pipeline p WHERE p.pipeline_id = r.pipeline_id)," \
	" r.submitted_by::oid), 'USAGE'))"

#define GONE                                                                             \
	"gone AS MATERIALIZED (DELETE FROM mlpipe.run WHERE run_id = ANY (ARRAY("            \
	"SELECT r.run_id FROM mlpipe.run r WHERE r.finished_at < $1 AND r.finished_at >= $4" \
	" AND " VISIBLE " AND " GROUP_HAS_ENDED                                              \
	" ORDER BY r.finished_at LIMIT $2 FOR UPDATE SKIP LOCKED))"                          \
	" RETURNING run_id, version_id, pipeline_id, group_id, finished_at)"

#define ROWS_OF(name)                                              \
	", " #name "_rows AS (DELETE FROM mlpipe." #name " USING gone" \
	" WHERE " #name ".run_id = gone.run_id)"

#define ROWS_OF_RUNS         \
	ROWS_OF(run_variable)    \
	ROWS_OF(variable_change) \
	ROWS_OF(activity_run)    \
	ROWS_OF(scope)           \
	ROWS_OF(step)            \
	ROWS_OF(step_origin)     \
	ROWS_OF(mini_batch)      \
	ROWS_OF(batch_claim)     \
	ROWS_OF(failure)         \
	ROWS_OF(log)             \
	ROWS_OF(metric)          \
	ROWS_OF(lineage)         \
	ROWS_OF(reuse)           \
	ROWS_OF(reuse_table)

#define NO_RUN_LEFT(condition)                              \
	"NOT EXISTS (SELECT FROM mlpipe.run r WHERE " condition \
	" AND NOT EXISTS (SELECT FROM gone g WHERE g.run_id = r.run_id))"

#define NO_FIRST_RUN NO_RUN_LEFT("r.run_id = gone.group_id")
#define NO_OTHER_RUN \
	NO_RUN_LEFT("r.group_id = gone.group_id AND r.group_id <> r.run_id")

/* Reruns of a document without a name share its version. */
#define VERSIONS                                                          \
	", version_rows AS (DELETE FROM mlpipe.pipeline_version v USING gone" \
	" WHERE v.version_id = gone.version_id AND gone.pipeline_id IS NULL"  \
	" AND " NO_FIRST_RUN " AND " NO_OTHER_RUN ")"

#define PURGE                          \
	"WITH " GONE ROWS_OF_RUNS VERSIONS \
	" SELECT count(*), max(finished_at) FROM gone"

int64
runs_purge(TimestampTz *from, TimestampTz finished_before, int limit,
		   Oid only_visible_to)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {TIMESTAMPTZOID, INT8OID, OIDOID,
								TIMESTAMPTZOID};
	Datum values[] = {TimestampTzGetDatum(finished_before),
					  Int64GetDatum(limit), ObjectIdGetDatum(only_visible_to),
					  TimestampTzGetDatum(*from)};
	int64 purged;

	store_begin();
	plan_keep(&plan, PURGE, lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	purged = column_int64(0, 1);
	if (purged > 0)
		*from = column_timestamp(0, 2);
	store_end();
	return purged;
}

/*-------------------------------------------------------------------------
 *
 * submission_store.c
 *	  Statements that make rows of mlpipe.run, and find those already made.
 *
 * A run that was submitted with an idempotency key is made once.  Its number is
 * taken before its row is made, since a run without a group is its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "store/plan.h"
#include "store/run_store.h"
#include "store/submission_store.h"

static int64 next_run_id(void);

#define INSERT_RUN                                                                                       \
	"INSERT INTO mlpipe.run (run_id, version_id, pipeline_id, held, priority, home, remaining,"          \
	" run_as, submitted_by, submitted_at, due_at, group_id, idempotency_key, parameters, tags, trigger," \
	" next_no, level, parent_run_id, parent_no, parent_attempt, rerun_of, rerun_from, rerun_all)"        \
	" VALUES ($20, $1, nullif($2, 0), $3, $4, $14, $5, $6, $7, now(), $8, $9, $10, $11, $12, $13,"       \
	" $15, $16, $17, $18, $19, $21, $22, $23)"

/* ON CONFLICT writes the row twice, so only runs with a key have it. */
int64
run_insert(const NewRun *run)
{
	static SPIPlanPtr plain = NULL;
	static SPIPlanPtr unless_there = NULL;
	static const Oid types[] = {INT8OID,  INT4OID, BOOLOID,  INT4OID,
								INT4OID,  OIDOID,  OIDOID,   TIMESTAMPTZOID,
								INT8OID,  TEXTOID, JSONBOID, JSONBOID,
								JSONBOID, INT8OID, INT4OID,  INT4OID,
								INT8OID,  INT4OID, INT4OID,  INT8OID,
								INT8OID,  INT4OID, BOOLOID};
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
	nulls[7] = NULL_IF(run->not_before == 0);
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
	static const Oid types[] = {INT4OID, OIDOID, TEXTOID};
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

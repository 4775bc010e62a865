/*-------------------------------------------------------------------------
 *
 * rerun_store.c
 *	  Statements by which a rerun takes over what an earlier run has done.
 *
 * One statement takes over all iterations of a loop with whatever is in them:
 * it goes from scopes to their rows, and from those that are containers to
 * their scopes, by the primary keys.
 *
 * A row that is taken over has a finishing time, that of its being taken over,
 * but no starting time and no attempt: in this run it has not run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/inside.h"
#include "store/plan.h"
#include "store/rerun_store.h"

static bool repeats_rounds(const ActivityDef *def);
static bool has_variables(const Document *document);
static void copy_inside(const Takeover *takeover, Datum containers,
						bool succeeded, int32 again);

RerunSource *
rerun_source(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};
	RerunSource *source = NULL;

	store_begin();
	plan_keep(
		&plan,
		"SELECT r.run_id, p.name, v.version, r.priority, r.level, r.next_no, r.group_id, r.finished_at,"
		" r.parameters, r.tags, r.trigger"
		" FROM mlpipe.run r JOIN mlpipe.pipeline_version v USING (version_id)"
		" LEFT JOIN mlpipe.pipeline p ON p.pipeline_id = r.pipeline_id"
		" WHERE r.run_id = $1 FOR KEY SHARE OF r",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
	{
		source = SPI_palloc(sizeof(RerunSource));
		source->run_id = column_int64(0, 1);
		source->pipeline = column_text(0, 2);
		source->version = column_int32(0, 3);
		source->priority = column_int32(0, 4);
		source->level = column_int32(0, 5);
		source->next_no = column_int32(0, 6);
		source->group_id = column_int64(0, 7);
		source->finished_at = column_timestamp(0, 8);
		source->parameters = column_jsonb(0, 9);
		source->tags = column_jsonb(0, 10);
		source->trigger = column_jsonb(0, 11);
	}
	store_end();
	return source;
}

Jsonb *
rerun_parameters(Jsonb *earlier, Jsonb *changed)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {JSONBOID, JSONBOID};
	Datum values[] = {JsonbPGetDatum(earlier), JsonbPGetDatum(changed)};
	Jsonb *parameters;

	store_begin();
	plan_keep(&plan, "SELECT $1 || $2", lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	parameters = column_jsonb(0, 1);
	store_end();
	return parameters;
}

/*
 * What the first run was started by stays to be seen, for paths that name it.
 * But it is not a run that the trigger of a table waits for.
 */
Jsonb *
rerun_trigger(const RerunSource *source, const char *from_activity)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {JSONBOID, INT8OID, TEXTOID};
	Datum values[] = {JsonbPGetDatum(source->trigger),
					  Int64GetDatum(source->run_id),
					  store_text(from_activity)};
	char nulls[] = {' ', ' ', NULL_IF(from_activity == NULL), '\0'};
	Jsonb *trigger;

	store_begin();
	plan_keep(
		&plan,
		"SELECT ($1 - '{trigger_oid,from_activity}'::text[])"
		" || jsonb_strip_nulls(jsonb_build_object('type', 'rerun', 'run_id', $2, 'from_activity', $3))",
		lengthof(types), types);
	(void) plan_execute(plan, values, nulls, false, SPI_OK_SELECT);
	trigger = column_jsonb(0, 1);
	store_end();
	return trigger;
}

/*
 * One that was to be taken over there, or to go on, but had to wait for
 * something that did not go well, is to do so all the same.
 */
#define EARLIER_STATUS                                                        \
	"CASE WHEN a.reused_from IS NOT NULL THEN 'succeeded'::text"              \
	" WHEN a.continues IS NOT NULL AND a.status = 'skipped' THEN 'cancelled'" \
	" ELSE a.status::text END"

#define HAS_SCOPE(run)                                         \
	"EXISTS (SELECT FROM mlpipe.scope s WHERE s.run_id = " run \
	" AND s.no = a.no AND s.first_no IS NOT NULL)"
#define HAS_BATCH(run)                                              \
	"EXISTS (SELECT FROM mlpipe.mini_batch b WHERE b.run_id = " run \
	" AND b.no = a.no AND b.status = 'succeeded')"

#define HAS_BEGUN       HAS_SCOPE("$1") " OR " HAS_BATCH("$1")
#define HAS_SCOPE_THERE HAS_SCOPE("f.run_id")
#define HAS_BATCH_THERE HAS_BATCH("f.run_id")

void
rerun_earlier_ends(int64 run_id, const Document *document, const Scope *scope,
				   const ActivityKind *step_kind, EarlierEnd *earlier)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(scope->first_no),
					  Int32GetDatum(scope->first_no + scope->list->count - 1)};
	uint64 rows;

	memset(earlier, 0, scope->list->count * sizeof(EarlierEnd));
	store_begin();
	plan_keep(
		&plan,
		"SELECT a.no, " EARLIER_STATUS ","
		" CASE WHEN " HAS_SCOPE_THERE " THEN f.run_id END,"
		" CASE WHEN " HAS_BATCH_THERE " THEN f.run_id END,"
		" jsonb_typeof(a.output->'failed') = 'number' AND a.output->'failed' > '0'"
		" FROM mlpipe.activity_run a CROSS JOIN LATERAL"
		" (SELECT CASE WHEN a.continues IS NULL OR " HAS_BEGUN
		" THEN $1 ELSE a.continues END AS run_id OFFSET 0) f"
		" WHERE a.run_id = $1 AND a.no BETWEEN $2 AND $3",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
	{
		int place = column_int32(i, 1) - scope->first_no;
		const ActivityDef *def = list_activity(document, scope->list, place);
		ActivityStatus status = activity_status_parse(column_text(i, 2));

		if (status != ACTIVITY_INACTIVE)
			earlier[place].end = activity_end_of(status, def);
		if (def->kind == step_kind)
			earlier[place].begun_in = column_int64(i, 4);
		else if (!repeats_rounds(def))
			earlier[place].begun_in = column_int64(i, 3);
		earlier[place].incomplete = def->kind == step_kind &&
			column_bool(i, 5);
	}
	store_end();
}

/* What rounds came to is not gone on with: each looks at the world anew. */
static bool
repeats_rounds(const ActivityDef *def)
{
	const ActivityList *body = def->bodies != NIL ? linitial(def->bodies) :
													NULL;

	return body != NULL && body->repeated && !body->has_items;
}

/* Of the rows that are taken over ("rows"), what they did to variables. */
#define TAKE_CHANGES                                                                       \
	"changes AS (INSERT INTO mlpipe.variable_change"                                       \
	" (run_id, no, change_id, variable_no, iteration, name, append, value)"                \
	" SELECT $1, c.no, c.change_id, c.variable_no, c.iteration, c.name, c.append, c.value" \
	" FROM rows r JOIN mlpipe.variable_change c ON c.run_id = $2 AND c.no = r.no"          \
	" WHERE $3 AND r.reused_from IS NOT NULL RETURNING *)"

/*
 * What comes before the last value that was set is of no effect, be that one
 * taken over now or earlier; then what was appended.
 */
#define APPLY_CHANGES                                                                              \
	" UPDATE mlpipe.run_variable v SET value = CASE"                                               \
	" WHEN f.added IS NULL THEN f.base"                                                            \
	" WHEN jsonb_typeof(coalesce(f.base, v.value)) = 'array'"                                      \
	" THEN coalesce(f.base, v.value) || f.added ELSE f.added END"                                  \
	" FROM (SELECT variable_no, iteration, name,"                                                  \
	" (array_agg(value ORDER BY change_id DESC) FILTER (WHERE NOT append))[1] AS base,"            \
	" jsonb_agg(value ORDER BY change_id) FILTER (WHERE append AND change_id > last_set) AS added" \
	" FROM (SELECT *, coalesce(max(change_id) FILTER (WHERE NOT append)"                           \
	" OVER (PARTITION BY variable_no, iteration, name), 0) AS last_set FROM changes c"             \
	" WHERE change_id > coalesce((SELECT max(b.change_id) FROM mlpipe.variable_change b"           \
	" WHERE b.run_id = $1 AND b.variable_no = c.variable_no AND b.iteration = c.iteration"         \
	" AND b.name = c.name AND NOT b.append), 0)) c"                                                \
	" GROUP BY variable_no, iteration, name ORDER BY name) f"                                      \
	" WHERE v.run_id = $1 AND v.no = f.variable_no"                                                \
	" AND v.iteration = f.iteration AND v.name = f.name"

void
rerun_insert(const Takeover *takeover, const Scope *scope,
			 const RerunAction *actions, const EarlierEnd *earlier,
			 TimestampTz due_at)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID,        INT8OID,      BOOLOID,
								INT4ARRAYOID,   INT4ARRAYOID, INT4OID,
								INT4OID,        INT4OID,      INT4OID,
								INT4OID,        TEXTARRAYOID, INT4OID,
								TIMESTAMPTZOID, INT8ARRAYOID};
	const ActivityList *list = scope->list;
	int32 *waits = palloc(list->count * sizeof(int32));
	int32 *what = palloc(list->count * sizeof(int32));
	bool has_check = list_activity(takeover->document, list, list->count - 1)
						 ->internal;
	Datum *sources = palloc(list->count * sizeof(Datum));
	char nulls[] = "              ";
	Datum values[14];

	for (int i = 0; i < list->count; i++)
	{
		sources[i] = Int64GetDatum(earlier[i].begun_in);
		waits[i] = list->graph->first_in[i + 1] - list->graph->first_in[i];
		what[i] = actions[i];
	}
	values[0] = Int64GetDatum(takeover->run_id);
	values[1] = Int64GetDatum(takeover->from_run_id);
	values[2] = BoolGetDatum(has_variables(takeover->document));
	values[3] = store_integers(waits, list->count);
	values[4] = store_integers(what, list->count);
	values[5] = Int32GetDatum(scope->first_no);
	values[6] = Int32GetDatum(list->first);
	values[7] = Int32GetDatum(scope->parent_no);
	values[8] = Int32GetDatum(scope->iteration);
	values[9] = Int32GetDatum(list->depth);
	values[10] = scope_row_names(takeover->document, scope);
	values[11] = Int32GetDatum(has_check ? list->count - 1 : -1);
	values[12] = TimestampTzGetDatum(due_at);
	nulls[12] = NULL_IF(due_at == 0);
	values[13] = PointerGetDatum(
		construct_array(sources, list->count, INT8OID, sizeof(int64),
						FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));

	StaticAssertStmt(RERUN_KEEP == 1 && RERUN_KEEP_LATER == 2 &&
						 RERUN_GO_ON == 3,
					 "the statement has these numbers");
	(void) store_execute(
		&plan,
		"WITH rows AS (INSERT INTO mlpipe.activity_run (run_id, no, activity_no, parent_no, iteration,"
		" depth, internal, status, remaining, name, due_at, continues, finished_at, items_in, items_out,"
		" reused_from, output)"
		" SELECT $1, $6 + w.i - 1, $7 + w.i - 1, nullif($8, -1), $9, $10, w.i - 1 = $12,"
		" CASE WHEN w.action = 1 THEN 'succeeded'::mlpipe.activity_status"
		" WHEN w.waits > 0 THEN 'waiting' ELSE 'queued' END,"
		" w.waits, w.name, CASE WHEN w.waits = 0 AND w.action <> 1 THEN $13 END, CASE WHEN w.action = 3 THEN w.source END,"
		" CASE WHEN w.action = 1 THEN clock_timestamp() END, o.items_in, o.items_out,"
		" coalesce(o.reused_from, o.run_id), o.output"
		" FROM ROWS FROM (unnest($4), unnest($5), unnest($11), unnest($14))"
		" WITH ORDINALITY AS w (waits, action, name, source, i)"
		" LEFT JOIN LATERAL (SELECT o.run_id, o.items_in, o.items_out, o.reused_from, o.output"
		" FROM mlpipe.activity_run o"
		" WHERE o.run_id = $2 AND o.no = $6 + w.i - 1 AND w.action IN (1, 2) OFFSET 0) o ON true"
		" RETURNING no, reused_from), " TAKE_CHANGES APPLY_CHANGES,
		lengthof(types), types, values, nulls);
}

static bool
has_variables(const Document *document)
{
	if (document->variables != NIL)
		return true;
	for (int no = 0; no < document->nactivities; no++)
	{
		ListCell *cell;

		foreach(cell, document->activities[no].bodies)
		{
			const ActivityList *body = lfirst(cell);

			if (body->variables != NIL)
				return true;
		}
	}
	return false;
}

void
rerun_copy_inside(const Takeover *takeover, const List *containers)
{
	if (containers != NIL)
		copy_inside(takeover, store_integer_list(containers), false, 0);
}

/* succeeded: only scopes that did, but for that iteration. */
static void
copy_inside(const Takeover *takeover, Datum containers, bool succeeded,
			int32 again)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID,      INT8OID, BOOLOID, INT4ARRAYOID,
								INT4ARRAYOID, BOOLOID, INT4OID};
	Datum values[] = {Int64GetDatum(takeover->run_id),
					  Int64GetDatum(takeover->from_run_id),
					  BoolGetDatum(has_variables(takeover->document)),
					  containers,
					  inside_sizes(takeover->document),
					  BoolGetDatum(succeeded),
					  Int32GetDatum(again)};

	(void) store_execute(
		&plan,
		"WITH RECURSIVE inside (no, iteration, first_no, count) AS ("
		" SELECT s.no, s.iteration, s.first_no, ($5)[a.activity_no + 1] FROM unnest($4) c (no)"
		" JOIN mlpipe.activity_run a ON a.run_id = $2 AND a.no = c.no"
		" JOIN mlpipe.scope s ON s.run_id = $2 AND s.no = a.no"
		" WHERE NOT $6 OR s.succeeded AND s.iteration <> $7"
		" UNION ALL"
		" SELECT s.no, s.iteration, s.first_no, ($5)[c.activity_no + 1] FROM inside i"
		" CROSS JOIN LATERAL (SELECT a.no, a.activity_no FROM mlpipe.activity_run a"
		" WHERE a.run_id = $2 AND " IS_OF_SCOPE
		" AND ($5)[a.activity_no + 1] > 0 OFFSET 0) c"
		" JOIN mlpipe.scope s ON s.run_id = $2 AND s.no = c.no),"
		" scopes AS (INSERT INTO mlpipe.scope (run_id, no, iteration, first_no, remaining, succeeded, item)"
		" SELECT $1, s.no, s.iteration, s.first_no, s.remaining, s.succeeded, s.item FROM inside i"
		" JOIN mlpipe.scope s ON s.run_id = $2 AND s.no = i.no AND s.iteration = i.iteration),"
		" variables AS (INSERT INTO mlpipe.run_variable (run_id, no, iteration, name, value)"
		" SELECT $1, v.no, v.iteration, v.name, v.value FROM inside i"
		" JOIN mlpipe.run_variable v ON v.run_id = $2 AND v.no = i.no AND v.iteration = i.iteration WHERE $3),"
		" rows AS (INSERT INTO mlpipe.activity_run (run_id, no, activity_no, parent_no, iteration, depth,"
		" internal, status, remaining, unmet, finished_at, items_in, items_out, reused_from, output, error, name)"
		" SELECT $1, r.no, r.activity_no, r.parent_no, r.iteration, r.depth, r.internal, r.status, r.remaining,"
		" r.unmet, clock_timestamp(), r.items_in, r.items_out,"
		" CASE WHEN r.status = 'succeeded' THEN coalesce(r.reused_from, $2) ELSE r.reused_from END,"
		" r.output, r.error, r.name FROM inside i"
		" CROSS JOIN LATERAL (SELECT * FROM mlpipe.activity_run a"
		" WHERE a.run_id = $2 AND " IS_OF_SCOPE " OFFSET 0) r"
		" RETURNING no, reused_from), " TAKE_CHANGES APPLY_CHANGES,
		lengthof(types), types, values, NULL);
}

/*
 * Iterations that never began since "break" was true are left out again: they
 * have the number of a row that there is not.
 */
RerunLoop
rerun_copy_loop(const Takeover *takeover, int32 no, const ActivityList *body,
				bool keep, int32 again)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT8OID, INT4OID,
								BOOLOID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(takeover->run_id),
					  Int64GetDatum(takeover->from_run_id),
					  Int32GetDatum(no),
					  BoolGetDatum(keep),
					  Int32GetDatum(again),
					  Int32GetDatum(body->nrows)};
	RerunLoop loop;

	if (keep)
		copy_inside(takeover, store_integers(&no, 1), true, again);
	store_begin();
	plan_keep(
		&plan,
		"WITH loop AS MATERIALIZED (SELECT a.unmet = 2147483647 AS broken,"
		" (SELECT s.first_no - (s.iteration - 1) * $6 FROM mlpipe.scope s"
		" WHERE s.run_id = $2 AND s.no = $3 AND s.first_no IS NOT NULL LIMIT 1) AS first_no"
		" FROM mlpipe.activity_run a WHERE a.run_id = $2 AND a.no = $3),"
		" rest AS (INSERT INTO mlpipe.scope (run_id, no, iteration, first_no, item)"
		" SELECT $1, s.no, s.iteration, CASE WHEN s.first_no IS NULL AND l.broken"
		" OR s.first_no IS NOT NULL AND s.succeeded IS NULL AND NOT EXISTS (SELECT FROM mlpipe.activity_run a"
		" WHERE a.run_id = $2 AND a.no = s.first_no) THEN l.first_no + (s.iteration - 1) * $6 END, s.item"
		" FROM loop l CROSS JOIN mlpipe.scope s WHERE s.run_id = $2 AND s.no = $3"
		" AND NOT ($4 AND s.succeeded IS TRUE AND s.iteration <> $5) RETURNING first_no)"
		" SELECT (SELECT count(*)::integer FROM rest WHERE first_no IS NULL), first_no FROM loop",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	loop.left = column_int32(0, 1);
	loop.first_no = column_int32(0, 2);
	store_end();
	return loop;
}

int64
rerun_continues(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	int64 from_run_id = 0;

	store_begin();
	plan_keep(
		&plan,
		"SELECT continues FROM mlpipe.activity_run WHERE run_id = $1 AND no = $2",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		from_run_id = column_int64(0, 1);
	store_end();
	return from_run_id;
}

int32
rerun_scope_begun(int64 run_id, int32 no, int32 iteration)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int32GetDatum(iteration)};
	int32 first_no = -1;

	store_begin();
	plan_keep(
		&plan,
		"SELECT first_no FROM mlpipe.scope WHERE run_id = $1 AND no = $2 AND iteration = $3"
		" AND first_no IS NOT NULL",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		first_no = column_int32(0, 1);
	store_end();
	return first_no;
}

void
rerun_set_started(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.run SET started_at = finished_at WHERE run_id = $1",
		lengthof(types), types, values, NULL);
}

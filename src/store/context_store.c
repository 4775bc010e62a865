/*-------------------------------------------------------------------------
 *
 * context_store.c
 *	  The object that ${{ }} looks into.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "store/context_store.h"
#include "store/plan.h"
#include "store/scope_store.h"

static void put_scopes(List *scopes, const Document *document, Datum *values);
static void put_shown(List *shown, Datum *values);

/*
 * Of things of one name the innermost wins, being the last: jsonb keeps that.
 */
Jsonb *
run_context_load(int64 run_id, const Document *document, List *scopes,
				 List *shown, bool only_ended)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID,      INT4ARRAYOID, INT4ARRAYOID,
								TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID,
								BOOLOID};
	Datum values[7];
	Jsonb *context = NULL;

	values[0] = Int64GetDatum(run_id);
	put_scopes(scopes, document, &values[1]);
	put_shown(shown, &values[4]);
	values[6] = BoolGetDatum(only_ended);
	store_begin();
	plan_keep(
		&plan,
		"WITH place AS MATERIALIZED (SELECT * FROM ROWS FROM (unnest($2), unnest($3), unnest($4))"
		" WITH ORDINALITY AS p (parent_no, iteration, loop, i))"
		" SELECT jsonb_build_object("
		"'parameters', r.parameters,"
		"'variables', coalesce((SELECT jsonb_object_agg(v.name, v.value ORDER BY p.i)"
		" FROM place p JOIN mlpipe.run_variable v"
		" ON v.run_id = $1 AND v.no = p.parent_no AND v.iteration = p.iteration), '{}'),"
		"'activities', coalesce((SELECT jsonb_object_agg(s.name, jsonb_build_object("
		"'output', a.output, 'status', a.status, 'error', a.error) ORDER BY s.i)"
		" FROM ROWS FROM (unnest($5), unnest($6)) WITH ORDINALITY AS s (no, name, i)"
		" CROSS JOIN LATERAL (SELECT a.status, a.error,"
		" CASE WHEN a.status = 'succeeded' THEN a.output END AS output"
		" FROM mlpipe.activity_run a WHERE a.run_id = $1 AND a.no = s.no"
		" AND (a.finished_at IS NOT NULL OR NOT $7) OFFSET 0) a), '{}'),"
		"'run', jsonb_build_object('id', r.run_id, 'pipeline', p.name, 'version', v.version,"
		"'submitted_at', r.submitted_at, 'submitted_by', r.submitted_by::regrole::text),"
		"'trigger', r.trigger)"
		" || coalesce((SELECT jsonb_build_object('item', s.item, 'index', s.iteration)"
		" FROM place p JOIN mlpipe.scope s ON s.run_id = $1 AND s.no = p.parent_no AND s.iteration = p.iteration"
		" WHERE p.loop IS NOT NULL ORDER BY p.i DESC LIMIT 1), '{}')"
		" || coalesce((SELECT jsonb_build_object('loops', jsonb_object_agg(p.loop,"
		" jsonb_build_object('item', s.item, 'index', s.iteration) ORDER BY p.i))"
		" FROM place p JOIN mlpipe.scope s ON s.run_id = $1 AND s.no = p.parent_no AND s.iteration = p.iteration"
		" WHERE p.loop IS NOT NULL HAVING count(*) > 0), '{}')"
		" FROM mlpipe.run r JOIN mlpipe.pipeline_version v USING (version_id)"
		" LEFT JOIN mlpipe.pipeline p ON p.pipeline_id = r.pipeline_id WHERE r.run_id = $1",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		context = column_jsonb(0, 1);
	store_end();
	return context;
}

/* Three arrays with an element for each scope. */
static void
put_scopes(List *scopes, const Document *document, Datum *values)
{
	int count = list_length(scopes);
	int32 *parents = palloc(count * sizeof(int32));
	int32 *iterations = palloc(count * sizeof(int32));
	Datum *loops = palloc(count * sizeof(Datum));
	bool *no_loop = palloc(count * sizeof(bool));
	int bounds[] = {1};
	int lengths[] = {count};
	ListCell *cell;

	foreach(cell, scopes)
	{
		const Scope *scope = lfirst(cell);
		int i = foreach_current_index(cell);

		parents[i] = scope->parent_no;
		iterations[i] = scope->iteration;
		no_loop[i] = !scope->list->has_items;
		loops[i] = no_loop[i] ?
			(Datum) 0 :
			CStringGetTextDatum(
				document->activities[scope->list->container].name);
	}
	values[0] = store_integers(parents, count);
	values[1] = store_integers(iterations, count);
	values[2] = PointerGetDatum(construct_md_array(loops, no_loop, 1, lengths,
												   bounds, TEXTOID, -1, false,
												   TYPALIGN_INT));
}

static void
put_shown(List *shown, Datum *values)
{
	int count = list_length(shown);
	int32 *numbers = palloc(Max(count, 1) * sizeof(int32));
	Datum *names = palloc(Max(count, 1) * sizeof(Datum));
	ListCell *cell;

	foreach(cell, shown)
	{
		const ShownActivity *activity = lfirst(cell);

		numbers[foreach_current_index(cell)] = activity->no;
		names[foreach_current_index(cell)] = CStringGetTextDatum(
			activity->name);
	}
	values[0] = store_integers(numbers, count);
	values[1] = store_texts(names, count);
}

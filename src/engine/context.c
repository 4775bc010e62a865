/*-------------------------------------------------------------------------
 *
 * context.c
 *	  The object that ${{ }} looks into.
 *
 * In a document of thousands of activities whose texts have placeholders, the
 * cost would be quadratic if each loaded what all others have left.  So the
 * definition tells which activities a text names, and only those are loaded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "definition/upstream.h"
#include "engine/context.h"
#include "store/context_store.h"

static List *show_needed(List *shown, const Document *document,
						 const Scope *scope, const Bitmapset *places);
static List *show_all(List *shown, const Document *document,
					  const Scope *scope);
static List *show(List *shown, const Document *document, const Scope *scope,
				  int place);
static List *outside_in(List *list);

Jsonb *
context_load(int64 run_id, const Document *document, List *scopes, int place,
			 const ContextNeeds *needs)
{
	List *shown = NIL;
	ListCell *cell;

	foreach(cell, scopes)
	{
		const Scope *scope = lfirst(cell);
		const ActivityList *list = scope->list;
		int level = foreach_current_index(cell);

		if (needs->all_upstream && place < 0)
			shown = show_all(shown, document, scope);
		else if (needs->all_upstream)
			shown = show_needed(shown, document, scope,
								upstream_places(list->graph, place));
		else if (level < list_length(needs->places))
			shown = show_needed(shown, document, scope,
								list_nth(needs->places, level));
		if (list->container >= 0)
			place = activity_place(&document->activities[list->container]);
	}
	return run_context_load(run_id, document, outside_in(scopes),
							outside_in(shown), false);
}

Jsonb *
context_load_all(int64 run_id, const Document *document, List *scopes)
{
	List *shown = NIL;
	ListCell *cell;

	foreach(cell, scopes)
		shown = show_all(shown, document, lfirst(cell));
	return run_context_load(run_id, document, outside_in(scopes),
							outside_in(shown), true);
}

static List *
show_needed(List *shown, const Document *document, const Scope *scope,
			const Bitmapset *places)
{
	int place = -1;

	while ((place = bms_next_member(places, place)) >= 0)
		shown = show(shown, document, scope, place);
	return shown;
}

static List *
show_all(List *shown, const Document *document, const Scope *scope)
{
	for (int place = 0; place < scope->list->count; place++)
		shown = show(shown, document, scope, place);
	return shown;
}

/* A loop's look at its condition is not to be seen by anybody. */
static List *
show(List *shown, const Document *document, const Scope *scope, int place)
{
	const ActivityDef *def = list_activity(document, scope->list, place);
	ShownActivity *activity;

	if (def->internal)
		return shown;
	activity = palloc(sizeof(ShownActivity));
	activity->no = scope->first_no + place;
	activity->name = def->name;
	return lappend(shown, activity);
}

static List *
outside_in(List *list)
{
	List *turned = NIL;

	for (int i = list_length(list) - 1; i >= 0; i--)
		turned = lappend(turned, list_nth(list, i));
	return turned;
}

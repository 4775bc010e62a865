/*-------------------------------------------------------------------------
 *
 * rerun_plan.c
 *	  What a rerun does with each activity of a list.
 *
 * What succeeded is taken over, unless something that it depends on is done
 * again because it had not succeeded or because that was asked for: then the
 * ground has changed on which it stood.  That is so for the handler of a
 * failure too: whether it is wanted shows when the activity has run again.
 *
 * An activity with "on_rerun": "run" is done again, but what depends on it is
 * not: its author says that its effect does not last, not that its result is
 * another one.  But the others wait for it, and if it fails this time they see
 * that.  The same holds for what was skipped or is inactive, which is judged
 * again as in any run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "definition/rerun_plan.h"

typedef struct Planning
{
	const Document *document;
	const ActivityList *list;
	const EarlierEnd *earlier;
	const RerunDemand *demand;
	bool *demanded;     /* it, or something that it follows from, was named */
	bool *needed;       /* the named one depends on it */
	bool *changed;      /* it may end otherwise than it did */
	bool *failed_again; /* "on_rerun": "run"; and that alone is changed */
	bool *unsettled;    /* its end is known only when the run comes to it */
	RerunAction *actions;
} Planning;

static void find_needed(Planning *planning);
static RerunAction decide(Planning *planning, int place);
static RerunAction decide_succeeded(Planning *planning, int place);
static RerunAction decide_failed(Planning *planning, int place);
static bool ground_has_changed(const Planning *planning, int place);
static bool outlives(const Planning *planning, const GraphEdge *edge);
static bool has_ground_now(const Planning *planning, int place);
static bool is_met(const Planning *planning, const GraphEdge *edge);
static const GraphEdge *edge_in(const Planning *planning, int index);

RerunAction *
rerun_plan(const Document *document, const ActivityList *list,
		   const EarlierEnd *earlier, const RerunDemand *demand)
{
	Planning planning = {.document = document,
						 .list = list,
						 .earlier = earlier,
						 .demand = demand,
						 .demanded = rerun_following(list, demand->from),
						 .needed = palloc0(list->count * sizeof(bool)),
						 .changed = palloc0(list->count * sizeof(bool)),
						 .failed_again = palloc0(list->count * sizeof(bool)),
						 .unsettled = palloc0(list->count * sizeof(bool)),
						 .actions = palloc(list->count * sizeof(RerunAction))};

	if (demand->all)
		find_needed(&planning);
	for (int place = 0; place < list->count; place++)
		planning.actions[place] = decide(&planning, place);
	return planning.actions;
}

/* Places are in topological order. */
bool *
rerun_following(const ActivityList *list, int from)
{
	const Graph *graph = list->graph;
	bool *following = palloc0(list->count * sizeof(bool));

	if (from < 0)
		return following;
	following[from] = true;
	for (int place = from + 1; place < graph->nnodes; place++)
		for (int i = graph->first_in[place]; i < graph->first_in[place + 1];
			 i++)
			if (following[graph->edges[graph->in_edges[i]].from])
				following[place] = true;
	return following;
}

static void
find_needed(Planning *planning)
{
	const Graph *graph = planning->list->graph;
	int from = planning->demand->from;

	for (int place = from; place >= 0; place--)
	{
		if (place != from && !planning->needed[place])
			continue;
		for (int i = graph->first_in[place]; i < graph->first_in[place + 1];
			 i++)
			planning->needed[edge_in(planning, i)->from] = true;
	}
}

static RerunAction
decide(Planning *planning, int place)
{
	const EarlierEnd *earlier = &planning->earlier[place];
	const RerunDemand *demand = planning->demand;

	planning->unsettled[place] = true;
	planning->changed[place] = ground_has_changed(planning, place);
	if (planning->demanded[place] || (demand->all && !planning->needed[place]))
	{
		bool goes_on = place == demand->from && demand->from_inside &&
			earlier->begun_in != 0 && !planning->changed[place];

		planning->changed[place] = true;
		return goes_on ? RERUN_GO_ON : RERUN_ANEW;
	}
	switch (earlier->end)
	{
		case END_SUCCEEDED:
			return decide_succeeded(planning, place);
		case END_FAILED:
		case END_CANCELLED:
			return decide_failed(planning, place);
		case END_SKIPPED:
		case END_NONE:
			return RERUN_ANEW;
	}
	return RERUN_ANEW;
}

static RerunAction
decide_succeeded(Planning *planning, int place)
{
	const ActivityDef *def = list_activity(planning->document, planning->list,
										   place);
	const EarlierEnd *earlier = &planning->earlier[place];

	if (planning->changed[place])
		return RERUN_ANEW;
	if (earlier->incomplete)
	{
		planning->changed[place] = true;
		return RERUN_GO_ON;
	}
	if (def->rerun_always)
		return RERUN_ANEW;
	if (def->rerun_inside && earlier->begun_in != 0)
		return RERUN_GO_ON;
	if (!has_ground_now(planning, place))
		return RERUN_KEEP_LATER;
	planning->unsettled[place] = false;
	return RERUN_KEEP;
}

static RerunAction
decide_failed(Planning *planning, int place)
{
	bool goes_on = !planning->changed[place] &&
		planning->earlier[place].begun_in != 0;

	planning->failed_again[place] = !planning->changed[place] &&
		list_activity(planning->document, planning->list, place)->rerun_always;
	planning->changed[place] = true;
	return goes_on && !planning->failed_again[place] ? RERUN_GO_ON :
													   RERUN_ANEW;
}

/*
 * May what it depends on end otherwise than it did?  For a join "any" it is
 * enough that one is as it was.
 */
static bool
ground_has_changed(const Planning *planning, int place)
{
	const Graph *graph = planning->list->graph;
	const ActivityDef *def = list_activity(planning->document, planning->list,
										   place);
	bool changed = false;

	for (int i = graph->first_in[place]; i < graph->first_in[place + 1]; i++)
	{
		const GraphEdge *edge = edge_in(planning, i);

		if (planning->changed[edge->from] && !outlives(planning, edge))
			changed = true;
		else if (def->join_any && is_met(planning, edge))
			return false;
	}
	return changed;
}

/*
 * One that is done again in each rerun has failed the last time.  What asked
 * for its success and has a result nevertheless, has that from a run before.
 */
static bool
outlives(const Planning *planning, const GraphEdge *edge)
{
	return planning->failed_again[edge->from] && !is_met(planning, edge);
}

/* Has so much of it ended already that the activity need not wait? */
static bool
has_ground_now(const Planning *planning, int place)
{
	const Graph *graph = planning->list->graph;
	const ActivityDef *def = list_activity(planning->document, planning->list,
										   place);
	bool all = true;

	for (int i = graph->first_in[place]; i < graph->first_in[place + 1]; i++)
	{
		const GraphEdge *edge = edge_in(planning, i);

		if (planning->unsettled[edge->from])
			all = false;
		else if (def->join_any && is_met(planning, edge))
			return true;
	}
	return all;
}

/* What is inactive has no end of its own, and counts as it always does. */
static bool
is_met(const Planning *planning, const GraphEdge *edge)
{
	const ActivityDef *def = list_activity(planning->document, planning->list,
										   edge->from);
	ActivityEnd end = planning->earlier[edge->from].end;

	if (end == END_NONE && !def->active)
		end = def->on_inactive;
	return graph_condition_met(edge->conditions, end);
}

static const GraphEdge *
edge_in(const Planning *planning, int index)
{
	const Graph *graph = planning->list->graph;

	return &graph->edges[graph->in_edges[index]];
}

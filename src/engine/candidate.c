/*-------------------------------------------------------------------------
 *
 * candidate.c
 *	  The activity that an executor may go on with.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "engine/candidate.h"
#include "engine/role.h"
#include "engine/slot.h"
#include "store/run_store.h"

static bool may_go_on_with(const Level *level, const WorkOrder *order);
static bool better(const Level *level, int place, WorkOrder *best);

int
candidate_dependent(const Level *level, int place)
{
	const Graph *graph = level->scope->list->graph;
	WorkOrder best;
	int found = -1;
	int i;

	for (i = graph->first_out[place]; i < graph->first_out[place + 1]; i++)
	{
		int to = graph->edges[graph->out_edges[i]].to;

		if (found < 0 || better(level, to, &best))
		{
			best = level_order(level, to);
			found = to;
		}
	}
	return found >= 0 && may_go_on_with(level, &best) ? found : -1;
}

int
candidate_root(const Level *level)
{
	const Graph *graph = level->scope->list->graph;
	WorkOrder best;
	int found = -1;

	for (int place = 0; place < graph->nnodes; place++)
	{
		if (graph->first_in[place] < graph->first_in[place + 1] ||
			!level_activity(level, place)->active)
			continue;
		if (found < 0 || better(level, place, &best))
		{
			best = level_order(level, place);
			found = place;
		}
	}
	return found >= 0 && may_go_on_with(level, &best) ? found : -1;
}

static bool
may_go_on_with(const Level *level, const WorkOrder *order)
{
	return slot_may_go_on_with(order) && role_is_still_allowed() &&
		run_is_startable(level->advance->run->run_id);
}

static bool
better(const Level *level, int place, WorkOrder *best)
{
	WorkOrder order = level_order(level, place);

	return work_compare(&order, best) < 0;
}

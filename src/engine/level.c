/*-------------------------------------------------------------------------
 *
 * level.c
 *	  What ends mean within one scope.
 *
 * Numbers are topological, so what follows from a skipped dependent has a
 * greater number than that; a heap of dependencies that have ended has all rows
 * locked in ascending order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "engine/container.h"
#include "engine/level.h"
#include "engine/wakeup.h"
#include "store/activity_store.h"
#include "store/release_store.h"

static void scope_ended(Level *level, ActivityEnd verdict);
static void note_awaited(Level *level, int place);
static void decide_dependent(Level *level, int place);
static Tally *dependent_tally(Level *level, int place);
static ActivityStatus dependencies_ended(Level *level, int place, int ended,
										 int unmet);
static ActivityStatus status_when_ready(Level *level, int place);
static void claimed(Level *level, int place);
static Datum pack_edge(const GraphEdge *edge, int index);
static int compare_edges(Datum a, Datum b, void *arg);

void
level_begin(Level *level, Advance *advance, const Scope *scope)
{
	const Graph *graph = scope->list->graph;

	level->advance = advance;
	level->scope = scope;
	level->ends = palloc0(graph->nnodes * sizeof(ActivityEnd));
	level->pending = binaryheap_allocate(graph->nedges + 1, compare_edges,
										 NULL);
	level->awaited = 0;
	level->tally = NULL;
	level->candidate = -1;
}

void
level_finish(Level *level)
{
	const Scope *scope = level->scope;
	ActivityEnd verdict = END_NONE;
	int unmet;

	while (!binaryheap_empty(level->pending))
	{
		int64 first = DatumGetInt64(binaryheap_first(level->pending));

		decide_dependent(level, (int32) (first >> 32));
	}
	if (level->tally != NULL)
		level->awaited = tally_finish(level->tally, &unmet);
	if (scope->list->container < 0)
	{
		level->advance->awaited += level->awaited;
		if (level->awaited == scope->list->count)
			level->advance->ends = level->ends;
	}
	else if (level->awaited > 0)
	{
		if (scope->list->count == 1)
			verdict = graph_succeeded(scope->list->graph, level->ends) ?
				END_SUCCEEDED :
				END_FAILED;
		if (scope_count_down(level->advance->run->run_id, scope,
							 level->awaited, verdict) == 0)
			scope_ended(level, verdict);
	}
	binaryheap_free(level->pending);
}

/*
 * Its internal activity counts as skipped, so that the leaf rule goes on to
 * those before it.
 */
static void
scope_ended(Level *level, ActivityEnd verdict)
{
	const RunInfo *run = level->advance->run;
	const ActivityList *list = level->scope->list;
	BodyEnd *body = palloc0(sizeof(BodyEnd));
	int last = list->count - 1;
	ActivityEnd *ends = level->ends;

	if (verdict == END_NONE)
		activity_ends(run->run_id, run->document, level->scope, ends);
	body->advance = level->advance;
	body->run = run;
	body->scope = level->scope;
	body->def = &run->document->activities[list->container];
	if (level_activity(level, last)->internal)
	{
		body->check = ends[last];
		ends[last] = END_SKIPPED;
	}
	body->succeeded = graph_succeeded(list->graph, ends) &&
		!(list->has_items && body->check == END_FAILED);
	if (verdict == END_NONE && list->has_items)
		scope_end(run->run_id, level->scope, body->succeeded);
	level->advance->ended = lappend(level->advance->ended, body);
}

void
level_follow(Level *level, int place, ActivityEnd end)
{
	const Graph *graph = level->scope->list->graph;
	int i;

	level->ends[place] = end;
	if (level_activity(level, place)->awaited)
		note_awaited(level, place);
	for (i = graph->first_out[place]; i < graph->first_out[place + 1]; i++)
	{
		int edge = graph->out_edges[i];

		/* In a rerun one that was taken over has ended before. */
		if (level->ends[graph->edges[edge].to] == END_NONE)
			binaryheap_add(level->pending,
						   pack_edge(&graph->edges[edge], edge));
	}
}

static void
note_awaited(Level *level, int place)
{
	const Scope *scope = level->scope;

	if (level->tally == NULL)
		level->tally = tally_begin(level->advance->run->run_id,
								   scope->parent_no, scope->iteration,
								   scope->list->nawaited);
	if (level->tally != NULL)
		tally_note(level->tally, level_activity(level, place)->awaited_as,
				   true);
	else
		level->awaited++;
}

/* Takes all that has ended before this dependent together: one update. */
static void
decide_dependent(Level *level, int place)
{
	const Graph *graph = level->scope->list->graph;
	Tally *tally = dependent_tally(level, place);
	int ended = 0;
	int unmet = 0;
	ActivityStatus status;

	while (!binaryheap_empty(level->pending))
	{
		int64 packed = DatumGetInt64(binaryheap_first(level->pending));
		int index = (int32) (packed & PG_INT32_MAX);
		const GraphEdge *edge = &graph->edges[index];
		bool met;

		if (edge->to != place)
			break;
		(void) binaryheap_remove_first(level->pending);
		met = graph_condition_met(edge->conditions, level->ends[edge->from]);
		if (tally != NULL)
			tally_note(tally, graph_place_among_in(graph, index), met);
		ended++;
		unmet += met ? 0 : 1;
	}
	if (tally != NULL)
		ended = tally_finish(tally, &unmet);
	if (ended == 0)
		return;
	status = dependencies_ended(level, place, ended, unmet);
	level_apply_status(level, place, status);
}

/* The first that is met starts a join "any", and ends the counting. */
static Tally *
dependent_tally(Level *level, int place)
{
	const Graph *graph = level->scope->list->graph;

	if (level_activity(level, place)->join_any)
		return NULL;
	return tally_begin(level->advance->run->run_id,
					   level->scope->first_no + place, 0,
					   graph->first_in[place + 1] - graph->first_in[place]);
}

/*
 * Most wait for nothing else that could have ended before or in another way,
 * and are not taken over by a rerun.
 */
static ActivityStatus
dependencies_ended(Level *level, int place, int ended, int unmet)
{
	const Graph *graph = level->scope->list->graph;
	int64 run_id = level->advance->run->run_id;
	int32 no = level->scope->first_no + place;
	ActivityStatus ready = status_when_ready(level, place);
	bool released;

	if (unmet > 0 || ready == ACTIVITY_INACTIVE ||
		level->advance->run->rerun_of != 0 ||
		ended < graph->first_in[place + 1] - graph->first_in[place])
		return activity_dependencies_ended(run_id, no, ended, unmet, ready,
										   level_activity(level, place)
											   ->join_any,
										   MyProcPid);
	released = ready == ACTIVITY_IN_PROGRESS ?
		activity_release_to(run_id, no, MyProcPid) :
		activity_release(run_id, no);
	return released ? ready : ACTIVITY_CANCELLED;
}

static ActivityStatus
status_when_ready(Level *level, int place)
{
	if (!level_activity(level, place)->active)
		return ACTIVITY_INACTIVE;
	return place == level->candidate && level->advance->may_claim ?
		ACTIVITY_IN_PROGRESS :
		ACTIVITY_QUEUED;
}

void
advance_fail_fast(Advance *advance)
{
	advance->failed_fast = true;
	advance->may_claim = false;
}

void
level_apply_status(Level *level, int place, ActivityStatus status)
{
	WorkOrder order = level_order(level, place);

	switch (status)
	{
		case ACTIVITY_QUEUED:
			wakeup_ready(level->advance->run->run_as, &order);
			break;
		case ACTIVITY_IN_PROGRESS:
			claimed(level, place);
			break;
		case ACTIVITY_SKIPPED:
			level_follow(level, place, END_SKIPPED);
			break;
		case ACTIVITY_INACTIVE:
			level_count_inactive(level, place);
			break;
		case ACTIVITY_SUCCEEDED: /* a rerun has taken it over */
			level_follow(level, place, END_SUCCEEDED);
			break;
		case ACTIVITY_WAITING:   /* for others */
		case ACTIVITY_CANCELLED: /* it has started, or the run has stopped */
		case ACTIVITY_FAILED:
			break;
	}
}

void
level_count_inactive(Level *level, int place)
{
	const ActivityDef *def = level_activity(level, place);

	level_follow(level, place, def->on_inactive);
	if (def->on_inactive == END_FAILED &&
		failure_stops_run(level->advance->run, def))
		advance_fail_fast(level->advance);
}

static void
claimed(Level *level, int place)
{
	NextActivity *next = level->advance->next;

	level->advance->may_claim = false;
	next->claimed = true;
	next->order = level_order(level, place);
	next->attempt = 1;
	wakeup_my_work(&next->order, 1);
}

const ActivityDef *
level_activity(const Level *level, int place)
{
	return list_activity(level->advance->run->document, level->scope->list,
						 place);
}

WorkOrder
level_order(const Level *level, int place)
{
	return work_order(level->advance->run, level->scope->first_no + place,
					  level->scope->list->first + place);
}

static Datum
pack_edge(const GraphEdge *edge, int index)
{
	return Int64GetDatum(((int64) edge->to << 32) | index);
}

/* A binaryheap keeps its greatest element first; ours is the least number. */
static int
compare_edges(Datum a, Datum b, void *arg)
{
	int64 left = DatumGetInt64(a);
	int64 right = DatumGetInt64(b);

	return left < right ? 1 : left > right ? -1 : 0;
}

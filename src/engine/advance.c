/*-------------------------------------------------------------------------
 *
 * advance.c
 *	  What follows from the end of an activity: which others become ready or
 *	  are skipped, what its container does, and whether the run has ended.
 *
 * Rows of one scope are locked in ascending order of their numbers, then the
 * scope's row, then the container's and what follows from its end, and so on
 * out to the run's row.  Numbers are topological, so what follows from a
 * skipped dependent has a greater number than that; a heap of dependencies that
 * have ended keeps the order over all of it.  Two branches that end at once, or
 * an end and a cancel, so wait for each other at most, and never deadlock.
 *
 * Nothing recurses from scope to scope: those that have ended wait in a list.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/binaryheap.h"
#include "miscadmin.h"

#include "activity/activity.h"
#include "engine/advance.h"
#include "engine/container.h"
#include "engine/finish.h"
#include "engine/rerun.h"
#include "engine/role.h"
#include "engine/run_end.h"
#include "engine/slot.h"
#include "engine/stop.h"
#include "engine/tally.h"
#include "engine/wakeup.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"
#include "store/pipeline_store.h"
#include "store/release_store.h"
#include "store/run_store.h"
#include "store/scope_store.h"
#include "store/variable_store.h"

/* The ends whose consequences are being drawn. */
struct Advance
{
	const RunInfo *run;
	NextActivity *next; /* NULL: the caller takes nothing on */
	bool may_claim;     /* an activity for it */
	int awaited;        /* of the run's own scope: how many ended */
	ActivityEnd *ends;  /* of all of that, where they ended here; or NULL */
	List *ended;        /* of BodyEnd *: scopes */
	bool failed_fast;
};

/* The same within one scope. */
typedef struct Level
{
	Advance *advance;
	const Scope *scope;
	ActivityEnd *ends;   /* by place; what ended in this transaction */
	binaryheap *pending; /* edges into dependents, packed by pack_edge() */
	int awaited;         /* ends that its own end waits for */
	Tally *tally;        /* of these, where they are very many; or NULL */
	int candidate;       /* the dependent to claim, or -1 */
} Level;

static bool detached_ended(const RunInfo *run, const ActivityRow *row);
static void level_begin(Level *level, Advance *advance, const Scope *scope);
static void level_finish(Level *level);
static void scope_ended(Level *level, ActivityEnd verdict);
static void follow(Level *level, int place, ActivityEnd end);
static void note_awaited(Level *level, int place);
static void decide_dependent(Level *level, int place);
static Tally *dependent_tally(Level *level, int place);
static ActivityStatus dependencies_ended(Level *level, int place, int ended,
										 int unmet);
static void apply_status(Level *level, int place, ActivityStatus status);
static ActivityStatus status_when_ready(Level *level, int place);
static int best_dependent(Level *level, int place);
static int best_root(Level *level);
static bool may_go_on_with(Level *level, const WorkOrder *order);
static bool better(Level *level, int place, WorkOrder *best);
static void hand_out_roots(Level *level, TimestampTz due_at);
static void end_inactive_roots(Level *level);
static void insert_variables(const RunInfo *run, const Scope *scope);
static WorkOrder level_order(const Level *level, int place);
static const ActivityDef *level_def(const Level *level, int place);
static void counts_as(Level *level, int place);
static void claimed(Level *level, int place);
static Datum pack_edge(const GraphEdge *edge, int index);
static int compare_edges(Datum a, Datum b, void *arg);

bool
advance_after_end(const RunInfo *run, const ActivityRow *row, ActivityEnd end,
				  bool detached, NextActivity *next)
{
	const ActivityDef *def = &run->document->activities[row->activity_no];
	Advance *advance;

	wakeup_run_event(run->run_id);
	if (detached)
		return detached_ended(run, row);
	advance = advance_begin(run, next);
	advance_activity(advance, row, end);

	/* Before it was marked, all rows were locked: activities_lock(). */
	if (end == END_FAILED && def->active && !run->document->nested &&
		failure_stops_run(run, def))
	{
		bool ended;

		(void) run_stop(run->run_id, STOP_FAIL_FAST, NULL, &ended);
		return ended;
	}
	return advance_finish(advance);
}

Advance *
advance_begin(const RunInfo *run, NextActivity *next)
{
	Advance *advance = palloc0(sizeof(Advance));

	advance->run = run;
	advance->next = next;
	advance->may_claim = next != NULL;
	return advance;
}

const RunInfo *
advance_run(const Advance *advance)
{
	return advance->run;
}

bool
advance_finish(Advance *advance)
{
	int64 run_id = advance->run->run_id;

	while (advance->ended != NIL)
	{
		BodyEnd *body = linitial(advance->ended);

		advance->ended = list_delete_first(advance->ended);
		container_body_ended(body);
	}

	/*
	 * In a run with containers we hold the guard, and stopping wants that
	 * alone; in others not all the rows that stopping locks first.
	 */
	if (advance->failed_fast && run_ask_stop(run_id, RUN_FAILED, NULL))
		wakeup_scheduler(ERRAND_STOP);

	return advance->awaited > 0 &&
		run_activities_ended(advance->run, advance->awaited, advance->ends);
}

void
advance_activity(Advance *advance, const ActivityRow *row, ActivityEnd end)
{
	const RunInfo *run = advance->run;
	const ActivityDef *def = &run->document->activities[row->activity_no];
	Level level;

	level_begin(&level, advance, scope_of(run->document, row));
	if (advance->may_claim)
		level.candidate = best_dependent(&level, activity_place(def));
	follow(&level, activity_place(def), end);
	level_finish(&level);
	if (end == END_FAILED && failure_stops_run(run, def))
		advance->failed_fast = true;
}

/* The container that has stopped fails when the last of its activities ended. */
static bool
detached_ended(const RunInfo *run, const ActivityRow *row)
{
	Advance *advance;
	ActivityRow container;
	char *error;

	if (row->detached_to < 0)
		return !run_count_down(run->run_id, 1) && run_finish(run->run_id, 1);
	if (activity_count_down(run->run_id, row->detached_to, &error) != 0 ||
		activity_end(run->run_id, row->detached_to, 0, ACTIVITY_FAILED, NULL,
					 error, -1, -1, &container) == END_NOT_OURS)
		return false;
	advance = advance_begin(run, NULL);
	advance_activity(advance, &container, END_FAILED);
	return advance_finish(advance);
}

void
advance_scope(Advance *advance, const Scope *scope, TimestampTz due_at)
{
	Level level;

	insert_variables(advance->run, scope);
	if (rerun_scope(advance, scope, due_at))
		return;
	level_begin(&level, advance, scope);
	if (advance->may_claim && due_at == 0)
		level.candidate = best_root(&level);
	activities_insert(advance->run->run_id, advance->run->document, scope,
					  due_at, level.candidate, MyProcPid);
	hand_out_roots(&level, due_at);
	end_inactive_roots(&level);
	level_finish(&level);
}

void
advance_rerun_scope(Advance *advance, const Scope *scope,
					const ActivityEnd *ends, TimestampTz due_at)
{
	Level level;

	level_begin(&level, advance, scope);
	memcpy(level.ends, ends, scope->list->count * sizeof(ActivityEnd));
	hand_out_roots(&level, due_at);
	end_inactive_roots(&level);
	for (int place = 0; place < scope->list->count; place++)
	{
		if (ends[place] != END_NONE)
			follow(&level, place, ends[place]);
	}
	level_finish(&level);
}

static void
end_inactive_roots(Level *level)
{
	const Graph *graph = level->scope->list->graph;

	for (int place = 0; place < graph->nnodes; place++)
	{
		const ActivityDef *def = level_def(level, place);

		if (graph->first_in[place] < graph->first_in[place + 1] || def->active)
			continue;
		activity_set_inactive(level->advance->run->run_id,
							  level->scope->first_no + place);
		counts_as(level, place);
	}
}

static void
insert_variables(const RunInfo *run, const Scope *scope)
{
	ListCell *cell;

	foreach(cell, scope->list->variables)
	{
		const DeclaredValue *variable = lfirst(cell);
		VariableKey key = {run->run_id, scope->parent_no, scope->iteration,
						   variable->name};
		JsonbValue null = {.type = jbvNull};

		run_variable_insert(&key,
							variable->default_value != NULL ?
								variable->default_value :
								JsonbValueToJsonb(&null));
	}
}

static void
hand_out_roots(Level *level, TimestampTz due_at)
{
	const Graph *graph = level->scope->list->graph;

	for (int place = 0; place < graph->nnodes; place++)
	{
		if (graph->first_in[place] < graph->first_in[place + 1] ||
			!level_def(level, place)->active || level->ends[place] != END_NONE)
			continue;
		if (due_at != 0)
			wakeup_at(due_at);
		else
			apply_status(level, place,
						 place == level->candidate ? ACTIVITY_IN_PROGRESS :
													 ACTIVITY_QUEUED);
	}
}

static void
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

static void
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
	if (level_def(level, last)->internal)
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

/* An activity has ended: its dependents are to be decided about. */
static void
follow(Level *level, int place, ActivityEnd end)
{
	const Graph *graph = level->scope->list->graph;
	int i;

	level->ends[place] = end;
	if (level_def(level, place)->awaited)
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
		tally_note(level->tally, level_def(level, place)->awaited_as, true);
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
	apply_status(level, place, status);
}

/* The first that is met starts a join "any", and counting ends with that. */
static Tally *
dependent_tally(Level *level, int place)
{
	const Graph *graph = level->scope->list->graph;

	if (level_def(level, place)->join_any)
		return NULL;
	return tally_begin(level->advance->run->run_id,
					   level->scope->first_no + place, 0,
					   graph->first_in[place + 1] - graph->first_in[place]);
}

/*
 * Most wait for nothing else that could have ended before, or otherwise, and
 * are not taken over by a rerun.
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
										   level_def(level, place)->join_any,
										   MyProcPid);
	released = ready == ACTIVITY_IN_PROGRESS ?
		activity_release_to(run_id, no, MyProcPid) :
		activity_release(run_id, no);
	return released ? ready : ACTIVITY_CANCELLED;
}

static void
apply_status(Level *level, int place, ActivityStatus status)
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
			follow(level, place, END_SKIPPED);
			break;
		case ACTIVITY_INACTIVE:
			counts_as(level, place);
			break;
		case ACTIVITY_SUCCEEDED: /* a rerun has taken it over */
			follow(level, place, END_SUCCEEDED);
			break;
		case ACTIVITY_WAITING:   /* for others */
		case ACTIVITY_CANCELLED: /* it has started, or the run has stopped */
		case ACTIVITY_FAILED:
			break;
	}
}

/* An inactive activity whose turn it was. */
static void
counts_as(Level *level, int place)
{
	const ActivityDef *def = level_def(level, place);

	follow(level, place, def->on_inactive);
	if (def->on_inactive == END_FAILED &&
		failure_stops_run(level->advance->run, def))
		level->advance->failed_fast = true;
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

static ActivityStatus
status_when_ready(Level *level, int place)
{
	if (!level_def(level, place)->active)
		return ACTIVITY_INACTIVE;
	return place == level->candidate ? ACTIVITY_IN_PROGRESS : ACTIVITY_QUEUED;
}

/*
 * The dependent that the executor may go on with, if it turns out to be ready:
 * the first in the order of work, unless something better is in the queue.
 */
static int
best_dependent(Level *level, int place)
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

/* The same of activities that wait for nothing. */
static int
best_root(Level *level)
{
	const Graph *graph = level->scope->list->graph;
	WorkOrder best;
	int found = -1;

	for (int place = 0; place < graph->nnodes; place++)
	{
		if (graph->first_in[place] < graph->first_in[place + 1] ||
			!level_def(level, place)->active)
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
may_go_on_with(Level *level, const WorkOrder *order)
{
	return slot_may_go_on_with(order) && role_is_still_allowed() &&
		run_is_startable(level->advance->run->run_id);
}

static bool
better(Level *level, int place, WorkOrder *best)
{
	WorkOrder order = level_order(level, place);

	return work_compare(&order, best) < 0;
}

static WorkOrder
level_order(const Level *level, int place)
{
	return work_order(level->advance->run, level->scope->first_no + place,
					  level->scope->list->first + place);
}

static const ActivityDef *
level_def(const Level *level, int place)
{
	return list_activity(level->advance->run->document, level->scope->list,
						 place);
}

WorkOrder
work_order(const RunInfo *run, int32 no, int32 activity_no)
{
	return (
		WorkOrder){.run_priority = run->priority,
				   .run_id = run->run_id,
				   .priority = run->document->activities[activity_no].priority,
				   .no = no,
				   .activity_no = activity_no};
}

const ActivityDef *
run_activity(const RunInfo *run, int32 no)
{
	EngineMode mode;
	ActivityRow *row;

	/* The run's own scope is numbered as the document is. */
	if (no < run->document->list->count)
		return &run->document->activities[no];
	engine_mode_enter(&mode);
	row = activity_load(run->run_id, no);
	engine_mode_leave(&mode);
	if (row == NULL)
		elog(ERROR, "run " INT64_FORMAT " has no activity %d", run->run_id,
			 no);
	return &run->document->activities[row->activity_no];
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

/* With fail_fast: does no activity depend on it by failed or completed? */
bool
failure_stops_run(const RunInfo *run, const ActivityDef *def)
{
	const Graph *graph = def->list->graph;
	int place = activity_place(def);
	int i;

	if (!run->document->fail_fast)
		return false;
	for (i = graph->first_out[place]; i < graph->first_out[place + 1]; i++)
		if (graph->edges[graph->out_edges[i]].conditions & CONDITION_FAILED)
			return false;
	return true;
}

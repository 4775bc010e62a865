/*-------------------------------------------------------------------------
 *
 * advance.c
 *	  What follows from the end of an activity: which others become ready or
 *	  are skipped, what its container does, and whether the run has ended.
 *
 * Rows of one scope are locked in ascending order of their numbers, then the
 * scope's row, then the container's and what follows from its end, and so on
 * out to the run's row.  Two branches that end at once, or an end and a cancel,
 * wait for each other at most, and never deadlock.
 *
 * Nothing recurses from scope to scope: those that have ended wait in a list.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "engine/advance.h"
#include "engine/candidate.h"
#include "engine/container.h"
#include "engine/guard.h"
#include "engine/level.h"
#include "engine/rerun.h"
#include "engine/run_end.h"
#include "engine/stop.h"
#include "engine/wakeup.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"
#include "store/run_store.h"
#include "store/scope_store.h"
#include "store/stop_store.h"
#include "store/variable_store.h"

static bool detached_ended(const RunInfo *run, const ActivityRow *row);
static void hand_out_roots(Level *level, TimestampTz due_at);
static void end_inactive_roots(Level *level);

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

	if (end == END_FAILED && failure_stops_run(run, def))
		advance_fail_fast(advance);
	level_begin(&level, advance, scope_of(run->document, row));
	if (advance->may_claim)
		level.candidate = candidate_dependent(&level, activity_place(def));
	level_follow(&level, activity_place(def), end);
	level_finish(&level);
}

/* A container that was stopped fails when the last of its activities ends. */
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

	advance_insert_variables(advance->run->run_id, scope);
	if (rerun_scope(advance, scope, due_at))
		return;
	level_begin(&level, advance, scope);
	if (advance->may_claim && due_at == 0)
		level.candidate = candidate_root(&level);
	activities_insert(advance->run->run_id, advance->run->document, scope,
					  due_at, level.candidate, MyProcPid);
	hand_out_roots(&level, due_at);
	if (due_at == 0)
		end_inactive_roots(&level);
	level_finish(&level);
}

bool
advance_inactive(const RunInfo *run, int32 no)
{
	EngineMode mode;
	ActivityRow *row;
	bool ended = false;

	guard_share(run);
	engine_mode_enter(&mode);
	row = activity_load(run->run_id, no);
	if (row != NULL && activity_set_inactive(run->run_id, no))
	{
		Advance *advance = advance_begin(run, NULL);

		advance_activity(advance, row,
						 run->document->activities[row->activity_no]
							 .on_inactive);
		ended = advance_finish(advance);
	}
	engine_mode_leave(&mode);
	return ended;
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
			level_follow(&level, place, ends[place]);
	}
	level_finish(&level);
}

static void
end_inactive_roots(Level *level)
{
	const Graph *graph = level->scope->list->graph;

	for (int place = 0; place < graph->nnodes; place++)
	{
		const ActivityDef *def = level_activity(level, place);

		if (graph->first_in[place] < graph->first_in[place + 1] || def->active)
			continue;
		if (activity_set_inactive(level->advance->run->run_id,
								  level->scope->first_no + place))
			level_count_inactive(level, place);
	}
}

void
advance_insert_variables(int64 run_id, const Scope *scope)
{
	ListCell *cell;

	foreach(cell, scope->list->variables)
	{
		const DeclaredValue *variable = lfirst(cell);
		VariableKey key = {run_id, scope->parent_no, scope->iteration,
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
			level->ends[place] != END_NONE)
			continue;
		if (due_at != 0)
			wakeup_at(due_at);
		else if (level_activity(level, place)->active)
			level_apply_status(level, place,
							   place == level->candidate ?
								   ACTIVITY_IN_PROGRESS :
								   ACTIVITY_QUEUED);
	}
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

/*
 * With fail_fast: does no activity handle the failure, by depending on failed
 * or completed?  A loop's look at its condition, which comes after all others,
 * is no handler; if it fails, so does the loop, which may have one.
 */
bool
failure_stops_run(const RunInfo *run, const ActivityDef *def)
{
	const Graph *graph = def->list->graph;
	int place = activity_place(def);
	int i;

	if (!run->document->fail_fast || def->internal)
		return false;
	for (i = graph->first_out[place]; i < graph->first_out[place + 1]; i++)
	{
		const GraphEdge *edge = &graph->edges[graph->out_edges[i]];
		const ActivityDef *other = list_activity(run->document, def->list,
												 edge->to);

		if ((edge->conditions & CONDITION_FAILED) && !other->internal)
			return false;
	}
	return true;
}

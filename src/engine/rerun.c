/*-------------------------------------------------------------------------
 *
 * rerun.c
 *	  Taking over what an earlier run has done.
 *
 * A rerun makes its rows as any run does, scope by scope as each begins.
 * rerun_plan() says for each activity whether its result is taken over.  For
 * all that depends on it, what was taken over has ended as if it had done so in
 * this run: advance_rerun_scope().
 *
 * A container that has not succeeded, or in which something has to be done
 * again, is ready work like any other.  When its turn comes it does not find
 * out anew what to do: it takes the branch that was taken, or has the items
 * that the loop had.  Iterations that succeeded are taken over all at once,
 * the others begin one after the other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "engine/rerun.h"
#include "definition/rerun_plan.h"
#include "engine/wakeup.h"
#include "store/engine_mode.h"
#include "store/rerun_store.h"

static void take_over(Advance *advance, int64 from_run_id, const Scope *scope,
					  TimestampTz due_at);
static Takeover takeover_of(const RunInfo *run, int64 from_run_id);
static RerunDemand demand_in(const RunInfo *run, const Scope *scope);
static const ActivityRow *named_in(const RunInfo *run, int32 parent_no,
								   int32 iteration, bool *inside);
static const ActivityList *earlier_body(const ActivityCall *call);
static void require_earlier_run(int64 run_id);

bool
rerun_begin(const RunInfo *run)
{
	Scope scope = {.list = run->document->list, .parent_no = -1};
	Advance *advance = advance_begin(run, NULL);
	bool ended;

	take_over(advance, run->rerun_of, &scope, 0);
	ended = advance_finish(advance);
	if (ended)
		rerun_set_started(run->run_id);
	return ended;
}

bool
rerun_scope(Advance *advance, const Scope *scope, TimestampTz due_at)
{
	const RunInfo *run = advance_run(advance);
	int64 from_run_id;

	if (run->rerun_of == 0 ||
		(scope->list->repeated && !scope->list->has_items))
		return false;
	from_run_id = rerun_continues(run->run_id, scope->parent_no);
	if (from_run_id == 0 ||
		rerun_scope_begun(from_run_id, scope->parent_no, scope->iteration) !=
			scope->first_no)
		return false;
	take_over(advance, from_run_id, scope, due_at);
	return true;
}

static void
take_over(Advance *advance, int64 from_run_id, const Scope *scope,
		  TimestampTz due_at)
{
	const RunInfo *run = advance_run(advance);
	int count = scope->list->count;
	EarlierEnd *earlier = palloc(count * sizeof(EarlierEnd));
	ActivityEnd *ends = palloc0(count * sizeof(ActivityEnd));
	RerunDemand demand = demand_in(run, scope);
	Takeover takeover = takeover_of(run, from_run_id);
	RerunAction *actions;
	List *containers = NIL;

	rerun_earlier_ends(from_run_id, run->document, scope,
					   &parallel_activity.kind, earlier);
	actions = rerun_plan(run->document, scope->list, earlier, &demand);
	for (int place = 0; place < count; place++)
	{
		bool kept = actions[place] == RERUN_KEEP ||
			actions[place] == RERUN_KEEP_LATER;

		if (actions[place] == RERUN_KEEP)
			ends[place] = END_SUCCEEDED;
		if (kept &&
			list_activity(run->document, scope->list, place)->bodies != NIL)
			containers = lappend_int(containers, scope->first_no + place);
	}
	rerun_insert(&takeover, scope, actions, earlier, due_at);
	rerun_copy_inside(&takeover, containers);
	advance_rerun_scope(advance, scope, ends, due_at);
}

static Takeover
takeover_of(const RunInfo *run, int64 from_run_id)
{
	return (Takeover){.run_id = run->run_id,
					  .from_run_id = from_run_id,
					  .document = run->document};
}

static RerunDemand
demand_in(const RunInfo *run, const Scope *scope)
{
	RerunDemand demand = {.from = -1, .all = run->rerun_all};
	const ActivityRow *named = named_in(run, scope->parent_no,
										scope->iteration, &demand.from_inside);

	if (named != NULL)
		demand.from = named->no - scope->first_no;
	return demand;
}

/*
 * The activity of that scope that was named to be done again, or that contains
 * it; any iteration: -1.
 */
static const ActivityRow *
named_in(const RunInfo *run, int32 parent_no, int32 iteration, bool *inside)
{
	List *line;
	ListCell *cell;

	if (run->rerun_from < 0)
		return NULL;
	line = activity_ancestry(run->rerun_of, run->rerun_from);
	foreach(cell, line)
	{
		const ActivityRow *row = lfirst(cell);

		*inside = foreach_current_index(cell) > 0;
		if (row->parent_no == parent_no &&
			(iteration < 0 || row->iteration == iteration))
			return row;
	}
	return NULL;
}

bool
rerun_call(ActivityCall *call, ActivityOutcome *outcome)
{
	EngineMode mode;

	if (run_info(call->run_id)->rerun_of == 0)
		return false;
	engine_mode_enter(&mode);
	call->goes_on_from = rerun_continues(call->run_id, call->no);
	if (call->goes_on_from != 0)
		require_earlier_run(call->goes_on_from);
	if (call->goes_on_from != 0 && call->def->bodies != NIL)
		call->body = earlier_body(call);
	engine_mode_leave(&mode);
	if (call->body == NULL)
		return false;
	if (call->body->has_items)
		call->max_scopes = activity_type(call->def)->max_scopes(call->def);
	*outcome = OUTCOME_BODY;
	return true;
}

/* The branch that an if or a switch has taken. */
static const ActivityList *
earlier_body(const ActivityCall *call)
{
	const ActivityRow *first;

	if (((ActivityList *) linitial(call->def->bodies))->repeated)
		return linitial(call->def->bodies);
	first = activity_load(call->goes_on_from,
						  rerun_scope_begun(call->goes_on_from, call->no, 1));
	return call->document->activities[first->activity_no].list;
}

/* No run of a group is purged while a rerun in it is unfinished. */
static void
require_earlier_run(int64 run_id)
{
	if (run_load(run_id, false) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("run " INT64_FORMAT
						" was purged, whose results were to be taken over",
						run_id)));
}

/*
 * What was named may be in a container that begins anew: its row has another
 * number then, but the same place.
 */
bool
rerun_demands(const ActivityCall *call)
{
	const RunInfo *run = run_info(call->run_id);
	List *line;
	ListCell *cell;

	if (run->rerun_of == 0)
		return false;
	if (run->rerun_all)
		return true;
	line = activity_ancestry(call->run_id, call->no);
	foreach(cell, line)
	{
		const ActivityRow *row = lfirst(cell);
		const ActivityDef *def = &run->document->activities[row->activity_no];
		bool inside;
		const ActivityRow *named = named_in(run, row->parent_no,
											row->iteration, &inside);
		const ActivityDef *from;

		if (def->rerun_always)
			return true;
		if (named == NULL)
			continue;
		from = &run->document->activities[named->activity_no];
		if (from->list == def->list &&
			rerun_following(def->list,
							activity_place(from))[activity_place(def)] &&
			(from != def || !inside))
			return true;
	}
	return false;
}

int32
rerun_iterations(const RunInfo *run, ActivityCall *call, Scope *scope)
{
	bool inside;
	const ActivityRow *named = named_in(run, call->no, -1, &inside);
	Takeover takeover = takeover_of(run, call->goes_on_from);
	RerunLoop loop = rerun_copy_loop(&takeover, call->no, call->body,
									 !call->def->rerun_inside &&
										 !run->rerun_all,
									 named != NULL ? named->iteration : 0);

	scope->first_no = loop.first_no;
	return loop.left;
}

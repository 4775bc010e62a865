/*-------------------------------------------------------------------------
 *
 * container.c
 *	  Activities that run others: how they begin, go on and end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "activity/activity.h"
#include "engine/container.h"
#include "engine/guard.h"
#include "engine/rerun.h"
#include "engine/wakeup.h"
#include "store/engine_mode.h"
#include "store/failure_store.h"
#include "store/run_store.h"
#include "store/stop_store.h"

static int32 check_that_failed(const BodyEnd *body);
static bool may_end_at_once(const RunInfo *run, const ActivityCall *call);
static void start_items(Advance *advance, ActivityCall *call, Scope *scope,
						int32 lanes);
static void begin_items(Advance *advance, ActivityCall *call,
						const Scope *scope, int32 lanes);
static BodyEnd *last_scope(Advance *advance, const RunInfo *run,
						   const ActivityCall *call, const Scope *scope);
static void start_body(const RunInfo *run, Advance *advance,
					   const ActivityRow *row, Scope *scope);
static bool stop_and_fail(const RunInfo *run, const ActivityRow *row,
						  const Failure *failure);

void
container_body_ended(BodyEnd *body)
{
	activity_type(body->def)->body_ended(body);
}

void
container_succeed(BodyEnd *body, Jsonb *output)
{
	ActivityRow row;

	if (activity_end(body->run->run_id, body->scope->parent_no, 0,
					 ACTIVITY_SUCCEEDED, output, NULL, -1, -1,
					 &row) != END_NOT_OURS)
		advance_activity(body->advance, &row, END_SUCCEEDED);
}

void
container_fail(BodyEnd *body, const Failure *failure, Jsonb *output)
{
	int64 run_id = body->run->run_id;
	const char *error = failure != NULL ?
		failure->message :
		container_first_error(run_id, body->scope->parent_no,
							  check_that_failed(body), body->run->document);
	ActivityRow row;

	if (activity_end(run_id, body->scope->parent_no, 0, ACTIVITY_FAILED,
					 output,
					 error != NULL ? error : "an activity in it failed", -1,
					 -1, &row) == END_NOT_OURS)
		return;
	if (failure != NULL)
		failure_insert(run_id, row.no, row.attempt, failure);
	advance_activity(body->advance, &row, END_FAILED);
}

/*
 * A round that failed does not end its loop, so it is not what a condition's
 * error is about; an iteration in which "break" failed has failed with it.
 */
static int32
check_that_failed(const BodyEnd *body)
{
	const ActivityList *list = body->scope->list;

	return body->check == END_FAILED && !list->has_items ?
		body->scope->first_no + list->count - 1 :
		-1;
}

void
container_fail_output(BodyEnd *body)
{
	container_fail(
		body,
		failure_create(
			CurrentMemoryContext, "54000",
			psprintf("output of activity \"%s\" is too large",
					 body->def->name),
			"The outputs inside of it have more than 64 MB together.",
			"Write large results to a table."),
		NULL);
}

void
container_repeat(BodyEnd *body, TimestampTz due_at)
{
	int64 run_id = body->run->run_id;
	Scope *next = palloc(sizeof(Scope));

	*next = *body->scope;
	next->iteration++;
	next->first_no = run_take_numbers(run_id, next->list->nrows);
	scope_insert(run_id, next);
	advance_scope(body->advance, next, due_at);
}

LoopState
container_next_item(BodyEnd *body, int32 max_failures)
{
	const Scope *scope = body->scope;
	int64 run_id = body->run->run_id;
	int32 nrows = scope->list->nrows;
	Scope *next = palloc(sizeof(Scope));
	int32 first_no = scope->first_no - (scope->iteration - 1) * nrows;

	*next = *scope;
	next->iteration = scope_begin_next(run_id, scope->parent_no,
									   scope->iteration, first_no, scope->list,
									   max_failures);
	if (next->iteration == 0)
		return loop_count_down(run_id, scope->parent_no) == 0 ? LOOP_IS_OVER :
																LOOP_GOES_ON;
	next->first_no = first_no + (next->iteration - 1) * nrows;
	advance_scope(body->advance, next, 0);
	return LOOP_GOES_ON;
}

bool
container_start(ActivityCall *call, NextActivity *next)
{
	const RunInfo *run = run_info(call->run_id);
	TimestampTz due_at = call->def->timeout == 0 ?
		0 :
		GetCurrentTimestamp() + call->def->timeout;
	Scope *scope = palloc0(sizeof(Scope));
	int32 lanes = 1;
	int32 left = 0;
	ActivityRow *row;
	Advance *advance;
	EngineMode mode;
	bool run_ended;

	/*
	 * The numbers of the new rows lock the run's row, which comes last: no
	 * other end may hold what this one needs after it.
	 */
	if (may_end_at_once(run, call))
		guard_alone(run);
	else
		guard_share(run);
	engine_mode_enter(&mode);
	row = activity_load(run->run_id, call->no);
	scope->list = call->body;
	scope->parent_no = call->no;
	scope->iteration = 1;
	scope->container = row->name;
	if (call->goes_on_from != 0 && call->body->has_items)
	{
		left = rerun_iterations(run, call, scope);
		lanes = Max(Min(call->max_scopes, left), 1);
	}
	else if (call->items != NULL)
		lanes = Min(call->max_scopes, JB_ROOT_COUNT(call->items));
	if (!activity_park(run->run_id, call->no, call->attempt, due_at, true,
					   lanes, NULL))
	{
		engine_mode_leave(&mode);
		return activity_cancel(run, call->no, call->attempt, NULL);
	}
	if (due_at != 0)
		wakeup_at(due_at);
	wakeup_run_event(run->run_id);
	advance = advance_begin(run, next);
	if (call->goes_on_from != 0 && call->body->has_items && left == 0)
		container_body_ended(last_scope(advance, run, call, scope));
	else if (call->goes_on_from != 0 && call->body->has_items)
		begin_items(advance, call, scope, lanes);
	else if (call->items != NULL)
		start_items(advance, call, scope, lanes);
	else
		start_body(run, advance, row, scope);
	run_ended = advance_finish(advance);
	engine_mode_leave(&mode);
	return run_ended;
}

/*
 * Iterations with nothing but inactive activities to begin with may be over
 * when they have begun; a branch takes no numbers, and a round ends with a look
 * at its condition.
 */
static bool
may_end_at_once(const RunInfo *run, const ActivityCall *call)
{
	const ActivityList *list = call->body;

	if (!list->has_items)
		return false;
	for (int place = 0; place < list->count; place++)
		if (list->graph->first_in[place] == list->graph->first_in[place + 1] &&
			list_activity(run->document, list, place)->active)
			return false;
	return true;
}

/* Numbers for all of them at once: the run's row is changed once. */
static void
start_items(Advance *advance, ActivityCall *call, Scope *scope, int32 lanes)
{
	int64 run_id = call->run_id;
	int64 count = JB_ROOT_COUNT(call->items);

	scope->first_no = run_take_numbers(run_id, count * scope->list->nrows);
	scope_items_insert(run_id, call->no, call->items);
	begin_items(advance, call, scope, lanes);
}

/* scope->first_no is that of the first of all. */
static void
begin_items(Advance *advance, ActivityCall *call, const Scope *scope,
			int32 lanes)
{
	int32 iteration = 0;

	for (int32 i = 0; i < lanes; i++)
	{
		Scope *one = palloc(sizeof(Scope));

		*one = *scope;
		iteration = scope_begin_next(call->run_id, call->no, iteration,
									 scope->first_no, scope->list, -1);
		Assert(iteration > 0);
		one->iteration = iteration;
		one->first_no = scope->first_no + (iteration - 1) * scope->list->nrows;
		advance_scope(advance, one, 0);
	}
}

/* No item is left to begin with, so the loop is over as after any other. */
static BodyEnd *
last_scope(Advance *advance, const RunInfo *run, const ActivityCall *call,
		   const Scope *scope)
{
	BodyEnd *body = palloc0(sizeof(BodyEnd));

	body->advance = advance;
	body->run = run;
	body->def = call->def;
	body->scope = scope;
	body->succeeded = true;
	return body;
}

static void
start_body(const RunInfo *run, Advance *advance, const ActivityRow *row,
		   Scope *scope)
{
	const ActivityDef *def = &run->document->activities[row->activity_no];

	if (scope->list->repeated)
		scope->first_no = run_take_numbers(run->run_id, scope->list->nrows);
	else
		scope->first_no = row->no - activity_place(def) +
			scope->list->row_offset;
	scope_insert(run->run_id, scope);
	advance_scope(advance, scope, 0);
}

bool
container_time_out(const RunInfo *run, int32 no, int32 attempt)
{
	EngineMode mode;
	ActivityRow *row;
	const ActivityDef *def;
	Failure *failure;
	bool run_ended = false;

	guard_alone(run);
	engine_mode_enter(&mode);
	row = activity_load(run->run_id, no);
	if (row != NULL && row->status == ACTIVITY_IN_PROGRESS && row->parked &&
		row->attempt == attempt)
	{
		def = &run->document->activities[row->activity_no];
		failure = failure_create(CurrentMemoryContext, "57014",
								 psprintf("timeout: it took longer than %g s",
										  def->timeout /
											  (double) USECS_PER_SEC),
								 NULL, NULL);
		run_ended = def->bodies != NIL ?
			stop_and_fail(run, row, failure) :
			activity_fail(run, no, attempt, failure, true, NULL);
		if (run->document->has_children)
			wakeup_scheduler(ERRAND_STOP);
	}
	engine_mode_leave(&mode);
	return run_ended;
}

/* Interrupts what executors are at, and waits for the end of that. */
static bool
stop_and_fail(const RunInfo *run, const ActivityRow *row,
			  const Failure *failure)
{
	List *detached = activities_stop_inside(run->run_id, row->no,
											run->document);
	ListCell *cell;

	wakeup_run_event(run->run_id);
	if (detached == NIL)
		return activity_fail(run, row->no, row->attempt, failure, false, NULL);
	failure_insert(run->run_id, row->no, row->attempt, failure);
	activity_stopping(run->run_id, row->no, list_length(detached),
					  failure->message);
	foreach(cell, detached)
		wakeup_interrupt(run->run_id, lfirst_int(cell), INTERRUPT_CONTAINER);
	return false;
}

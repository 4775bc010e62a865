/*-------------------------------------------------------------------------
 *
 * create.c
 *	  Making a run.
 *
 * A run of a pipeline with a concurrency is held at first.  The scheduler, of
 * which a database has one, admits such runs, so that submitting transactions
 * need not wait for each other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"

#include "engine/advance.h"
#include "engine/create.h"
#include "engine/rerun.h"
#include "engine/run_cache.h"
#include "engine/wakeup.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"
#include "store/ready_store.h"
#include "store/scope_store.h"
#include "store/submission_store.h"

static int64 insert_run(const RunRequest *request, bool held);
static void end_inactive_roots(int64 run_id, const Document *document);
static void push_roots(int64 run_id, const RunRequest *request);
static Jsonb *json_constant(const char *text);

int64
run_create(const RunRequest *request)
{
	const Document *document = request->document;
	bool held = document->concurrency > 0 && request->pipeline_id != 0;
	Scope scope = {.list = document->list, .parent_no = -1};
	EngineMode mode;
	int64 run_id;

	engine_mode_enter(&mode);
	run_id = insert_run(request, held);
	if (run_id == 0)
		run_id = run_find_by_key(request->pipeline_id, request->submitted_by,
								 request->idempotency_key);
	else if (request->rerun_of != 0)
	{
		advance_insert_variables(run_id, &scope);
		if (!rerun_begin(run_info(run_id)) && held)
			wakeup_scheduler(ERRAND_ADMIT);
	}
	else
	{
		advance_insert_variables(run_id, &scope);
		activities_insert(run_id, document, &scope, 0, -1, 0);
		end_inactive_roots(run_id, document);
		if (request->not_before != 0)
			wakeup_at(request->not_before);
		else if (held)
			wakeup_scheduler(ERRAND_ADMIT);
		else
			push_roots(run_id, request);
	}
	engine_mode_leave(&mode);
	return run_id;
}

static int64
insert_run(const RunRequest *request, bool held)
{
	NewRun run = {.version_id = request->version_id,
				  .pipeline_id = request->pipeline_id,
				  .held = held,
				  .priority = request->priority,
				  .remaining = request->document->list->nawaited,
				  .next_no = Max(request->next_no,
								 request->document->list->nrows),
				  .level = request->level,
				  .parent_run_id = request->parent_run_id,
				  .parent_no = request->parent_no,
				  .parent_attempt = request->parent_attempt,
				  .run_as = request->run_as,
				  .submitted_by = request->submitted_by,
				  .not_before = request->not_before,
				  .group_id = request->group_id,
				  .rerun_of = request->rerun_of,
				  .rerun_from = request->rerun_from,
				  .rerun_all = request->rerun_all,
				  .idempotency_key = request->idempotency_key,
				  .parameters = request->parameters,
				  .tags = request->tags != NULL ? request->tags :
												  json_constant("{}"),
				  .trigger = request->trigger};

	return run_insert(&run);
}

/* Inactive activities that wait for nothing end before anything has begun. */
static void
end_inactive_roots(int64 run_id, const Document *document)
{
	const Graph *graph = document->list->graph;
	int no;

	for (no = 0; no < graph->nnodes; no++)
	{
		const ActivityDef *def = &document->activities[no];
		ActivityRow row = {.no = no, .activity_no = no, .parent_no = -1};

		if (def->active || graph->first_in[no] < graph->first_in[no + 1])
			continue;
		activity_set_inactive(run_id, no);
		(void) advance_after_end(run_info(run_id), &row, def->on_inactive,
								 false, NULL);
	}
}

/* Pushes what run_push_ready() would find, without looking at the table. */
static void
push_roots(int64 run_id, const RunRequest *request)
{
	const Graph *graph = request->document->list->graph;
	int no;

	for (no = 0; no < graph->nnodes; no++)
	{
		const ActivityDef *def = &request->document->activities[no];
		WorkOrder order = {.run_priority = request->priority,
						   .run_id = run_id,
						   .priority = def->priority,
						   .no = no,
						   .activity_no = no};

		if (def->active && graph->first_in[no] == graph->first_in[no + 1])
			wakeup_ready(request->run_as, &order);
	}
}

void
run_push_ready(int64 run_id)
{
	const RunInfo *run = run_info(run_id);
	List *queued = activities_queued(run_id);
	ListCell *cell;

	foreach(cell, queued)
	{
		const ReadyRow *row = lfirst(cell);
		WorkOrder order = work_order(run, row->no, row->activity_no);

		wakeup_ready(run->run_as, &order);
	}
}

static Jsonb *
json_constant(const char *text)
{
	return DatumGetJsonbP(
		DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

/*-------------------------------------------------------------------------
 *
 * admission.c
 *	  The concurrency of pipelines: how many runs of one are in progress, and
 *	  what becomes of the others.
 *
 * The scheduler alone admits runs, so counting them needs no lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "engine/advance.h"
#include "engine/child.h"
#include "engine/create.h"
#include "engine/run_cache.h"
#include "engine/scheduler.h"
#include "engine/session.h"
#include "engine/stop.h"
#include "engine/wakeup.h"
#include "store/admission_store.h"
#include "store/engine_mode.h"
#include "store/run_store.h"
#include "store/stop_store.h"

static void list_pipelines(void *arg);
static void admit_to_pipeline(void *arg);
static bool admit_next(int32 pipeline_id, int64 run_id);
static void skip_run(int64 run_id);
static void cancel_admitted(int32 pipeline_id, int64 successor);

bool
admit_runs(void)
{
	List *pipelines = NIL;
	ListCell *cell;

	if (!try_in_transaction(list_pipelines, &pipelines))
		return false;
	foreach(cell, pipelines)
	{
		int32 pipeline_id = lfirst_int(cell);

		(void) try_in_transaction(admit_to_pipeline, &pipeline_id);
	}
	return true;
}

static void
list_pipelines(void *arg)
{
	EngineMode mode;

	engine_mode_enter(&mode);
	*(List **) arg = pipelines_with_held_runs();
	engine_mode_leave(&mode);
}

static void
admit_to_pipeline(void *arg)
{
	int32 pipeline_id = *(int32 *) arg;
	EngineMode mode;
	int64 run_id;

	engine_mode_enter(&mode);
	do
		run_id = run_next_held(pipeline_id);
	while (run_id != 0 && admit_next(pipeline_id, run_id));
	engine_mode_leave(&mode);
}

/* False if nothing more can be done for the pipeline now. */
static bool
admit_next(int32 pipeline_id, int64 run_id)
{
	const Document *document = run_info(run_id)->document;

	if (runs_admitted(pipeline_id) < document->concurrency)
	{
		run_release(run_id);
		run_push_ready(run_id);
		return true;
	}
	switch (document->if_running)
	{
		case IF_RUNNING_SKIP:
			skip_run(run_id);
			return true;
		case IF_RUNNING_CANCEL:
			cancel_admitted(pipeline_id, run_id);
			return runs_admitted(pipeline_id) < document->concurrency;
		case IF_RUNNING_QUEUE:
		case IF_RUNNING_ERROR: /* submit has refused what it saw in time */
			return false;
	}
	return false;
}

static void
skip_run(int64 run_id)
{
	const RunRow *run = run_load(run_id, false);

	activities_skip(run_id);
	run_end(run_id, RUN_SKIPPED, 0, NULL, NULL);
	wakeup_run_end(run_id);
	if (run->parent_run_id != 0)
		child_ended(run, RUN_SKIPPED, NULL, NULL);
	ForceSyncCommit();
}

/* The end of each brings us back here. */
static void
cancel_admitted(int32 pipeline_id, int64 successor)
{
	List *runs = runs_unfinished(pipeline_id, true);
	ListCell *cell;

	foreach(cell, runs)
		(void) run_stop(*(int64 *) lfirst(cell), STOP_CANCELLED,
						psprintf("cancelled in favour of run " INT64_FORMAT,
								 successor),
						NULL);
}

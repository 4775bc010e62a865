/*-------------------------------------------------------------------------
 *
 * advance.c
 *	  What follows from the end of an activity: which others become ready or
 *	  are skipped, and whether the run has ended.
 *
 * Rows are locked in ascending order of the activities' numbers, and the run's
 * row last.  Numbers are topological, so what follows from a skipped dependent
 * has a greater number than that; a heap of dependencies that have ended keeps
 * the order over all of it.  Two branches that end at once, or an end and a
 * cancel, so wait for each other at most, and never deadlock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/async.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "engine/advance.h"
#include "engine/finish.h"
#include "engine/role.h"
#include "engine/run_cache.h"
#include "engine/slot.h"
#include "engine/stop.h"
#include "engine/wakeup.h"
#include "mlpipe.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"
#include "store/pipeline_store.h"
#include "store/run_store.h"

/* The ends whose consequences are being drawn. */
typedef struct Advance
{
	const RunInfo *run;
	ActivityEnd *ends;			/* by number; what ended in this transaction */
	binaryheap *pending;		/* edges into dependents, packed by pack_edge() */
	int			leaves;			/* that have ended */
	NextActivity *next;			/* NULL: the caller takes nothing on */
	int			candidate;		/* the dependent to claim, or -1 */
} Advance;

static void follow(Advance *advance, int32 no, ActivityEnd end);
static void decide_dependent(Advance *advance, int32 no);
static void apply_status(Advance *advance, int32 no, ActivityStatus status);
static ActivityStatus status_when_ready(Advance *advance, int32 no);
static int	best_dependent(const RunInfo *run, int32 no);
static WorkOrder work_order(const RunInfo *run, int32 no);
static Datum pack_edge(const GraphEdge *edge, int index);
static int	compare_edges(Datum a, Datum b, void *arg);
static Jsonb *work_out_output(const RunInfo *run, char **error);
static void announce_end(int64 run_id, const char *status);

bool
advance_after_end(const RunInfo *run, int32 no, ActivityEnd end,
				  bool detached, NextActivity *next)
{
	const Graph *graph = run->document->graph;
	Advance		advance = {.run = run, .next = next, .candidate = -1};

	wakeup_run_event(run->run_id);
	if (detached)
		advance.leaves = 1;
	else
	{
		advance.ends = palloc0(graph->nnodes * sizeof(ActivityEnd));
		advance.pending = binaryheap_allocate(graph->nedges + 1,
											  compare_edges, NULL);
		if (next != NULL && run_is_startable(run->run_id))
			advance.candidate = best_dependent(run, no);
		follow(&advance, no, end);
		while (!binaryheap_empty(advance.pending))
			decide_dependent(&advance,
							 (int32) (DatumGetInt64(binaryheap_first(advance.pending)) >> 32));
		if (end == END_FAILED && failure_stops_run(run, no))
		{
			bool		ended;

			(void) run_stop(run->run_id, STOP_FAIL_FAST, NULL, &ended);
			return ended;
		}
	}

	if (advance.leaves == 0 ||
		run_count_down(run->run_id, advance.leaves) != 0)
		return false;
	run_finish(run->run_id);
	return true;
}

/* An activity has ended: its dependents are to be decided about. */
static void
follow(Advance *advance, int32 no, ActivityEnd end)
{
	const Graph *graph = advance->run->document->graph;
	int			i;

	advance->ends[no] = end;
	if (graph_is_leaf(graph, no))
		advance->leaves++;
	for (i = graph->first_out[no]; i < graph->first_out[no + 1]; i++)
	{
		int			edge = graph->out_edges[i];

		binaryheap_add(advance->pending,
					   pack_edge(&graph->edges[edge], edge));
	}
}

/* Takes all that has ended before this dependent together: one update. */
static void
decide_dependent(Advance *advance, int32 no)
{
	const Graph *graph = advance->run->document->graph;
	int			ended = 0;
	int			unmet = 0;
	ActivityStatus status;

	while (!binaryheap_empty(advance->pending))
	{
		int64		packed = DatumGetInt64(binaryheap_first(advance->pending));
		const GraphEdge *edge = &graph->edges[(int32) (packed & PG_INT32_MAX)];

		if (edge->to != no)
			break;
		(void) binaryheap_remove_first(advance->pending);
		ended++;
		if (!graph_condition_met(edge->conditions, advance->ends[edge->from]))
			unmet++;
	}
	status = activity_dependencies_ended(advance->run->run_id, no, ended,
										 unmet, status_when_ready(advance, no),
										 MyProcPid);
	apply_status(advance, no, status);
}

static void
apply_status(Advance *advance, int32 no, ActivityStatus status)
{
	WorkOrder	order = work_order(advance->run, no);

	switch (status)
	{
		case ACTIVITY_QUEUED:
			wakeup_ready(advance->run->run_as, &order);
			break;
		case ACTIVITY_IN_PROGRESS:
			advance->next->claimed = true;
			advance->next->order = order;
			advance->next->attempt = 1;
			wakeup_my_work(&order, 1);
			break;
		case ACTIVITY_SKIPPED:
			follow(advance, no, END_SKIPPED);
			break;
		case ACTIVITY_INACTIVE:
			follow(advance, no,
				   advance->run->document->activities[no].on_inactive);
			break;
		case ACTIVITY_WAITING:	/* for others */
		case ACTIVITY_CANCELLED:	/* the run has stopped */
		case ACTIVITY_SUCCEEDED:
		case ACTIVITY_FAILED:
			break;
	}
}

static ActivityStatus
status_when_ready(Advance *advance, int32 no)
{
	if (!advance->run->document->activities[no].active)
		return ACTIVITY_INACTIVE;
	return no == advance->candidate ? ACTIVITY_IN_PROGRESS : ACTIVITY_QUEUED;
}

/*
 * The dependent that the executor may go on with, if it turns out to be ready:
 * the first in the order of work, unless something better is in the queue.
 */
static int
best_dependent(const RunInfo *run, int32 no)
{
	const Graph *graph = run->document->graph;
	WorkOrder	best;
	int			found = -1;
	int			i;

	for (i = graph->first_out[no]; i < graph->first_out[no + 1]; i++)
	{
		int			to = graph->edges[graph->out_edges[i]].to;
		WorkOrder	order = work_order(run, to);

		if (found < 0 || work_compare(&order, &best) < 0)
		{
			best = order;
			found = to;
		}
	}
	if (found >= 0 &&
		(!slot_may_go_on_with(&best) || !role_is_still_allowed()))
		found = -1;
	return found;
}

static WorkOrder
work_order(const RunInfo *run, int32 no)
{
	return (WorkOrder)
	{
		.run_priority = run->priority,
		.run_id = run->run_id,
		.priority = run->document->activities[no].priority,
		.no = no
	};
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
	int64		left = DatumGetInt64(a);
	int64		right = DatumGetInt64(b);

	return left < right ? 1 : left > right ? -1 : 0;
}

/*
 * With fail_fast: does no activity depend on it by failed or completed?  One
 * that is inactive only counts as failed.
 */
bool
failure_stops_run(const RunInfo *run, int32 no)
{
	const Graph *graph = run->document->graph;
	int			i;

	if (!run->document->fail_fast || !run->document->activities[no].active)
		return false;
	for (i = graph->first_out[no]; i < graph->first_out[no + 1]; i++)
		if (graph->edges[graph->out_edges[i]].conditions & CONDITION_FAILED)
			return false;
	return true;
}

void
run_finish(int64 run_id)
{
	const RunInfo *info = run_info(run_id);
	RunRow	   *run = run_load(run_id, true);
	ActivityEnd *ends = palloc(info->document->nactivities * sizeof(ActivityEnd));
	RunStatus	status;
	Jsonb	   *output = NULL;
	char	   *error = NULL;
	int			failures = 0;
	int			i;

	activity_ends(run_id, info->document, ends);
	for (i = 0; i < info->document->nactivities; i++)
		failures += ends[i] == END_FAILED &&
			info->document->activities[i].active;

	if (run->stop_status != RUN_QUEUED)
		status = run->stop_status;
	else
		status = graph_succeeded(info->document->graph, ends) ?
			RUN_SUCCEEDED : RUN_FAILED;

	if (status == RUN_SUCCEEDED && info->document->output != NULL)
	{
		output = work_out_output(info, &error);
		if (error != NULL)
			status = RUN_FAILED;
	}
	if (error == NULL && status != RUN_SUCCEEDED)
		error = run->stop_reason != NULL ? run->stop_reason :
			activity_first_error(run_id);
	if (error == NULL && status == RUN_FAILED)
		error = "an inactive activity counts as failed";

	run_end(run_id, status, status == RUN_SUCCEEDED ? failures : 0, output,
			error);
	wakeup_run_event(run_id);
	if (info->document->concurrency > 0)
		wakeup_scheduler(ERRAND_ADMIT);
	if (mlpipe_notify)
		announce_end(run_id, run_status_name(status));
}

/* A path that finds nothing fails the run, and not whoever ends it. */
static Jsonb *
work_out_output(const RunInfo *run, char **error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Jsonb	   *volatile output = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		output = template_render_json(run->document->output,
									  run_context_load(run->run_id));
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *data;

		MemoryContextSwitchTo(context);
		data = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		*error = psprintf("output: %s", data->message);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return output;
}

static void
announce_end(int64 run_id, const char *status)
{
	Async_Notify("mlpipe", psprintf("{\"run_id\": " INT64_FORMAT
									", \"status\": \"%s\"}", run_id, status));
}

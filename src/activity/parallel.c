/*-------------------------------------------------------------------------
 *
 * parallel.c
 *	  The activity type "parallel": splits its input into mini-batches, which
 *	  executors then run side by side.
 *
 * What runs here, in the activity's own transaction, is the split alone.  Its
 * commit makes the step; from then on the mini-batches are ready work, each
 * done in a transaction of its own, and the activity is in progress until the
 * last worker ends it.  parallel.h says which file does what.
 *
 * The mini-batches of a table read it as it was at the split (horizon.h); if
 * that is not possible, it is copied like the rows of a query.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "activity/parallel.h"
#include "activity/parallel_columns.h"
#include "activity/parallel_rerun.h"
#include "activity/parallel_worker.h"
#include "activity/select.h"
#include "activity/sql_name.h"
#include "engine/session.h"
#include "engine/slot.h"
#include "store/engine_mode.h"

#define DEFAULT_SIZE  "10 MB"
#define DEFAULT_FILES "10 files"

static ActivityOutcome split_in_time(ActivityCall *call);
never_returns static void fail_unstarted(ActivityCall *call);
static ActivityOutcome split_input(ActivityCall *call);
static char *all_of_input(ActivityCall *call);
static void split_by_number(ActivityCall *call, Split *split);
static bool split_table_input(ActivityCall *call, const BatchSize *size,
							  Split *split);
static void store_split(ActivityCall *call, Split *split, double seconds);
static void finish_empty(ActivityCall *call, const Split *split,
						 double seconds);

/*
 * The activity's retry, when the step has failed, repeats the mini-batches that
 * have not succeeded (parallel_end.c); until the input is split it is a retry
 * like any other.
 */
const ActivityType parallel_activity = {.kind = {.name = "parallel",
												 .takes = TAKES_RETRY |
													 TAKES_REUSE |
													 TAKES_COMPUTE,
												 .check = parallel_check},
										.run = split_in_time};

/* first_task_creation_timeout bounds it, beside the activity's timeout. */
static ActivityOutcome
split_in_time(ActivityCall *call)
{
	const ParallelConfig *config = call->def->config;
	WatchLimits limits = {.batch_timeout = config->first_batch_timeout};
	ActivityOutcome outcome;

	watch_start(&limits);
	PG_TRY();
	{
		outcome = split_input(call);
		watch_enforce();
	}
	PG_CATCH();
	{
		if (watch_stop() != WATCH_NONE &&
			geterrcode() == ERRCODE_QUERY_CANCELED &&
			MySlot->interrupt == INTERRUPT_NONE)
		{
			MemoryContextSwitchTo(WorkContext);
			FlushErrorState();
			fail_unstarted(call);
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
	(void) watch_stop();
	return outcome;
}

static void
fail_unstarted(ActivityCall *call)
{
	Failure *failure = timeout_failure(CurrentMemoryContext, call->def,
									   WATCH_UNSTARTED, NULL, 0);

	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED), errmsg("%s", failure->message),
			 errdetail("The input was still being split.")));
}

static ActivityOutcome
split_input(ActivityCall *call)
{
	const ParallelConfig *config = call->def->config;
	TimestampTz started_at = GetCurrentTimestamp();
	Split split;
	double seconds;

	if (config->partition_keys != NIL)
		split_partitions(parallel_input_query(call), config->partition_keys,
						 list_length(config->columns), call->run_id, call->no,
						 &split);
	else if (call->goes_on_from == 0 || !parallel_split_left(call, &split))
		split_by_number(call, &split);
	if (split.row.batches > 0)
		parallel_check_target(call, &split);
	else
		parallel_make_unused_target(call, &split);

	seconds = (GetCurrentTimestamp() - started_at) / (double) USECS_PER_SEC;
	if (split.row.batches == 0)
	{
		finish_empty(call, &split, seconds);
		return OUTCOME_DONE;
	}
	store_split(call, &split, seconds);
	if (call->goes_on_from != 0)
		parallel_take_over(call, &split);
	return OUTCOME_STEP;
}

char *
parallel_input_query(ActivityCall *call)
{
	const ParallelConfig *config = call->def->config;
	char *query = all_of_input(call);

	if (config->columns != NIL)
		query = columns_query(query, config->partition_keys, config->columns);
	return query;
}

static char *
all_of_input(ActivityCall *call)
{
	const ParallelConfig *config = call->def->config;
	Select query;

	if (config->table != NULL)
		return psprintf("SELECT * FROM %s",
						table_name(call_render(call, config->table)));
	if (config->files != NULL)
		return psprintf(
			"SELECT path, bytes, modified FROM mlpipe.list_files(%s)",
			quote_literal_cstr(call_render(call, config->files)));

	/* It must be one query: of several, only the last one's rows are kept. */
	select_parse(call_render(call, config->query), &query);
	return query.text;
}

/* A number of rows, or of bytes. */
static void
split_by_number(ActivityCall *call, Split *split)
{
	const ParallelConfig *config = call->def->config;
	BatchSize size;

	batch_size_of(config->size != NULL      ? call_render(call, config->size) :
					  config->files != NULL ? DEFAULT_FILES :
											  DEFAULT_SIZE,
				  config->files != NULL, &size);
	/* What had been copied has to be copied again, to be compared. */
	if (config->table == NULL || call->goes_on_from != 0 ||
		!split_table_input(call, &size, split))
		split_query(parallel_input_query(call), call->run_id, call->no, &size,
					split);
}

/* False if its rows have to be copied. */
static bool
split_table_input(ActivityCall *call, const BatchSize *size, Split *split)
{
	const ParallelConfig *config = call->def->config;
	RangeVar *table = table_range_var(call_render(call, config->table));
	Oid relation = RangeVarGetRelid(table, AccessShareLock, false);

	if (get_rel_relkind(relation) == RELKIND_INDEX ||
		!split_table(relation, size, split))
		return false;

	if (split->row.batches == 0)
		return true;
	split->snapshot = parallel_keep_snapshot(call->run_id, call->no);
	return split->snapshot != NULL;
}

static void
store_split(ActivityCall *call, Split *split, double seconds)
{
	EngineMode mode;

	split->row.run_id = call->run_id;
	split->row.no = call->no;
	split->row.split_seconds = seconds;
	XactReadOnly = false;
	engine_mode_enter(&mode);
	step_insert(&split->row, split->boundaries.data, split->boundaries.len,
				split->snapshot,
				split->hashes.data == NULL ?
					NULL :
					(bytea *) cstring_to_text_with_len(split->hashes.data,
													   split->hashes.len));
	engine_mode_leave(&mode);
}

static void
finish_empty(ActivityCall *call, const Split *split, double seconds)
{
	BatchTotals none = {0};
	Jsonb *summary = parallel_summary(0, &none, seconds, "succeeded");

	if (split->row.staged)
		parallel_drop_stage(call->run_id, call->no);
	call->items_in = 0;
	call->items_out = 0;
	call_set_output(call, summary);
	XactReadOnly = false;
	parallel_log_summary(call->run_id, call->no, call->def->config, summary);
}

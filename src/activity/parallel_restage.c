/*-------------------------------------------------------------------------
 *
 * parallel_restage.c
 *	  Stages a step's partitions again after a crash of the server.
 *
 * The staged rows are unlogged, so a crash empties their table.  The
 * partitions of the step, and their numbers, are in a logged table; those that
 * are done have their final rows.  The first worker that comes by reads the
 * input again, for the other partitions: rows of keys that were not there the
 * first time are in no mini-batch.  If a partition has more rows now, or
 * fewer, the step fails.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "activity/parallel.h"
#include "engine/journal.h"
#include "store/engine_mode.h"

static bool is_lost(const StepRow *split);
static void load_lost(const StepRow *split, LostStage *lost);
static void read_partitions(const StepRow *split, PartitionList *list);
static void check_unchanged(const StepRow *row, const LostStage *lost,
							const Split *split);
static void store_again(const Split *split, StepRow *row);

void
parallel_restage(ActivityCall *call, StepRow *row)
{
	const ParallelConfig *config = call->def->config;
	TimestampTz started_at = GetCurrentTimestamp();
	LostStage lost;
	Split split;
	EngineMode mode;

	engine_mode_enter(&mode);
	step_lock(row->run_id, row->no);
	(void) step_load(row->run_id, row->no, row);
	engine_mode_leave(&mode);
	if (!is_lost(row))
		return;

	load_lost(row, &lost);
	split_partitions_again(parallel_input_query(call), config->partition_keys,
						   list_length(config->columns), &lost, &split);
	check_unchanged(row, &lost, &split);
	store_again(&split, row);
	call_log(
		WARNING,
		psprintf(
			"staged %d partitions again in %.3f s: a crash of the server had taken their rows",
			list_length(lost.missing),
			(GetCurrentTimestamp() - started_at) / 1000000.0));
	journal_write(row->run_id, row->no, 0);
	journal_reset();
}

/*
 * As a crash leaves it, or dropped meanwhile by the worker that stages it
 * again.
 */
static bool
is_lost(const StepRow *split)
{
	Relation relation;
	bool lost;

	relation = try_relation_open(split->relation, AccessShareLock);
	lost = relation == NULL ||
		RelationGetNumberOfBlocks(relation) < split->blocks;
	if (relation != NULL)
		relation_close(relation, NoLock);
	return lost;
}

static void
load_lost(const StepRow *split, LostStage *lost)
{
	EngineMode mode;

	memset(lost, 0, sizeof(*lost));
	lost->row = split;
	engine_mode_enter(&mode);
	lost->missing = batch_missing(split->run_id, split->no, split->batches,
								  split->attempts_before, NULL, 0,
								  split->batches);
	read_partitions(split, &lost->partitions);
	engine_mode_leave(&mode);
}

static void
read_partitions(const StepRow *split, PartitionList *list)
{
	bytea *boundaries = step_boundaries(split->run_id, split->no, 0,
										split->batches * PARTITION_SIZE);
	int i;

	for (i = 0; i < split->batches; i++)
	{
		Partition *partition = partition_add(list);

		partition_read(VARDATA_ANY(boundaries) + (Size) i * PARTITION_SIZE,
					   partition);
		partition->items = 0;
		ItemPointerSet(&partition->begin, 0, FirstOffsetNumber);
		partition->end = partition->begin;
	}
	pfree(boundaries);
}

/*
 * A row whose key has been changed meanwhile would be in a second mini-batch or
 * in none, and a new row would be in one.
 */
static void
check_unchanged(const StepRow *row, const LostStage *lost, const Split *split)
{
	EngineMode mode;
	bytea *then;
	ListCell *cell;

	engine_mode_enter(&mode);
	then = step_boundaries(row->run_id, row->no, 0,
						   row->batches * PARTITION_SIZE);
	engine_mode_leave(&mode);
	foreach(cell, lost->missing)
	{
		const BatchAttempt *missing = lfirst(cell);
		Size offset = (Size) (missing->batch - 1) * PARTITION_SIZE;
		Partition before;
		Partition after;

		partition_read(VARDATA_ANY(then) + offset, &before);
		partition_read(split->boundaries.data + offset, &after);
		if (before.items != after.items)
			ereport(
				ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg(
					 "the input has changed since a crash took the rows that were staged"),
				 errdetail("Mini-batch %d had " INT64_FORMAT
						   " rows, and would have " INT64_FORMAT " now.",
						   missing->batch, before.items, after.items),
				 errhint(
					 "mlpipe_rerun() does the partitions that are left, as they are by then.")));
	}
	pfree(then);
}

static void
store_again(const Split *split, StepRow *row)
{
	EngineMode mode;

	row->relation = split->row.relation;
	row->filenode = split->row.filenode;
	row->blocks = split->row.blocks;
	XactReadOnly = false;
	engine_mode_enter(&mode);
	step_move(row, split->boundaries.data, split->boundaries.len);
	engine_mode_leave(&mode);
}

/*-------------------------------------------------------------------------
 *
 * parallel_locate.c
 *	  What a mini-batch is, from its number: which part of the table it reads,
 *	  and the text of its statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "activity/output.h"
#include "activity/parallel_key_table.h"
#include "activity/parallel_partition.h"
#include "activity/parallel_worker.h"
#include "store/engine_mode.h"

/* So many boundaries are read at once. */
#define BOUNDARY_WINDOW 4096

static void locate_partition(ParallelWorker *worker, int32 number,
							 CurrentBatch *batch);
static Jsonb *keys_of(ParallelWorker *worker, Partition *partition);
static const char *read_entry(ParallelWorker *worker, int32 number, int size);
static void read_window(ParallelWorker *worker, int32 first, int size);

void
parallel_locate_batch(ParallelWorker *worker, int32 number,
					  CurrentBatch *batch)
{
	const StepRow *split = &worker->split;

	memset(batch, 0, sizeof(*batch));
	batch->number = number;
	batch->relation = split->relation;
	batch->filenode = split->filenode;
	batch->context = worker->scratch;
	batch->snapshot = worker->snapshot;
	batch->items = -1;
	ItemPointerSet(&batch->end, split->blocks, FirstOffsetNumber);
	if (split->partitioned)
		locate_partition(worker, number, batch);
	else if (split->rows_per_batch > 0)
	{
		boundary_read(read_entry(worker, number, BOUNDARY_SIZE),
					  &batch->begin);
		batch->items = split->rows_per_batch;
		if (number < split->batches)
			boundary_read(read_entry(worker, number + 1, BOUNDARY_SIZE),
						  &batch->end);
		else
			batch->items = split->items - (number - 1) * split->rows_per_batch;
	}
	else
	{
		int64 begin = (int64) (number - 1) * split->blocks_per_batch;

		ItemPointerSet(&batch->begin, begin, FirstOffsetNumber);
		if (number < split->batches)
			ItemPointerSet(&batch->end, begin + split->blocks_per_batch,
						   FirstOffsetNumber);
	}
}

static void
locate_partition(ParallelWorker *worker, int32 number, CurrentBatch *batch)
{
	Partition partition;

	partition_read(read_entry(worker, number, PARTITION_SIZE), &partition);
	batch->begin = partition.begin;
	batch->end = partition.end;
	batch->items = partition.items;
	batch->usual_items = Max(worker->split.items / worker->split.batches, 1);
	if (worker->config->partition_keys != NIL)
		batch->keys = keys_of(worker, &partition);
}

/* From the key table or, if there is none, from the mini-batch's first row. */
static Jsonb *
keys_of(ParallelWorker *worker, Partition *partition)
{
	bool in_table = OidIsValid(worker->split.key_relation);
	Relation relation = table_open(in_table ? worker->split.key_relation :
											  worker->split.relation,
								   AccessShareLock);
	TupleTableSlot *row = table_slot_create(relation, NULL);
	Jsonb *keys;

	if (worker->keys == NULL)
	{
		MemoryContext previous = MemoryContextSwitchTo(worker->context);

		worker->keys = batch_keys_create(RelationGetDescr(relation),
										 worker->config->partition_keys);
		MemoryContextSwitchTo(previous);
	}
	key_table_read(relation, in_table ? &partition->keys : &partition->begin,
				   row);
	keys = batch_keys_jsonb(worker->keys, row);
	ExecDropSingleTupleTableSlot(row);
	table_close(relation, NoLock);
	return keys;
}

/* From a window that moves along with the numbers that are handed out. */
static const char *
read_entry(ParallelWorker *worker, int32 number, int size)
{
	if (worker->boundaries == NULL || number < worker->first_boundary ||
		number >= worker->first_boundary + worker->nboundaries)
		read_window(worker, number, size);
	if (number >= worker->first_boundary + worker->nboundaries)
		elog(ERROR, "boundary %d of the step is missing", number);
	return VARDATA_ANY(worker->boundaries) +
		(Size) (number - worker->first_boundary) * size;
}

static void
read_window(ParallelWorker *worker, int32 first, int size)
{
	MemoryContext previous = MemoryContextSwitchTo(worker->context);
	EngineMode mode;

	if (worker->boundaries != NULL)
		pfree(worker->boundaries);
	worker->boundaries = NULL;
	engine_mode_enter(&mode);
	worker->boundaries = step_boundaries(worker->order.run_id,
										 worker->order.no, (first - 1) * size,
										 BOUNDARY_WINDOW * size);
	engine_mode_leave(&mode);
	worker->first_boundary = first;
	worker->nboundaries = VARSIZE_ANY_EXHDR(worker->boundaries) / size;
	MemoryContextSwitchTo(previous);
}

/* The context of the run, with the mini-batch added to it. */
char *
parallel_run_text(ActivityCall *call)
{
	const ParallelConfig *config = call->def->config;
	Output output;
	Jsonb *root;

	output_begin(&output);
	output_json(&output, "batch", batch_context());
	root = DatumGetJsonbP(
		DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(call_context(call)),
							JsonbPGetDatum(output_end(&output))));
	return call_render_in(config->run, root);
}

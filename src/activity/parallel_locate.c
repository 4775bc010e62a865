/*-------------------------------------------------------------------------
 *
 * parallel_locate.c
 *	  What a mini-batch is, from its number: which part of the table it reads,
 *	  and the text of its statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "activity/parallel.h"
#include "store/engine_mode.h"

/* As many boundaries are read at once. */
#define BOUNDARY_WINDOW		4096

static void read_boundary(ParallelWorker *worker, int32 number,
						  ItemPointer tid);
static void read_window(ParallelWorker *worker, int32 first);

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
	if (split->rows_per_batch > 0)
	{
		read_boundary(worker, number, &batch->begin);
		batch->items = split->rows_per_batch;
		if (number < split->batches)
			read_boundary(worker, number + 1, &batch->end);
		else
			batch->items = split->items -
				(number - 1) * split->rows_per_batch;
	}
	else
	{
		int64		begin = (int64) (number - 1) * split->blocks_per_batch;

		ItemPointerSet(&batch->begin, begin, FirstOffsetNumber);
		if (number < split->batches)
			ItemPointerSet(&batch->end, begin + split->blocks_per_batch,
						   FirstOffsetNumber);
	}
}

/* From a window that moves on with the numbers that are handed out. */
static void
read_boundary(ParallelWorker *worker, int32 number, ItemPointer tid)
{
	const unsigned char *b;

	if (worker->boundaries == NULL || number < worker->first_boundary ||
		number >= worker->first_boundary + worker->nboundaries)
		read_window(worker, number);
	if (number >= worker->first_boundary + worker->nboundaries)
		elog(ERROR, "boundary %d of the step is missing", number);
	b = (const unsigned char *) VARDATA_ANY(worker->boundaries) +
		(number - worker->first_boundary) * BOUNDARY_SIZE;
	ItemPointerSet(tid,
				   (BlockNumber) b[0] << 24 | (BlockNumber) b[1] << 16 |
				   (BlockNumber) b[2] << 8 | (BlockNumber) b[3],
				   (OffsetNumber) (b[4] << 8 | b[5]));
}

static void
read_window(ParallelWorker *worker, int32 first)
{
	MemoryContext previous = MemoryContextSwitchTo(worker->context);
	EngineMode	mode;

	if (worker->boundaries != NULL)
		pfree(worker->boundaries);
	worker->boundaries = NULL;
	engine_mode_enter(&mode);
	worker->boundaries = step_boundaries(worker->order.run_id,
										 worker->order.no, first,
										 BOUNDARY_WINDOW);
	engine_mode_leave(&mode);
	worker->first_boundary = first;
	worker->nboundaries = VARSIZE_ANY_EXHDR(worker->boundaries) /
		BOUNDARY_SIZE;
	MemoryContextSwitchTo(previous);
}

/* The context of the run, with the mini-batch added to it. */
char *
parallel_run_text(const ParallelWorker *worker)
{
	JsonbParseState *state = NULL;
	JsonbValue	key;
	JsonbValue	value;
	Jsonb	   *batch = batch_context();
	Jsonb	   *root;

	key.type = jbvString;
	key.val.string.val = "batch";
	key.val.string.len = strlen("batch");
	value.type = jbvBinary;
	value.val.binary.data = &batch->root;
	value.val.binary.len = VARSIZE(batch) - VARHDRSZ;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &key);
	pushJsonbValue(&state, WJB_VALUE, &value);
	root = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	root = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(call_context(worker->call)),
											  JsonbPGetDatum(root)));
	return template_render(worker->config->run, root);
}


/*-------------------------------------------------------------------------
 *
 * parallel_sampler.c
 *	  The table sampling method that reads one mini-batch of a table.
 *
 * mini_batch stands for TABLE TABLESAMPLE mlpipe.mini_batch_range(), and this
 * gives the scan the blocks and tuples of the mini-batch that the process is
 * working on.  It is a sampling method because that is the one place where an
 * extension can tell an ordinary scan what to read without any change of the
 * plan: the plan is made once for a step, conditions are pushed down to the
 * scan, rows have the table's type, and the scan goes through the small ring of
 * buffers of bulk reads, so that a pass over a large table does not push
 * everything else out of the cache.
 *
 * The scan sees what the step's snapshot sees.  So if an UPDATE, also the
 * step's own, moves a row to another block while the step goes on, the row is
 * in the mini-batch of its old place and in no other.  The rest of the
 * statement has a snapshot of its own, as under READ COMMITTED, and can update
 * such rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/tsmapi.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "activity/batch.h"
#include "activity/page_scan.h"
#include "activity/parallel.h"

/* The state of a scan. */
typedef struct RangeScan
{
	const CurrentBatch *batch;
	uint64 next_block;
	uint64 end_block;            /* the first one that is not read */
	OffsetNumber offset;         /* the last tuple of the block given out */
	OffsetNumber last;           /* the last one of the block in the range */
	ExecProcNodeMtd sample_scan; /* the node's own */
	Instrumentation *counter;    /* NULL if the server counts, or nobody */
	bool as_is;                  /* no row is left out or changed */
	bool on_page;                /* the rest of the block is read by us */
} RangeScan;

static void estimate_range(PlannerInfo *root, RelOptInfo *baserel,
						   List *paramexprs, BlockNumber *pages,
						   double *tuples);
static uint64 range_end_block(const CurrentBatch *batch);
static void init_scan(SampleScanState *node, int eflags);
static TupleTableSlot *exec_scan(PlanState *state);
static void stay_on_page(SampleScanState *node);
static TupleTableSlot *next_on_page(ScanState *state);
static bool recheck(ScanState *state, TupleTableSlot *row);
static void count_rows_here(SampleScanState *node);
static void begin_scan(SampleScanState *node, Datum *params, int nparams,
					   uint32 seed);
static void check_relation(const CurrentBatch *batch, Relation relation);
static BlockNumber next_block(SampleScanState *node, BlockNumber nblocks);
static OffsetNumber next_tuple(SampleScanState *node, BlockNumber block,
							   OffsetNumber max);
static void end_scan(SampleScanState *node);
static void note_items_read(const SampleScanState *node);

PG_FUNCTION_INFO_V1(mlpipe_mini_batch_range);
Datum
mlpipe_mini_batch_range(PG_FUNCTION_ARGS)
{
	TsmRoutine *method = makeNode(TsmRoutine);

	method->parameterTypes = NIL;
	method->repeatable_across_queries = false;
	method->repeatable_across_scans = true;
	method->SampleScanGetSampleSize = estimate_range;
	method->InitSampleScan = init_scan;
	method->BeginSampleScan = begin_scan;
	method->NextSampleBlock = next_block;
	method->NextSampleTuple = next_tuple;
	method->EndSampleScan = end_scan;
	PG_RETURN_POINTER(method);
}

/*
 * The estimate is for the current mini-batch, but the plan serves all.
 * Partitions may differ much in size, and the largest comes first: a plan made
 * for that one would have JIT compile each of the others.
 */
static void
estimate_range(PlannerInfo *root, RelOptInfo *baserel, List *paramexprs,
			   BlockNumber *pages, double *tuples)
{
	*pages = baserel->pages;
	*tuples = baserel->tuples;
	if (MyBatch != NULL)
	{
		uint64 first = ItemPointerGetBlockNumber(&MyBatch->begin);
		uint64 blocks = range_end_block(MyBatch) - first;

		*pages = Min(Max(blocks, 1), Max(baserel->pages, 1));
		*tuples = MyBatch->items >= 0 ?
			MyBatch->items :
			baserel->tuples * *pages / Max(baserel->pages, 1);
		if (MyBatch->usual_items > 0 && MyBatch->usual_items < *tuples)
		{
			*pages = Max(*pages * (MyBatch->usual_items / *tuples), 1);
			*tuples = MyBatch->usual_items;
		}
	}
	*tuples = clamp_row_est(*tuples);
}

static uint64
range_end_block(const CurrentBatch *batch)
{
	uint64 block = ItemPointerGetBlockNumberNoCheck(&batch->end);

	if (ItemPointerGetOffsetNumberNoCheck(&batch->end) > FirstOffsetNumber)
		block++;
	return block;
}

static void
init_scan(SampleScanState *node, int eflags)
{
	RangeScan *scan = palloc0(sizeof(RangeScan));

	scan->sample_scan = node->ss.ps.ExecProcNode;
	node->ss.ps.ExecProcNode = exec_scan;
	node->tsm_state = scan;
}

/*
 * The server's node asks for each tuple whether it belongs to the sample.
 * Here it finds the blocks, and the first row on each; the others are taken
 * from what the scan knows to be visible there, as in a sequential scan.
 */
static TupleTableSlot *
exec_scan(PlanState *state)
{
	SampleScanState *node = castNode(SampleScanState, state);
	RangeScan *scan = node->tsm_state;
	Instrumentation *counter = scan->counter;
	TupleTableSlot *row = NULL;

	if (scan->on_page && node->begun)
		row = scan->as_is ? next_on_page(&node->ss) :
							ExecScan(&node->ss, next_on_page, recheck);
	if (TupIsNull(row))
	{
		row = scan->sample_scan(state);
		if (!TupIsNull(row) && state->state->es_epq_active == NULL)
			stay_on_page(node);
	}

	/* If this call has begun the scan, the server counts its row. */
	if (counter != NULL && !TupIsNull(row))
		counter->tuplecount++;
	return row;
}

static void
stay_on_page(SampleScanState *node)
{
	RangeScan *scan = node->tsm_state;
	HeapScanDesc heap = (HeapScanDesc) node->ss.ss_currentScanDesc;
	int i = 0;

	if (!scan_is_by_page(&heap->rs_base))
		return;
	while (i < heap->rs_ntuples && heap->rs_vistuples[i] != scan->offset)
		i++;
	heap->rs_cindex = i;
	scan->on_page = i < heap->rs_ntuples;
}

static TupleTableSlot *
next_on_page(ScanState *state)
{
	SampleScanState *node = castNode(SampleScanState, state);
	RangeScan *scan = node->tsm_state;
	HeapScanDesc heap = (HeapScanDesc) state->ss_currentScanDesc;
	TupleTableSlot *row = state->ss_ScanTupleSlot;

	CHECK_FOR_INTERRUPTS();
	if (!heap_page_next(heap, &heap->rs_ctup) ||
		ItemPointerGetOffsetNumber(&heap->rs_ctup.t_self) > scan->last)
	{
		scan->on_page = false;
		scan->offset = MaxOffsetNumber;
		return ExecClearTuple(row);
	}
	node->donetuples++;
	return ExecStoreBufferHeapTuple(&heap->rs_ctup, row, heap->rs_cbuf);
}

/* Nothing that the scan checks depends on the version of a row. */
static bool
recheck(ScanState *state, TupleTableSlot *row)
{
	return true;
}

static void
begin_scan(SampleScanState *node, Datum *params, int nparams, uint32 seed)
{
	RangeScan *scan = node->tsm_state;

	if (MyBatch == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no mini-batch is being run"),
			 errhint(
				 "The sampling method \"mlpipe.mini_batch_range\" is for the statement \"run\" of parallel activities.")));
	check_relation(MyBatch, node->ss.ss_currentRelation);

	count_rows_here(node);
	scan->batch = MyBatch;
	scan->as_is = node->ss.ps.qual == NULL && node->ss.ps.ps_ProjInfo == NULL;
	scan->on_page = false;
	scan->next_block = ItemPointerGetBlockNumber(&MyBatch->begin);
	scan->end_block = range_end_block(MyBatch);
	node->use_bulkread = true;
	node->use_pagemode = true;
}

/*
 * The server calls a node that counts its rows by way of a function, which
 * takes longer than reading the row.
 */
static void
count_rows_here(SampleScanState *node)
{
	RangeScan *scan = node->tsm_state;
	Instrumentation *counter = node->ss.ps.instrument;

	if (counter == NULL || counter->need_timer || counter->need_bufusage ||
		counter->need_walusage)
		return;
	scan->counter = counter;
	counter->running = true;
	node->ss.ps.ExecProcNode = node->ss.ps.ExecProcNodeReal;
}

/*
 * Blocks of another table, or of a new file of the same table, would be read
 * without an error, and rows would be missing or come twice.
 */
static void
check_relation(const CurrentBatch *batch, Relation relation)
{
	if (RelationGetRelid(relation) == batch->relation &&
		relation->rd_rel->relfilenode == batch->filenode)
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg(
			 "table \"%s\" was rewritten after it had been split into mini-batches",
			 RelationGetRelationName(relation)),
		 errdetail(
			 "TRUNCATE, VACUUM FULL, CLUSTER and some forms of ALTER TABLE rewrite a table."),
		 errhint("Use \"query\" as the input, which is kept for the step.")));
}

static BlockNumber
next_block(SampleScanState *node, BlockNumber nblocks)
{
	RangeScan *scan = node->tsm_state;
	const CurrentBatch *batch = scan->batch;
	BlockNumber block;

	/* The scan was begun after begin_scan(), and this is its first question. */
	if (batch->snapshot != NULL)
		node->ss.ss_currentScanDesc->rs_snapshot = batch->snapshot;

	note_items_read(node);
	if (scan->next_block >= Min(scan->end_block, nblocks))
	{
		MyBatch->read_whole = true;
		return InvalidBlockNumber;
	}
	block = (BlockNumber) scan->next_block++;

	scan->offset = InvalidOffsetNumber;
	scan->last = MaxOffsetNumber;
	if (block == ItemPointerGetBlockNumber(&batch->begin))
		scan->offset = ItemPointerGetOffsetNumber(&batch->begin) - 1;
	if (block == ItemPointerGetBlockNumberNoCheck(&batch->end))
		scan->last = ItemPointerGetOffsetNumber(&batch->end) - 1;
	return block;
}

/* Called for each tuple of the scan. */
static OffsetNumber
next_tuple(SampleScanState *node, BlockNumber block, OffsetNumber max)
{
	RangeScan *scan = node->tsm_state;

	if (scan->offset >= Min(scan->last, max))
		return InvalidOffsetNumber;
	return ++scan->offset;
}

static void
end_scan(SampleScanState *node)
{
	note_items_read(node);
}

/*
 * The node counts the visible rows that it returned, before conditions, and
 * from 0 in each scan.
 */
static void
note_items_read(const SampleScanState *node)
{
	if (MyBatch != NULL && node->begun)
		MyBatch->items_read = Max(MyBatch->items_read, node->donetuples);
}

bool
batch_input_is_intact(const StepRow *split)
{
	HeapTuple tuple = SearchSysCache1(RELOID,
									  ObjectIdGetDatum(split->relation));
	bool intact = HeapTupleIsValid(tuple) &&
		((Form_pg_class) GETSTRUCT(tuple))->relfilenode == split->filenode;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return intact;
}

int64
batch_count_items(const CurrentBatch *batch)
{
	Relation relation = table_open(batch->relation, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	ItemPointerData first = batch->begin;
	ItemPointerData last = batch->end;
	TableScanDesc scan;
	int64 items = 0;

	check_relation(batch, relation);
	PushActiveSnapshot(GetTransactionSnapshot());

	/* The range is inclusive there; offset 0 is before all tuples. */
	ItemPointerSetOffsetNumber(&last,
							   ItemPointerGetOffsetNumber(&batch->end) - 1);
	scan = table_beginscan_tidrange(relation,
									batch->snapshot != NULL ?
										batch->snapshot :
										GetActiveSnapshot(),
									&first, &last);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		items++;
	}
	table_endscan(scan);
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, NoLock);
	return items;
}

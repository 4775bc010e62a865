/*-------------------------------------------------------------------------
 *
 * parallel_stage.c
 *	  Keeps the rows of a query for the time of a step, so that they can be
 *	  split into mini-batches.
 *
 * The table mlpipe.stage_RUN_NO is made in the transaction that splits the
 * activity and dropped in the one that ends it.  It is logged if mini-batches
 * are so many rows or bytes: the query need not return the same rows a second
 * time, but after a crash the mini-batches that are done must be the same rows
 * as before.
 *
 * The rows of partitions are not logged.  If a crash takes them away, the
 * partitions that were not done are staged again, from the input as it is then;
 * which partitions there are, and their numbers, is in a logged table,
 * mlpipe.keys_RUN_NO.
 *
 * The rows are written frozen: the table did not exist before this transaction,
 * so nobody can see them too early, and no mini-batch has to find out whether
 * they are visible.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "common/hashfn.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "activity/page_scan.h"
#include "activity/parallel.h"
#include "activity/parallel_numbers.h"
#include "activity/parallel_partition.h"
#include "activity/parallel_scatter.h"
#include "activity/parallel_stage_table.h"
#include "activity/select.h"
#include "activity/sql_name.h"

#define STAGE_OPTIONS  (TABLE_INSERT_SKIP_FSM | TABLE_INSERT_FROZEN)
#define BUFFERED_ROWS  1000
#define BUFFERED_BYTES 65536

/* Receives the rows of the query. */
typedef struct StageReceiver
{
	DestReceiver pub;
	int64 run_id;
	int32 no;
	const BatchSize *size;
	Split *split;
	MemoryContext context;
	Relation relation;
	CommandId cid;
	BulkInsertState bulk;
	TupleTableSlot *slots[BUFFERED_ROWS];
	int nslots;
	Size nbytes;
	ItemPointerData last; /* of the rows written */

	/* of partitions */
	BatchKeys *keys;
	Scatter *scatter;      /* NULL: the rows come in order of the keys */
	int nnumbers;          /* of each row; 0: rows are staged as they are */
	PageScan scan;         /* where they come from */
	TupleTableSlot *spare; /* for their tuples */
	KeyTable *key_table;
	PartitionList partitions;
	const LostStage *lost;  /* NULL: staged for the first time */
	TupleTableSlot *before; /* the last row of the slots before */

	/* of rows whose mini-batch is known, by slot */
	bool grouped;
	int32 groups[BUFFERED_ROWS];
	int32 least; /* so many mini-batches there are at least */
} StageReceiver;

struct GroupStage
{
	StageReceiver stage;
	BatchSize none;
};

static void stage_query(StageReceiver *stage, const char *query, Split *split);
static void stage_prepare(StageReceiver *stage, Split *split);
static void stage_startup(DestReceiver *self, int operation, TupleDesc rows);
static void start_scatter(StageReceiver *stage, TupleDesc rows);
static void expect_partitions(StageReceiver *stage);
static bool stage_receive(TupleTableSlot *row, DestReceiver *self);
static void add_to_scatter(StageReceiver *stage, TupleTableSlot *row);
static void stage_flush(StageReceiver *stage);
static void add_to_hash(StageReceiver *stage, int i);
static void add_to_group(StageReceiver *stage, int i);
static void add_groups(PartitionList *list, int32 least);
static void add_to_partition(StageReceiver *stage, int i);
static bool same_partition(BatchKeys *keys, TupleTableSlot *a,
						   TupleTableSlot *b);
static void stage_shutdown(DestReceiver *self);
static void stage_finish_inserts(StageReceiver *stage);
static void stage_destroy(DestReceiver *self);

void
split_query(const char *query, int64 run_id, int32 no, const BatchSize *size,
			Split *split)
{
	StageReceiver stage = {.run_id = run_id, .no = no, .size = size};

	stage_query(&stage, query, split);
}

/*
 * Stages the same partitions once more.
 */
void
split_partitions_again(const char *query, List *keys, int nnumbers,
					   const LostStage *lost, Split *split)
{
	BatchSize none = {0};
	StageReceiver stage = {.run_id = lost->row->run_id,
						   .no = lost->row->no,
						   .size = &none,
						   .keys = batch_keys_create(select_rows(query), keys),
						   .nnumbers = nnumbers,
						   .partitions = lost->partitions,
						   .lost = lost};

	stage_table_drop("stage", stage.run_id, stage.no);
	stage_query(&stage, query, split);
}

void
split_partitions(const char *query, List *keys, int nnumbers, int64 run_id,
				 int32 no, Split *split)
{
	BatchSize none = {0};
	StageReceiver stage = {.run_id = run_id,
						   .no = no,
						   .size = &none,
						   .keys = batch_keys_create(select_rows(query), keys),
						   .nnumbers = nnumbers};

	if (!stage.keys->can_hash)
		query = psprintf("SELECT * FROM (%s\n) AS input ORDER BY %s", query,
						 column_list(keys, NULL));
	stage_query(&stage, query, split);
}

GroupStage *
group_stage_begin(int64 run_id, int32 no, TupleDesc rows, Split *split)
{
	GroupStage *groups = palloc0(sizeof(GroupStage));

	groups->stage.run_id = run_id;
	groups->stage.no = no;
	groups->stage.size = &groups->none;
	groups->stage.grouped = true;
	stage_prepare(&groups->stage, split);
	stage_startup(&groups->stage.pub, CMD_SELECT, rows);
	return groups;
}

void
group_stage_add(GroupStage *groups, int32 batch, TupleTableSlot *row)
{
	StageReceiver *stage = &groups->stage;

	stage->groups[stage->nslots] = batch;
	(void) stage_receive(row, &stage->pub);
}

void
group_stage_end(GroupStage *groups, int32 least)
{
	groups->stage.least = least;
	stage_shutdown(&groups->stage.pub);
}

static void
stage_query(StageReceiver *stage, const char *query, Split *split)
{
	StatementResult result;

	stage_prepare(stage, split);
	if (stage->keys == NULL)
		initStringInfo(&split->hashes);
	statement_run(query, &stage->pub, &result);
}

static void
stage_prepare(StageReceiver *stage, Split *split)
{
	memset(split, 0, sizeof(*split));
	initStringInfo(&split->boundaries);
	stage->pub.receiveSlot = stage_receive;
	stage->pub.rStartup = stage_startup;
	stage->pub.rShutdown = stage_shutdown;
	stage->pub.rDestroy = stage_destroy;
	stage->pub.mydest = DestNone;
	stage->split = split;
	stage->context = CurrentMemoryContext;
	ItemPointerSet(&stage->last, 0, InvalidOffsetNumber);
}

static void
stage_startup(DestReceiver *self, int operation, TupleDesc rows)
{
	StageReceiver *stage = (StageReceiver *) self;
	bool scatter = stage->keys != NULL && stage->keys->can_hash;

	/* What has to be sorted is staged row by row. */
	stage->relation = stage_table_create("stage", stage->run_id, stage->no,
										 scatter && stage->nnumbers > 0 ?
											 numbers_columns(rows,
															 stage->keys->n) :
											 rows,
										 scatter ? RELPERSISTENCE_UNLOGGED :
												   RELPERSISTENCE_PERMANENT);
	stage->split->row.relation = RelationGetRelid(stage->relation);
	stage->split->row.staged = true;
	if (scatter)
	{
		start_scatter(stage, rows);
		return;
	}
	stage->cid = GetCurrentCommandId(true);
	stage->bulk = GetBulkInsertState();
	if (stage->keys != NULL)
		stage->before = table_slot_create(stage->relation, NULL);
}

static void
start_scatter(StageReceiver *stage, TupleDesc rows)
{
	Relation relation;

	if (stage->lost == NULL)
	{
		relation = stage_table_create("keys", stage->run_id, stage->no,
									  key_table_columns(rows, stage->keys),
									  RELPERSISTENCE_PERMANENT);
		stage->split->row.key_relation = RelationGetRelid(relation);
		stage->key_table = key_table_begin(relation);
	}
	stage->scatter = scatter_begin(stage->relation, stage->keys,
								   stage->key_table, &stage->partitions,
								   stage->nnumbers);
	if (stage->lost != NULL)
		expect_partitions(stage);
	page_scan_begin(&stage->scan, &stage->pub);
	stage->spare = MakeSingleTupleTableSlot(rows, &TTSOpsHeapTuple);
}

/* Those that are not done yet. */
static void
expect_partitions(StageReceiver *stage)
{
	Relation relation = table_open(stage->lost->row->key_relation,
								   AccessShareLock);
	TupleTableSlot *keys = table_slot_create(relation, NULL);
	ListCell *cell;

	foreach(cell, stage->lost->missing)
	{
		BatchAttempt *batch = lfirst(cell);
		Partition *partition = &stage->partitions.partitions[batch->batch - 1];

		key_table_read(relation, &partition->keys, keys);
		slot_getallattrs(keys);
		scatter_expect(stage->scatter, batch->batch - 1, keys->tts_values,
					   keys->tts_isnull);
	}
	ExecDropSingleTupleTableSlot(keys);
	table_close(relation, NoLock);
}

static bool
stage_receive(TupleTableSlot *row, DestReceiver *self)
{
	StageReceiver *stage = (StageReceiver *) self;
	TupleTableSlot *slot = stage->slots[stage->nslots];
	MemoryContext previous;

	if (stage->scatter != NULL)
	{
		add_to_scatter(stage, row);
		return true;
	}
	previous = MemoryContextSwitchTo(stage->context);
	if (slot == NULL)
	{
		slot = table_slot_create(stage->relation, NULL);
		stage->slots[stage->nslots] = slot;
	}
	ExecCopySlot(slot, row);
	stage->nbytes += ExecFetchSlotHeapTuple(slot, false, NULL)->t_len;
	stage->nslots++;
	if (stage->nslots == BUFFERED_ROWS || stage->nbytes > BUFFERED_BYTES)
		stage_flush(stage);
	MemoryContextSwitchTo(previous);
	return true;
}

/* Takes this row, and those that can be had along with it. */
static void
add_to_scatter(StageReceiver *stage, TupleTableSlot *row)
{
	HeapTupleData tuple;

	scatter_add(stage->scatter, row);
	while (page_scan_next(&stage->scan, row, &tuple))
	{
		if (tuple.t_data != NULL)
			scatter_add_tuple(stage->scatter, &tuple, stage->spare);
		else
			scatter_add(stage->scatter, row);
	}
}

static void
stage_flush(StageReceiver *stage)
{
	StepRow *row = &stage->split->row;
	int i;

	if (stage->nslots == 0)
		return;
	table_multi_insert(stage->relation, stage->slots, stage->nslots,
					   stage->cid, STAGE_OPTIONS, stage->bulk);
	for (i = 0; i < stage->nslots; i++)
	{
		ItemPointer tid = &stage->slots[i]->tts_tid;

		/* A mini-batch is a range of tuples, so they must have an order. */
		if (ItemPointerCompare(tid, &stage->last) <= 0)
			elog(ERROR, "staged rows are out of order");
		stage->last = *tid;
		if (stage->keys == NULL && !stage->grouped)
			add_to_hash(stage, i);
		if (stage->keys != NULL)
			add_to_partition(stage, i);
		else if (stage->grouped)
			add_to_group(stage, i);
		else if (stage->size->rows > 0 && row->items % stage->size->rows == 0)
			split_add_boundary(stage->split, tid);
		row->items++;
	}
	if (stage->keys != NULL)
		ExecCopySlot(stage->before, stage->slots[stage->nslots - 1]);
	for (i = 0; i < stage->nslots; i++)
		ExecClearTuple(stage->slots[i]);
	stage->nslots = 0;
	stage->nbytes = 0;
}

/*
 * By this hash a rerun recognizes a mini-batch, whatever the order of its rows.
 * A value stored elsewhere counts as the same as long as its place is the same.
 */
static void
add_to_hash(StageReceiver *stage, int i)
{
	HeapTuple tuple = ExecFetchSlotHeapTuple(stage->slots[i], false, NULL);
	Size header = offsetof(HeapTupleHeaderData, t_bits);
	StringInfo hashes = &stage->split->hashes;
	const BatchSize *size = stage->size;
	int64 batch = size->rows > 0 ?
		stage->split->row.items / size->rows :
		ItemPointerGetBlockNumber(&stage->slots[i]->tts_tid) /
			Max(size->bytes / BLCKSZ, 1);
	uint64 *hash;

	while (hashes->len <= batch * (int64) sizeof(uint64))
	{
		uint64 zero = 0;

		appendBinaryStringInfo(hashes, (char *) &zero, sizeof(zero));
	}
	hash = (uint64 *) hashes->data + batch;
	*hash += DatumGetUInt64(
		hash_any_extended((unsigned char *) tuple->t_data + header,
						  tuple->t_len - header, 0));
}

/* Mini-batches come in the order of their numbers, but not all have rows. */
static void
add_to_group(StageReceiver *stage, int i)
{
	ItemPointer tid = &stage->slots[i]->tts_tid;
	Partition *partition;

	add_groups(&stage->partitions, stage->groups[i]);
	partition = &stage->partitions.partitions[stage->groups[i] - 1];
	if (partition->items++ == 0)
		partition->begin = *tid;
	ItemPointerSet(&partition->end, ItemPointerGetBlockNumber(tid),
				   ItemPointerGetOffsetNumber(tid) + 1);
}

static void
add_groups(PartitionList *list, int32 least)
{
	while (list->n < least)
	{
		Partition *partition = partition_add(list);

		memset(partition, 0, sizeof(*partition));
		ItemPointerSet(&partition->begin, 0, FirstOffsetNumber);
		partition->end = partition->begin;
	}
}

/* The rows come in order of their keys. */
static void
add_to_partition(StageReceiver *stage, int i)
{
	TupleTableSlot *row = stage->slots[i];
	TupleTableSlot *before = i > 0 ? stage->slots[i - 1] : stage->before;
	PartitionList *list = &stage->partitions;
	Partition *partition;

	if (list->n == 0 || !same_partition(stage->keys, before, row))
	{
		partition = partition_add(list);
		memset(partition, 0, sizeof(*partition));
		partition->begin = row->tts_tid;
	}
	partition = &list->partitions[list->n - 1];
	partition->items++;
	ItemPointerSet(&partition->end, ItemPointerGetBlockNumber(&row->tts_tid),
				   ItemPointerGetOffsetNumber(&row->tts_tid) + 1);
}

static bool
same_partition(BatchKeys *keys, TupleTableSlot *a, TupleTableSlot *b)
{
	int i;

	for (i = 0; i < keys->n; i++)
	{
		BatchKey *key = &keys->keys[i];
		bool a_is_null;
		bool b_is_null;
		Datum of_a = slot_getattr(a, key->column, &a_is_null);
		Datum of_b = slot_getattr(b, key->column, &b_is_null);

		if (!batch_key_equal(key, of_a, a_is_null, of_b, b_is_null))
			return false;
	}
	return true;
}

static void
stage_shutdown(DestReceiver *self)
{
	StageReceiver *stage = (StageReceiver *) self;
	StepRow *row = &stage->split->row;

	if (stage->scatter != NULL)
	{
		row->items = scatter_end(stage->scatter);
		ExecDropSingleTupleTableSlot(stage->spare);
	}
	if (stage->key_table != NULL)
		key_table_end(stage->key_table);
	if (stage->scatter == NULL)
		stage_finish_inserts(stage);

	row->filenode = stage->relation->rd_rel->relfilenode;
	row->blocks = RelationGetNumberOfBlocks(stage->relation);
	row->rows_per_batch = stage->size->rows;
	if (stage->grouped)
		add_groups(&stage->partitions, stage->least);
	if (stage->keys != NULL || stage->grouped)
	{
		row->partitioned = true;
		row->batches = stage->partitions.n;
		if (stage->lost == NULL && !stage->grouped)
			partitions_sort(&stage->partitions);
		partitions_write(&stage->partitions, &stage->split->boundaries);
	}
	else if (stage->size->rows == 0)
		split_by_size(stage->size, stage->split);
	table_close(stage->relation, NoLock);
	stage->relation = NULL;
}

static void
stage_finish_inserts(StageReceiver *stage)
{
	int i;

	stage_flush(stage);
	for (i = 0; i < BUFFERED_ROWS && stage->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(stage->slots[i]);
	if (stage->before != NULL)
		ExecDropSingleTupleTableSlot(stage->before);
	FreeBulkInsertState(stage->bulk);
	table_finish_bulk_insert(stage->relation, STAGE_OPTIONS);
}

static void
stage_destroy(DestReceiver *self)
{
}

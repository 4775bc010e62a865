/*-------------------------------------------------------------------------
 *
 * parallel_left.c
 *	  What is left of a table whose mini-batches have been done in part, in an
 *	  earlier run.
 *
 * A row is done if it is as the first split saw it, and is in the place of a
 * mini-batch that succeeded.  All others are left, whether they are in the
 * place of a mini-batch that did not succeed, moved from there by an UPDATE
 * that mended them, or new.
 *
 * But a new row could also be one that was done and has been changed since.
 * One pass over the table finds out: if all rows of the mini-batches that
 * succeeded are there, none of them has been changed.  If some are not, and
 * there are new rows, the rows of the other mini-batches must all be there
 * unchanged; then only these are left.
 *
 * A second pass, with the same snapshot, copies what is left.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "activity/parallel_rerun.h"
#include "store/engine_mode.h"

/* After so many transactions old ones cannot be told from new ones. */
#define MAX_SNAPSHOT_AGE (1 << 30)

typedef struct Left
{
	const EarlierStep *earlier;
	Snapshot then; /* with which the mini-batches read the table */
	bool *done;    /* has it succeeded? by number, from 0, as the next two */
	int64 *had;    /* rows that it had; -1: not known */
	int64 *found;  /* so many of these are unchanged */
	int64 new;     /* rows that were not there */
	bool old_only; /* new rows are not left */
	int32 cursor;  /* the mini-batch of the row before */
} Left;

static void check_table(const ActivityCall *call, Relation relation,
						const EarlierStep *earlier);
static void begin(const ActivityCall *call, const EarlierStep *earlier,
				  Left *left);
static void count_rows(Relation relation, Left *left);
static void judge(const ActivityCall *call, Left *left);
static void copy_rows(ActivityCall *call, Relation relation, Left *left,
					  Split *split);
static TableScanDesc scan_in_order(Relation relation);
static bool is_new(const Left *left, TupleTableSlot *slot);
static int32 batch_of(Left *left, ItemPointer tid);
static bool begins_after(const Left *left, int32 batch, ItemPointer tid);
static TupleDesc live_columns(TupleDesc columns, AttrNumber *numbers);
static void take_columns(TupleTableSlot *row, const AttrNumber *numbers,
						 TupleTableSlot *copy);
static int64 rows_of_a_batch(const Left *left);

void
parallel_copy_left(ActivityCall *call, Oid relation_id,
				   const EarlierStep *earlier, Split *split)
{
	Relation relation = table_open(relation_id, AccessShareLock);
	Left left;
	EngineMode mode;

	check_table(call, relation, earlier);
	begin(call, earlier, &left);
	count_rows(relation, &left);
	judge(call, &left);
	copy_rows(call, relation, &left, split);
	table_close(relation, NoLock);

	/* Rows that are done now, but new to that snapshot, could not be told. */
	if (left.new > 0 && !left.old_only)
		return;
	XactReadOnly = false;
	engine_mode_enter(&mode);
	step_origin_keep(call->run_id, call->goes_on_from, call->no);
	engine_mode_leave(&mode);
}

/* A copy shows the user all columns, but some may be forbidden. */
static void
check_table(const ActivityCall *call, Relation relation,
			const EarlierStep *earlier)
{
	if (relation->rd_rel->relfilenode != earlier->row.filenode)
		parallel_refuse_rerun(call,
							  "The table has been rewritten or truncated.");
	if (!split_can_stand(relation))
		parallel_refuse_rerun(
			call,
			"The table has got children, or policies that choose its rows.");
	if (pg_class_aclcheck(RelationGetRelid(relation), GetUserId(),
						  ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV,
					   get_relkind_objtype(relation->rd_rel->relkind),
					   RelationGetRelationName(relation));
}

static void
begin(const ActivityCall *call, const EarlierStep *earlier, Left *left)
{
	int32 count = earlier->row.batches;
	EarlierBatches batches;
	EngineMode mode;

	memset(left, 0, sizeof(*left));
	left->earlier = earlier;
	if (earlier->snapshot != NULL)
		left->then = RestoreSnapshot(VARDATA_ANY(earlier->snapshot));
	if (left->then == NULL || left->then->suboverflowed ||
		(int32) (XidFromFullTransactionId(ReadNextFullTransactionId()) -
				 left->then->xmin) > MAX_SNAPSHOT_AGE)
		parallel_refuse_rerun(call,
							  "It is not known any more what it was then.");
	left->done = palloc_extended(count * sizeof(bool),
								 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	left->had = palloc_extended(count * sizeof(int64), MCXT_ALLOC_HUGE);
	left->found = palloc_extended(count * sizeof(int64),
								  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	memset(left->had, 0xff, count * sizeof(int64));
	engine_mode_enter(&mode);
	earlier_batches(call->goes_on_from, call->no, &batches);
	engine_mode_leave(&mode);
	for (int i = 0; i < batches.count; i++)
	{
		if (batches.numbers[i] > count)
			continue;
		left->done[batches.numbers[i] - 1] = batches.succeeded[i];
		left->had[batches.numbers[i] - 1] = batches.items[i];
	}
	if (earlier->row.rows_per_batch > 0)
		for (int32 i = 0; i < count; i++)
			left->had[i] = i < count - 1 ?
				earlier->row.rows_per_batch :
				earlier->row.items - i * earlier->row.rows_per_batch;
}

static void
count_rows(Relation relation, Left *left)
{
	TableScanDesc scan = scan_in_order(relation);
	TupleTableSlot *slot = table_slot_create(relation, NULL);

	left->cursor = 0;
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (is_new(left, slot))
			left->new ++;
		else
			left->found[batch_of(left, &slot->tts_tid)]++;
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
}

static void
judge(const ActivityCall *call, Left *left)
{
	bool done_are_there = true;
	bool others_are_there = true;

	for (int32 i = 0; i < left->earlier->row.batches; i++)
	{
		if (left->had[i] >= 0 && left->found[i] >= left->had[i])
			continue;
		if (left->done[i])
			done_are_there = false;
		else
			others_are_there = false;
	}
	if (left->new == 0 || done_are_there)
		return;
	if (!others_are_there)
		parallel_refuse_rerun(
			call,
			"Rows have been changed, both some that are done and some that are not.");
	left->old_only = true;
}

static void
copy_rows(ActivityCall *call, Relation relation, Left *left, Split *split)
{
	AttrNumber *numbers = palloc(RelationGetNumberOfAttributes(relation) *
								 sizeof(AttrNumber));
	TupleDesc columns = live_columns(RelationGetDescr(relation), numbers);
	TupleTableSlot *row = table_slot_create(relation, NULL);
	TupleTableSlot *copy = MakeSingleTupleTableSlot(columns, &TTSOpsVirtual);
	TupleTableSlot *kept = MakeSingleTupleTableSlot(columns,
													&TTSOpsMinimalTuple);
	Tuplestorestate *elsewhere = tuplestore_begin_heap(false, false, work_mem);
	GroupStage *stage = group_stage_begin(call->run_id, call->no, columns,
										  split);
	TableScanDesc scan = scan_in_order(relation);
	int32 count = left->earlier->row.batches;
	int64 n = 0;

	left->cursor = 0;
	while (table_scan_getnextslot(scan, ForwardScanDirection, row))
	{
		bool new = is_new(left, row);
		int32 batch = batch_of(left, &row->tts_tid);

		CHECK_FOR_INTERRUPTS();
		if (new ? left->old_only : left->done[batch])
			continue;
		take_columns(row, numbers, copy);
		if (left->done[batch])
			tuplestore_puttupleslot(elsewhere, copy);
		else
			group_stage_add(stage, batch + 1, copy);
		ExecClearTuple(copy);
	}
	table_endscan(scan);
	while (tuplestore_gettupleslot(elsewhere, true, false, kept))
		group_stage_add(stage, count + 1 + n++ / rows_of_a_batch(left), kept);
	group_stage_end(stage, count);
	tuplestore_end(elsewhere);
	ExecDropSingleTupleTableSlot(kept);
	ExecDropSingleTupleTableSlot(copy);
	ExecDropSingleTupleTableSlot(row);
}

/* In the order of the blocks, which is that of the mini-batches. */
static TableScanDesc
scan_in_order(Relation relation)
{
	return table_beginscan_strat(relation, GetActiveSnapshot(), 0, NULL, true,
								 false);
}

/* Is it new to that snapshot?  A frozen tuple still has its xmin. */
static bool
is_new(const Left *left, TupleTableSlot *slot)
{
	HeapTuple tuple = ExecFetchSlotHeapTuple(slot, false, NULL);

	return XidInMVCCSnapshot(HeapTupleHeaderGetRawXmin(tuple->t_data),
							 left->then);
}

/* From 0; rows come in order.  Those after the end belong to the last one. */
static int32
batch_of(Left *left, ItemPointer tid)
{
	while (left->cursor < left->earlier->row.batches - 1 &&
		   !begins_after(left, left->cursor + 1, tid))
		left->cursor++;
	return left->cursor;
}

static bool
begins_after(const Left *left, int32 batch, ItemPointer tid)
{
	const StepRow *split = &left->earlier->row;
	ItemPointerData begin;

	if (split->rows_per_batch > 0)
		boundary_read(VARDATA_ANY(left->earlier->boundaries) +
						  (Size) batch * BOUNDARY_SIZE,
					  &begin);
	else
		ItemPointerSet(&begin, (int64) batch * split->blocks_per_batch,
					   FirstOffsetNumber);
	return ItemPointerCompare(&begin, tid) > 0;
}

/* Without those that were dropped. */
static TupleDesc
live_columns(TupleDesc columns, AttrNumber *numbers)
{
	TupleDesc live;
	AttrNumber count = 0;

	for (int i = 0; i < columns->natts; i++)
		if (!TupleDescAttr(columns, i)->attisdropped)
			numbers[count++] = i + 1;
	live = CreateTemplateTupleDesc(count);
	for (AttrNumber i = 1; i <= count; i++)
		TupleDescCopyEntry(live, i, columns, numbers[i - 1]);
	return live;
}

static void
take_columns(TupleTableSlot *row, const AttrNumber *numbers,
			 TupleTableSlot *copy)
{
	slot_getallattrs(row);
	ExecClearTuple(copy);
	for (int i = 0; i < copy->tts_tupleDescriptor->natts; i++)
	{
		copy->tts_values[i] = row->tts_values[numbers[i] - 1];
		copy->tts_isnull[i] = row->tts_isnull[numbers[i] - 1];
	}
	ExecStoreVirtualTuple(copy);
}

/* For those that are in none of the first ones. */
static int64
rows_of_a_batch(const Left *left)
{
	int64 found = 0;

	if (left->earlier->row.rows_per_batch > 0)
		return left->earlier->row.rows_per_batch;
	for (int32 i = 0; i < left->earlier->row.batches; i++)
		found += left->found[i];
	return Max(found / left->earlier->row.batches, 1);
}

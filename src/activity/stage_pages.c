/*-------------------------------------------------------------------------
 *
 * stage_pages.c
 *	  Writes rows straight into the pages of a table that is new.
 *
 * Rows go to the end of the file a page at a time, past the buffers, as the
 * server does it when it rewrites a table.  The pages are ordinary ones.  All
 * their rows are frozen and the pages marked as all visible: should the
 * transaction fail, the file goes with it.
 *
 * Of a logged table each page is logged and the file is on disk before the
 * commit, so that no checkpoint in between can have missed a part of it.  Of an
 * unlogged one the checkpointer has to know that there is something to be
 * flushed before a shutdown; it is told once a segment of the file, when the
 * segment is full.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/smgr.h"
#include "utils/rel.h"

#include "activity/stage_pages.h"
#include "compat.h"

/* What direct I/O asks of a buffer. */
#define PAGE_ALIGNMENT 4096

/* Where the part of a tuple begins that does not depend on its place. */
#define AFTER_CTID offsetof(HeapTupleHeaderData, t_infomask2)

static void put_tuple(StagePages *pages, const HeapTupleHeaderData *tuple,
					  uint32 length);
static void start_page(StagePages *pages);
static void write_page(StagePages *pages, bool is_last);

void
stage_pages_begin(StagePages *pages, Relation relation)
{
	char *room = palloc(BLCKSZ + PAGE_ALIGNMENT);

	memset(pages, 0, sizeof(*pages));
	pages->relation = relation;
	HeapTupleHeaderSetXmin(&pages->header, GetCurrentTransactionId());
	pages->page = room + (TYPEALIGN(PAGE_ALIGNMENT, room) - (uintptr_t) room);
	pages->block = RelationGetNumberOfBlocks(relation);
	if (pages->block != 0)
		elog(ERROR, "table \"%s\" is not empty",
			 RelationGetRelationName(relation));
}

void
stage_pages_add(StagePages *pages, const HeapTupleHeaderData *tuple,
				uint32 length, ItemPointer tid)
{
	PageHeader page = (PageHeader) pages->page;

	Assert(MAXALIGN(length) <= MaxHeapTupleSize);
	if (pages->nrows > 0 &&
		(pages->nrows == MaxHeapTuplesPerPage ||
		 page->pd_upper - page->pd_lower <
			 MAXALIGN(length) + sizeof(ItemIdData)))
		write_page(pages, false);
	if (pages->nrows == 0)
		start_page(pages);
	put_tuple(pages, tuple, length);
	ItemPointerSet(tid, pages->block, pages->nrows);
}

/* On a page to which nothing was ever added but in this way. */
static void
put_tuple(StagePages *pages, const HeapTupleHeaderData *tuple, uint32 length)
{
	PageHeader page = (PageHeader) pages->page;
	HeapTupleHeader copy;

	page->pd_upper -= MAXALIGN(length);
	ItemIdSetNormal(&page->pd_linp[pages->nrows], page->pd_upper, length);
	page->pd_lower += sizeof(ItemIdData);
	pages->nrows++;

	copy = (HeapTupleHeader) (pages->page + page->pd_upper);
	memcpy((char *) copy + AFTER_CTID, (const char *) tuple + AFTER_CTID,
		   length - AFTER_CTID);
	copy->t_choice = pages->header.t_choice;
	ItemPointerSet(&copy->t_ctid, pages->block, pages->nrows);
	copy->t_infomask2 = tuple->t_infomask2 & ~HEAP2_XACT_MASK;
	copy->t_infomask = (tuple->t_infomask & ~HEAP_XACT_MASK) |
		HEAP_XMIN_FROZEN | HEAP_XMAX_INVALID;
}

static void
start_page(StagePages *pages)
{
	CHECK_FOR_INTERRUPTS();
	if (pages->block == InvalidBlockNumber)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the input has more pages than a table can have")));
	PageInit(pages->page, BLCKSZ, 0);
	PageSetAllVisible(pages->page);
}

static void
write_page(StagePages *pages, bool is_last)
{
	Relation relation = pages->relation;
	bool ends_segment = is_last || (pages->block + 1) % RELSEG_SIZE == 0;

	if (RelationNeedsWAL(relation))
		log_newpage(&relation_file(relation), MAIN_FORKNUM, pages->block,
					pages->page, true);
	PageSetChecksumInplace(pages->page, pages->block);
	smgrextend(RelationGetSmgr(relation), MAIN_FORKNUM, pages->block,
			   pages->page, !ends_segment);
	pages->block++;
	pages->nrows = 0;
}

void
stage_pages_end(StagePages *pages)
{
	if (pages->nrows > 0)
		write_page(pages, true);
	if (RelationNeedsWAL(pages->relation) && pages->block > 0)
		smgrimmedsync(RelationGetSmgr(pages->relation), MAIN_FORKNUM);
}

HeapTuple
stage_toast(Relation relation, HeapTuple tuple)
{
	if (OidIsValid(relation->rd_rel->reltoastrelid) &&
		(HeapTupleHasExternal(tuple) || tuple->t_len > TOAST_TUPLE_THRESHOLD))
		tuple = heap_toast_insert_or_update(relation, tuple, NULL,
											HEAP_INSERT_SKIP_FSM |
												HEAP_INSERT_FROZEN);
	if (MAXALIGN(tuple->t_len) > MaxHeapTupleSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("row is too big: size %zu, maximum size %zu",
						(Size) tuple->t_len, (Size) MaxHeapTupleSize)));
	return tuple;
}

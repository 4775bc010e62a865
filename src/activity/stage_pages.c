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
#define PAGE_ALIGNMENT	4096

static void start_page(StagePages *pages);
static void write_page(StagePages *pages, bool is_last);

void
stage_pages_begin(StagePages *pages, Relation relation)
{
	pages->relation = relation;
	pages->xid = GetCurrentTransactionId();
	pages->page = (char *) TYPEALIGN(PAGE_ALIGNMENT,
									 palloc(BLCKSZ + PAGE_ALIGNMENT));
	pages->has_rows = false;
	pages->block = RelationGetNumberOfBlocks(relation);
	if (pages->block != 0)
		elog(ERROR, "table \"%s\" is not empty",
			 RelationGetRelationName(relation));
}

void
stage_pages_freeze(const StagePages *pages, HeapTupleHeader tuple)
{
	tuple->t_infomask &= ~HEAP_XACT_MASK;
	tuple->t_infomask2 &= ~HEAP2_XACT_MASK;
	tuple->t_infomask |= HEAP_XMIN_FROZEN | HEAP_XMAX_INVALID;
	HeapTupleHeaderSetXmin(tuple, pages->xid);
	HeapTupleHeaderSetXmax(tuple, InvalidTransactionId);
	HeapTupleHeaderSetCmin(tuple, FirstCommandId);
}

void
stage_pages_add(StagePages *pages, HeapTupleHeader tuple, uint32 length,
				ItemPointer tid)
{
	OffsetNumber offset;

	if (MAXALIGN(length) > MaxHeapTupleSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("row is too big: size %zu, maximum size %zu",
						(Size) length, (Size) MaxHeapTupleSize)));
	if (pages->has_rows &&
		PageGetHeapFreeSpace(pages->page) < MAXALIGN(length))
		write_page(pages, false);
	if (!pages->has_rows)
		start_page(pages);

	offset = OffsetNumberNext(PageGetMaxOffsetNumber(pages->page));
	ItemPointerSet(tid, pages->block, offset);
	tuple->t_ctid = *tid;
	if (PageAddItem(pages->page, (Item) tuple, length, offset, false,
					true) != offset)
		elog(ERROR, "could not add a row to a page");
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
	pages->has_rows = true;
}

static void
write_page(StagePages *pages, bool is_last)
{
	Relation	relation = pages->relation;
	bool		ends_segment = is_last || (pages->block + 1) % RELSEG_SIZE == 0;

	if (RelationNeedsWAL(relation))
		log_newpage(&relation_file(relation), MAIN_FORKNUM, pages->block,
					pages->page, true);
	PageSetChecksumInplace(pages->page, pages->block);
	smgrextend(RelationGetSmgr(relation), MAIN_FORKNUM, pages->block,
			   pages->page, !ends_segment);
	pages->block++;
	pages->has_rows = false;
}

void
stage_pages_end(StagePages *pages)
{
	if (pages->has_rows)
		write_page(pages, true);
	if (RelationNeedsWAL(pages->relation) && pages->block > 0)
		smgrimmedsync(RelationGetSmgr(pages->relation), MAIN_FORKNUM);
}

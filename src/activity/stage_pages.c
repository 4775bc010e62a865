/*-------------------------------------------------------------------------
 *
 * stage_pages.c
 *	  Writes rows straight into the pages of a table that is new.
 *
 * Rows go to the end of the file, past the buffers, as when the server rewrites
 * a table.  The pages are ordinary ones.  All their rows are frozen, and the
 * pages marked as all visible: if the transaction fails, the file is removed.
 *
 * One call to the kernel writes several pages, as a call for each page costs
 * twice as much.  The storage manager cannot write several new pages in all
 * versions of the server, so its files are opened here.  The last page of each
 * segment goes through it: that makes the next segment's file, and tells the
 * checkpointer that there is something to be flushed before a shutdown.  A
 * logged table's pages are logged, and its file is on disk before the commit,
 * so that no checkpoint in between can have missed a part of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>

#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/fd.h"
#include "storage/smgr.h"
#include "utils/rel.h"
#include "utils/wait_event.h"

#include "activity/stage_pages.h"
#include "compat.h"

/* What direct I/O asks of a buffer. */
#define PAGE_ALIGNMENT 4096

/* The beginning of the part of a tuple that does not depend on its place. */
#define AFTER_CTID offsetof(HeapTupleHeaderData, t_infomask2)

static void start_page(StagePages *pages);
static void put_tuple(StagePages *pages, const HeapTupleHeaderData *tuple,
					  uint32 length);
static void finish_page(StagePages *pages);
static void write_run(StagePages *pages, bool is_last);
static void write_to_segment(StagePages *pages, int npages);
static int open_segment(StagePages *pages);
static void close_segment(StagePages *pages);

void
stage_pages_begin(StagePages *pages, Relation relation)
{
	memset(pages, 0, sizeof(*pages));
	pages->relation = relation;
	pages->context = CurrentMemoryContext;
	pages->writer.t_xmin = GetCurrentTransactionId();
	pages->file = -1;
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
		finish_page(pages);
	if (pages->nrows == 0)
		start_page(pages);
	put_tuple(pages, tuple, length);
	ItemPointerSet(tid, pages->block, pages->nrows);
}

Size
stage_pages_room(const StagePages *pages)
{
	PageHeader page = (PageHeader) pages->page;
	int free;

	if (pages->nrows == 0 || pages->nrows == MaxHeapTuplesPerPage)
		return MaxHeapTupleSize;
	free = page->pd_upper - page->pd_lower - (int) sizeof(ItemIdData);
	return free > 0 ? MAXALIGN_DOWN(free) : 0;
}

static void
start_page(StagePages *pages)
{
	CHECK_FOR_INTERRUPTS();
	if (pages->block == InvalidBlockNumber)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the input has more pages than a table can have")));
	/* Not earlier, so that there is something left for the end. */
	if (pages->nfull == STAGE_RUN_PAGES ||
		(pages->nfull > 0 && pages->block % RELSEG_SIZE == 0))
		write_run(pages, false);
	if (pages->run == NULL)
	{
		char *room = MemoryContextAlloc(pages->context,
										STAGE_RUN_SIZE + PAGE_ALIGNMENT);

		pages->run = room +
			(TYPEALIGN(PAGE_ALIGNMENT, room) - (uintptr_t) room);
	}
	pages->page = pages->run + (Size) pages->nfull * BLCKSZ;
	PageInit(pages->page, BLCKSZ, 0);
	PageSetAllVisible(pages->page);
}

/* Only for pages to which nothing was ever added in another way. */
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
	copy->t_choice.t_heap = pages->writer;
	ItemPointerSet(&copy->t_ctid, pages->block, pages->nrows);
	copy->t_infomask2 = tuple->t_infomask2 & ~HEAP2_XACT_MASK;
	copy->t_infomask = (tuple->t_infomask & ~HEAP_XACT_MASK) |
		HEAP_XMIN_FROZEN | HEAP_XMAX_INVALID;
}

static void
finish_page(StagePages *pages)
{
	if (RelationNeedsWAL(pages->relation))
		log_newpage(&relation_file(pages->relation), MAIN_FORKNUM,
					pages->block, pages->page, true);
	PageSetChecksumInplace(pages->page, pages->block);
	pages->block++;
	pages->nfull++;
	pages->nrows = 0;
}

/* The full pages, which belong to one segment. */
static void
write_run(StagePages *pages, bool is_last)
{
	bool ends_segment = is_last || pages->block % RELSEG_SIZE == 0;
	int npages = pages->nfull - (ends_segment ? 1 : 0);

	if (npages > 0)
		write_to_segment(pages, npages);
	if (ends_segment)
	{
		close_segment(pages);
		smgrextend(RelationGetSmgr(pages->relation), MAIN_FORKNUM,
				   pages->block - 1, pages->run + (Size) npages * BLCKSZ,
				   false);
	}
	pages->nfull = 0;
}

static void
write_to_segment(StagePages *pages, int npages)
{
	BlockNumber first = pages->block - pages->nfull;
	ssize_t size = (ssize_t) npages * BLCKSZ;
	ssize_t written;

	if (pages->file < 0)
		pages->file = open_segment(pages);
	errno = 0;
	pgstat_report_wait_start(WAIT_EVENT_DATA_FILE_EXTEND);
	written = pg_pwrite(pages->file, pages->run, size,
						(off_t) (first % RELSEG_SIZE) * BLCKSZ);
	pgstat_report_wait_end();
	if (written == size)
		return;
	if (errno == 0)
		errno = ENOSPC;
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not extend the file of table \"%s\": %m",
					RelationGetRelationName(pages->relation)),
			 errhint("Check free disk space.")));
}

/* Closed at the latest when the transaction ends. */
static int
open_segment(StagePages *pages)
{
	BlockNumber segment = (pages->block - pages->nfull) / RELSEG_SIZE;
	char *name = relation_path(pages->relation);
	int file;

	if (segment > 0)
		name = psprintf("%s.%u", name, segment);
	file = OpenTransientFile(name, O_RDWR | O_CREAT | PG_BINARY);
	if (file < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", name)));
	return file;
}

static void
close_segment(StagePages *pages)
{
	if (pages->file < 0)
		return;
	if (CloseTransientFile(pages->file) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close the file of table \"%s\": %m",
						RelationGetRelationName(pages->relation))));
	pages->file = -1;
}

void
stage_pages_end(StagePages *pages)
{
	if (pages->nrows > 0)
		finish_page(pages);
	if (pages->nfull > 0)
		write_run(pages, true);
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

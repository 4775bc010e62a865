/*-------------------------------------------------------------------------
 *
 * stage_pages.h
 *	  Writes rows straight into the pages of a table that is new.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_STAGE_PAGES_H
#define MLPIPE_STAGE_PAGES_H

#include "access/htup_details.h"
#include "storage/block.h"
#include "utils/relcache.h"

/* So much is written at once. */
#define STAGE_RUN_SIZE  131072
#define STAGE_RUN_PAGES (STAGE_RUN_SIZE / BLCKSZ)

typedef struct StagePages
{
	Relation relation;
	MemoryContext context;
	HeapTupleFields writer; /* of each row */
	char *run;              /* pages, one after the other */
	int nfull;              /* so many of them are full */
	char *page;             /* the one after these, being filled */
	int nrows;              /* in that one */
	BlockNumber block;      /* its number */
	int file;               /* of the segment; -1: not open */
} StagePages;

/*
 * The table was made by this transaction, is locked against everybody else, and
 * has no pages and no indexes.  Nothing else may write to it until the end.
 */
extern void stage_pages_begin(StagePages *pages, Relation relation);

/*
 * Adds a tuple after all others and says where it is.  Only what comes after
 * t_ctid in its header is read.  Values that have to be out of line are the
 * caller's business.
 */
extern void stage_pages_add(StagePages *pages,
							const HeapTupleHeaderData *tuple, uint32 length,
							ItemPointer tid);

/* The length of the longest tuple that still fits where the next one goes. */
extern Size stage_pages_room(const StagePages *pages);

extern void stage_pages_end(StagePages *pages);

/*
 * The tuple as it fits into a page of the table: what is too long, or stored in
 * another table, goes to the toast table.  The same tuple or a new one.
 */
extern HeapTuple stage_toast(Relation relation, HeapTuple tuple);

#endif /* MLPIPE_STAGE_PAGES_H */

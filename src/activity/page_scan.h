/*-------------------------------------------------------------------------
 *
 * page_scan.h
 *	  The rows of a table a page at a time, as a query reads them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PAGE_SCAN_H
#define MLPIPE_PAGE_SCAN_H

#include "access/heapam.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "tcop/dest.h"
#include "utils/rel.h"

/* Where the rows that a receiver is given come from. */
typedef struct PageScan
{
	SeqScanState *node; /* NULL: not from such a scan */
	EState *estate;
} PageScan;

/* To be called when the receiver is started. */
extern void page_scan_begin(PageScan *scan, const DestReceiver *receiver);

/*
 * Takes the next row on the page of the row just received; the receiver is not
 * given that row.  False: there is none, or the receiver has to wait for it as
 * always.  If the query returns its table's rows as they are, *tuple is the
 * row, valid until the receiver returns.  Otherwise the tuple has no data, and
 * the row is in the slot that was received.
 */
extern bool page_scan_next(PageScan *scan, const TupleTableSlot *received,
						   HeapTuple tuple);

/* Does the scan look at a page of a heap at once, and return all its tuples? */
extern bool scan_is_by_page(TableScanDesc scan);

/*
 * The next tuple of the page that a forward scan of a table has arrived at; the
 * scan goes on after it.
 */
extern bool scan_page_next(TableScanDesc scan, HeapTuple tuple);

/* The same for a scan that is known to be by page. */
static inline bool
heap_page_next(HeapScanDesc heap, HeapTuple tuple)
{
	Relation relation = heap->rs_base.rs_rd;
	OffsetNumber offset;
	Page page;
	ItemId item;

	if (heap->rs_cindex + 1 >= heap->rs_ntuples)
		return false;
	offset = heap->rs_vistuples[++heap->rs_cindex];
	page = BufferGetPage(heap->rs_cbuf);
	item = PageGetItemId(page, offset);
	tuple->t_data = (HeapTupleHeader) PageGetItem(page, item);
	tuple->t_len = ItemIdGetLength(item);
	tuple->t_tableOid = RelationGetRelid(relation);
	ItemPointerSet(&tuple->t_self, heap->rs_cblock, offset);
	pgstat_count_heap_getnext(relation);
	return true;
}

#endif /* MLPIPE_PAGE_SCAN_H */

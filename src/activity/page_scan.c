/*-------------------------------------------------------------------------
 *
 * page_scan.c
 *	  The rows of a table a page at a time, as a query reads them.
 *
 * The executor hands each row through its nodes by itself, which costs more
 * than bringing the row to its place.  Where a query is nothing but a scan of a
 * table, the scan has found out which tuples of a page are visible before it
 * returns the first one; so whoever receives that can take the others from the
 * scan, which goes on with the next page then.
 *
 * It stays a query like any other: rights, snapshot, locks and what others have
 * hooked into the executor are as always, and rows are counted wherever they
 * would have been.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relscan.h"
#include "executor/execdesc.h"
#include "executor/instrument.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "tcop/pquery.h"
#include "utils/portal.h"
#include "utils/rel.h"

#include "activity/page_scan.h"

static bool is_plain_scan(const PlanState *node);
static HeapScanDesc heap_scan_of(const SeqScanState *node);

void
page_scan_begin(PageScan *scan, const DestReceiver *receiver)
{
	QueryDesc *query = ActivePortal == NULL ? NULL : ActivePortal->queryDesc;

	memset(scan, 0, sizeof(*scan));
	if (query == NULL || query->dest != receiver ||
		query->operation != CMD_SELECT || !is_plain_scan(query->planstate))
		return;
	scan->node = castNode(SeqScanState, query->planstate);
	scan->estate = query->estate;
}

/* Does it return all rows of a table as they are? */
static bool
is_plain_scan(const PlanState *node)
{
	return node != NULL && IsA(node, SeqScanState) && node->qual == NULL &&
		node->ps_ProjInfo == NULL && !node->plan->parallel_aware &&
		node->state->es_junkFilter == NULL &&
		node->state->es_epq_active == NULL;
}

bool
page_scan_next(PageScan *scan, const TupleTableSlot *received, HeapTuple tuple)
{
	SeqScanState *node = scan->node;
	HeapScanDesc heap;
	Page page;
	ItemId item;

	if (node == NULL || received != node->ss.ss_ScanTupleSlot)
		return false;
	heap = heap_scan_of(node);
	if (heap == NULL || heap->rs_cindex + 1 >= heap->rs_ntuples)
		return false;

	heap->rs_cindex++;
	page = BufferGetPage(heap->rs_cbuf);
	item = PageGetItemId(page, heap->rs_vistuples[heap->rs_cindex]);
	tuple->t_data = (HeapTupleHeader) PageGetItem(page, item);
	tuple->t_len = ItemIdGetLength(item);
	tuple->t_tableOid = RelationGetRelid(heap->rs_base.rs_rd);
	ItemPointerSet(&tuple->t_self, heap->rs_cblock,
				   heap->rs_vistuples[heap->rs_cindex]);

	pgstat_count_heap_getnext(heap->rs_base.rs_rd);
	scan->estate->es_processed++;
	if (node->ss.ps.instrument != NULL)
		node->ss.ps.instrument->tuplecount++;
	return true;
}

/* NULL: it is of another kind, or looks at one tuple after the other. */
static HeapScanDesc
heap_scan_of(const SeqScanState *node)
{
	TableScanDesc scan = node->ss.ss_currentScanDesc;

	if (scan == NULL || scan->rs_rd->rd_tableam != GetHeapamTableAmRoutine() ||
		scan->rs_nkeys > 0 || !(scan->rs_flags & SO_ALLOW_PAGEMODE))
		return NULL;
	return (HeapScanDesc) scan;
}

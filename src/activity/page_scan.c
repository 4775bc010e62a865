/*-------------------------------------------------------------------------
 *
 * page_scan.c
 *	  The rows of a table a page at a time, as a query reads them.
 *
 * The executor hands rows through its nodes one by one, which costs more than
 * bringing a row to its place.  A scan of a table has found out which tuples of
 * a page are visible before it returns the first one.  So if a query is nothing
 * but such a scan, whoever receives its rows can take the others on the page
 * from the scan, which then goes on with the next page.
 *
 * It stays a query like any other: rights, snapshot, locks and the hooks of
 * other extensions are as always, and rows are counted wherever they would have
 * been.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/portal.h"

#include "activity/page_scan.h"

static bool is_lone_scan(const PlanState *node);
static bool project_next(SeqScanState *node);

void
page_scan_begin(PageScan *scan, const DestReceiver *receiver)
{
	QueryDesc *query = ActivePortal == NULL ? NULL : ActivePortal->queryDesc;

	memset(scan, 0, sizeof(*scan));
	if (query == NULL || query->dest != receiver ||
		query->operation != CMD_SELECT || !is_lone_scan(query->planstate))
		return;
	scan->node = castNode(SeqScanState, query->planstate);
	scan->estate = query->estate;
}

static bool
is_lone_scan(const PlanState *node)
{
	return node != NULL && IsA(node, SeqScanState) && node->qual == NULL &&
		!node->plan->parallel_aware && node->state->es_junkFilter == NULL &&
		node->state->es_epq_active == NULL;
}

bool
page_scan_next(PageScan *scan, const TupleTableSlot *received, HeapTuple tuple)
{
	SeqScanState *node = scan->node;

	if (node == NULL || node->ss.ss_currentScanDesc == NULL)
		return false;
	if (received == node->ss.ss_ScanTupleSlot)
	{
		if (!scan_page_next(node->ss.ss_currentScanDesc, tuple))
			return false;
	}
	else if (received == node->ss.ps.ps_ResultTupleSlot)
	{
		tuple->t_data = NULL;
		if (!project_next(node))
			return false;
	}
	else
		return false;

	scan->estate->es_processed++;
	if (node->ss.ps.instrument != NULL)
		node->ss.ps.instrument->tuplecount++;
	return true;
}

/* Projects into the slot of the node's results, as the node itself does. */
static bool
project_next(SeqScanState *node)
{
	TableScanDesc scan = node->ss.ss_currentScanDesc;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	ExprContext *context = node->ss.ps.ps_ExprContext;
	HeapScanDesc heap = (HeapScanDesc) scan;

	CHECK_FOR_INTERRUPTS();
	if (node->ss.ps.ps_ProjInfo == NULL ||
		!scan_page_next(scan, &heap->rs_ctup))
		return false;
	ExecStoreBufferHeapTuple(&heap->rs_ctup, slot, heap->rs_cbuf);
	ResetExprContext(context);
	context->ecxt_scantuple = slot;
	(void) ExecProject(node->ss.ps.ps_ProjInfo);
	return true;
}

bool
scan_page_next(TableScanDesc scan, HeapTuple tuple)
{
	return scan_is_by_page(scan) && heap_page_next((HeapScanDesc) scan, tuple);
}

bool
scan_is_by_page(TableScanDesc scan)
{
	return scan->rs_rd->rd_tableam == GetHeapamTableAmRoutine() &&
		scan->rs_nkeys == 0 && (scan->rs_flags & SO_ALLOW_PAGEMODE) != 0;
}

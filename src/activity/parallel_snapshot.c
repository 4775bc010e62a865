/*-------------------------------------------------------------------------
 *
 * parallel_snapshot.c
 *	  The snapshot with which all mini-batches of a step read their table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/snapmgr.h"

#include "activity/parallel.h"
#include "engine/horizon.h"
#include "store/engine_mode.h"

static Snapshot copy_snapshot(Snapshot restored);
static TransactionId *copy_xids(const TransactionId *xids, uint32 count);

bytea *
parallel_keep_snapshot(int64 run_id, int32 no)
{
	Snapshot snapshot = GetActiveSnapshot();
	Size size;
	bytea *kept;

	if (!horizon_hold(run_id, no, snapshot))
		return NULL;
	size = EstimateSnapshotSpace(snapshot);
	kept = palloc(VARHDRSZ + size);
	SET_VARSIZE(kept, VARHDRSZ + size);
	SerializeSnapshot(snapshot, VARDATA(kept));
	return kept;
}

Snapshot
parallel_load_snapshot(int64 run_id, int32 no)
{
	EngineMode mode;
	bytea *kept;
	Snapshot snapshot;

	engine_mode_enter(&mode);
	kept = step_snapshot(run_id, no);
	engine_mode_leave(&mode);
	if (kept == NULL)
		return NULL;

	snapshot = copy_snapshot(RestoreSnapshot(VARDATA(kept)));

	/* Nothing is seen of what the reading transaction itself does. */
	snapshot->curcid = FirstCommandId;
	return snapshot;
}

/* The server restores one for the transaction; ours outlives many. */
static Snapshot
copy_snapshot(Snapshot restored)
{
	Snapshot copy = palloc(sizeof(SnapshotData));

	*copy = *restored;
	copy->xip = copy_xids(restored->xip, restored->xcnt);
	copy->subxip = copy_xids(restored->subxip, restored->subxcnt);
	return copy;
}

static TransactionId *
copy_xids(const TransactionId *xids, uint32 count)
{
	TransactionId *copy;

	if (count == 0)
		return NULL;
	copy = palloc(count * sizeof(TransactionId));
	memcpy(copy, xids, count * sizeof(TransactionId));
	return copy;
}

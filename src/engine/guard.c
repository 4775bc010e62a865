/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Keeps apart what stops a run, or a container, and what makes new rows in
 *	  it.
 *
 * Whoever stops a run locks its rows, but could neither see nor lock those that
 * another transaction is about to add; they would go on.  So where rows are
 * added, which only containers do, there is a lock on the run as such: ends of
 * activities share it, and whoever stops the run waits for those under way and
 * holds up further ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"

#include "engine/guard.h"
#include "store/engine_mode.h"

/* pg_advisory_lock() and its like use 1 and 2. */
#define GUARD_LOCK_SPACE 20053

static void guard_lock(const RunInfo *run, LOCKMODE mode);

void
guard_share(const RunInfo *run)
{
	guard_lock(run, ShareLock);
}

void
guard_alone(const RunInfo *run)
{
	guard_lock(run, ExclusiveLock);
}

static void
guard_lock(const RunInfo *run, LOCKMODE mode)
{
	EngineMode engine;
	LOCKTAG tag;

	if (!run->document->nested)
		return;
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (run->run_id >> 32),
						 (uint32) run->run_id, GUARD_LOCK_SPACE);

	/* In engine mode, for its lock_timeout. */
	engine_mode_enter(&engine);
	(void) LockAcquire(&tag, mode, false, false);
	engine_mode_leave(&engine);
}

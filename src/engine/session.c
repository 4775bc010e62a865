/*-------------------------------------------------------------------------
 *
 * session.c
 *	  Transactions of an executor, and the clean session that each activity
 *	  finds.
 *
 * Every transaction is READ COMMITTED, whatever the role's default says: it
 * ends with updates of rows that other executors update too, and would fail
 * under a snapshot of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "engine/session.h"
#include "engine/transaction_limit.h"

MemoryContext WorkContext = NULL;

/* The session's synchronous_commit, as it was before the user's statements. */
static int default_synchronous_commit;
static Oid session_role;

static void discard_all(void);
static void reset_role(void);

void
session_init(void)
{
	WorkContext = AllocSetContextCreate(TopMemoryContext, "mlpipe work",
										ALLOCSET_DEFAULT_SIZES);
	default_synchronous_commit = synchronous_commit;
	session_role = GetUserId();
	transaction_limit_stop();
}

void
work_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	transaction_limit_stop();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	XactDeferrable = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(WorkContext);
}

void
work_commit(bool synchronous)
{
	while (ActiveSnapshotSet())
		PopActiveSnapshot();

	if (synchronous)
		ForceSyncCommit();
	else if (synchronous_commit == default_synchronous_commit)
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
	CommitTransactionCommand();
	pgstat_report_stat(false);
	MemoryContextSwitchTo(WorkContext);
}

void
work_abort(void)
{
	AbortOutOfAnyTransaction();
	pgstat_report_stat(false);
	MemoryContextSwitchTo(WorkContext);
}

/*
 * Runs in the transaction of the next activity.  What cannot be removed, say
 * because there are more temporary tables than locks, must not reach that
 * activity: it is taken from us, and done by a process that has no such things.
 */
void
session_reset(void)
{
	PG_TRY();
	{
		discard_all();
	}
	PG_CATCH();
	{
		char *message;

		if (geterrcode() == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		MemoryContextSwitchTo(WorkContext);
		message = CopyErrorData()->message;
		FlushErrorState();
		ereport(FATAL,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not reset the session of an executor: %s",
						message)));
	}
	PG_END_TRY();
}

/* Prepared plans of ours stay; otherwise it is DISCARD ALL. */
static void
discard_all(void)
{
	PortalHashTableDeleteAll();
	reset_role();
	ResetAllOptions();
	transaction_limit_stop();
	DropAllPreparedStatements();
	LockReleaseAll(USER_LOCKMETHOD, true);
	ResetTempTableNamespace();
	ResetSequenceCaches();
	default_synchronous_commit = synchronous_commit;
}

/* SET ROLE and SET SESSION AUTHORIZATION are spared by ResetAllOptions(). */
static void
reset_role(void)
{
	if (GetUserId() == session_role && GetSessionUserId() == session_role)
		return;
	SetPGVariable("session_authorization", NIL, false);
	SetPGVariable("role", NIL, false);
}

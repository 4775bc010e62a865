/*-------------------------------------------------------------------------
 *
 * hooks.c
 *	  DROP DATABASE and DROP EXTENSION with workers connected.
 *
 * Our workers would make DROP DATABASE fail, and DROP EXTENSION pull the
 * tables from under them.  The server tells of a drop after it has checked the
 * rights to it and before it counts who is connected; that is when the
 * database's workers are stopped.  If the drop fails later on, the launcher
 * starts them again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "engine/hooks.h"
#include "engine/shmem.h"
#include "mlpipe.h"

#define STOP_TIMEOUT_MS	5000
#define LOOK_EVERY_MS	10

static object_access_hook_type previous_hook = NULL;
static Oid	stopped_database = InvalidOid;

static void object_access(ObjectAccessType access, Oid class_id, Oid object_id,
						  int sub_id, void *arg);
static void stop_database(Oid database);
static int	signal_workers(Oid database);
static void at_transaction_end(XactEvent event, void *arg);

void
hooks_install(void)
{
	previous_hook = object_access_hook;
	object_access_hook = object_access;
}

static void
object_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id,
			  void *arg)
{
	if (previous_hook)
		previous_hook(access, class_id, object_id, sub_id, arg);
	if (access != OAT_DROP || control == NULL || sub_id != 0)
		return;
	if (class_id == DatabaseRelationId)
		stop_database(object_id);
	else if (class_id == ExtensionRelationId &&
			 object_id == get_extension_oid(EXTENSION_NAME, true))
		stop_database(MyDatabaseId);
}

static void
stop_database(Oid database)
{
	static bool registered = false;
	TimestampTz start = GetCurrentTimestamp();

	if (!registered)
		RegisterXactCallback(at_transaction_end, NULL);
	registered = true;
	stopped_database = database;

	while (signal_workers(database) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (TimestampDifferenceExceeds(start, GetCurrentTimestamp(),
									   STOP_TIMEOUT_MS))
			break;				/* the server's own count will tell */
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOOK_EVERY_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* How many are there still?  A worker that drops its own database stays. */
static int
signal_workers(Oid oid)
{
	DatabaseState *database;
	int			alive = 0;
	int			i;

	control_lock();
	database = database_find(oid);
	if (database != NULL)
	{
		database->stopping = true;
		if (database->scheduler != NULL)
		{
			(void) kill(database->scheduler_pid, SIGTERM);
			alive++;
		}
	}
	for (i = 0; i < control->nslots; i++)
	{
		ExecutorSlot *slot = &control->slots[i];

		if (slot->proc == NULL || slot->database != oid ||
			slot->proc == MyProc)
			continue;
		(void) kill(slot->pid, SIGTERM);
		alive++;
	}
	control_unlock();
	return alive;
}

/*
 * After a commit there is nothing to schedule any more; after a rollback there
 * is again.  What died is in the tables then, and in its slots.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	DatabaseState *database;

	if (!OidIsValid(stopped_database) ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT))
		return;
	control_lock();
	database = database_find(stopped_database);
	if (database != NULL)
	{
		database->stopping = false;
		database->wanted = event == XACT_EVENT_ABORT;
		scheduler_wake(database);
		database->wanted = event == XACT_EVENT_ABORT;
	}
	control_unlock();
	stopped_database = InvalidOid;
}

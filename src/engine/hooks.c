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
 * Of an extension's drop the server tells when it has locked all that belongs
 * to it, which it would wait for as long as an activity that has looked at our
 * tables or views.  So the statement itself is watched for, too.
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
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "engine/hooks.h"
#include "engine/shmem.h"
#include "engine/slot.h"
#include "mlpipe.h"

#define STOP_TIMEOUT_MS 5000
#define LOOK_EVERY_MS   10

static object_access_hook_type previous_hook = NULL;
static ProcessUtility_hook_type previous_utility_hook = NULL;
static Oid stopped_database = InvalidOid;
static bool drop_stands = false; /* known before the commit */

static void object_access(ObjectAccessType access, Oid class_id, Oid object_id,
						  int sub_id, void *arg);
static void process_utility(PlannedStmt *statement, const char *text,
							bool read_only_tree, ProcessUtilityContext context,
							ParamListInfo parameters,
							QueryEnvironment *environment,
							DestReceiver *receiver,
							QueryCompletion *completion);
static bool drops_extension(Node *statement);
static void stop_database(Oid database);
static int signal_workers(Oid oid);
static void at_transaction_end(XactEvent event, void *arg);
static void release_database(bool dropped);

void
hooks_install(void)
{
	previous_hook = object_access_hook;
	object_access_hook = object_access;
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo parameters,
				QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	if (control != NULL && drops_extension(statement->utilityStmt))
		stop_database(MyDatabaseId);
	if (previous_utility_hook)
		previous_utility_hook(statement, text, read_only_tree, context,
							  parameters, environment, receiver, completion);
	else
		standard_ProcessUtility(statement, text, read_only_tree, context,
								parameters, environment, receiver, completion);
}

/* By somebody who may: the statement itself will refuse others. */
static bool
drops_extension(Node *statement)
{
	DropStmt *drop = (DropStmt *) statement;
	ListCell *cell;

	if (!IsA(statement, DropStmt) || drop->removeType != OBJECT_EXTENSION)
		return false;
	foreach(cell, drop->objects)
	{
		Oid extension;

		if (strcmp(strVal(lfirst(cell)), EXTENSION_NAME) != 0)
			continue;
		extension = get_extension_oid(EXTENSION_NAME, true);
		return OidIsValid(extension) && owns_extension(extension, GetUserId());
	}
	return false;
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
			break; /* the server's own count will tell */
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
	int alive = 0;
	int i;

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
	if (database != NULL && database->keeper != NULL)
	{
		(void) kill(database->keeper_pid, SIGTERM);
		alive++;
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
 * A DROP EXTENSION may have been rolled back to a savepoint, or another CREATE
 * EXTENSION have followed; nothing of this kind happens to a database.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (!OidIsValid(stopped_database))
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			drop_stands = stopped_database != MyDatabaseId ||
				!OidIsValid(get_extension_oid(EXTENSION_NAME, true));
			break;
		case XACT_EVENT_COMMIT:
			release_database(drop_stands);
			break;
		case XACT_EVENT_ABORT:
			release_database(false);
			break;
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PRE_PREPARE:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			break;
	}
}

/*
 * Dropped, it has nothing to schedule any more.  Otherwise it has again, and
 * what died is in the tables and in its slots.
 */
static void
release_database(bool dropped)
{
	DatabaseState *database;

	control_lock();
	if (dropped)
		slot_forget_database(stopped_database);
	database = database_find(stopped_database);
	if (database != NULL)
	{
		database->stopping = false;
		scheduler_wake(database);
		database->wanted = !dropped;
	}
	control_unlock();
	stopped_database = InvalidOid;
}

/*-------------------------------------------------------------------------
 *
 * evict.c
 *	  Making the workers of a database give way to a statement.
 *
 * They are terminated, and what they had in hand is tried again when they come
 * back; such an attempt does not count, being nobody's fault.  The launcher
 * starts nothing in the database until the statement's transaction has ended,
 * successfully or not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "engine/evict.h"
#include "engine/shmem.h"
#include "engine/slot.h"
#include "mlpipe.h"

#define STOP_TIMEOUT_MS 5000
#define LOOK_EVERY_MS   10

static Oid dropped_database = InvalidOid;
static bool has_evicted = false;
static bool extension_is_gone = false; /* known before the commit */

static int signal_workers(DatabaseState *database);
static void at_transaction_end(XactEvent event, void *arg);
static void refuse_prepare(void);
static void let_back(bool committed);

void
evict_workers_for_good(Oid database)
{
	evict_workers(database);
	dropped_database = database;
}

void
evict_workers(Oid database)
{
	static bool registered = false;
	TimestampTz start = GetCurrentTimestamp();

	if (!registered)
		RegisterXactCallback(at_transaction_end, NULL);
	registered = true;
	has_evicted = true;

	for (;;)
	{
		DatabaseState *state;
		int alive;

		CHECK_FOR_INTERRUPTS();
		control_lock();
		state = database_find(database);
		alive = state != NULL ? signal_workers(state) : 0;
		control_unlock();
		if (alive == 0 ||
			TimestampDifferenceExceeds(start, GetCurrentTimestamp(),
									   STOP_TIMEOUT_MS))
			break; /* the server's own count will tell */
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOOK_EVERY_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/*
 * How many are there still?  A worker that drops its own database stays.  The
 * caller holds the control lock.
 */
static int
signal_workers(DatabaseState *database)
{
	int alive = 0;
	int i;

	database->stopping = true;
	database->stopped_by = MyProc;
	if (database->scheduler != NULL)
	{
		(void) kill(database->scheduler_pid, SIGTERM);
		alive++;
	}
	if (database->keeper != NULL)
	{
		(void) kill(database->keeper_pid, SIGTERM);
		alive++;
	}
	for (i = 0; i < control->nslots; i++)
	{
		ExecutorSlot *slot = &control->slots[i];

		if (slot->proc == NULL || slot->database != database->database ||
			slot->proc == MyProc)
			continue;
		slot->evicted = true;
		(void) kill(slot->pid, SIGTERM);
		alive++;
	}
	return alive;
}

/*
 * A DROP EXTENSION may have been rolled back to a savepoint, or another CREATE
 * EXTENSION have followed; nothing of this kind happens to a database.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (!has_evicted)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			extension_is_gone = !OidIsValid(
				get_extension_oid(EXTENSION_NAME, true));
			break;
		case XACT_EVENT_COMMIT:
			let_back(true);
			break;
		case XACT_EVENT_ABORT:
			let_back(false);
			break;
		case XACT_EVENT_PRE_PREPARE:
			refuse_prepare();
			break;
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			break;
	}
}

/* Nobody would tell us how it ends: who prepared it may be gone by then. */
static void
refuse_prepare(void)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		 errmsg(
			 "cannot PREPARE a transaction that workers of mlpipe have made way for"),
		 errhint("Use COMMIT instead of PREPARE TRANSACTION.")));
}

/*
 * A database that is gone, or has lost its extension, has nothing to schedule
 * any more.  Any other needs a scheduler again; what died there is in its
 * tables and slots.
 */
static void
let_back(bool committed)
{
	int i;

	control_lock();
	for (i = 0; i < MAX_DATABASES; i++)
	{
		DatabaseState *database = &control->databases[i];
		bool gone = committed &&
			(database->database == MyDatabaseId ?
				 extension_is_gone :
				 database->database == dropped_database);

		if (!database->stopping || database->stopped_by != MyProc)
			continue;
		if (gone)
			slot_forget_database(database->database);
		database->stopping = false;
		database->stopped_by = NULL;
		database->failures = 0;
		database->start_after = 0;
		scheduler_wake(database);
		database->wanted = !gone;
	}
	control_unlock();
	has_evicted = false;
	dropped_database = InvalidOid;
}

/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  Keeps one scheduler in each database that has the extension.
 *
 * The one static worker.  Whether a database has the extension can only be
 * seen from inside, so at start each gets a scheduler, which ends again if
 * there is nothing to schedule.  They start one after the other, so that a
 * server with many databases does not run out of workers.  Later CREATE
 * EXTENSION and the first submit ask for a scheduler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/horizon_gate.h"
#include "engine/horizon_start.h"
#include "engine/scheduler.h"
#include "engine/shmem.h"
#include "mlpipe.h"

#define FIRST_PAUSE_MS   1000
#define LONGEST_PAUSE_MS 60000
/* A scheduler that lived so long failed for another reason than the last. */
#define LONG_LIFE_MS 60000

/* A scheduler that was started, by place in control->databases. */
typedef struct Child
{
	Oid database; /* InvalidOid: none */
	BackgroundWorkerHandle *handle;
	TimestampTz started_at;
} Child;

static Child children[MAX_DATABASES];
static List *unprobed = NIL; /* databases that may have the extension */

static void attach(void);
static void detach(int code, Datum arg);
static List *list_databases(void);
static bool reap_children(void);
static bool is_settled(Oid oid);
static void child_ended(Child *child);
static void forget_unwanted(void);
static void probe_next(bool starting);
static long start_wanted(void);
static bool start_scheduler(int index, Oid database);

void
mlpipe_launcher_main(Datum arg)
{
	uint32 wait_event;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, SIG_IGN);
	attach();
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	horizon_start_hold();
	MemoryContextSwitchTo(TopMemoryContext);
	wait_event = wait_event_new("MlpipeLauncher");
	unprobed = list_databases();
	horizon_start_hold(); /* the transaction has reset what it holds */
	(void) horizon_gate_open();
	unprobed = horizon_start_first(unprobed);

	for (;;)
	{
		long timeout;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		probe_next(reap_children());
		forget_unwanted();
		timeout = sooner(start_wanted(), horizon_start_watch(unprobed));
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
							 (timeout >= 0 ? WL_TIMEOUT : 0),
						 timeout, wait_event);
		ResetLatch(MyLatch);
	}
}

static void
attach(void)
{
	control_lock();
	control->launcher = MyProc;
	control_unlock();
	on_shmem_exit(detach, (Datum) 0);
}

static void
detach(int code, Datum arg)
{
	control_lock();
	control->launcher = NULL;
	control_unlock();
}

/* All databases that one can connect to, in TopMemoryContext. */
static List *
list_databases(void)
{
	List *databases = NIL;
	Relation relation;
	TableScanDesc scan;
	HeapTuple tuple;

	StartTransactionCommand();
	transaction_timeout_disarm();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext previous;

		if (!database->datallowconn || database->datistemplate)
			continue;
		previous = MemoryContextSwitchTo(TopMemoryContext);
		databases = lappend_oid(databases, database->oid);
		MemoryContextSwitchTo(previous);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(TopMemoryContext);
	return databases;
}

/* Is there one that does not know yet whether its database concerns it? */
static bool
reap_children(void)
{
	bool starting = false;
	pid_t pid;
	int i;

	for (i = 0; i < MAX_DATABASES; i++)
	{
		Child *child = &children[i];

		if (!OidIsValid(child->database))
			continue;
		switch (GetBackgroundWorkerPid(child->handle, &pid))
		{
			case BGWH_STOPPED:
				child_ended(child);
				break;
			case BGWH_NOT_YET_STARTED:
			case BGWH_STARTED:
				starting |= !is_settled(child->database);
				break;
			case BGWH_POSTMASTER_DIED:
				break;
		}
	}
	return starting;
}

static bool
is_settled(Oid oid)
{
	DatabaseState *database;
	bool settled;

	control_lock_shared();
	database = database_find(oid);
	settled = database == NULL || database->settled;
	control_unlock();
	return settled;
}

/*
 * A scheduler that ends although it is wanted is started again after a pause,
 * which doubles each time it has not lived long enough to forget its failures.
 */
static void
child_ended(Child *child)
{
	DatabaseState *database;

	control_lock();
	database = database_find(child->database);
	if (database != NULL &&
		TimestampDifferenceExceeds(child->started_at, GetCurrentTimestamp(),
								   LONG_LIFE_MS))
		database->failures = 0;
	if (database != NULL && database->wanted)
	{
		int64 pause = Min(FIRST_PAUSE_MS << Min(database->failures, 6),
						  LONGEST_PAUSE_MS);

		if (database->failures > 0)
			database->start_after = GetCurrentTimestamp() + pause * 1000;
		database->failures++;
	}
	control_unlock();
	pfree(child->handle);
	child->handle = NULL;
	child->database = InvalidOid;
}

/* Frees the places of databases that have no extension, or are gone. */
static void
forget_unwanted(void)
{
	int i;

	control_lock();
	for (i = 0; i < MAX_DATABASES; i++)
	{
		DatabaseState *database = &control->databases[i];

		if (OidIsValid(database->database) && !database->wanted &&
			!database->stopping && database->scheduler == NULL &&
			!OidIsValid(children[i].database))
			memset(database, 0, sizeof(*database));
	}
	control_unlock();
}

static void
probe_next(bool starting)
{
	DatabaseState *database;

	if (starting || unprobed == NIL)
		return;
	control_lock();
	database = database_find_or_add(linitial_oid(unprobed));
	if (database != NULL)
	{
		database->wanted = true;
		unprobed = list_delete_first(unprobed);
	}
	control_unlock();
}

/* Milliseconds until the next start that has to wait; -1: none. */
static long
start_wanted(void)
{
	TimestampTz now = GetCurrentTimestamp();
	long timeout = -1;
	int i;

	for (i = 0; i < MAX_DATABASES; i++)
	{
		DatabaseState *database = &control->databases[i];
		Oid oid = InvalidOid;
		TimestampTz start_after = 0;

		control_lock_shared();
		if (OidIsValid(database->database) && database->wanted &&
			!database->stopping && database->scheduler == NULL)
		{
			oid = database->database;
			start_after = database->start_after;
		}
		control_unlock();

		if (!OidIsValid(oid) || OidIsValid(children[i].database))
			continue;
		if (start_after > now)
			timeout = timeout < 0 ?
				(start_after - now) / 1000 + 1 :
				Min(timeout, (start_after - now) / 1000 + 1);
		else if (!start_scheduler(i, oid))
			timeout = FIRST_PAUSE_MS;
	}
	return timeout;
}

static bool
start_scheduler(int index, Oid database)
{
	static bool warned = false;
	char name[BGW_MAXLEN];
	BackgroundWorkerHandle *handle;

	snprintf(name, BGW_MAXLEN, "mlpipe scheduler for database %u", database);
	handle = worker_start("mlpipe_scheduler_main", name, "mlpipe scheduler",
						  ObjectIdGetDatum(database), NULL, 0);
	if (handle == NULL)
	{
		if (!warned)
			ereport(
				LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg(
					 "could not start a scheduler: no background worker slot is free"),
				 errhint("You might need to increase \"%s\".",
						 "max_worker_processes")));
		warned = true;
		return false;
	}
	warned = false;
	children[index].handle = handle;
	children[index].database = database;
	children[index].started_at = GetCurrentTimestamp();
	return true;
}

struct BackgroundWorkerHandle *
worker_start(const char *function, const char *name, const char *type,
			 Datum arg, const void *extra, Size extra_size)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	MemoryContext previous;
	bool registered;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, LIBRARY_NAME,
			sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, function,
			sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, name, sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, type, sizeof(worker.bgw_type));
	worker.bgw_main_arg = arg;
	if (extra_size > 0)
		memcpy(worker.bgw_extra, extra, extra_size);
	worker.bgw_notify_pid = MyProcPid;

	/* The handle has to outlive whatever we are in. */
	previous = MemoryContextSwitchTo(TopMemoryContext);
	registered = RegisterDynamicBackgroundWorker(&worker, &handle);
	MemoryContextSwitchTo(previous);
	return registered ? handle : NULL;
}

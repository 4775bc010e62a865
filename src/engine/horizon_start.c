/*-------------------------------------------------------------------------
 *
 * horizon_start.c
 *	  Keeps what steps' snapshots see through a restart of the server.
 *
 * Each database has a file of its own, which only its keeper writes: with the
 * first snapshot that it holds, and again only if an older one comes.  So the
 * file may name an older xmin than is needed, which does no harm for the short
 * time after a start, and no step but the first waits for a disk.
 *
 * A standby has no such files, or old ones, when it takes over from its primary.
 * It has removed nothing so far that a step needs, so it goes on like that, in
 * all databases.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/transam.h"
#include "access/xlog.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/horizon_start.h"
#include "engine/scheduler.h"
#include "engine/shmem.h"

/* In the data directory. */
#define HORIZON_DIRECTORY "mlpipe_horizon"
#define TEMPORARY_SUFFIX  ".tmp"

/* An xmin of so many transactions ago belongs to no step that still runs. */
#define MAX_HORIZON_AGE (1 << 30)

/* If a keeper does not come back, the server has to go on without it. */
#define LONGEST_HOLD_MS 60000

static List *needing = NIL; /* databases that are not back yet */
static TransactionId start_xmin = InvalidTransactionId;
static TimestampTz start_time;

static bool has_files(void);
static char *file_name(Oid database);
static FullTransactionId with_epoch(TransactionId xid);
static List *read_files(TransactionId *oldest);
static TransactionId oldest_xid(void);
static Oid next_database(DIR *directory);
static TransactionId read_file(const char *name);
static void advertise(TransactionId xmin);
static bool is_back(Oid oid);

void
horizon_write(TransactionId oldest)
{
	char *name = file_name(MyDatabaseId);
	char *temporary = psprintf("%s" TEMPORARY_SUFFIX, name);
	FILE *file;
	bool written;

	if (MakePGDirectory(HORIZON_DIRECTORY) == 0)
		(void) fsync_fname_ext(".", true, false, LOG);
	file = AllocateFile(temporary, PG_BINARY_W);
	written = file != NULL &&
		fprintf(file, UINT64_FORMAT "\n",
				U64FromFullTransactionId(with_epoch(oldest))) > 0;
	if (file != NULL && FreeFile(file) != 0)
		written = false;
	if (!written)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", temporary)));
	else
		(void) durable_rename(temporary, name, LOG);
	pfree(temporary);
	pfree(name);
}

void
horizon_forget(void)
{
	(void) unlink(file_name(MyDatabaseId));
}

static char *
file_name(Oid database)
{
	return psprintf(HORIZON_DIRECTORY "/%u", database);
}

/* For a transaction that is not in the future. */
static FullTransactionId
with_epoch(TransactionId xid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint32 epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

bool
horizon_start_is_needed(void)
{
	control->takes_over = access(STANDBY_SIGNAL_FILE, F_OK) == 0 ||
		access(RECOVERY_SIGNAL_FILE, F_OK) == 0;
	return control->takes_over || has_files();
}

static bool
has_files(void)
{
	DIR *directory = AllocateDir(HORIZON_DIRECTORY);
	bool found;

	if (directory == NULL)
		return false;
	found = OidIsValid(next_database(directory));
	(void) FreeDir(directory);
	return found;
}

void
horizon_start_hold(void)
{
	if (start_time == 0)
	{
		start_time = GetCurrentTimestamp();
		needing = read_files(&start_xmin);
		if (control->takes_over)
			start_xmin = oldest_xid();
	}
	if (TransactionIdIsValid(start_xmin))
		advertise(start_xmin);
}

static TransactionId
oldest_xid(void)
{
	TransactionId oldest;

	LWLockAcquire(XidGenLock, LW_SHARED);
	oldest = oldest_xid_kept();
	LWLockRelease(XidGenLock);
	return oldest;
}

/* The databases that have a file, and the oldest xmin in one of these. */
static List *
read_files(TransactionId *oldest)
{
	List *databases = NIL;
	DIR *directory = AllocateDir(HORIZON_DIRECTORY);
	Oid database;

	if (directory == NULL)
		return NIL;
	while (OidIsValid(database = next_database(directory)))
	{
		TransactionId xmin = read_file(file_name(database));
		MemoryContext previous;

		if (!TransactionIdIsValid(xmin))
			continue;
		previous = MemoryContextSwitchTo(TopMemoryContext);
		databases = lappend_oid(databases, database);
		MemoryContextSwitchTo(previous);
		if (!TransactionIdIsValid(*oldest) ||
			TransactionIdPrecedes(xmin, *oldest))
			*oldest = xmin;
	}
	(void) FreeDir(directory);
	return databases;
}

/* That of the next file; InvalidOid: there is none. */
static Oid
next_database(DIR *directory)
{
	struct dirent *entry;

	while ((entry = ReadDirExtended(directory, HORIZON_DIRECTORY, LOG)) !=
		   NULL)
	{
		char *end;
		Oid database = (Oid) strtoul(entry->d_name, &end, 10);

		if (*end == '\0' && OidIsValid(database))
			return database;
	}
	return InvalidOid;
}

/* Invalid if the file names none that a step could need. */
static TransactionId
read_file(const char *name)
{
	FILE *file = AllocateFile(name, PG_BINARY_R);
	FullTransactionId next = ReadNextFullTransactionId();
	unsigned long long found = 0;

	if (file == NULL)
		return InvalidTransactionId;
	if (fscanf(file, "%llu", &found) != 1 ||
		found > U64FromFullTransactionId(next) ||
		found + MAX_HORIZON_AGE < U64FromFullTransactionId(next))
		found = 0;
	(void) FreeFile(file);
	return TransactionIdIsNormal((TransactionId) found) ?
		(TransactionId) found :
		InvalidTransactionId;
}

/* For all databases, as this process belongs to none; invalid: no longer. */
static void
advertise(TransactionId xmin)
{
	LWLockAcquire(ProcArrayLock, LW_EXCLUSIVE);
	MyProc->xmin = xmin;
	if (TransactionIdIsValid(xmin))
		MyProc->statusFlags |= PROC_AFFECTS_ALL_HORIZONS;
	else
		MyProc->statusFlags &= ~PROC_AFFECTS_ALL_HORIZONS;
	ProcGlobal->statusFlags[MyProc->pgxactoff] = MyProc->statusFlags;
	LWLockRelease(ProcArrayLock);
}

List *
horizon_start_first(List *databases)
{
	MemoryContext previous = MemoryContextSwitchTo(TopMemoryContext);
	ListCell *cell;

	if (control->takes_over)
		needing = list_concat_unique_oid(needing, databases);
	foreach(cell, needing)
	{
		Oid database = lfirst_oid(cell);

		if (!list_member_oid(databases, database))
		{
			(void) unlink(file_name(database));
			needing = foreach_delete_current(needing, cell);
			continue;
		}
		databases = list_delete_oid(databases, database);
		databases = lcons_oid(database, databases);
	}
	MemoryContextSwitchTo(previous);
	return databases;
}

long
horizon_start_watch(const List *unprobed)
{
	long left = LONGEST_HOLD_MS -
		TimestampDifferenceMilliseconds(start_time, GetCurrentTimestamp());
	ListCell *cell;

	if (!TransactionIdIsValid(start_xmin))
		return -1;
	foreach(cell, needing)
		if (!list_member_oid(unprobed, lfirst_oid(cell)) &&
			is_back(lfirst_oid(cell)))
			needing = foreach_delete_current(needing, cell);
	if (needing != NIL && left > 0)
		return left;
	control->takes_over = false;
	start_xmin = InvalidTransactionId;
	advertise(start_xmin);
	return -1;
}

/*
 * Are the database's steps known again, and does its keeper hold what they
 * need?  Or does it have no steps any more?
 */
static bool
is_back(Oid oid)
{
	DatabaseState *database;
	bool back;

	control_lock_shared();
	database = database_find(oid);
	back = database == NULL || !database->wanted || database->published;
	for (int i = 0; i < MAX_HOLDS && back; i++)
		back = control->holds[i].state != HOLD_WANTED ||
			control->holds[i].database != oid;
	control_unlock();
	return back;
}

/*-------------------------------------------------------------------------
 *
 * horizon.c
 *	  Keeps what a step's snapshot sees from being vacuumed away.
 *
 * The keeper runs no transaction, whose end would reset its xmin; it sets that
 * by itself.  It takes a new xmin over from the transaction that has the
 * snapshot, while that waits, so there is no moment at which nobody holds it.
 *
 * After a restart there is nobody to take it over from but the launcher
 * (horizon_start.c).  The keeper advertises it all the same: even if something
 * has been pruned since, nothing more will be.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/horizon.h"
#include "engine/horizon_start.h"
#include "engine/scheduler.h"
#include "engine/slot.h"

#define HOLD_TIMEOUT_MS 5000
/* The keeper ends when nothing has been held for so long. */
#define KEEPER_IDLE_MS 60000

static Hold *find_hold(Oid database, int64 run_id, int32 no);
static Hold *add_hold(Oid database, int64 run_id, int32 no,
					  TransactionId xmin);
static void wake_keeper(Oid oid);
static bool wait_until_held(int64 run_id, int32 no);
static void start_keeper(void);
static void refuse_holds(void);
static void attach(Oid oid);
static void detach(int code, Datum arg);
static bool serve_holds(void);
static bool is_older(TransactionId xmin, TransactionId than);
static void take_over(const Hold *hold, int index);
static void advertise(TransactionId oldest);

bool
horizon_hold(int64 run_id, int32 no, Snapshot snapshot)
{
	Hold *hold;

	control_lock();
	hold = add_hold(MyDatabaseId, run_id, no, snapshot->xmin);
	if (hold != NULL)
	{
		GET_VXID_FROM_PGPROC(hold->source, *MyProc);
		hold->owner = MySlot;
		MySlot->has_hold = true;
		wake_keeper(MyDatabaseId);
	}
	control_unlock();
	return hold != NULL && wait_until_held(run_id, no);
}

static Hold *
add_hold(Oid database, int64 run_id, int32 no, TransactionId xmin)
{
	int i;

	for (i = 0; i < MAX_HOLDS; i++)
	{
		Hold *hold = &control->holds[i];

		if (hold->state != HOLD_FREE)
			continue;
		memset(hold, 0, sizeof(*hold));
		hold->state = HOLD_WANTED;
		hold->database = database;
		hold->run_id = run_id;
		hold->no = no;
		hold->xmin = xmin;
		SetInvalidVirtualTransactionId(hold->source);
		return hold;
	}
	return NULL;
}

static Hold *
find_hold(Oid database, int64 run_id, int32 no)
{
	int i;

	for (i = 0; i < MAX_HOLDS; i++)
	{
		Hold *hold = &control->holds[i];

		if (hold->state != HOLD_FREE && hold->database == database &&
			hold->run_id == run_id && hold->no == no)
			return hold;
	}
	return NULL;
}

/* If there is none, the scheduler starts one.  The control lock is held. */
static void
wake_keeper(Oid oid)
{
	DatabaseState *database = database_find(oid);

	if (database == NULL)
		return;
	if (database->keeper != NULL)
		SetLatch(&database->keeper->procLatch);
	else
		scheduler_wake(database);
}

static bool
wait_until_held(int64 run_id, int32 no)
{
	ConditionVariable *event = run_event(run_id);
	TimestampTz start = GetCurrentTimestamp();
	bool held = false;

	ConditionVariablePrepareToSleep(event);
	for (;;)
	{
		Hold *hold;

		control_lock_shared();
		hold = find_hold(MyDatabaseId, run_id, no);
		held = hold != NULL && hold->state == HOLD_HELD;
		control_unlock();
		if (held || hold == NULL ||
			TimestampDifferenceExceeds(start, GetCurrentTimestamp(),
									   HOLD_TIMEOUT_MS))
			break;
		(void) ConditionVariableTimedSleep(event, HOLD_TIMEOUT_MS,
										   PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	return held;
}

void
horizon_bind_step(const StepState *step)
{
	Oid database = step->lane->database;
	Hold *hold;

	if (!TransactionIdIsValid(step->snapshot_xmin))
		return;
	hold = find_hold(database, step->order.run_id, step->order.no);
	if (hold != NULL)
		hold->owner = NULL;
	else
	{
		(void) add_hold(database, step->order.run_id, step->order.no,
						step->snapshot_xmin);
		wake_keeper(database);
	}
}

void
horizon_release(Oid database, int64 run_id, int32 no)
{
	Hold *hold = find_hold(database, run_id, no);

	if (hold == NULL)
		return;
	hold->state = HOLD_FREE;
	wake_keeper(database);
}

void
horizon_release_slot(ExecutorSlot *slot)
{
	int i;

	if (!slot->has_hold)
		return;
	slot->has_hold = false;
	for (i = 0; i < MAX_HOLDS; i++)
	{
		Hold *hold = &control->holds[i];

		if (hold->state != HOLD_FREE && hold->owner == slot)
		{
			hold->state = HOLD_FREE;
			wake_keeper(hold->database);
		}
	}
}

/*
 * Reading with the step's snapshot asks the server about transactions that may
 * be older than this session's xmin, which has to admit that.
 */
void
horizon_share(TransactionId xmin)
{
	PGPROC *keeper;

	control_lock_shared();
	keeper = database_find(MyDatabaseId)->keeper;
	control_unlock();
	if (keeper != NULL && TransactionIdPrecedes(xmin, MyProc->xmin))
		(void) ProcArrayInstallRestoredXmin(xmin, keeper);
}

void
horizon_start_keeper(void)
{
	DatabaseState *database;
	bool wanted = false;
	int i;

	control_lock_shared();
	database = database_find(MyDatabaseId);
	for (i = 0; i < MAX_HOLDS && database->keeper == NULL; i++)
		wanted |= control->holds[i].state == HOLD_WANTED &&
			control->holds[i].database == MyDatabaseId;
	control_unlock();
	if (wanted)
		start_keeper();
}

static void
start_keeper(void)
{
	char name[BGW_MAXLEN];
	BackgroundWorkerHandle *handle;

	snprintf(name, BGW_MAXLEN, "mlpipe keeper for database %u", MyDatabaseId);
	handle = worker_start("mlpipe_keeper_main", name, "mlpipe keeper",
						  ObjectIdGetDatum(MyDatabaseId), NULL, 0);
	if (handle != NULL)
		pfree(handle);
	else
		refuse_holds();
}

/*
 * There is no room for a keeper.  Who is still splitting a table need not wait
 * for one, and copies it; steps that go on need theirs as soon as there is room.
 */
static void
refuse_holds(void)
{
	int i;

	for (i = 0; i < MAX_HOLDS; i++)
	{
		Hold *hold = &control->holds[i];
		int64 run_id;
		bool refused;

		control_lock();
		run_id = hold->run_id;
		refused = hold->state == HOLD_WANTED &&
			hold->database == MyDatabaseId && hold->owner != NULL;
		if (refused)
			hold->state = HOLD_FREE;
		control_unlock();
		if (refused)
			ConditionVariableBroadcast(run_event(run_id));
	}
}

void
mlpipe_keeper_main(Datum arg)
{
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, SIG_IGN);
	attach(DatumGetObjectId(arg));
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg),
											  InvalidOid, 0);
	for (;;)
	{
		bool holding;
		int events;

		CHECK_FOR_INTERRUPTS();
		holding = serve_holds();
		events = WaitLatch(MyLatch,
						   WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
							   (holding ? 0 : WL_TIMEOUT),
						   KEEPER_IDLE_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		if ((events & WL_TIMEOUT) && !serve_holds())
		{
			horizon_forget();
			proc_exit(0);
		}
	}
}

static void
attach(Oid oid)
{
	DatabaseState *database;
	bool taken;

	control_lock();
	database = database_find(oid);
	taken = database == NULL || database->keeper != NULL || database->stopping;
	if (!taken)
	{
		database->keeper = MyProc;
		database->keeper_pid = MyProcPid;
	}
	control_unlock();
	if (taken)
		proc_exit(0);
	on_shmem_exit(detach, ObjectIdGetDatum(oid));
}

/* If it was made to end, another one has to take its place. */
static void
detach(int code, Datum arg)
{
	DatabaseState *database;
	int i;

	control_lock();
	database = database_find(DatumGetObjectId(arg));
	if (database != NULL)
	{
		database->keeper = NULL;
		database->keeper_pid = 0;
		for (i = 0; i < MAX_HOLDS; i++)
			if (control->holds[i].state == HOLD_HELD &&
				control->holds[i].database == database->database)
			{
				control->holds[i].state = HOLD_WANTED;
				SetInvalidVirtualTransactionId(control->holds[i].source);
			}
		scheduler_wake(database);
	}
	control_unlock();
}

/* False if there is nothing to hold. */
static bool
serve_holds(void)
{
	static Hold holds[MAX_HOLDS];
	static TransactionId written = InvalidTransactionId;
	TransactionId oldest = InvalidTransactionId;
	int i;

	control_lock_shared();
	memcpy(holds, control->holds, sizeof(holds));
	control_unlock();

	for (i = 0; i < MAX_HOLDS; i++)
		if (holds[i].state != HOLD_FREE && holds[i].database == MyDatabaseId &&
			is_older(holds[i].xmin, oldest))
			oldest = holds[i].xmin;
	if (is_older(oldest, written))
		horizon_write(written = oldest);
	for (i = 0; i < MAX_HOLDS; i++)
		if (holds[i].state == HOLD_WANTED && holds[i].database == MyDatabaseId)
			take_over(&holds[i], i);
	advertise(oldest);
	return TransactionIdIsValid(oldest);
}

static bool
is_older(TransactionId xmin, TransactionId than)
{
	return TransactionIdIsValid(xmin) &&
		(!TransactionIdIsValid(than) || TransactionIdPrecedes(xmin, than));
}

static void
take_over(const Hold *hold, int index)
{
	VirtualTransactionId source = hold->source;
	bool taken = true;

	if (is_older(hold->xmin, MyProc->xmin))
	{
		if (VirtualTransactionIdIsValid(source))
			taken = ProcArrayInstallImportedXmin(hold->xmin, &source);
		else
			MyProc->xmin = hold->xmin;
	}
	if (!taken)
		return; /* its transaction has ended meanwhile */

	control_lock();
	if (control->holds[index].state == HOLD_WANTED &&
		control->holds[index].database == hold->database &&
		control->holds[index].run_id == hold->run_id &&
		control->holds[index].no == hold->no)
		control->holds[index].state = HOLD_HELD;
	launcher_wake();
	control_unlock();
	ConditionVariableBroadcast(run_event(hold->run_id));
}

/* Forward only: what had to go back has been taken over already. */
static void
advertise(TransactionId oldest)
{
	if (!TransactionIdIsValid(oldest) ||
		(TransactionIdIsValid(MyProc->xmin) &&
		 TransactionIdPrecedes(MyProc->xmin, oldest)))
		MyProc->xmin = oldest;
}

/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  What time and the deaths of other processes cause, in one database.
 *
 * One scheduler a database, started by the launcher.  Users' sessions and
 * executors hand work to each other without it; it sees to what is due, to
 * pipelines with a concurrency, to changed source tables, to executors that
 * died, and it starts executors for work that waits.  It sleeps until its
 * latch is set or something is due.
 *
 * It never runs code of users, so it may have rights that executors must not
 * have.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/failure.h"
#include "engine/horizon.h"
#include "engine/postpone.h"
#include "engine/run_cache.h"
#include "engine/run_end.h"
#include "engine/scheduler.h"
#include "engine/session.h"
#include "engine/slot.h"
#include "engine/step.h"
#include "mlpipe.h"
#include "store/engine_mode.h"

/* After an error, look again after so long. */
#define PAUSE_AFTER_ERROR_MS 500
/*
 * A user's open transaction may lock a run; the others must not wait for it.
 * After waiting for one in vain: there may be a thousand of them.
 */
#define LOCK_TIMEOUT_MS      100
#define NEXT_LOCK_TIMEOUT_MS 1

#define PURGE_AT_MOST_EVERY  (10 * USECS_PER_SEC)
#define PURGE_AT_LEAST_EVERY (1 * USECS_PER_HOUR)
/* Of writers that commit one after the other, each would have us look. */
#define LOOK_AT_CHANGES_EVERY (10 * INT64CONST(1000)) /* microseconds */

typedef struct Errands
{
	bool refill;
	bool admit;
	bool changes;
	bool sweep;
	bool stop;
} Errands;

static Oid my_database;
static bool had_error = false;
static bool missed_lock = false;
static volatile sig_atomic_t was_terminated = false;
static TimestampTz next_purge_at = 0;
static TimestampTz next_changes_at = 0;

static void handle_terminate(SIGNAL_ARGS);
static void handle_interrupt(SIGNAL_ARGS);
static void attach(void);
static void detach(int code, Datum arg);
static void pin_settings(void);
static bool extension_is_there(void);
static void check_version(void *arg);
static void give_up_database(void);
static void settle(void);
static void work_once(void);
static Errands take_errands(void);
static bool is_done(bool (*errand)(void));
static void ask_again(const Errands *failed);
static void renew_next_due(void);
static void sleep_until_asked(long timeout);
static int64 purge_pause(void);
static long pause_until(TimestampTz at);

void
mlpipe_scheduler_main(Datum arg)
{
	my_database = DatumGetObjectId(arg);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, handle_terminate);
	pqsignal(SIGINT, handle_interrupt);
	attach();
	BackgroundWorkerUnblockSignals();

	BackgroundWorkerInitializeConnectionByOid(my_database, InvalidOid, 0);
	pin_settings();
	engine_lock_timeout = LOCK_TIMEOUT_MS;
	session_init();
	run_output_hurry();
	if (!extension_is_there() || !try_in_transaction(check_version, NULL))
	{
		give_up_database();
		proc_exit(0);
	}

	settle();
	recover_started();
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			next_purge_at = 0;
		}
		had_error = false;
		work_once();
	}
}

static void
handle_terminate(SIGNAL_ARGS)
{
	was_terminated = true;
	die(postgres_signal_arg);
}

/* A lock_timeout comes by this signal; from others it is ignored. */
static void
handle_interrupt(SIGNAL_ARGS)
{
	if (get_timeout_indicator(LOCK_TIMEOUT, false))
		StatementCancelHandler(postgres_signal_arg);
}

static void
work_once(void)
{
	Errands errands = take_errands();
	Errands failed = {0};
	long timeout = -1;

	engine_lock_timeout = LOCK_TIMEOUT_MS;
	failed.stop = errands.stop && !is_done(stop_runs);
	if (errands.sweep)
		sweep();
	failed.refill = errands.refill && !is_done(refill_ready);
	failed.changes = errands.changes && !is_done(changes_to_runs);
	handle_due();
	end_overdue_steps();
	failed.admit = errands.admit && !is_done(admit_runs);
	ask_again(&failed);
	if (mlpipe_retention > 0 && GetCurrentTimestamp() >= next_purge_at)
		next_purge_at = purge_old_runs() ?
			GetCurrentTimestamp() :
			GetCurrentTimestamp() + purge_pause();
	renew_next_due();
	postponed_next_round();
	run_cache_trim();
	MemoryContextReset(WorkContext);
	horizon_start_keeper();
	if (mlpipe_enabled)
		timeout = staff_lanes();
	if (mlpipe_retention > 0)
		timeout = sooner(timeout, pause_until(next_purge_at));
	if (slot_interrupt_again(my_database))
		timeout = sooner(timeout, INTERRUPT_AGAIN_MS);
	if (had_error)
		timeout = sooner(timeout, PAUSE_AFTER_ERROR_MS);
	sleep_until_asked(timeout);
}

/*
 * Reads what was asked for, and forgets it before it is done: what is asked
 * for meanwhile is done the next time.
 */
static Errands
take_errands(void)
{
	TimestampTz now = GetCurrentTimestamp();
	DatabaseState *database;
	Errands errands;

	control_lock();
	database = database_find(my_database);
	errands.admit = database->admit;
	errands.changes = database->changes && next_changes_at <= now;
	errands.sweep = database->sweep;
	errands.stop = database->stop;
	errands.refill = (database->refill &&
					  database->refill_at <= GetCurrentTimestamp()) ||
		(database->overflowed && control->nready <= REFILL_BELOW);
	database->admit = false;
	database->sweep = false;
	database->stop = false;
	if (errands.changes)
	{
		database->changes = false;
		next_changes_at = now + LOOK_AT_CHANGES_EVERY;
	}
	if (errands.refill)
	{
		database->refill = false;
		database->refill_at = 0;
		database->overflowed = false;
	}
	control_unlock();
	return errands;
}

/*
 * Not if it could not read what there is to do, or did not get a lock.  What
 * fails by itself for another reason is logged, and waits for the next occasion.
 */
static bool
is_done(bool (*errand)(void))
{
	missed_lock = false;
	return errand() && !missed_lock;
}

/* Asks for errands that failed again, after the pause that follows an error. */
static void
ask_again(const Errands *failed)
{
	DatabaseState *database;

	control_lock();
	database = database_find(my_database);
	database->stop |= failed->stop;
	database->admit |= failed->admit;
	database->changes |= failed->changes;
	if (failed->refill)
	{
		database->refill = true;
		database
			->refill_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													  PAUSE_AFTER_ERROR_MS);
	}
	control_unlock();
}

/* A commit that adds something due after our look sees to that by itself. */
static void
renew_next_due(void)
{
	DatabaseState *database;
	TimestampTz due;

	control_lock();
	database_find(my_database)->next_due = 0;
	control_unlock();

	due = look_up_next_due();

	control_lock();
	database = database_find(my_database);
	if (due != 0 && (database->next_due == 0 || due < database->next_due))
		database->next_due = due;
	due = steps_next_due(my_database);
	if (due != 0 && (database->next_due == 0 || due < database->next_due))
		database->next_due = due;
	control_unlock();
}

static void
sleep_until_asked(long timeout)
{
	static uint32 wait_event = 0;
	DatabaseState *database;
	TimestampTz due;
	TimestampTz refill_at;
	bool changes;

	control_lock_shared();
	database = database_find(my_database);
	/* What failed is due still. */
	due = had_error ? 0 : database->next_due;
	refill_at = database->refill ? database->refill_at : 0;
	changes = database->changes;
	control_unlock();
	if (changes)
		timeout = sooner(timeout, pause_until(next_changes_at));
	if (due != 0)
		timeout = sooner(timeout, pause_until(due));
	if (refill_at != 0)
		timeout = sooner(timeout, pause_until(refill_at));

	if (wait_event == 0)
		wait_event = wait_event_new("MlpipeScheduler");
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
						 (timeout >= 0 ? WL_TIMEOUT : 0),
					 timeout, wait_event);
	ResetLatch(MyLatch);
}

/* Long enough that few looks are in vain, short compared to the retention. */
static int64
purge_pause(void)
{
	int64 pause = mlpipe_retention * USECS_PER_SEC / 10;

	return Min(Max(pause, PURGE_AT_MOST_EVERY), PURGE_AT_LEAST_EVERY);
}

/* Milliseconds, rounded up, and what WaitLatch() can take. */
static long
pause_until(TimestampTz at)
{
	int64 pause = (at - GetCurrentTimestamp() + 999) / 1000;

	return (long) Min(Max(pause, 0), INT_MAX / 2);
}

long
sooner(long a, long b)
{
	if (a < 0 || b < 0)
		return Max(a, b);
	return Min(a, b);
}

bool
try_in_transaction(void (*function)(void *), void *arg)
{
	volatile bool done = false;

	/* One round may be about a thousand runs, and as many documents. */
	run_cache_trim();
	PG_TRY();
	{
		work_begin();
		function(arg);
		work_commit(false);
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(WorkContext);
		if (geterrcode() == ERRCODE_LOCK_NOT_AVAILABLE)
		{
			engine_lock_timeout = NEXT_LOCK_TIMEOUT_MS;
			missed_lock = true;
		}
		else if (geterrcode() != ERRCODE_OUTPUT_REFUSED)
			EmitErrorReport();
		had_error |= geterrcode() != ERRCODE_OUTPUT_REFUSED;
		FlushErrorState();
		work_abort();
	}
	PG_END_TRY();
	return done;
}

void
look_again_after_pause(void)
{
	had_error = true;
}

/* One scheduler a database: a second one finds the place taken and goes. */
static void
attach(void)
{
	DatabaseState *database;
	bool taken;

	control_lock();
	database = database_find_or_add(my_database);
	taken = database == NULL || database->scheduler != NULL;
	if (!taken)
	{
		database->scheduler = MyProc;
		database->scheduler_pid = MyProcPid;
		database->refill = true;
		database->admit = true;
		database->changes = true;
		database->sweep = true;
		database->stop = true;
		database->start_executors = true;
	}
	control_unlock();
	if (taken)
		proc_exit(0);
	on_shmem_exit(detach, (Datum) 0);
}

static void
detach(int code, Datum arg)
{
	DatabaseState *database;

	control_lock();
	database = database_find(my_database);
	if (database != NULL && database->scheduler == MyProc)
	{
		database->scheduler = NULL;
		database->scheduler_pid = 0;
		database->settled = false;

		/* Somebody's will is no failure, after which to pause. */
		if (was_terminated)
			database->failures = 0;
	}
	launcher_wake();
	control_unlock();
}

/*
 * A database's owner can set these for every session by ALTER DATABASE, and
 * this one has a superuser's rights.
 */
static void
pin_settings(void)
{
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET,
					PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_SUSET,
					PGC_S_OVERRIDE);
	SetConfigOption("session_replication_role", "origin", PGC_SUSET,
					PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed",
					PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET,
					PGC_S_OVERRIDE);
}

static bool
extension_is_there(void)
{
	bool there;

	work_begin();
	there = OidIsValid(get_extension_oid(EXTENSION_NAME, true));
	work_commit(false);
	return there;
}

/* ALTER EXTENSION asks for a scheduler again. */
static void
check_version(void *arg)
{
	EngineMode mode;

	engine_mode_enter(&mode);
	engine_mode_leave(&mode);
}

static void
give_up_database(void)
{
	DatabaseState *database;

	control_lock();
	database = database_find(my_database);
	if (database != NULL)
		database->wanted = false;
	slot_forget_database(my_database);
	control_unlock();
}

/* The launcher may look at the next database. */
static void
settle(void)
{
	control_lock();
	database_find(my_database)->settled = true;
	launcher_wake();
	control_unlock();
}

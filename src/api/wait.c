/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  mlpipe_wait(): sleeps until a run has ended.
 *
 * The commit that ends a run broadcasts a condition variable, and nothing is
 * looked at before: a run of thousands of activities does not wake who waits
 * for it thousands of times.
 *
 * The statement that calls this holds a snapshot and perhaps locks, and the run
 * may be what waits for those: the server's deadlock detector cannot see that,
 * since this session waits for no lock, so it is looked for here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "activity/activity.h"
#include "api/look.h"
#include "api/rights.h"
#include "compat.h"
#include "engine/board.h"
#include "engine/slot.h"
#include "store/engine_mode.h"

#define MAX_CHECK_PAUSE_MS 60000

/* When to look next whether the run waits for us. */
typedef struct BlockCheck
{
	int pause; /* milliseconds */
	TimestampTz at;
} BlockCheck;

static TimestampTz deadline_after(Interval *timeout);
static RunStatus wait_for_end(int64 run_id, TimestampTz deadline);
static void require_own_commit(int64 run_id, const RunLook *look);
static void require_other_run(int64 run_id);
static void check_blocks(int64 run_id, BlockCheck *check);
static void require_not_blocking(int64 run_id);
static void require_executors(int64 run_id);
static bool is_blocked_by_me(int pid);
static void sleep_for_event(int64 run_id, TimestampTz until);

PG_FUNCTION_INFO_V1(mlpipe_wait);
Datum
mlpipe_wait(PG_FUNCTION_ARGS)
{
	TimestampTz deadline = DT_NOEND;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(1))
		deadline = deadline_after(PG_GETARG_INTERVAL_P(1));
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot wait for a run during recovery"),
				 errhint("Runs are executed on the primary server.")));
	PG_RETURN_TEXT_P(cstring_to_text(
		run_status_name(wait_for_end(PG_GETARG_INT64(0), deadline))));
}

static TimestampTz
deadline_after(Interval *timeout)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz deadline = DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
							IntervalPGetDatum(timeout)));

	if (deadline < now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout cannot be negative")));
	return deadline;
}

/* The status at the end, or at the deadline. */
static RunStatus
wait_for_end(int64 run_id, TimestampTz deadline)
{
	BlockCheck check = {.pause = DeadlockTimeout,
						.at = GetCurrentTimestamp() +
							(int64) DeadlockTimeout * 1000};
	RunLook look;

	run_look_first(run_id, &look);
	require_own_commit(run_id, &look);
	require_other_run(run_id);
	if (run_status_is_final(look.status))
		return look.status;
	shmem_require();

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();

		/* First, so that no broadcast after the look is missed. */
		ConditionVariablePrepareToSleep(run_end_event(run_id));
		run_look_again(run_id, &look);
		if (run_status_is_final(look.status) ||
			GetCurrentTimestamp() >= deadline)
			break;
		check_blocks(run_id, &check);
		sleep_for_event(run_id, Min(deadline, check.at));
	}
	ConditionVariableCancelSleep();
	if (MySlot != NULL)
		(void) slot_wait(false);
	return look.status;
}

/* Only a commit starts it, or lets executors have its row. */
static void
require_own_commit(int64 run_id, const RunLook *look)
{
	if (TransactionIdIsCurrentTransactionId(look->xmin) &&
		!run_status_is_final(look->status))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot wait for run " INT64_FORMAT
					" in the transaction that submitted or changed it",
					run_id),
			 errhint(
				 "It goes on when that transaction commits.  Commit first, then wait.")));
}

static void
require_other_run(int64 run_id)
{
	if (MyCall != NULL && MyCall->run_id == run_id)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an activity of run " INT64_FORMAT
						" cannot wait for the run's end",
						run_id)));
}

static void
check_blocks(int64 run_id, BlockCheck *check)
{
	TimestampTz now = GetCurrentTimestamp();

	if (now < check->at)
		return;
	require_not_blocking(run_id);
	require_executors(run_id);
	check->pause = Min(2 * check->pause, MAX_CHECK_PAUSE_MS);
	check->at = now + (int64) check->pause * 1000;
}

static void
require_not_blocking(int64 run_id)
{
	int count;
	ExecutorSlot *slots = board_slots(MyDatabaseId, run_id, &count);
	int i;

	for (i = 0; i < count; i++)
		if (slots[i].pid != 0 && is_blocked_by_me(slots[i].pid))
			ereport(
				ERROR,
				(errcode(ERRCODE_T_R_DEADLOCK_DETECTED),
				 errmsg("run " INT64_FORMAT
						" waits for this session, which waits for the run",
						run_id),
				 errdetail(
					 "Process %d, which works on the run, waits for a lock or a snapshot of this session's transaction.",
					 slots[i].pid),
				 errhint("Use CALL mlpipe_watch(" INT64_FORMAT
						 ") outside a transaction block, which holds neither.",
						 run_id)));
	pfree(slots);
}

/* All of them may be waiting for runs that none of them is left to execute. */
static void
require_executors(int64 run_id)
{
	if (MySlot == NULL || slot_wait(true))
		return;
	(void) slot_wait(false);
	ereport(
		ERROR,
		(errcode(ERRCODE_T_R_DEADLOCK_DETECTED),
		 errmsg(
			 "all executors wait for other runs, this one for run " INT64_FORMAT,
			 run_id),
		 errhint(
			 "You might need to increase \"%s\", or not to wait for runs inside activities.",
			 "mlpipe.max_executors")));
}

static bool
is_blocked_by_me(int pid)
{
	ArrayType *blockers = DatumGetArrayTypeP(
		DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(pid)));
	const int32 *pids = (const int32 *) ARR_DATA_PTR(blockers);
	int count = ArrayGetNItems(ARR_NDIM(blockers), ARR_DIMS(blockers));
	bool found = false;
	int i;

	for (i = 0; i < count && !found; i++)
		found = pids[i] == MyProcPid;
	pfree(blockers);
	return found;
}

static void
sleep_for_event(int64 run_id, TimestampTz until)
{
	static uint32 wait_event = 0;
	long pause = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);

	if (wait_event == 0)
		wait_event = wait_event_new("MlpipeWait");
	(void) ConditionVariableTimedSleep(run_end_event(run_id), Max(pause, 1),
									   wait_event);
}

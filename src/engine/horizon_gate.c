/*-------------------------------------------------------------------------
 *
 * horizon_gate.c
 *	  Holds statements back, after a start, until steps' snapshots are held.
 *
 * The launcher, which holds them (horizon_start.h), comes up side by side with
 * the first sessions.  One that is quicker could prune away rows that a step
 * still has to read.  So if steps need something, the first statement of each
 * process waits for the launcher: in the hooks of ProcessUtility, of the planner,
 * which itself may look at the ends of an index, and prune there, and of the
 * executor, for sessions that have plans from before a standby's promotion.
 *
 * The launcher runs no statement and waits for nobody who does; our other
 * workers are started by it.  If it does not come, the server goes on without.
 *
 * Autovacuum and workers of logical replication pass no hook.  But they come
 * from launchers of their own, which start together with ours: at the earliest
 * when those have asked the postmaster for another process, autovacuum's only
 * after a sleep of a tenth of a second.  Nor is a statement held back that is
 * executed while a standby is promoted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/planner.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/hooks.h"
#include "engine/horizon_gate.h"
#include "engine/horizon_start.h"
#include "engine/shmem.h"

/* From the first statement on; the launcher needs some milliseconds. */
#define LONGEST_WAIT_MS 10000

static planner_hook_type previous_planner = NULL;
static ExecutorStart_hook_type previous_start = NULL;
static ProcessUtility_hook_type previous_utility = NULL;
static bool passed = false; /* nothing to wait for in this process any more */

static PlannedStmt *plan(Query *query, const char *text, int options,
						 ParamListInfo parameters);
static void executor_start(QueryDesc *query, int flags);
static void process_utility(PlannedStmt *statement, const char *text,
							bool read_only_tree, ProcessUtilityContext context,
							ParamListInfo parameters,
							QueryEnvironment *environment,
							DestReceiver *receiver,
							QueryCompletion *completion);
static void pass(void);
static GateState gate_state(void);
static void wait_until_open(void);
static TimestampTz wait_deadline(void);
static void open_without_launcher(void);

void
horizon_gate_install_hooks(void)
{
	previous_planner = planner_hook;
	planner_hook = plan;
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

/* A standalone backend has no launcher to wait for. */
void
horizon_gate_set_up(void)
{
	ConditionVariableInit(&control->gate_opened);
	if (IsPostmasterEnvironment && horizon_start_is_needed())
		control->gate = GATE_CLOSED;
}

bool
horizon_gate_open(void)
{
	bool closed;

	control_lock();
	closed = control->gate == GATE_CLOSED;
	if (closed)
		control->gate = GATE_OPEN;
	control_unlock();
	if (closed)
		ConditionVariableBroadcast(&control->gate_opened);
	return closed;
}

static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo parameters)
{
	if (!passed)
		pass();
	return (previous_planner ?
				previous_planner :
				standard_planner)(query, text, options, parameters);
}

static void
executor_start(QueryDesc *query, int flags)
{
	if (!passed)
		pass();
	hook_start_executor(previous_start, query, flags);
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo parameters,
				QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	if (!passed)
		pass();
	hook_process_utility(previous_utility, statement, text, read_only_tree,
						 context, parameters, environment, receiver,
						 completion);
}

/*
 * While it connected, this process has read catalogs, and may have found out
 * then up to where nobody needs old rows.  It would keep to that for tables,
 * too, although somebody holds more now; so it has to find that out again.
 */
static void
pass(void)
{
	if (RecoveryInProgress())
		return; /* nobody prunes, and the launcher comes at its end */
	if (gate_state() != GATE_UNUSED)
	{
		wait_until_open();
		(void) GetOldestNonRemovableTransactionId(NULL);
	}
	passed = true;
}

static GateState
gate_state(void)
{
	GateState state;

	control_lock_shared();
	state = control->gate;
	control_unlock();
	return state;
}

static void
wait_until_open(void)
{
	ConditionVariable *opened = &control->gate_opened;

	ConditionVariablePrepareToSleep(opened);
	while (gate_state() == GATE_CLOSED)
	{
		long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
													wait_deadline());

		/* If the clock has been set back, no longer than that all the same. */
		if (left == 0 ||
			ConditionVariableTimedSleep(opened, Min(left, LONGEST_WAIT_MS),
										wait_event_new("MlpipeStart")))
			open_without_launcher();
	}
	ConditionVariableCancelSleep();
}

/* The same one for all, so that clients that give up early do not defer it. */
static TimestampTz
wait_deadline(void)
{
	TimestampTz deadline;

	control_lock();
	if (control->gate_deadline == 0)
		control->gate_deadline =
			TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
										LONGEST_WAIT_MS);
	deadline = control->gate_deadline;
	control_unlock();
	return deadline;
}

static void
open_without_launcher(void)
{
	if (!horizon_gate_open())
		return;
	ereport(
		LOG,
		(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
		 errmsg("statements wait no longer for the mlpipe launcher"),
		 errdetail(
			 "It has not come up in time.  Parallel steps that go on may miss rows that are updated or deleted until it has."),
		 errhint("You might need to increase \"%s\".",
				 "max_worker_processes")));
}

/*-------------------------------------------------------------------------
 *
 * staffing.c
 *	  The scheduler starts executors for work that waits.
 *
 * As many as there are processors are started at once.  More are started only
 * if work waits although nobody has taken any for a while, or if activities
 * take the executors long: then these sleep, wait for locks or compute, and
 * another brings more than it costs.  Very short activities are done fastest
 * by one process for each processor.  If all slots are taken, idle executors of
 * other roles, and then busy ones, are asked to go.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "activity/parallel.h"
#include "compat.h"
#include "engine/finish.h"
#include "engine/role.h"
#include "engine/scheduler.h"
#include "engine/session.h"
#include "engine/slot.h"
#include "mlpipe.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"

/* Work that waits so long with nobody taking any gets another executor. */
#define STALLED_AFTER_MS 10
/* So does work that waits while an activity takes an executor so long. */
#define SLOW_ACTIVITY_MS      2
#define SHORTEST_LOOK_MS      5
#define LOOK_AGAIN_AT_MOST_MS 160
#define RETRY_START_MS        1000
/* A role whose executors cannot connect, for reasons that we cannot see. */
#define MAX_FAILED_STARTS 5

/* One lane's needs, as read under the lock. */
typedef struct Need
{
	Oid role;
	int work; /* pieces that somebody could take */
	int executors;
	bool stalled;
	int failed_starts;
	bool failed_lately; /* too early to try again */
} Need;

/* Handles of executors that were started, to notice those that never came. */
typedef struct Start
{
	BackgroundWorkerHandle *handle; /* NULL: none */
	uint32 generation;
} Start;

/* A lane's role, and whether an executor could connect as it. */
typedef struct LaneCheck
{
	const Need *need;
	bool fine;
} LaneCheck;

static Start *starts = NULL;
static long look_again_ms = STALLED_AFTER_MS;

static int collect_needs(Need *needs);
static bool read_need(Lane *lane, Need *need);
static bool activities_take_long(Lane *lane, TimestampTz now);
static int pieces_of_work(const Lane *lane);
static void forget_failed_starts(void);
static int starts_for(const Need *need);
static bool start_executor(Oid role);
static void ask_somebody_to_go(Oid role);
static ExecutorSlot *dispensable_slot(Oid role);
static bool can_start_as(const Need *need);
static void check_lane(void *arg);
static char *lane_problem(const Need *need);
static void fail_lane(Oid role, const Failure *failure);
static bool next_in_lane(Oid role, WorkOrder *order, bool *is_step);
static void fail_ready(const WorkOrder *order, const Failure *failure);

long
staff_lanes(void)
{
	Need *needs = MemoryContextAlloc(WorkContext, MAX_LANES * sizeof(Need));
	int nneeds;
	bool started = false;
	bool refused = false;
	int i;

	forget_failed_starts();
	nneeds = collect_needs(needs);
	for (i = 0; i < nneeds; i++)
	{
		int wanted = starts_for(&needs[i]);

		if (wanted > 0 && needs[i].executors == 0 && !can_start_as(&needs[i]))
			continue;
		for (; wanted > 0 && !refused; wanted--)
		{
			refused = !start_executor(needs[i].role);
			started |= !refused;
		}
	}
	pfree(needs);

	if (refused)
		return RETRY_START_MS;
	if (nneeds == 0)
		return -1;
	look_again_ms = started ? STALLED_AFTER_MS :
							  Min(look_again_ms * 2, LOOK_AGAIN_AT_MOST_MS);
	return look_again_ms;
}

/* Lanes of this database with more work than executors that look for it. */
static int
collect_needs(Need *needs)
{
	int count = 0;
	int i;

	control_lock();
	database_find(MyDatabaseId)->start_executors = false;
	for (i = 0; i < MAX_LANES; i++)
		if (control->lanes[i].database == MyDatabaseId &&
			read_need(&control->lanes[i], &needs[count]))
			count++;

	/* Set for as long as work waits: nobody needs to tell us of it again. */
	database_find(MyDatabaseId)->start_executors = count > 0;
	control_unlock();
	return count;
}

static bool
read_need(Lane *lane, Need *need)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz since = Max(lane->waiting_since, lane->last_take_at);

	need->work = pieces_of_work(lane);
	if (need->work == 0 || lane->nidle > 0)
		return false;
	need->role = lane->role;
	need->executors = lane->nexecutors;
	need->stalled = activities_take_long(lane, now) ||
		TimestampDifferenceExceeds(since, now, STALLED_AFTER_MS);
	need->failed_starts = lane->failed_starts;
	need->failed_lately = lane->failed_starts > 0 &&
		!TimestampDifferenceExceeds(lane->failed_start_at, now,
									RETRY_START_MS << Min(lane->failed_starts,
														  MAX_FAILED_STARTS));
	return true;
}

/*
 * On average, since the last look.  If none has begun, the executors may only
 * just have been started.
 */
static bool
activities_take_long(Lane *lane, TimestampTz now)
{
	int64 begun = lane->begun - lane->begun_before;
	int64 elapsed = now - lane->looked_at;
	bool measured = lane->looked_at != 0;

	if (measured && elapsed < SHORTEST_LOOK_MS * INT64CONST(1000))
		return false;
	lane->begun_before = lane->begun;
	lane->looked_at = now;
	return measured && begun > 0 &&
		elapsed * lane->nexecutors > begun * SLOW_ACTIVITY_MS * 1000;
}

static int
pieces_of_work(const Lane *lane)
{
	int pieces = lane->nready;
	dlist_iter iter;

	dlist_foreach(iter, unconstify(dlist_head *, &lane->steps))
	{
		const StepState *step = dlist_container(StepState, node, iter.cur);

		if (step_is_joinable(step))
			pieces += Min(step_room(step),
						  Max(step->batches - step->next_batch + 1 +
								  step->nretries,
							  1));
	}
	return pieces;
}

static int
starts_for(const Need *need)
{
	static int processors = 0;

	if (processors == 0)
		processors = Max((int) sysconf(_SC_NPROCESSORS_ONLN), 1);
	if (need->failed_starts > 0)
		return need->executors == 0 ? 1 : 0;
	if (need->executors < processors)
		return Min(need->work, processors - need->executors);
	return need->stalled ? Min(need->work, processors) : 0;
}

/*
 * An executor that could not be forked never attaches to its slot.  Nor perhaps
 * does one that a scheduler before us asked for.
 */
static void
forget_failed_starts(void)
{
	int i;
	pid_t pid;

	if (starts == NULL)
		starts = MemoryContextAllocZero(TopMemoryContext,
										control->nslots * sizeof(Start));
	for (i = 0; i < control->nslots; i++)
	{
		BgwHandleStatus status;

		if (starts[i].handle == NULL)
		{
			slot_release_abandoned(i);
			continue;
		}
		status = GetBackgroundWorkerPid(starts[i].handle, &pid);
		if (status == BGWH_NOT_YET_STARTED)
			continue;
		if (status == BGWH_STOPPED)
			slot_release(i, starts[i].generation);
		pfree(starts[i].handle);
		starts[i].handle = NULL;
	}
}

static bool
start_executor(Oid role)
{
	static bool warned = false;
	char name[BGW_MAXLEN];
	uint32 generation;
	int index = slot_reserve(MyDatabaseId, role, &generation);
	BackgroundWorkerHandle *handle;

	if (index < 0)
	{
		ask_somebody_to_go(role);
		return false;
	}
	snprintf(name, BGW_MAXLEN, "mlpipe executor %d", index);
	handle = worker_start("mlpipe_executor_main", name, "mlpipe executor",
						  Int32GetDatum(index), &generation,
						  sizeof(generation));
	if (handle == NULL)
	{
		slot_release(index, generation);
		if (!warned)
			ereport(
				LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg(
					 "could not start an executor: no background worker slot is free"),
				 errhint("You might need to increase \"%s\".",
						 "max_worker_processes")));
		warned = true;
		return false;
	}
	starts[index].handle = handle;
	starts[index].generation = generation;
	warned = false;
	return true;
}

static void
ask_somebody_to_go(Oid role)
{
	ExecutorSlot *slot;

	control_lock();
	slot = dispensable_slot(role);
	if (slot != NULL)
	{
		slot->retire = true;
		SetLatch(&slot->proc->procLatch);
	}
	control_unlock();
}

/*
 * An executor of another lane that has nothing to do; or, if this role has none
 * at all, a busy one that has had its time, of a lane with more of them.
 */
static ExecutorSlot *
dispensable_slot(Oid role)
{
	Lane *mine = lane_find(MyDatabaseId, role);
	ExecutorSlot *busy = NULL;
	int i;

	for (i = 0; i < control->nslots; i++)
	{
		ExecutorSlot *slot = &control->slots[i];

		if (slot->proc == NULL || slot->lane == mine)
			continue;
		if (slot->retire)
			return NULL; /* one is on its way already */
		if (slot->state == SLOT_IDLE || slot->lingering)
			return slot;
		if (slot->state == SLOT_BUSY &&
			(busy == NULL || slot->lane->nexecutors > busy->lane->nexecutors))
			busy = slot;
	}
	return mine == NULL || mine->nexecutors == 0 ? busy : NULL;
}

static bool
can_start_as(const Need *need)
{
	LaneCheck check = {need, false};

	return !need->failed_lately && try_in_transaction(check_lane, &check) &&
		check.fine;
}

/*
 * If no executor can connect as a lane's role, its work fails for that reason
 * rather than waiting for ever.
 */
static void
check_lane(void *arg)
{
	LaneCheck *check = arg;
	char *problem = lane_problem(check->need);

	check->fine = problem == NULL;
	if (problem != NULL)
		fail_lane(
			check->need->role,
			failure_create(
				CurrentMemoryContext, "42501", problem, NULL,
				"Executors connect to the database as the role that the pipeline runs as."));
}

static void
fail_lane(Oid role, const Failure *failure)
{
	WorkOrder order;
	bool is_step;

	while (next_in_lane(role, &order, &is_step))
	{
		if (!is_step)
			fail_ready(&order, failure);
		else if (parallel_end(order.run_id, order.no, failure, false) ==
				 STEP_ENDED_RUN)
			ForceSyncCommit();
	}
}

/* Takes it out of shared memory: if this fails, a refill brings it back. */
static bool
next_in_lane(Oid role, WorkOrder *order, bool *is_step)
{
	Lane *lane;
	bool found;

	control_lock();
	lane = lane_find(MyDatabaseId, role);
	found = lane != NULL && ready_pop(lane, order);
	*is_step = lane != NULL && !found && !dlist_is_empty(&lane->steps);
	if (*is_step)
	{
		StepState *step = dlist_head_element(StepState, node, &lane->steps);

		*order = step->order;
		step->lane = NULL;
		dlist_delete(&step->node);
	}
	if (lane != NULL)
		lane_free_if_unused(lane);
	control_unlock();
	return found || *is_step;
}

/* NULL if nothing keeps an executor from working as the lane's role. */
static char *
lane_problem(const Need *need)
{
	char *problem = role_problem(need->role);

	if (problem == NULL && need->failed_starts >= MAX_FAILED_STARTS)
		problem = psprintf(
			"no executor could work as role \"%s\"; the server log says why",
			GetUserNameFromId(need->role, false));
	return problem;
}

static void
fail_ready(const WorkOrder *order, const Failure *failure)
{
	TimestampTz at = GetCurrentTimestamp();
	EngineMode mode;
	int32 attempt;

	engine_mode_enter(&mode);
	attempt = activity_claim(order->run_id, order->no, MyProcPid);
	if (attempt > 0)
	{
		(void) run_start(order->run_id, at, 0);
		if (activity_fail(run_info(order->run_id), order->no, attempt, failure,
						  false, NULL))
			ForceSyncCommit();
	}
	engine_mode_leave(&mode);
}

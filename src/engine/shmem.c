/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Lays out the memory that mlpipe's processes share, and finds databases
 *	  and lanes in it.
 *
 * All of it is of fixed size, set at server start.  What does not fit is left
 * in the tables, where a scheduler finds it when there is room again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "engine/culprit.h"
#include "engine/horizon_gate.h"
#include "engine/shmem.h"
#include "mlpipe.h"

#define TRANCHE_NAME "mlpipe"
#define LATELY       (1 * USECS_PER_MINUTE)

Control *control = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void request_memory(void);
static void set_up_memory(void);
static Size control_size(void);
static void initialize_control(void);
static bool server_has_crashed(void);
static int compare_ready(const pairingheap_node *a, const pairingheap_node *b,
						 void *arg);

void
shmem_install_hooks(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = set_up_memory;
}

void
shmem_require(void)
{
	if (control == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg(
					 "mlpipe must be loaded at server start to run pipelines"),
				 errhint("Add \"%s\" to \"%s\" and restart the server.",
						 LIBRARY_NAME, "shared_preload_libraries")));
}

static void
request_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(control_size());
	RequestNamedLWLockTranche(TRANCHE_NAME, 1);
}

static Size
control_size(void)
{
	Size size = MAXALIGN(sizeof(Control));

	size = add_size(size,
					MAXALIGN(
						mul_size(mlpipe_max_executors, sizeof(ExecutorSlot))));
	return add_size(size, mul_size(MAX_READY, sizeof(ReadyEntry)));
}

static void
set_up_memory(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	control = ShmemInitStruct("mlpipe", control_size(), &found);
	if (!found)
		initialize_control();
	LWLockRelease(AddinShmemInitLock);
	culprits_watch();
}

static void
initialize_control(void)
{
	char *next = (char *) control + MAXALIGN(sizeof(Control));
	int i;

	memset(control, 0, control_size());
	control->lock = &GetNamedLWLockTranche(TRANCHE_NAME)->lock;

	/*
	 * A crash takes back claims that were not flushed, and the attempts are
	 * not counted.  What crashes the server again and again is claimed again
	 * soon after each start, so these claims have to be flushed.
	 */
	if (server_has_crashed())
		control->crashed_at = GetCurrentTimestamp();
	culprits_publish();
	horizon_gate_set_up();
	for (i = 0; i < RUN_EVENT_BUCKETS; i++)
	{
		ConditionVariableInit(&control->run_events[i]);
		ConditionVariableInit(&control->run_ends[i]);
	}

	control->nslots = mlpipe_max_executors;
	control->slots = (ExecutorSlot *) next;
	next += MAXALIGN(mlpipe_max_executors * sizeof(ExecutorSlot));

	control->ready = (ReadyEntry *) next;
	for (i = 0; i < MAX_READY; i++)
	{
		control->ready[i].next_free = control->free_ready;
		control->free_ready = &control->ready[i];
	}
}

/* Memory is set up before recovery begins. */
static bool
server_has_crashed(void)
{
	bool crc_ok;
	ControlFileData *file = get_controlfile(DataDir, &crc_ok);
	DBState state = file->state;

	pfree(file);
	return state != DB_SHUTDOWNED && state != DB_SHUTDOWNED_IN_RECOVERY;
}

bool
crash_was_lately(void)
{
	return control->crashed_at != 0 &&
		GetCurrentTimestamp() < control->crashed_at + LATELY;
}

bool
crash_was_after(TimestampTz time)
{
	return control->crashed_at > time;
}

DatabaseState *
database_find(Oid database)
{
	int i;

	for (i = 0; i < MAX_DATABASES; i++)
		if (control->databases[i].database == database)
			return &control->databases[i];
	return NULL;
}

DatabaseState *
database_find_or_add(Oid database)
{
	DatabaseState *state = database_find(database);

	if (state != NULL)
		return state;
	state = database_find(InvalidOid);
	if (state == NULL)
		return NULL;
	memset(state, 0, sizeof(*state));
	state->database = database;
	return state;
}

/*
 * Wakes the database's scheduler, or has the launcher start one.
 */
void
scheduler_wake(DatabaseState *database)
{
	if (database->scheduler != NULL)
		SetLatch(&database->scheduler->procLatch);
	else
	{
		database->wanted = true;
		launcher_wake();
	}
}

void
launcher_wake(void)
{
	if (control->launcher != NULL)
		SetLatch(&control->launcher->procLatch);
}

Lane *
lane_find(Oid database, Oid role)
{
	int i;

	for (i = 0; i < MAX_LANES; i++)
	{
		Lane *lane = &control->lanes[i];

		if (lane->database == database && lane->role == role)
			return lane;
	}
	return NULL;
}

Lane *
lane_find_or_add(Oid database, Oid role)
{
	Lane *lane = lane_find(database, role);

	if (lane != NULL)
		return lane;
	lane = lane_find(InvalidOid, InvalidOid);
	if (lane == NULL)
		return NULL;
	memset(lane, 0, sizeof(*lane));
	lane->database = database;
	lane->role = role;
	lane->ready.ph_compare = compare_ready;
	dlist_init(&lane->steps);
	return lane;
}

void
lane_free_if_unused(Lane *lane)
{
	if (lane->nready == 0 && lane->nexecutors == 0 &&
		dlist_is_empty(&lane->steps))
	{
		lane->database = InvalidOid;
		lane->role = InvalidOid;
	}
}

StepState *
step_find(Oid database, int64 run_id, int32 no)
{
	int i;

	for (i = 0; i < MAX_STEPS; i++)
	{
		StepState *step = &control->steps[i];

		if (step->lane != NULL && step->lane->database == database &&
			step->order.run_id == run_id && step->order.no == no)
			return step;
	}
	return NULL;
}

/*
 * Less than 0 if a goes before b: by priority, then age of the run; within a
 * run by the activity's priority, then its number.
 */
int
work_compare(const WorkOrder *a, const WorkOrder *b)
{
	if (a->run_priority != b->run_priority)
		return a->run_priority > b->run_priority ? -1 : 1;
	if (a->run_id != b->run_id)
		return a->run_id < b->run_id ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	if (a->no != b->no)
		return a->no < b->no ? -1 : 1;
	return 0;
}

/* A pairing heap keeps its greatest element on top. */
static int
compare_ready(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	return -work_compare(&pairingheap_const_container(ReadyEntry, node, a)
							  ->order,
						 &pairingheap_const_container(ReadyEntry, node, b)
							  ->order);
}

ConditionVariable *
run_event(int64 run_id)
{
	return &control->run_events[(uint64) run_id % RUN_EVENT_BUCKETS];
}

ConditionVariable *
run_end_event(int64 run_id)
{
	return &control->run_ends[(uint64) run_id % RUN_EVENT_BUCKETS];
}

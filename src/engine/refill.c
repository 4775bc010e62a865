/*-------------------------------------------------------------------------
 *
 * refill.c
 *	  The scheduler fills shared memory from the tables.
 *
 * After a start of the server, what was in progress has lost its worker: no
 * executor can have started before the first scheduler of the database has
 * seen to that.  Later a dead executor's slot tells what it had in hand.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "activity/parallel.h"
#include "engine/culprit.h"
#include "engine/executor.h"
#include "engine/finish.h"
#include "engine/scheduler.h"
#include "engine/session.h"
#include "engine/wakeup.h"
#include "store/engine_mode.h"
#include "store/ready_store.h"

static void recover_all(void *arg);
static void lose_started(void *arg);
static List *started_activities(void);
static void push_ready(void *arg);
static void publish_steps(void *arg);
static void clear_lanes(void);
static void tell_published(void);
static bool step_is_known(int64 run_id, int32 no);

void
recover_started(void)
{
	bool recovered;

	control_lock();
	recovered = database_find(MyDatabaseId)->recovered;
	control_unlock();
	if (recovered || !try_in_transaction(recover_all, NULL))
		return;

	control_lock();
	database_find(MyDatabaseId)->recovered = true;
	control_unlock();
}

static void
recover_all(void *arg)
{
	List *started = started_activities();
	ListCell *cell;

	foreach(cell, started)
	{
		StartedRow *row = lfirst(cell);

		if (!row->split)
			lose_started(row);
	}
	parallel_drop_orphaned_stages();
}

static void
lose_started(void *arg)
{
	StartedRow *row = arg;
	Failure *failure;

	if (control->crashed_at != 0 && culprit_is_another(row->run_id, row->no))
		failure = failure_create(
			CurrentMemoryContext, SQLSTATE_MADE_WAY,
			"the server crashed during this attempt, by another activity",
			NULL, NULL);
	else if (control->crashed_at != 0)
		failure = failure_create(
			CurrentMemoryContext, "57P02",
			"the server crashed or was stopped during this attempt", NULL,
			NULL);
	else
		failure =
			failure_create(CurrentMemoryContext, SQLSTATE_MADE_WAY,
						   "the server was shut down during this attempt",
						   NULL, NULL);
	(void) activity_lose(run_info(row->run_id), row->no, row->attempt,
						 failure);
}

static List *
started_activities(void)
{
	EngineMode mode;
	List *started;

	engine_mode_enter(&mode);
	started = activities_started();
	engine_mode_leave(&mode);
	return started;
}

bool
refill_ready(void)
{
	clear_lanes();
	if (!try_in_transaction(push_ready, NULL) ||
		!try_in_transaction(publish_steps, NULL))
		return false;
	tell_published();
	return true;
}

/* Entries that come in from here on are in the tables too: doubles do no harm. */
static void
clear_lanes(void)
{
	int i;

	control_lock();
	for (i = 0; i < MAX_LANES; i++)
		if (control->lanes[i].database == MyDatabaseId)
			ready_clear(&control->lanes[i]);
	control_unlock();
}

/* Without the documents: there may be thousands of them, each of any size. */
static void
push_ready(void *arg)
{
	EngineMode mode;
	List *ready;
	ListCell *cell;

	engine_mode_enter(&mode);
	ready = activities_ready(REFILL_LIMIT);
	engine_mode_leave(&mode);
	foreach(cell, ready)
	{
		ReadyRow *row = lfirst(cell);
		WorkOrder order = {.run_priority = row->run_priority,
						   .run_id = row->run_id,
						   .priority = row->priority,
						   .no = row->no,
						   .activity_no = row->activity_no};

		wakeup_ready(row->role, &order);
	}
	if (list_length(ready) == REFILL_LIMIT)
	{
		control_lock();
		database_find(MyDatabaseId)->overflowed = true;
		control_unlock();
	}
}

static void
publish_steps(void *arg)
{
	List *started = started_activities();
	ListCell *cell;

	foreach(cell, started)
	{
		StartedRow *row = lfirst(cell);

		run_cache_trim();
		if (row->split && !step_is_known(row->run_id, row->no) &&
			!parallel_publish(row->run_id, row->no))
		{
			/* No room: look again when a step has ended. */
			wakeup_scheduler(ERRAND_REFILL);
			control_lock();
			database_find(MyDatabaseId)->refill_at = GetCurrentTimestamp() +
				USECS_PER_SEC;
			control_unlock();
			break;
		}
	}
}

/* After a start, the launcher waits for this (horizon_start.h). */
static void
tell_published(void)
{
	DatabaseState *database;

	control_lock();
	database = database_find(MyDatabaseId);
	if (!database->published)
		launcher_wake();
	database->published = true;
	control_unlock();
}

static bool
step_is_known(int64 run_id, int32 no)
{
	bool known;

	control_lock_shared();
	known = step_find(MyDatabaseId, run_id, no) != NULL;
	control_unlock();
	return known;
}

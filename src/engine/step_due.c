/*-------------------------------------------------------------------------
 *
 * step_due.c
 *	  Time limits of parallel steps that nobody works on.
 *
 * A worker sees to the time limits of its step.  While there is none, because
 * all executors have something better to do or none can be had, the scheduler
 * does: when a step loses its last worker, or is published, the scheduler is
 * told when that step will be overdue.
 *
 * It also lets a step go on when the pause before another attempt is over.  The
 * start in the activity's row is that much later, so that whoever rebuilds the
 * step's state from its tables keeps the pause.
 *
 * A step that may not be worked on, because its run is suspended or mlpipe is
 * off, does not have to make progress.
 *
 * All functions but step_take_overdue() want the control lock held.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "engine/shmem.h"
#include "engine/step.h"
#include "mlpipe.h"

static void end_pause(StepState *step);
static TimestampTz due_at(const StepState *step, StepOverdue *why);
static void sooner(TimestampTz at, StepOverdue reason, TimestampTz *due,
				   StepOverdue *why);

void
step_note_due(const StepState *step)
{
	DatabaseState *database;
	StepOverdue why;
	TimestampTz due = due_at(step, &why);

	if (due == 0)
		return;
	database = database_find(step->lane->database);
	if (database == NULL ||
		(database->next_due != 0 && database->next_due <= due))
		return;
	database->next_due = due;
	scheduler_wake(database);
}

TimestampTz
steps_next_due(Oid database)
{
	TimestampTz due = 0;
	StepOverdue why;
	int i;

	for (i = 0; i < MAX_STEPS; i++)
		if (control->steps[i].lane != NULL &&
			control->steps[i].lane->database == database)
			sooner(due_at(&control->steps[i], &why), why, &due, &why);
	return due;
}

bool
step_take_overdue(WorkOrder *order, StepOverdue *why)
{
	TimestampTz now = GetCurrentTimestamp();
	bool found = false;
	int i;

	control_lock();
	for (i = 0; i < MAX_STEPS && !found; i++)
	{
		StepState *step = &control->steps[i];
		TimestampTz due;

		if (step->lane == NULL || step->lane->database != MyDatabaseId)
			continue;
		due = due_at(step, why);
		if (due == 0 || due > now)
			continue;
		if (*why == STEP_PAUSED)
			end_pause(step);
		else
		{
			/* Nobody joins it any more. */
			step->stopping = true;
			*order = step->order;
			found = true;
		}
	}
	control_unlock();
	return found;
}

static void
end_pause(StepState *step)
{
	step->paused_until = 0;
	step->last_batch_at = GetCurrentTimestamp();
	step_note_due(step);
	if (step_is_joinable(step))
		lane_wake(step->lane);
}

/* 0: never, or its workers see to it. */
static TimestampTz
due_at(const StepState *step, StepOverdue *why)
{
	TimestampTz due = 0;

	*why = STEP_IN_TIME;
	if (step->order.run_id == 0 || step->nworkers > 0 || step->stopping)
		return 0;
	if (step->paused_until != 0)
	{
		*why = STEP_PAUSED;
		return step->paused_until;
	}
	sooner(step->deadline, STEP_TIMED_OUT, &due, why);
	if (step->suspended || !mlpipe_enabled)
		return due;
	if (step->first_batch_at == 0)
		sooner(step->started_at + step->first_batch_timeout, STEP_NOT_STARTED,
			   &due, why);
	if (step->progress_timeout > 0)
		sooner(step->last_batch_at + step->progress_timeout, STEP_STALLED,
			   &due, why);
	return due;
}

static void
sooner(TimestampTz at, StepOverdue reason, TimestampTz *due, StepOverdue *why)
{
	if (at == 0 || (*due != 0 && *due <= at))
		return;
	*due = at;
	*why = reason;
}

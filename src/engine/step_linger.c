/*-------------------------------------------------------------------------
 *
 * step_linger.c
 *	  Workers that wait in a step for mini-batches that may come back.
 *
 * One that has run init stays while others have some in hand: coming back would
 * take another process and another init.  But it is there for all other work:
 * lane_wake() treats it like an idle executor.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "engine/executor.h"
#include "engine/shmem.h"
#include "engine/slot.h"
#include "engine/step.h"

static bool should_linger(const StepState *step);
static bool others_hold_some(const StepState *step);

bool
step_linger(StepState *step)
{
	bool lingers;
	bool more;

	for (;;)
	{
		control_lock();
		more = step_is_mine(step) && !step->stopping && !step->suspended &&
			step_has_work(step);
		lingers = should_linger(step);
		MySlot->lingering = lingers;
		control_unlock();
		if (!lingers)
			return more;

		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOOK_AGAIN_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		control_lock();
		MySlot->lingering = false;
		control_unlock();
		CHECK_FOR_INTERRUPTS();
	}
}

static bool
should_linger(const StepState *step)
{
	return step_is_mine(step) && !step->stopping && !step->suspended &&
		!step_has_work(step) && others_hold_some(step) &&
		!executor_has_other_work();
}

static bool
others_hold_some(const StepState *step)
{
	int i;

	for (i = 0; i < control->nslots; i++)
		if (control->slots[i].step == step && control->slots[i].nbatches > 0)
			return true;
	return false;
}

void
step_wake_lingering(const StepState *step)
{
	int i;

	/* Until then nobody lingers, and this is called for each mini-batch. */
	if (step->next_batch <= step->batches)
		return;
	for (i = 0; i < control->nslots; i++)
	{
		ExecutorSlot *slot = &control->slots[i];

		if (slot->lingering && slot->step == step)
			slot_wake_lingering(slot);
	}
}

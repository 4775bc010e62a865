/*-------------------------------------------------------------------------
 *
 * culprit.c
 *	  Whose fault a crash of the server was.
 *
 * Shared memory does not outlive a crash, but the postmaster does, and it runs
 * its own exit callbacks before it lets go of the memory.  Nobody else is alive
 * then, and the dead may hold a lock: so none is taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"

#include "engine/culprit.h"
#include "engine/shmem.h"
#include "engine/slot.h"

/* What is known of the last crash, between two lives of shared memory. */
static Culprit remembered[MAX_CULPRITS];
static int nremembered = 0;

static void remember(int code, Datum arg);
static void quit(SIGNAL_ARGS);

void
culprits_watch(void)
{
	if (!IsUnderPostmaster)
		on_shmem_exit(remember, (Datum) 0);
}

static void
remember(int code, Datum arg)
{
	nremembered = 0;
	for (int i = 0; i < control->nslots && nremembered < MAX_CULPRITS; i++)
	{
		ExecutorSlot *slot = &control->slots[i];

		if (slot->state == SLOT_BUSY && slot->run_id != 0 && !slot->quit)
			remembered[nremembered++] = (Culprit){slot->database, slot->run_id,
												  slot->no};
	}
}

void
culprits_publish(void)
{
	memcpy(control->culprits, remembered, sizeof(remembered));
	control->nculprits = nremembered;
}

void
culprit_watch_quit(void)
{
	pqsignal(SIGQUIT, quit);
}

static void
quit(SIGNAL_ARGS)
{
	MySlot->quit = true;
	SignalHandlerForCrashExit(postgres_signal_arg);
}

bool
culprit_is_another(int64 run_id, int32 no)
{
	for (int i = 0; i < control->nculprits; i++)
	{
		const Culprit *culprit = &control->culprits[i];

		if (culprit->database == MyDatabaseId && culprit->run_id == run_id &&
			culprit->no == no)
			return false;
	}
	return control->nculprits > 0;
}

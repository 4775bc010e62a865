/*-------------------------------------------------------------------------
 *
 * transaction_limit.c
 *	  transaction_timeout, for the user's part of a transaction.
 *
 * The server's own timer ends the process, whatever it is at: an attempt would
 * be lost rather than fail, and executors of a role with a small limit would
 * die one after the other before they have claimed anything.  So that timer is
 * stopped wherever a transaction of ours begins, and while the user's
 * statements run there is one that interrupts them.
 *
 * A procedure that commits begins transactions of its own: there the server's
 * timer runs, and the attempt is lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/failure.h"
#include "engine/transaction_limit.h"

static TimeoutId timer = MAX_TIMEOUTS;
static bool is_user_part = false;
static int limit = 0; /* milliseconds; 0: there is none */

static void set_limit(int setting);
static void interrupt_transaction(void);

void
transaction_limit_start(void)
{
	is_user_part = true;
	transaction_limit_look();
}

void
transaction_limit_look(void)
{
	transaction_timeout_disarm();
	if (is_user_part && limit != transaction_timeout_setting())
		set_limit(transaction_timeout_setting());
}

void
transaction_limit_stop(void)
{
	transaction_timeout_disarm();
	is_user_part = false;
	if (limit != 0)
		set_limit(0);
}

static void
set_limit(int setting)
{
	if (timer == MAX_TIMEOUTS)
		timer = RegisterTimeout(USER_TIMEOUT, interrupt_transaction);
	if (limit > 0)
		disable_timeout(timer, false);
	limit = setting;

	/* User code may catch it: then it comes again. */
	if (limit > 0)
		enable_timeout_every(timer,
							 TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														 limit),
							 INTERRUPT_AGAIN_MS);
}

/* A signal handler. */
static void
interrupt_transaction(void)
{
	attempt_interrupt(INTERRUPT_TRANSACTION);
}

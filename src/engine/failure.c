/*-------------------------------------------------------------------------
 *
 * failure.c
 *	  An error of the user's statements, as it is kept; and the time limit of
 *	  an attempt.
 *
 * A cancelled statement says "due to user request" whoever cancelled it.  The
 * slot knows why, so the error that is kept says that instead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/elog.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "engine/failure.h"
#include "engine/session.h"
#include "engine/slot.h"
#include "engine/transaction_limit.h"

#define MAX_TEXT_BYTES ((Size) 64 * 1024)

/* The server's name for it came with 17. */
#define TRANSACTION_TIMEOUT_STATE "25P04"

static TimeoutId attempt_timeout_id = MAX_TIMEOUTS;
static int64 timeout_running = 0; /* microseconds; 0: no limit is set */
static int64 timeout_passed = 0;  /* the one that interrupted us */

static void interrupt_attempt(void);
static Interrupt take_interrupt(void);
static const char *interrupt_message(Interrupt interrupt);
static char *copy_or_null(const char *text);

Failure *
failure_catch(MemoryContext context)
{
	ErrorData *error;
	Failure *failure;
	Interrupt interrupt;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	attempt_timeout_stop();
	transaction_limit_stop();
	interrupt = take_interrupt();
	work_abort();

	MemoryContextSwitchTo(context);
	failure = failure_from_error(error, interrupt);
	FreeErrorData(error);
	return failure;
}

Failure *
failure_from_error(const ErrorData *error, Interrupt interrupt)
{
	Failure *failure = palloc0(sizeof(Failure));
	bool interrupted = interrupt != INTERRUPT_NONE &&
		error->sqlerrcode == ERRCODE_QUERY_CANCELED;

	strlcpy(failure->sqlstate,
			interrupted && interrupt == INTERRUPT_TRANSACTION ?
				TRANSACTION_TIMEOUT_STATE :
				unpack_sql_state(error->sqlerrcode),
			sizeof(failure->sqlstate));
	failure->interrupt = interrupted ? interrupt : INTERRUPT_NONE;
	failure->message = copy_or_null(interrupted ?
										interrupt_message(interrupt) :
										error->message ? error->message :
														 "missing error text");
	failure->detail = copy_or_null(error->detail);
	failure->hint = copy_or_null(error->hint);
	failure->context = copy_or_null(error->context);
	return failure;
}

Failure *
failure_create(MemoryContext context, const char *sqlstate,
			   const char *message, const char *detail, const char *hint)
{
	MemoryContext previous = MemoryContextSwitchTo(context);
	Failure *failure = palloc0(sizeof(Failure));

	strlcpy(failure->sqlstate, sqlstate, sizeof(failure->sqlstate));
	failure->message = copy_or_null(message);
	failure->detail = copy_or_null(detail);
	failure->hint = copy_or_null(hint);
	MemoryContextSwitchTo(previous);
	return failure;
}

/* No more than one can read: it is stored and sent several times. */
static char *
copy_or_null(const char *text)
{
	Size length = text == NULL ? 0 : strlen(text);

	if (text == NULL || length <= MAX_TEXT_BYTES)
		return text == NULL ? NULL : pstrdup(text);
	return psprintf("%.*s...", pg_mbcliplen(text, length, MAX_TEXT_BYTES),
					text);
}

/* What was pending is for the work that has just failed, not for the next. */
static Interrupt
take_interrupt(void)
{
	Interrupt interrupt;

	control_lock();
	interrupt = MySlot->interrupt;
	MySlot->interrupt = INTERRUPT_NONE;
	control_unlock();
	QueryCancelPending = false;
	return interrupt;
}

static const char *
interrupt_message(Interrupt interrupt)
{
	switch (interrupt)
	{
		case INTERRUPT_CANCEL:
			return "the run was cancelled";
		case INTERRUPT_RUN_TIMEOUT:
			return "the run took longer than its timeout";
		case INTERRUPT_TIMEOUT:
			return psprintf("timeout: the attempt took longer than %g s",
							timeout_passed / (double) USECS_PER_SEC);
		case INTERRUPT_TRANSACTION:
			return "canceling statement due to transaction timeout";
		case INTERRUPT_STEP:
			return "the step has failed";
		case INTERRUPT_CONTAINER:
			return "a container around the activity was stopped";
		case INTERRUPT_NONE:
			break;
	}
	return "canceling statement due to user request";
}

void
attempt_timeout_start(int64 timeout)
{
	attempt_timeout_start_rest(timeout, timeout);
}

void
attempt_timeout_start_rest(int64 timeout, int64 rest)
{
	if (timeout <= 0)
		return;
	if (attempt_timeout_id == MAX_TIMEOUTS)
		attempt_timeout_id = RegisterTimeout(USER_TIMEOUT, interrupt_attempt);
	timeout_running = timeout;
	timeout_passed = timeout;

	/* User code may catch it: then it comes again. */
	enable_timeout_every(attempt_timeout_id,
						 GetCurrentTimestamp() + Max(rest, 0),
						 INTERRUPT_AGAIN_MS);
}

/* User code that has caught a cancel does not get away with it. */
void
attempt_check_interrupt(void)
{
	CHECK_FOR_INTERRUPTS();
	if (MySlot->interrupt != INTERRUPT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("canceling statement due to user request")));
}

void
attempt_timeout_stop(void)
{
	if (timeout_running == 0)
		return;
	disable_timeout(attempt_timeout_id, false);
	timeout_running = 0;
}

/* A signal handler. */
static void
interrupt_attempt(void)
{
	attempt_interrupt(INTERRUPT_TIMEOUT);
}

void
attempt_interrupt(Interrupt interrupt)
{
	if (MySlot != NULL && MySlot->interrupt == INTERRUPT_NONE)
		MySlot->interrupt = interrupt;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

/*-------------------------------------------------------------------------
 *
 * failure.h
 *	  An error of the user's statements, as it is kept.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_FAILURE_H
#define MLPIPE_FAILURE_H

#include "engine/shmem.h"

/* Code that caught an interrupt is interrupted again after so long. */
#define INTERRUPT_AGAIN_MS 1000

typedef struct Failure
{
	char sqlstate[6];
	char *message;
	char *detail; /* NULL if there is none, like the next two */
	char *hint;
	char *context;
	Interrupt interrupt; /* why we were interrupted, if we were */
} Failure;

/*
 * In PG_CATCH: takes the error off the stack and rolls back; the result lives
 * in the given context.  An interrupt of ours gets its own words: "the run was
 * cancelled", "the attempt took longer than its timeout of 5 s".
 */
extern Failure *failure_catch(MemoryContext context);

/* The same without the rollback, in the current context. */
extern Failure *failure_from_error(const ErrorData *error,
								   Interrupt interrupt);

extern Failure *failure_create(MemoryContext context, const char *sqlstate,
							   const char *message, const char *detail,
							   const char *hint);

/* The time limit of what runs next, in microseconds; 0: none. */
extern void attempt_timeout_start(int64 timeout);

/* The same with the rest of a longer limit, which is what messages name. */
extern void attempt_timeout_start_rest(int64 timeout, int64 rest);
extern void attempt_timeout_stop(void);

/* Interrupts the attempt, if nothing has yet.  For signal handlers. */
extern void attempt_interrupt(Interrupt interrupt);

/* Raises 57014 where this attempt has been interrupted, and goes on. */
extern void attempt_check_interrupt(void);

#endif /* MLPIPE_FAILURE_H */

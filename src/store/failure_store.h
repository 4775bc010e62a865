/*-------------------------------------------------------------------------
 *
 * failure_store.h
 *	  Statements on mlpipe.failure, and those that ask what has failed.
 *
 * All of these are called in engine mode, in a transaction.  Results live in
 * the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_FAILURE_STORE_H
#define MLPIPE_FAILURE_STORE_H

#include "nodes/pg_list.h"

#include "definition/document.h"
#include "engine/failure.h"

/* In place of an activity's number, with any attempt: the run's own output. */
#define RUN_OUTPUT (-1)

/* A row for an attempt at an activity that failed. */
extern void failure_insert(int64 run_id, int32 no, int32 attempt,
						   const Failure *failure);

/*
 * That of the run's output, else of the activity that failed first; NULL where
 * none did.
 */
extern char *failure_first_sqlstate(int64 run_id);

/* Attempts that were lost with their worker or a crash, but not to make way. */
extern int32 activity_deaths(int64 run_id, int32 no);

/* Activities of all levels that failed, but for those listed by number. */
extern int activity_failures(int64 run_id, List *containers);

/*
 * "name: error" of the first activity that failed; NULL where none did.  Of all
 * of the run, or of those inside of a container, where the one with the number
 * check_no goes first.
 */
extern char *activity_first_error(int64 run_id);
extern char *container_first_error(int64 run_id, int32 no, int32 check_no,
								   const Document *document);

#endif /* MLPIPE_FAILURE_STORE_H */

/*-------------------------------------------------------------------------
 *
 * argument.h
 *	  Arguments of SQL functions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_ARGUMENT_H
#define MLPIPE_ARGUMENT_H

#include "fmgr.h"
#include "store/run_store.h"

/* Raises 22004 where the argument is null. */
extern void argument_require(FunctionCallInfo fcinfo, int argument,
							 const char *name);

/* The text, palloc'd; NULL where it is null. */
extern char *argument_text(FunctionCallInfo fcinfo, int argument);

/*
 * The run of that id.  Raises 42704 where there is none that the current user
 * may see, and 42501 where this one is not theirs to control.
 */
extern RunRow *argument_run(FunctionCallInfo fcinfo, int argument);

#endif /* MLPIPE_ARGUMENT_H */

/*-------------------------------------------------------------------------
 *
 * run_argument.h
 *	  The run that a function was called for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_RUN_ARGUMENT_H
#define MLPIPE_RUN_ARGUMENT_H

#include "fmgr.h"
#include "store/run_store.h"

/*
 * The run of that id; raises where there is none that the current user may see,
 * or this one is not his to control.
 */
extern RunRow *run_argument(FunctionCallInfo fcinfo, int argument);

#endif /* MLPIPE_RUN_ARGUMENT_H */

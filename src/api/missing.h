/*-------------------------------------------------------------------------
 *
 * missing.h
 *	  Errors about what is not there, or not to be seen: 42704 alike.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_MISSING_H
#define MLPIPE_MISSING_H

#include "compat.h"

never_returns extern void missing_run(int64 run_id);
never_returns extern void missing_pipeline(const char *name);
never_returns extern void missing_version(const char *pipeline, int32 version);

#endif /* MLPIPE_MISSING_H */

/*-------------------------------------------------------------------------
 *
 * submit.h
 *	  Submitting runs of pipelines.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_SUBMIT_H
#define MLPIPE_SUBMIT_H

#include "engine/create.h"

#define DEFAULT_VERSION PG_INT32_MIN

/*
 * Fills in what a run of that version of a pipeline needs, and raises what is
 * wrong with it: a right of the current user's, say, or a parameter.
 */
extern void submit_prepare(RunRequest *request, const char *name, int32 number,
						   Jsonb *parameters);

/* Raises where no run can be started: on a standby, or without workers. */
extern void submit_require_server(void);

#endif /* MLPIPE_SUBMIT_H */

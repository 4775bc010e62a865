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
 * Fills what a run of that version of a pipeline is, with the current user's
 * rights, and checks it all.
 */
extern void submit_prepare(RunRequest *request, const char *name, int32 number,
						   Jsonb *parameters);

/* Raises where no run can be started: on a standby, or without workers. */
extern void submit_require_server(void);

#endif /* MLPIPE_SUBMIT_H */

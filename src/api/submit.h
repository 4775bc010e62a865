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

/*
 * Fills what a run of that pipeline is, with the current user's rights, and
 * checks it all.
 */
#define DEFAULT_VERSION PG_INT32_MIN

extern void submit_prepare(RunRequest *request, const char *pipeline,
						   int32 version, Jsonb *parameters);

#endif /* MLPIPE_SUBMIT_H */

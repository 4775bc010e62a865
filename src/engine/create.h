/*-------------------------------------------------------------------------
 *
 * create.h
 *	  Making a run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_CREATE_H
#define MLPIPE_CREATE_H

#include "datatype/timestamp.h"
#include "definition/document.h"

typedef struct RunRequest
{
	int32 pipeline_id; /* 0: a document without a name */
	int64 version_id;
	const Document *document;
	Oid run_as;
	Oid submitted_by;
	Jsonb *parameters; /* complete and checked: parameters_check() */
	Jsonb *tags;       /* NULL: none */
	Jsonb *trigger;
	int32 priority;
	const char *idempotency_key; /* NULL: none */
	TimestampTz not_before;      /* 0: at once */
	int64 group_id;              /* 0: a group of its own */
	int64 rerun_of;              /* the run that it takes over from; 0: none */
	int32 rerun_from;            /* an activity's number there; -1: none */
	bool rerun_all;
	int32 next_no;       /* of a rerun: the lowest number that is free there */
	int32 level;         /* runs above it */
	int64 parent_run_id; /* that waits for its end; 0: none */
	int32 parent_no;
	int32 parent_attempt;
} RunRequest;

/*
 * Returns the new run's id, or that of the run that has this idempotency key
 * already.  The run starts when the transaction commits.
 */
extern int64 run_create(const RunRequest *request);

/* Puts the ready activities of a run into the queue, at commit. */
extern void run_push_ready(int64 run_id);

#endif /* MLPIPE_CREATE_H */

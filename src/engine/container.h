/*-------------------------------------------------------------------------
 *
 * container.h
 *	  Activities that run others: how they begin, go on and end.
 *
 * A container is an activity whose definition has bodies.  Its attempt finds
 * out, in an executor, what to run; that becomes rows, and it is parked.  From
 * then on it has no process of its own: whoever ends the last activity of one
 * of its scopes asks its type what follows.  No code of a user runs there; what
 * has to (the condition of a loop) is an internal activity of the scope.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_CONTAINER_H
#define MLPIPE_CONTAINER_H

#include "engine/finish.h"
#include "store/scope_store.h"

/* A scope of a container has ended. */
typedef struct BodyEnd
{
	Advance *advance;
	const RunInfo *run;
	const ActivityDef *def; /* the container's */
	const Scope *scope;
	bool succeeded;    /* as the leaf rule says */
	ActivityEnd check; /* of the internal activity; END_NONE: no such */
} BodyEnd;

/* Asks the container's type what follows. */
extern void container_body_ended(BodyEnd *body);

/*
 * What a type's body_ended() does is one of these.  output may be NULL.
 * failure NULL: an activity inside has failed, and its error is told.
 */
extern void container_succeed(BodyEnd *body, Jsonb *output);
extern void container_fail(BodyEnd *body, const Failure *failure,
						   Jsonb *output);

/* Fails it because the outputs of what is inside are too large together. */
extern void container_fail_output(BodyEnd *body);

/* Once more, not before due_at (0: at once). */
extern void container_repeat(BodyEnd *body, TimestampTz due_at);

/* Begins a loop's next item; if there is none, one scope fewer is open. */
typedef enum LoopState
{
	LOOP_GOES_ON,
	LOOP_IS_OVER
} LoopState;

extern LoopState container_next_item(BodyEnd *body, int32 max_failures);

/*
 * The attempt at a container has found call->body (and call->items): begins
 * it and parks the container.  True if the run has ended.
 */
extern bool container_start(ActivityCall *call, NextActivity *next);

/* The scheduler: the time of a parked container is over. */
extern bool container_time_out(const RunInfo *run, int32 no, int32 attempt);

#endif /* MLPIPE_CONTAINER_H */

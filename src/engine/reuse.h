/*-------------------------------------------------------------------------
 *
 * reuse.h
 *	  Activities that are not done again: "reuse": true.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_REUSE_H
#define MLPIPE_REUSE_H

#include "activity/activity.h"

/*
 * Before the work of an attempt, in its transaction: does an earlier success
 * make it needless?  Then call has its output.  Otherwise gets ready what will
 * be needed to recognize this one.
 */
extern bool reuse_take(ActivityCall *call);

/*
 * After the work: finds out what was read and what was left.  The user's
 * statements are over, but the session still has that user's rights.
 */
extern void reuse_look(ActivityCall *call, ActivityOutcome outcome);

/* Writes the record of both, along with the end of the activity. */
extern void reuse_write(ActivityCall *call);

/*
 * For a parallel step: what the split, or a worker during its visit, has seen
 * is added to its record; at its end a worker looks at all of it.
 * complete: no mini-batch has failed.
 */
extern void reuse_step_seen(ActivityCall *call);
extern void reuse_step_end(ActivityCall *call, bool complete);

/* Forgets what an earlier attempt has asked for. */
extern void reuse_forget_asked(void);

/* A function has asked for a parameter of the run, or for all of its context. */
extern void reuse_note_parameter(const char *name);
extern void reuse_note_context(void);

#endif /* MLPIPE_REUSE_H */

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
 * Before the work of an attempt, in its transaction: is there an earlier
 * success that makes it needless?  Then call has its output.  Otherwise what
 * will be needed to recognize this one is got ready.
 */
extern bool reuse_take(ActivityCall *call);

/*
 * After the work: finds out what was read and what is left.  The user's
 * statements are over, and their rights still those of the session.
 */
extern void reuse_look(ActivityCall *call, ActivityOutcome outcome);

/* Writes the record of either, along with the end of the activity. */
extern void reuse_write(ActivityCall *call);

/*
 * Of a parallel step: what the split, or a worker in its visit, has seen, to
 * be added to its record; and at its end, by a worker, all of it is looked at.
 * complete: no mini-batch has failed.
 */
extern void reuse_step_seen(ActivityCall *call);
extern void reuse_step_end(ActivityCall *call, bool complete);

/* What an earlier attempt has asked for is forgotten. */
extern void reuse_forget_asked(void);

/* A function has asked for a parameter of the run, or for all of its context. */
extern void reuse_note_parameter(const char *name);
extern void reuse_note_context(void);

#endif /* MLPIPE_REUSE_H */

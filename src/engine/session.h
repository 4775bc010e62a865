/*-------------------------------------------------------------------------
 *
 * session.h
 *	  Transactions of an executor, and the clean session that each activity
 *	  finds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_SESSION_H
#define MLPIPE_SESSION_H

/*
 * Starts a transaction with a snapshot pushed, commits it, or rolls it back
 * and everything that an error may have left.  The current memory context
 * afterwards is WorkContext.  synchronous: wait for the disk, as the session's
 * synchronous_commit says; else the commit is asynchronous, unless the user's
 * statements asked for more than the session's default.
 */
extern void work_begin(void);
extern void work_commit(bool synchronous);
extern void work_abort(void);

/* Reset when an executor takes its next piece of work. */
extern MemoryContext WorkContext;

/* Does what DISCARD ALL does, but keeps our own plans. */
extern void session_reset(void);

/* Called once, when the executor has connected. */
extern void session_init(void);

#endif /* MLPIPE_SESSION_H */

/*-------------------------------------------------------------------------
 *
 * engine_mode.h
 *	  Work on the extension's own tables: with its owner's rights, and with
 *	  settings that the session's user cannot influence.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_ENGINE_MODE_H
#define MLPIPE_ENGINE_MODE_H

typedef struct EngineMode
{
	Oid user;
	int sec_context;
	int guc_level;
} EngineMode;

/*
 * Milliseconds that this process waits for a lock in engine mode; 0: as long as
 * it takes.
 */
extern int engine_lock_timeout;

/*
 * Enters engine mode, in a transaction; leave it in the reverse order, in the
 * same (sub)transaction.  An error that gets away in between needs no care:
 * the end of the (sub)transaction restores user and settings.  May be nested.
 * Look at GetUserId() before entering: inside, it is the extension's owner.
 */
extern void engine_mode_enter(EngineMode *saved);
extern void engine_mode_leave(const EngineMode *saved);

/*
 * The owner of the extension in this database, and its OID, which is another
 * one after each CREATE EXTENSION.  55000 where it is not there.
 */
extern Oid engine_owner(void);
extern Oid engine_extension(void);

#endif /* MLPIPE_ENGINE_MODE_H */

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
	Oid			user;
	int			sec_context;
	int			guc_level;
} EngineMode;

/*
 * Enters engine mode, in a transaction; leave it in the reverse order, in the
 * same (sub)transaction.  An error that gets away in between needs no care:
 * the end of the (sub)transaction restores user and settings.  May be nested.
 * Look at GetUserId() before entering: inside, it is the extension's owner.
 */
extern void engine_mode_enter(EngineMode *saved);
extern void engine_mode_leave(const EngineMode *saved);

/* The owner of the extension in this database; 55000 where it is not there. */
extern Oid	engine_owner(void);

#endif							/* MLPIPE_ENGINE_MODE_H */

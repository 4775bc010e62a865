/*-------------------------------------------------------------------------
 *
 * culprit.h
 *	  Whose fault a crash of the server was.
 *
 * When one process crashes, the postmaster has all others quit.  An executor
 * that was at work and was not told to quit is the one that crashed, or was
 * killed; all others lost their attempts through no fault of their own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_CULPRIT_H
#define MLPIPE_CULPRIT_H

#define MAX_CULPRITS 16

/* An activity whose executor ended without a word. */
typedef struct Culprit
{
	Oid database;
	int64 run_id;
	int32 no;
} Culprit;

/* In the postmaster, whenever it has set up shared memory. */
extern void culprits_watch(void);

/* Moves what the postmaster remembers of the last crash into shared memory. */
extern void culprits_publish(void);

/* In an executor that is attached to its slot. */
extern void culprit_watch_quit(void);

/*
 * After a crash: is it certain that an activity of this database other than
 * this one caused it?  False if that is not known, as after a stop of all
 * processes at once.
 */
extern bool culprit_is_another(int64 run_id, int32 no);

#endif /* MLPIPE_CULPRIT_H */

/*-------------------------------------------------------------------------
 *
 * level.h
 *	  What ends mean within one scope: whose turn it is, who is skipped, and
 *	  whether the scope has ended with it.
 *
 * The part of advance.c that knows one scope only.  Called in a transaction, in
 * ascending order of the rows' numbers: see there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_LEVEL_H
#define MLPIPE_LEVEL_H

#include "lib/binaryheap.h"

#include "engine/advance.h"
#include "engine/tally.h"
#include "store/scope_store.h"

/* The ends whose consequences are being drawn. */
struct Advance
{
	const RunInfo *run;
	NextActivity *next; /* NULL: the caller takes nothing on */
	bool may_claim;     /* may an activity be claimed for it? */
	int awaited;        /* how many of the run's own scope ended */
	ActivityEnd *ends;  /* how these ended, by place; NULL: not known */
	List *ended;        /* of BodyEnd *: scopes */
	bool failed_fast;
};

/* The same within one scope. */
typedef struct Level
{
	Advance *advance;
	const Scope *scope;
	ActivityEnd *ends;   /* by place; what ended in this transaction */
	binaryheap *pending; /* edges into dependents, packed by pack_edge() */
	int awaited;         /* ends that its own end waits for */
	Tally *tally;        /* of these, where they are very many; or NULL */
	int candidate;       /* the activity to claim, or -1 */
} Level;

/* A failure stops the run: what becomes ready from now on is not begun. */
extern void advance_fail_fast(Advance *advance);

extern void level_begin(Level *level, Advance *advance, const Scope *scope);

/* Decides about all dependents of what has ended, and about the scope's end. */
extern void level_finish(Level *level);

/* An activity has ended: its dependents are to be decided about. */
extern void level_follow(Level *level, int place, ActivityEnd end);

/* An inactive activity whose turn it was. */
extern void level_count_inactive(Level *level, int place);

/* Its row has this status now: tells those who have to know. */
extern void level_apply_status(Level *level, int place, ActivityStatus status);

extern const ActivityDef *level_activity(const Level *level, int place);

/* Where the work of the activity stands in the order of work. */
extern WorkOrder level_order(const Level *level, int place);

#endif /* MLPIPE_LEVEL_H */

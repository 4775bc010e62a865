/*-------------------------------------------------------------------------
 *
 * advance.h
 *	  What follows from the end of an activity: which others become ready or
 *	  are skipped, and whether the run has ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_ADVANCE_H
#define MLPIPE_ADVANCE_H

#include "datatype/timestamp.h"
#include "definition/document.h"
#include "engine/shmem.h"

/* What the ends of activities need to know of their run. */
typedef struct RunInfo
{
	int64 run_id;
	int32 priority;
	Oid run_as;
	int64 version_id;
	const Document *document;
	int64 rerun_of; /* the run that it takes over from; 0: none */
	int32 rerun_from;
	bool rerun_all;
	bool started; /* it is known to have left the queue */
} RunInfo;

/* An activity that the caller has claimed along with the end of another. */
typedef struct NextActivity
{
	bool claimed;
	bool taken; /* from the queue, and not a dependent */
	WorkOrder order;
	int32 attempt;
} NextActivity;

struct ActivityRow;
struct Scope;

/*
 * The activity has just been marked as ended, in this transaction.  Makes its
 * dependents ready or skips them, goes on with its container if it was the
 * last of a scope, and ends the run if it was the last of all.  detached: its
 * run, or a container around it, has stopped; only the end of that may follow.
 * With next, the caller is an executor that can go on with an activity that
 * becomes ready: one is claimed for it right away.  True if the run has ended:
 * the caller commits synchronously.
 */
extern bool advance_after_end(const RunInfo *run,
							  const struct ActivityRow *row, ActivityEnd end,
							  bool detached, NextActivity *next);

/*
 * Does the failure of this activity stop the run?  Then all its activities have
 * to be locked before the one that failed is marked: activities_lock().
 */
extern bool failure_stops_run(const RunInfo *run, const ActivityDef *def);

/*
 * Begins any number of scopes of a container, one after the other.
 * due_at: when their activities may start; 0: at once.
 */
typedef struct Advance Advance;

extern Advance *advance_begin(const RunInfo *run, NextActivity *next);
extern void advance_scope(Advance *advance, const struct Scope *scope,
						  TimestampTz due_at);
extern bool advance_finish(Advance *advance);
extern const RunInfo *advance_run(const Advance *advance);

/*
 * The same for a scope whose rows a rerun has made.  ends, by place: how those
 * ended that have ended already, END_NONE for the others.
 */
extern void advance_rerun_scope(Advance *advance, const struct Scope *scope,
								const ActivityEnd *ends, TimestampTz due_at);

/*
 * An inactive activity that had to wait with its scope: it ends, and what
 * follows from that.  True where the run has ended.
 */
extern bool advance_inactive(const RunInfo *run, int32 no);

/* A scope's variables, with the values that they begin with. */
extern void advance_insert_variables(int64 run_id, const struct Scope *scope);

/* A container has just been marked as ended: draws the consequences. */
extern void advance_activity(Advance *advance, const struct ActivityRow *row,
							 ActivityEnd end);

/* Where an activity of the run stands in the order of work. */
extern WorkOrder work_order(const RunInfo *run, int32 no, int32 activity_no);

/* The definition of an activity, by the number of its row. */
extern const ActivityDef *run_activity(const RunInfo *run, int32 no);

#endif /* MLPIPE_ADVANCE_H */

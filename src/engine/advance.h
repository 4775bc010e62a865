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

#include "definition/document.h"
#include "engine/shmem.h"

/* A run as far as its activities' ends need it. */
typedef struct RunInfo
{
	int64		run_id;
	int32		priority;
	Oid			run_as;
	int64		version_id;
	const Document *document;
} RunInfo;

/* An activity that the caller has claimed along with the end of another. */
typedef struct NextActivity
{
	bool		claimed;
	WorkOrder	order;
	int32		attempt;
} NextActivity;

/*
 * The activity has just been marked as ended, in this transaction; makes its
 * dependents ready or skips them, and ends the run where this was the last.
 * detached: its run has stopped, so only the run's end follows.  With next, the
 * caller is an executor that can go on with one of the dependents: that one is
 * claimed for it right away.  True where the run ended.
 */
extern bool advance_after_end(const RunInfo *run, int32 no, ActivityEnd end,
							  bool detached, NextActivity *next);

/*
 * Does the failure of this activity stop the run?  Then all its activities have
 * to be locked before the one that failed is marked: activities_lock().
 */
extern bool failure_stops_run(const RunInfo *run, int32 no);

/* Ends a run that has nothing left; used by run_stop() too. */
extern void run_finish(int64 run_id);

#endif							/* MLPIPE_ADVANCE_H */

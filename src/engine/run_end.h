/*-------------------------------------------------------------------------
 *
 * run_end.h
 *	  The end of a run: how it ended, its output, and who hears of it.
 *
 * In engine mode, in the transaction that ended the last of its activities.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_RUN_END_H
#define MLPIPE_RUN_END_H

#include "engine/advance.h"

/* The SQLSTATE of the error that run_output_refuse() asks for. */
#define ERRCODE_OUTPUT_REFUSED MAKE_SQLSTATE('M', 'L', 'P', '0', '1')

/*
 * So many activities that the run's end waits for have ended in this
 * transaction.  If it now waits for nothing, the run ends, and the result is
 * true.  ends: how all activities of the run's own list ended, if the caller
 * knows; else NULL.
 */
extern bool run_activities_ended(const RunInfo *run, int32 ended,
								 const ActivityEnd *ends);

/*
 * Ends a run if its end waits for nothing but so many activities, which ended
 * in this transaction; false if it waits for more.
 */
extern bool run_finish(int64 run_id, int32 ended);

/*
 * For the scheduler: from now on, raise an error rather than work out the
 * output of a run.  If that cannot be left to others, it gets little time.
 */
extern void run_output_refuse(bool refuse);

/* Was that the error?  Asking forgets it. */
extern bool run_output_was_refused(void);
extern void run_output_hurry(void);

#endif /* MLPIPE_RUN_END_H */

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

/* Of the error that run_output_refuse() is about. */
#define ERRCODE_OUTPUT_REFUSED MAKE_SQLSTATE('M', 'L', 'P', '0', '1')

/*
 * So many activities that the run's end waits for have ended in this
 * transaction.  Where nothing is left to wait for the run ends, and the result
 * is true.  ends: of all activities of the run's own list, where the caller
 * knows them; else NULL.
 */
extern bool run_activities_ended(const RunInfo *run, int32 ended,
								 const ActivityEnd *ends);

/*
 * Ends a run whose end waits for nothing but so many activities that ended in
 * this transaction; false where that is not so.
 */
extern bool run_finish(int64 run_id, int32 ended);

/*
 * The scheduler's: what it does now is an error where it would mean working out
 * the output of a run.  Where it cannot be left to others, there is little time
 * for it.
 */
extern void run_output_refuse(bool refuse);

/* Was that the error?  Asking forgets it. */
extern bool run_output_was_refused(void);
extern void run_output_hurry(void);

#endif /* MLPIPE_RUN_END_H */

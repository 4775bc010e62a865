/*-------------------------------------------------------------------------
 *
 * postpone.h
 *	  Runs that the scheduler leaves alone for a while.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_POSTPONE_H
#define MLPIPE_POSTPONE_H

/* What was to be done for the run has failed; it waits longer each time. */
extern void run_postpone(int64 run_id);

/* If it is, this has the scheduler look again after its pause. */
extern bool run_is_postponed(int64 run_id);

/* What was to be done for the run has not failed. */
extern void run_postpone_end(int64 run_id);

/* After a round; forgets what nobody has asked for in a while. */
extern void postponed_next_round(void);

#endif /* MLPIPE_POSTPONE_H */

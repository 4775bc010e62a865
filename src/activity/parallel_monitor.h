/*-------------------------------------------------------------------------
 *
 * parallel_monitor.h
 *	  Samples of what a worker of a parallel step uses of the machine.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_MONITOR_H
#define MLPIPE_PARALLEL_MONITOR_H

/*
 * Samples this process every so many microseconds from now on, for one step at
 * a time; 0: not at all.
 */
extern void monitor_start(int64 interval);
extern void monitor_stop(void);

/* Are there samples to be written? */
extern bool monitor_has_samples(void);

/*
 * Writes them in the open transaction, in engine mode.  They stay, in case it
 * fails, until monitor_forget_written().
 */
extern void monitor_write(int64 run_id, int32 no);
extern void monitor_forget_written(void);

#endif /* MLPIPE_PARALLEL_MONITOR_H */

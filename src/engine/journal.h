/*-------------------------------------------------------------------------
 *
 * journal.h
 *	  What an attempt leaves in mlpipe_logs and mlpipe_metrics.
 *
 * Lines and metrics are gathered in memory while the attempt goes on, so that
 * they are there to be written when it has failed and was rolled back.  One
 * executor makes one attempt at a time, so there is one journal a process.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_JOURNAL_H
#define MLPIPE_JOURNAL_H

/* Cheap, and never fails: what finds no room is counted. */
extern void journal_log(int elevel, const char *message);

/* step may be NULL. */
extern void journal_metric(const char *name, const int64 *step, double value);

/* An elog level for "debug", "info", "notice", "warning" or "error"; else 0. */
extern int journal_level_parse(const char *word);

/*
 * Writes all that was gathered, in the open transaction; batch 0: not of a
 * mini-batch.  It stays gathered, in case that transaction fails, until
 * journal_reset().  Enters engine mode itself.
 */
extern void journal_write(int64 run_id, int32 no, int32 batch);
extern void journal_reset(void);

/*
 * Between these two, what the session's statements raise at
 * mlpipe.log_min_level or above is gathered too.  Both may be called in or
 * outside a transaction; start needs to be called again after session_reset().
 */
extern void journal_capture_start(void);
extern void journal_capture_stop(void);

#endif /* MLPIPE_JOURNAL_H */

/*-------------------------------------------------------------------------
 *
 * journal_store.h
 *	  Rows of mlpipe.log and mlpipe.metric, many at once.
 *
 * Both are called in engine mode, in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_JOURNAL_STORE_H
#define MLPIPE_JOURNAL_STORE_H

/* The columns of count rows: timestamptz, text, text.  batch 0: NULL. */
extern void log_insert(int64 run_id, int32 no, int32 batch, int count,
					   Datum *at, Datum *levels, Datum *messages);

/* The same: timestamptz, text, bigint (NULL where no_step), double precision. */
extern void metric_insert(int64 run_id, int32 no, int count, Datum *at,
						  Datum *names, Datum *steps, bool *no_step,
						  Datum *metrics);

#endif /* MLPIPE_JOURNAL_STORE_H */

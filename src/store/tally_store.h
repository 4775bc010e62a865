/*-------------------------------------------------------------------------
 *
 * tally_store.h
 *	  Every statement on mlpipe.tally.
 *
 * All of these are called in engine mode, in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_TALLY_STORE_H
#define MLPIPE_TALLY_STORE_H

/* Adds to a part of a count; what it has come to. */
extern int32 tally_add(int64 run_id, int32 no, int32 iteration, int32 part,
					   int32 ended, int32 *unmet);

/* Of a run that has ended. */
extern void tally_clear(int64 run_id);

#endif /* MLPIPE_TALLY_STORE_H */

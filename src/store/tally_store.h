/*-------------------------------------------------------------------------
 *
 * tally_store.h
 *	  Every statement on mlpipe.tally: counts that are kept in parts, for many
 *	  transactions add to them.
 *
 * All of these are called in engine mode, in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_TALLY_STORE_H
#define MLPIPE_TALLY_STORE_H

/*
 * Adds to a part of a count, and *unmet to what it counts besides.  Returns
 * what the part has come to; *unmet likewise.
 */
extern int32 tally_add(int64 run_id, int32 no, int32 iteration, int32 part,
					   int32 ended, int32 *unmet);

/* Deletes the counts of a run that has ended. */
extern void tally_clear(int64 run_id);

#endif /* MLPIPE_TALLY_STORE_H */

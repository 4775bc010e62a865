/*-------------------------------------------------------------------------
 *
 * tally.h
 *	  Counting the ends that a join of very many activities, or a list with very
 *	  many leaves, waits for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_TALLY_H
#define MLPIPE_TALLY_H

typedef struct Tally Tally;

/*
 * size: how many ends are waited for.  NULL where they are few enough to be
 * taken off the row that waits one by one.  no, iteration: of an activity that
 * waits its row and 0; of a scope those of the scope.
 */
extern Tally *tally_begin(int64 run_id, int32 no, int32 iteration, int size);

/* One of them has ended; place: from 0 to size - 1. */
extern void tally_note(Tally *tally, int place, bool met);

/*
 * Writes down what was noted.  How many ends are to be taken off the row that
 * waits now, and how many of these were unmet; the caller locks it next.
 */
extern int tally_finish(Tally *tally, int *unmet);

#endif /* MLPIPE_TALLY_H */

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
 * size: how many ends are waited for.  NULL if they are few enough to be taken
 * off the waiting row one by one.  no, iteration: the waiting activity's row
 * and 0, or those of the scope that waits.
 */
extern Tally *tally_begin(int64 run_id, int32 no, int32 iteration, int size);

/* One of the ends has come; place: from 0 to size - 1. */
extern void tally_note(Tally *tally, int place, bool met);

/*
 * Writes down what was noted.  Says how many ends are to be taken off the
 * waiting row now, and how many of these were unmet; the caller locks that row
 * next.
 */
extern int tally_finish(Tally *tally, int *unmet);

#endif /* MLPIPE_TALLY_H */

/*-------------------------------------------------------------------------
 *
 * candidate.h
 *	  The activity that an executor may go on with, if it turns out to be
 *	  ready: it is claimed in the transaction that makes it so.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_CANDIDATE_H
#define MLPIPE_CANDIDATE_H

#include "engine/level.h"

/*
 * Of those that wait for the activity at that place: the first in the order of
 * work, unless something better is in the queue.  Its place; -1: none.
 */
extern int candidate_dependent(const Level *level, int place);

/* The same of activities that wait for nothing. */
extern int candidate_root(const Level *level);

#endif /* MLPIPE_CANDIDATE_H */

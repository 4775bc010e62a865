/*-------------------------------------------------------------------------
 *
 * purge_store.h
 *	  The one statement that deletes runs, with all that hangs on them.
 *
 * Called in engine mode, in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PURGE_STORE_H
#define MLPIPE_PURGE_STORE_H

#include "datatype/timestamp.h"

/*
 * Deletes finished runs and all that hangs on them; at most limit of them, the
 * oldest first.  *from is where to begin, DT_NOBEGIN at first, and moves on, so
 * that one call after the other does not walk over what is deleted already.
 */
extern int64 runs_purge(TimestampTz *from, TimestampTz finished_before,
						int limit, Oid only_visible_to);

#endif /* MLPIPE_PURGE_STORE_H */

/*-------------------------------------------------------------------------
 *
 * run_cache.h
 *	  Runs and parsed documents that this process has lately worked with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_RUN_CACHE_H
#define MLPIPE_RUN_CACHE_H

#include "engine/advance.h"

/*
 * The run, with its document; in an open transaction.  Raises 42704 if there is
 * none.  Valid until run_cache_trim().
 */
extern const RunInfo *run_info(int64 run_id);

/* Remembers that the run has left the queue, which it never enters again. */
extern void run_note_started(const RunInfo *run);

/*
 * The document of a version, from the cache or parsed; valid just as long.
 * Before anything but its graph is used, look whether it has a problem.
 */
extern const Document *version_document(int64 version_id);

/*
 * Shrinks a cache that has become too large; called where nobody holds a
 * pointer into it.  Does nothing inside an activity, whose document is in it.
 */
extern void run_cache_trim(void);

#endif /* MLPIPE_RUN_CACHE_H */

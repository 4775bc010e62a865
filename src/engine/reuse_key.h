/*-------------------------------------------------------------------------
 *
 * reuse_key.h
 *	  What a success is recognized by, besides the contents of its tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_REUSE_KEY_H
#define MLPIPE_REUSE_KEY_H

#include "activity/activity.h"
#include "store/reuse_store.h"

/*
 * Fills in key, place, definition, parameters and upstream, and forgets what
 * functions have asked for.
 */
extern void reuse_key_make(ActivityCall *call, ReuseRow *row);

/* The parameters that functions have asked for: an object. */
extern Jsonb *reuse_asked(void);
extern bool reuse_asked_for_context(void);

/* Would they get the same answers? */
extern bool reuse_asked_same(ActivityCall *call, const Jsonb *asked);

/* Is it still found as it was, with its schema and without? */
extern bool reuse_name_stands(const ReuseTable *table);

/* A view's or a function's definition; false where it is gone. */
extern bool reuse_source_hash(const ReuseTable *source, ContentHash *hash);
extern char *reuse_source_name(const ReuseTable *source);

extern bool reuse_has_row_security(Oid relation);

/* Has this transaction made or emptied it, or a part of it? */
extern bool reuse_has_new_file(Oid relation);

#endif /* MLPIPE_REUSE_KEY_H */

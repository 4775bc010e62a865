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

/* Fills in key, place, definition, parameters and upstream. */
extern void reuse_key_make(ActivityCall *call, ReuseRow *row);

/* The parameters that functions have asked for: an object. */
extern Jsonb *reuse_asked(void);
extern bool reuse_asked_for_context(void);

/* Would they get the same answers? */
extern bool reuse_asked_same(ActivityCall *call, const Jsonb *asked);

/* Is it still found as it was, with its schema and without? */
extern bool reuse_name_stands(const ReuseTable *table);

/* A view's or a function's definition; false where it is gone, or the engine's. */
extern bool reuse_source_hash(const ReuseTable *source, ContentHash *hash);
extern char *reuse_source_name(const ReuseTable *source);

extern bool reuse_has_row_security(Oid relation);

/* A table by a name of the document; invalid where there is none. */
extern Oid reuse_find_table(const char *name);

/* What has that name now, given with its schema; InvalidOid: nothing. */
extern Oid reuse_table_named(const char *qualified);

/*
 * Until the level that it returns is left with AtEOXact_GUC(), names mean what
 * they meant before the statements of the user.
 */
extern int reuse_pin_names(void);

/* Has this transaction made or emptied it, or a part of it? */
extern bool reuse_has_new_file(Oid relation);

#endif /* MLPIPE_REUSE_KEY_H */

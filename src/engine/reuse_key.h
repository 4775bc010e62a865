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

/* Is the table still found by the same name, with its schema and without? */
extern bool reuse_name_stands(const ReuseTable *table);

/* A view's or a function's definition; false if it is gone, or the engine's. */
extern bool reuse_source_hash(const ReuseTable *source, ContentHash *hash);
extern char *reuse_source_name(const ReuseTable *source);

extern bool reuse_has_row_security(Oid relation);

/* A table by the name in a document; InvalidOid: there is none. */
extern Oid reuse_find_table(const char *name);

/* What has that schema-qualified name now; InvalidOid: nothing. */
extern Oid reuse_table_named(const char *qualified);

/*
 * Names mean what they meant before the user's statements, until the returned
 * level is left with AtEOXact_GUC().
 */
extern int reuse_pin_names(void);

/* Has this transaction made or emptied the table, or a partition of it? */
extern bool reuse_has_new_file(Oid relation);

#endif /* MLPIPE_REUSE_KEY_H */

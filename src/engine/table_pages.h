/*-------------------------------------------------------------------------
 *
 * table_pages.h
 *	  What the pages of a table tell without reading its rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_TABLE_PAGES_H
#define MLPIPE_TABLE_PAGES_H

#include "utils/rel.h"
#include "utils/snapshot.h"

#include "store/reuse_store.h"

/*
 * Adds a table to a stamp: its files, their sizes, its columns, and the
 * greatest LSN on any of its pages.  False if its pages have no LSN to go by.
 */
extern bool table_stamp(Relation table, ContentStamp *stamp);

/* Adds a column's name, type and default: what goes into it without a value. */
extern void stamp_add_column(ContentStamp *stamp, TupleDesc columns,
							 int index);

/*
 * Counts tuples that other transactions have made later than the snapshot.
 * False if one of them has deleted or changed any.
 */
extern bool table_count_added(Relation table, Snapshot snapshot, int64 *added);

#endif /* MLPIPE_TABLE_PAGES_H */

/*-------------------------------------------------------------------------
 *
 * content.h
 *	  What is in a table: its rows as a hash.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_CONTENT_H
#define MLPIPE_CONTENT_H

#include "nodes/pg_list.h"
#include "utils/snapshot.h"

#include "store/reuse_store.h"

typedef struct Content
{
	Oid relation;
	TransactionId xid;   /* only the rows that it inserted; invalid: all */
	const char *problem; /* why it cannot be told; NULL: it can */
	ContentHash hash;
	int64 rows;

	/* content.c's own */
	List *tree; /* of Oid: the relation and what inherits from it */
	bool has_stamp;
	ContentStamp stamp;
	bool remembered;
	bool quiet; /* no other transaction is at work on it */
} Content;

extern Content *content_create(Oid relation, TransactionId xid);

/*
 * Fills a list of Content *, all as of one moment: what the current user sees,
 * including what this transaction has done.  Where that cannot be told, sets
 * problem and raises nothing.  The tables are locked for reading.
 */
extern void contents_now(List *contents);

/*
 * The same as of a snapshot, which has been registered since it was taken, and
 * was taken before the transaction wrote anything.  It is a problem if another
 * transaction has changed the table since; written: ours has, and may.
 */
extern void content_as_of(Content *content, Snapshot snapshot, bool written);

/*
 * Checks that no other transaction has changed it since the snapshot; sets
 * problem if one has.
 */
extern void content_require_settled(Content *content, Snapshot snapshot);

/*
 * The same for a table that has been read just now, and an earlier snapshot
 * that nobody has kept, taken when WAL had come to lsn.  Here a change by our
 * own role counts, too.
 */
extern void content_require_unchanged(Content *content, XLogRecPtr lsn,
									  Snapshot snapshot);

/* Has nothing happened to it since, except that so many rows were added? */
extern void content_require_added(Content *content, Snapshot snapshot,
								  int64 rows);

/*
 * Remembers, in engine mode, what has been hashed since the last call, for as
 * long as nothing is written to those tables.
 */
extern void contents_remember(void);

/* Forgets it instead. */
extern void contents_reset(void);

#endif /* MLPIPE_CONTENT_H */

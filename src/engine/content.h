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

	/* of content.c */
	List *tree; /* of Oid: the relation and what inherits from it */
	bool has_stamp;
	ContentStamp stamp;
	bool remembered;
	bool quiet; /* no other transaction is at work on it */
} Content;

extern Content *content_create(Oid relation, TransactionId xid);

/*
 * Fills a list of Content *, all as of one moment: as the current user sees
 * it, with what the transaction itself has done.  Where that cannot be told a
 * problem is set, and nothing raised.  The tables are locked for reading.
 */
extern void contents_now(List *contents);

/*
 * The same as of a snapshot, which is registered since and was taken before
 * the transaction wrote anything.  A problem where another transaction has
 * changed the table since; written: our own has, and may.
 */
extern void content_as_of(Content *content, Snapshot snapshot, bool written);

/*
 * Has no other transaction changed it since the snapshot?  It has a problem
 * otherwise.
 */
extern void content_require_settled(Content *content, Snapshot snapshot);

/*
 * The same of one that has been read now, by the time of an earlier snapshot
 * that nobody has kept, when WAL had come to lsn: not even our own role has.
 */
extern void content_require_unchanged(Content *content, XLogRecPtr lsn,
									  Snapshot snapshot);

/* Has nothing been done to it since but so many rows added? */
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

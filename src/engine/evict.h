/*-------------------------------------------------------------------------
 *
 * evict.h
 *	  Making the workers of a database give way to a statement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_EVICT_H
#define MLPIPE_EVICT_H

/*
 * Stops the workers of a database, and lets none start before the end of the
 * transaction.  Waits for them, but no longer than the server's own statements
 * wait for other sessions.
 */
extern void evict_workers(Oid database);

/* The same, and if the transaction commits there is no such database any more. */
extern void evict_workers_for_good(Oid database);

#endif /* MLPIPE_EVICT_H */

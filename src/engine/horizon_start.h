/*-------------------------------------------------------------------------
 *
 * horizon_start.h
 *	  Keeps what steps' snapshots see through a restart of the server.
 *
 * Steps go on after a restart, and with them their snapshots; but it takes some
 * time until a database's scheduler has found them in their tables and its
 * keeper (horizon.h) is back.  The mini-batches that are left would miss what
 * others vacuum or prune meanwhile.  So the oldest xmin that a keeper holds is
 * also in a file, and the launcher, the first process that comes up, advertises
 * it until the keepers do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_HORIZON_START_H
#define MLPIPE_HORIZON_START_H

#include "nodes/pg_list.h"

/*
 * Keeper: writes down what its database needs after a restart.  If the file
 * cannot be written, that is only logged.
 */
extern void horizon_write(TransactionId oldest);

/* Keeper: nothing is needed any more. */
extern void horizon_forget(void);

/* Postmaster, before recovery: may the launcher have anything to hold? */
extern bool horizon_start_is_needed(void);

/* Launcher, outside a transaction: holds what the files say. */
extern void horizon_start_hold(void);

/*
 * Launcher: moves the databases that need something to the front of the list;
 * forgets those that are not in it.
 */
extern List *horizon_start_first(List *databases);

/*
 * Launcher, when something has changed: lets go as soon as keepers hold all
 * that is needed.  Returns the milliseconds until it lets go in any case; -1:
 * it holds nothing.  unprobed: databases not looked at since the start.
 */
extern long horizon_start_watch(const List *unprobed);

#endif /* MLPIPE_HORIZON_START_H */

/*-------------------------------------------------------------------------
 *
 * catch.h
 *	  Calls the server's parsers without letting their errors get away.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_CATCH_H
#define MLPIPE_CATCH_H

#include "nodes/pg_list.h"

/*
 * Calls function(arg), in the current memory context.  False where it raised
 * an error, whose primary message is then in *message, and what it did to the
 * database is undone.  Errors that are not about the input (a cancelled query,
 * no memory, a broken catalog) are raised again.
 */
extern bool catch_errors(void (*function)(void *), void *arg, char **message);

/* Parses SQL in this way, into a list of RawStmt. */
extern bool catch_parse(const char *sql, List **parsed, char **message);

#endif /* MLPIPE_CATCH_H */

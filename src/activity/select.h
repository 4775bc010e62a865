/*-------------------------------------------------------------------------
 *
 * select.h
 *	  Queries that become a part of a larger statement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_SELECT_H
#define MLPIPE_SELECT_H

#include "access/tupdesc.h"

#include "definition/problem.h"
#include "definition/template.h"

/* A query that can stand in parentheses. */
typedef struct Select
{
	char *text;      /* without what followed it, a semicolon say */
	bool has_offset; /* does it have an OFFSET clause? */
} Select;

/*
 * Takes a text that must be exactly one query (SELECT, VALUES, TABLE, also
 * after WITH), so that it cannot reach beyond the parentheses that it is put
 * in.  Put a line break after it: it may end in a comment.  Raises 42601.
 */
extern void select_parse(const char *sql, Select *select);

/* The same when a pipeline is created, as far as the text is known then. */
extern void select_check(const Template *query, ProblemList *problems,
						 const char *path);

/*
 * What keeps parsed statements (RawStmt) from being one query, without a
 * statement in WITH that changes rows; as the end of a sentence, or NULL.
 */
extern char *select_only_fault(List *parsed);

/* The hint for statements that are refused. */
#define SELECT_ONLY_HINT \
	"Other statements are for an activity of type \"sql\"."

/* The names of the columns that a query returns; a list of char *. */
extern List *select_columns(const char *sql);

/* The rows that a query returns. */
extern TupleDesc select_rows(const char *sql);

/*
 * Can it see what the statement around it has changed already?  Volatile
 * functions do, and rows to be locked must still be there.
 */
extern bool select_sees_changes(const char *sql);

#endif /* MLPIPE_SELECT_H */

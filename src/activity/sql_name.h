/*-------------------------------------------------------------------------
 *
 * sql_name.h
 *	  Names of a document as identifiers in statements.
 *
 * A table is named as in SQL: "part_in", "sales.part_in", "\"Odd name\"".
 * A column is named as it is, so that "Odd name" needs no quotes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_SQL_NAME_H
#define MLPIPE_SQL_NAME_H

#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

#include "definition/problem.h"
#include "nodes/bitmapset.h"

#include "definition/template.h"

/* The table's name, each part quoted where it has to be; 42602 if it is none. */
extern char *table_name(const char *name);
extern void table_name_check(const Template *name, ProblemList *problems,
							 const char *path);

/* The same, not quoted but as the server's parser would return it. */
extern RangeVar *table_range_var(const char *name);

/*
 * The columns of a table that can be written, a list of char *.  The table is
 * locked for reading until the end of the transaction.
 */
extern List *table_columns(const char *name);

/*
 * All its columns, in their order; *generated: the places of those that cannot
 * be written.  The table is locked in the same way.
 */
extern List *table_shape(const char *name, Bitmapset **generated);

/* "a, b", each with a prefix where that is not NULL. */
extern char *column_list(List *names, const char *prefix);

extern bool column_in(const char *name, List *names);

#endif /* MLPIPE_SQL_NAME_H */

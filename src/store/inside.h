/*-------------------------------------------------------------------------
 *
 * inside.h
 *	  The part of a statement that finds what is inside of a container.
 *
 * It goes from scope to scope by their numbers, and so reads nothing else of
 * the run: a condition on names would read all of it for each container.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_INSIDE_H
#define MLPIPE_INSIDE_H

#include "definition/document.h"

/* How many activities the largest list of each activity has, in their order. */
extern Datum inside_sizes(const Document *document);

/*
 * Is a row (a) of the scope (i), besides being of its run?  Branches share the
 * same numbers, so these alone do not tell.
 */
#define IS_OF_SCOPE                                        \
	"a.no BETWEEN i.first_no AND i.first_no + i.count - 1" \
	" AND a.parent_no = i.no AND a.iteration = i.iteration"

/*
 * The scopes of container $2 of run $1, and of all containers in them, as
 * inside (no, iteration, first_no, count); $3 are inside_sizes().  Their rows
 * are those of the run that IS_OF_SCOPE.
 */
#define INSIDE                                                                        \
	"RECURSIVE inside (no, iteration, first_no, count) AS ("                          \
	" SELECT s.no, s.iteration, s.first_no, ($3)[a.activity_no + 1]"                  \
	" FROM mlpipe.activity_run a JOIN mlpipe.scope s ON s.run_id = $1 AND s.no = $2"  \
	" WHERE a.run_id = $1 AND a.no = $2"                                              \
	" UNION ALL"                                                                      \
	" SELECT s.no, s.iteration, s.first_no, c.count FROM inside i CROSS JOIN LATERAL" \
	" (SELECT a.no, ($3)[a.activity_no + 1] AS count FROM mlpipe.activity_run a"      \
	" WHERE a.run_id = $1 AND " IS_OF_SCOPE                                           \
	" AND ($3)[a.activity_no + 1] > 0 OFFSET 0) c"                                    \
	" JOIN mlpipe.scope s ON s.run_id = $1 AND s.no = c.no)"

#endif /* MLPIPE_INSIDE_H */

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

/* Branches have numbers in the same place, so their rows are asked for more. */
#define ROWS_OF_SCOPE(run_id)                              \
	"a.run_id = " run_id " AND a.no BETWEEN i.first_no"    \
	" AND i.first_no + i.count - 1 AND a.parent_no = i.no" \
	" AND a.iteration = i.iteration"

/*
 * The scopes of container $2 of run $1, and of all containers in them, as
 * inside (no, iteration, first_no, count); $3 are inside_sizes().  Their rows
 * are ROWS_OF_SCOPE("$1").
 */
#define INSIDE                                                                        \
	"RECURSIVE inside (no, iteration, first_no, count) AS ("                          \
	" SELECT s.no, s.iteration, s.first_no, ($3)[a.activity_no + 1]"                  \
	" FROM mlpipe.activity_run a JOIN mlpipe.scope s ON s.run_id = $1 AND s.no = $2"  \
	" WHERE a.run_id = $1 AND a.no = $2"                                              \
	" UNION ALL"                                                                      \
	" SELECT s.no, s.iteration, s.first_no, c.count FROM inside i CROSS JOIN LATERAL" \
	" (SELECT a.no, ($3)[a.activity_no + 1] AS count FROM mlpipe.activity_run a"      \
	" WHERE " ROWS_OF_SCOPE(                                                          \
		"$1") " AND ($3)[a.activity_no + 1] > 0 OFFSET 0) c"                          \
			  " JOIN mlpipe.scope s ON s.run_id = $1 AND s.no = c.no)"

#endif /* MLPIPE_INSIDE_H */

/*-------------------------------------------------------------------------
 *
 * problem.h
 *	  What is wrong with a pipeline document, gathered rather than raised.
 *
 * A document is checked in one pass that goes on after each problem, so that
 * its author sees all of them at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PROBLEM_H
#define MLPIPE_PROBLEM_H

#include "nodes/pg_list.h"

typedef enum ProblemSeverity
{
	PROBLEM_ERROR,
	PROBLEM_WARNING
} ProblemSeverity;

typedef struct Problem
{
	ProblemSeverity severity;
	char *path;    /* JSON path, e.g. activities[2].depends_on[0] */
	char *message; /* without the path, lower case, no full stop */
	char *hint;    /* a sentence, or NULL */
} Problem;

typedef struct ProblemList
{
	List *problems; /* of Problem *, in order of discovery */
	int nerrors;
} ProblemList;

/*
 * To look for the nearest name takes time, and in a document with more problems
 * than this nobody misses the hint.
 */
#define MAX_HINTED 100

extern void problem_add(ProblemList *list, ProblemSeverity severity,
						const char *path, const char *hint,
						const char *message, ...) pg_attribute_printf(5, 6);

/*
 * Raises one error (22023) for all errors of the list: message = path and
 * message of the first, detail = all of them, one a line, hint = the first's.
 * Returns where there is none.
 */
extern void problem_raise(const ProblemList *list);

/*
 * "Perhaps you meant "x"." for the candidate nearest to the word, or NULL
 * where none is near.  Palloc'd.
 */
extern char *problem_nearest_hint(const char *word,
								  const char *const *candidates,
								  int ncandidates);

/* "a", "b", "c".  Palloc'd. */
extern char *problem_quoted_words(const char *const *words, int nwords);

#endif /* MLPIPE_PROBLEM_H */

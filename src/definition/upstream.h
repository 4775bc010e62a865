/*-------------------------------------------------------------------------
 *
 * upstream.h
 *	  The activities of one list by name, and which of them are upstream.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_UPSTREAM_H
#define MLPIPE_UPSTREAM_H

#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "utils/hsearch.h"
#include "definition/graph.h"

/* Names of at most MAX_ACTIVITY_NAME bytes, each with a number. */
typedef HTAB NameIndex;

extern NameIndex *names_create(int size);

/* False where the name is there already. */
extern bool names_add(NameIndex *names, const char *name, int number);

/* The number, or -1 where there is no such name. */
extern int names_find(NameIndex *names, const char *name);

/*
 * Asks which nodes a node waits for, directly or not.  A search goes no
 * further than it must, so that asking for a direct dependency, as nearly
 * every placeholder does, costs the same in a list of any length.
 */
typedef struct UpstreamSearch
{
	const Graph *graph;
	NameIndex *names;
	const char *const *name_of;                /* by node */
	const struct ActivityKind *const *kind_of; /* NULL where not known */
	bool ordered; /* are nodes numbered in topological order? */
	int node;     /* whose; -1: all nodes are upstream */
	int *seen;    /* by node: the last search that came by */
	int search;
	int *pending;
} UpstreamSearch;

extern UpstreamSearch *upstream_create(
	const Graph *graph, NameIndex *names, const char *const *name_of,
	const struct ActivityKind *const *kind_of, bool ordered);
extern bool upstream_has(UpstreamSearch *search, int node);

/* All of them, for messages; a list of char *. */
extern List *upstream_names(UpstreamSearch *search);

/* The nodes that a node waits for, directly or not. */
extern Bitmapset *upstream_places(const Graph *graph, int node);

#endif /* MLPIPE_UPSTREAM_H */

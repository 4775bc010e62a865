/*-------------------------------------------------------------------------
 *
 * upstream.c
 *	  The activities of one list by name, and which of them are upstream.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "definition/document.h"
#include "definition/upstream.h"

#define ANY_NODE (-1)

typedef struct NameEntry
{
	char name[MAX_ACTIVITY_NAME + 1]; /* hash key */
	int number;
} NameEntry;

static bool reach(UpstreamSearch *search, int target);

NameIndex *
names_create(int size)
{
	HASHCTL control = {0};

	control.keysize = sizeof(((NameEntry *) NULL)->name);
	control.entrysize = sizeof(NameEntry);
	control.hcxt = CurrentMemoryContext;
	return hash_create("mlpipe activity names", Max(size, 1), &control,
					   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

bool
names_add(NameIndex *names, const char *name, int number)
{
	bool found;
	NameEntry *entry = hash_search(names, name, HASH_ENTER, &found);

	if (!found)
		entry->number = number;
	return !found;
}

int
names_find(NameIndex *names, const char *name)
{
	NameEntry *entry;

	/* The hash would look only at as much of the name as fits into a key. */
	if (strlen(name) > MAX_ACTIVITY_NAME)
		return -1;
	entry = hash_search(names, name, HASH_FIND, NULL);
	return entry ? entry->number : -1;
}

UpstreamSearch *
upstream_create(const Graph *graph, NameIndex *names,
				const char *const *name_of,
				const struct ActivityKind *const *kind_of, bool ordered)
{
	UpstreamSearch *search = palloc0(sizeof(UpstreamSearch));
	int size = Max(graph->nnodes, 1) * sizeof(int);

	search->graph = graph;
	search->names = names;
	search->name_of = name_of;
	search->kind_of = kind_of;
	search->ordered = ordered;
	search->node = -1;
	search->seen = palloc0(size);
	search->pending = palloc(size);
	return search;
}

bool
upstream_has(UpstreamSearch *search, int node)
{
	return search->node < 0 || reach(search, node);
}

/*
 * Walks against the edges until it comes to the target.  In a topological
 * order all between the target and the node have numbers between theirs, so
 * what lies below the target is left alone.  With ANY_NODE it visits all, and
 * marks them in seen.
 */
static bool
reach(UpstreamSearch *search, int target)
{
	const Graph *graph = search->graph;
	int npending = 0;

	search->search++;
	search->pending[npending++] = search->node;
	while (npending > 0)
	{
		int node = search->pending[--npending];

		for (int i = graph->first_in[node]; i < graph->first_in[node + 1]; i++)
		{
			int from = graph->edges[graph->in_edges[i]].from;

			if (from == target)
				return true;
			if (search->seen[from] == search->search ||
				(search->ordered && from < target))
				continue;
			search->seen[from] = search->search;
			search->pending[npending++] = from;
		}
	}
	return false;
}

Bitmapset *
upstream_places(const Graph *graph, int node)
{
	Bitmapset *found = NULL;
	List *pending = list_make1_int(node);

	while (pending != NIL)
	{
		int to = llast_int(pending);

		pending = list_delete_last(pending);
		for (int i = graph->first_in[to]; i < graph->first_in[to + 1]; i++)
		{
			int from = graph->edges[graph->in_edges[i]].from;

			if (bms_is_member(from, found))
				continue;
			found = bms_add_member(found, from);
			pending = lappend_int(pending, from);
		}
	}
	return found;
}

List *
upstream_names(UpstreamSearch *search)
{
	List *names = NIL;

	if (search->node >= 0)
		(void) reach(search, ANY_NODE);
	for (int node = 0; node < search->graph->nnodes; node++)
	{
		if (search->name_of[node] != NULL &&
			(search->node < 0 || search->seen[node] == search->search))
			names = lappend(names, unconstify(char *, search->name_of[node]));
	}
	return names;
}

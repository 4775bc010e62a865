/*-------------------------------------------------------------------------
 *
 * graph.c
 *	  The dependencies among the activities of one list: order, cycles, leaves
 *	  and the verdict.
 *
 * Everything here is linear in nodes and edges, but for a heap that keeps the
 * order of the document among nodes that are free at once.  Nothing recurses:
 * a chain may be as long as its author likes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/binaryheap.h"

#include "definition/graph.h"

static void sort_edges(Graph *graph);
static int *count_ends(const Graph *graph, bool outgoing);
static void fill_lookup(const Graph *graph, const int *first, int *lookup,
						bool outgoing);
static int compare_lower_first(Datum a, Datum b, void *arg);
static void release_dependents(const Graph *graph, int node, int *waiting,
							   binaryheap *ready);
static int find_cycle(const Graph *graph, const int *waiting, int **cycle);
static int waiting_predecessor(const Graph *graph, int node,
							   const int *waiting);
static int *cycle_forward(const int *trail, int from, int to, int *length);

Graph *
graph_create(int nnodes)
{
	Graph *graph = palloc0(sizeof(Graph));

	graph->nnodes = nnodes;
	graph->maxedges = 16;
	graph->edges = palloc(graph->maxedges * sizeof(GraphEdge));
	return graph;
}

void
graph_add_edge(Graph *graph, int from, int to, int conditions)
{
	GraphEdge *edge;

	if (graph->nedges == graph->maxedges)
	{
		graph->maxedges *= 2;
		graph->edges = repalloc_huge(graph->edges,
									 graph->maxedges * sizeof(GraphEdge));
	}
	edge = &graph->edges[graph->nedges++];
	edge->from = from;
	edge->to = to;
	edge->conditions = conditions;
}

void
graph_finish(Graph *graph)
{
	sort_edges(graph);
	graph->first_out = count_ends(graph, true);
	graph->out_edges = palloc(Max(graph->nedges, 1) * sizeof(int));
	fill_lookup(graph, graph->first_out, graph->out_edges, true);
	graph->first_in = count_ends(graph, false);
	graph->in_edges = palloc(Max(graph->nedges, 1) * sizeof(int));
	fill_lookup(graph, graph->first_in, graph->in_edges, false);
}

/*
 * By from, then to.  Two counting sorts, of which the second is stable; with
 * that done, filling the lookup arrays in the order of the edges sorts them.
 */
static void
sort_edges(Graph *graph)
{
	Size size = Max(graph->nedges, 1) * sizeof(GraphEdge);
	int *order = palloc(Max(graph->nedges, 1) * sizeof(int));
	GraphEdge *sorted = palloc(size);

	for (int pass = 0; pass < 2; pass++)
	{
		bool by_from = (pass == 1);
		int *first = count_ends(graph, by_from);

		fill_lookup(graph, first, order, by_from);
		for (int i = 0; i < graph->nedges; i++)
			sorted[i] = graph->edges[order[i]];
		memcpy(graph->edges, sorted, graph->nedges * sizeof(GraphEdge));
		pfree(first);
	}
	pfree(sorted);
	pfree(order);
}

/* nnodes + 1 offsets: where the edges that leave, or enter, a node begin. */
static int *
count_ends(const Graph *graph, bool outgoing)
{
	int *first = palloc0((graph->nnodes + 1) * sizeof(int));

	for (int i = 0; i < graph->nedges; i++)
	{
		const GraphEdge *edge = &graph->edges[i];

		first[(outgoing ? edge->from : edge->to) + 1]++;
	}
	for (int node = 0; node < graph->nnodes; node++)
		first[node + 1] += first[node];
	return first;
}

static void
fill_lookup(const Graph *graph, const int *first, int *lookup, bool outgoing)
{
	int *next = palloc(Max(graph->nnodes, 1) * sizeof(int));

	memcpy(next, first, graph->nnodes * sizeof(int));
	for (int i = 0; i < graph->nedges; i++)
	{
		const GraphEdge *edge = &graph->edges[i];

		lookup[next[outgoing ? edge->from : edge->to]++] = i;
	}
	pfree(next);
}

bool
graph_topological_order(const Graph *graph, int *order, int **cycle,
						int *cycle_length)
{
	int *waiting = palloc(Max(graph->nnodes, 1) * sizeof(int));
	binaryheap *ready = binaryheap_allocate(Max(graph->nnodes, 1),
											compare_lower_first, NULL);
	int ordered = 0;

	for (int node = 0; node < graph->nnodes; node++)
	{
		waiting[node] = graph->first_in[node + 1] - graph->first_in[node];
		if (waiting[node] == 0)
			binaryheap_add(ready, Int32GetDatum(node));
	}
	while (!binaryheap_empty(ready))
	{
		int node = DatumGetInt32(binaryheap_remove_first(ready));

		order[ordered++] = node;
		release_dependents(graph, node, waiting, ready);
	}

	if (ordered < graph->nnodes)
		*cycle_length = find_cycle(graph, waiting, cycle);
	binaryheap_free(ready);
	pfree(waiting);
	return ordered == graph->nnodes;
}

/* The heap returns the greatest first: that is to be the lowest number. */
static int
compare_lower_first(Datum a, Datum b, void *arg)
{
	int left = DatumGetInt32(a);
	int right = DatumGetInt32(b);

	return (left < right) ? 1 : (left > right) ? -1 : 0;
}

static void
release_dependents(const Graph *graph, int node, int *waiting,
				   binaryheap *ready)
{
	for (int i = graph->first_out[node]; i < graph->first_out[node + 1]; i++)
	{
		int to = graph->edges[graph->out_edges[i]].to;

		if (--waiting[to] == 0)
			binaryheap_add(ready, Int32GetDatum(to));
	}
}

/*
 * Every node that still waits, waits for another such one.  So walking from
 * one to the next against the edges must come back to where it has been, and
 * what lies in between is a cycle.
 */
static int
find_cycle(const Graph *graph, const int *waiting, int **cycle)
{
	int *trail = palloc(graph->nnodes * sizeof(int));
	int *seen_at = palloc(graph->nnodes * sizeof(int));
	int node = 0;
	int steps = 0;
	int length;

	memset(seen_at, -1, graph->nnodes * sizeof(int));
	while (waiting[node] == 0)
		node++;
	while (seen_at[node] < 0)
	{
		seen_at[node] = steps;
		trail[steps++] = node;
		node = waiting_predecessor(graph, node, waiting);
	}
	*cycle = cycle_forward(trail, seen_at[node], steps, &length);
	pfree(seen_at);
	pfree(trail);
	return length;
}

static int
waiting_predecessor(const Graph *graph, int node, const int *waiting)
{
	for (int i = graph->first_in[node]; i < graph->first_in[node + 1]; i++)
	{
		int from = graph->edges[graph->in_edges[i]].from;

		if (waiting[from] > 0)
			return from;
	}
	pg_unreachable();
}

/* trail[from .. to - 1], turned round, and begun with its lowest node. */
static int *
cycle_forward(const int *trail, int from, int to, int *length)
{
	int *cycle = palloc((to - from) * sizeof(int));
	int lowest = from;

	*length = to - from;
	for (int i = from; i < to; i++)
	{
		if (trail[i] < trail[lowest])
			lowest = i;
	}
	for (int i = 0; i < *length; i++)
		cycle[i] = trail[from + (lowest - from - i + *length) % *length];
	return cycle;
}

int
graph_place_among_in(const Graph *graph, int edge)
{
	int first = graph->first_in[graph->edges[edge].to];
	int low = first;
	int high = graph->first_in[graph->edges[edge].to + 1] - 1;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (graph->in_edges[middle] < edge)
			low = middle + 1;
		else
			high = middle;
	}
	return low - first;
}

bool
graph_is_leaf(const Graph *graph, int node)
{
	return graph->first_out[node] == graph->first_out[node + 1];
}

bool
graph_condition_met(int conditions, ActivityEnd end)
{
	switch (end)
	{
		case END_SUCCEEDED:
			return (conditions & CONDITION_SUCCEEDED) != 0;
		case END_FAILED:
			return (conditions & CONDITION_FAILED) != 0;
		case END_SKIPPED:
			return (conditions & CONDITION_SKIPPED) != 0;
		case END_CANCELLED:
		case END_NONE:
			return false;
	}
	return false;
}

bool
graph_succeeded(const Graph *graph, const ActivityEnd *ends)
{
	bool *judged = palloc0(Max(graph->nnodes, 1) * sizeof(bool));
	int *pending = palloc(Max(graph->nnodes, 1) * sizeof(int));
	int npending = 0;
	bool succeeded = true;

	for (int node = 0; node < graph->nnodes; node++)
	{
		if (graph_is_leaf(graph, node))
		{
			judged[node] = true;
			pending[npending++] = node;
		}
	}
	while (succeeded && npending > 0)
	{
		int node = pending[--npending];

		if (ends[node] != END_SKIPPED)
		{
			succeeded = (ends[node] == END_SUCCEEDED);
			continue;
		}
		for (int i = graph->first_in[node]; i < graph->first_in[node + 1]; i++)
		{
			int from = graph->edges[graph->in_edges[i]].from;

			if (!judged[from])
			{
				judged[from] = true;
				pending[npending++] = from;
			}
		}
	}
	pfree(pending);
	pfree(judged);
	return succeeded;
}

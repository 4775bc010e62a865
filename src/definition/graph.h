/*-------------------------------------------------------------------------
 *
 * graph.h
 *	  The dependencies among the activities of one list: order, cycles, leaves
 *	  and the verdict.  Pure: no database, no shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_GRAPH_H
#define MLPIPE_GRAPH_H

/* How an activity can end, for its dependents and for the verdict. */
typedef enum ActivityEnd
{
	END_NONE, /* has not ended */
	END_SUCCEEDED,
	END_FAILED,
	END_SKIPPED,
	END_CANCELLED
} ActivityEnd;

/* What a dependency asks of the end of the activity it waits for. */
#define CONDITION_SUCCEEDED (1 << 0)
#define CONDITION_FAILED    (1 << 1)
#define CONDITION_SKIPPED   (1 << 2)
#define CONDITION_COMPLETED (CONDITION_SUCCEEDED | CONDITION_FAILED)

typedef struct GraphEdge
{
	int from;       /* the activity that is waited for */
	int to;         /* the activity that waits */
	int conditions; /* a mask of CONDITION_* */
} GraphEdge;

typedef struct Graph
{
	int nnodes;
	int nedges;
	int maxedges;     /* room in edges */
	GraphEdge *edges; /* sorted by graph_finish() for lookup */
	int *first_out;   /* nnodes + 1 offsets into out_edges */
	int *out_edges;   /* indexes into edges, by from, then to */
	int *first_in;    /* nnodes + 1 offsets into in_edges */
	int *in_edges;    /* indexes into edges, by to, then from */
} Graph;

/* Without edges; these are added in any order. */
extern Graph *graph_create(int nnodes);
extern void graph_add_edge(Graph *graph, int from, int to, int conditions);

/* Builds the lookup arrays, in linear time; call it once, after the last edge. */
extern void graph_finish(Graph *graph);

/*
 * Positions in an order in which each node comes after all that it waits for,
 * stable: among nodes that are free at once the lower number goes first.
 * order[i] is the i-th node.  False where there is a cycle; then *cycle holds
 * the nodes of one, in order, and *cycle_length their number.
 */
extern bool graph_topological_order(const Graph *graph, int *order,
									int **cycle, int *cycle_length);

/* The place of an edge, by its index, among those that enter its node. */
extern int graph_place_among_in(const Graph *graph, int edge);

extern bool graph_is_leaf(const Graph *graph, int node);

/* Is a dependency with these conditions met by an activity that ended so? */
extern bool graph_condition_met(int conditions, ActivityEnd end);

/*
 * The leaf rule: a leaf is judged by its end, a skipped leaf by those it waited
 * for, up the graph; one that waited for nothing counts as succeeded.  True
 * where all that is so judged succeeded.
 */
extern bool graph_succeeded(const Graph *graph, const ActivityEnd *ends);

#endif /* MLPIPE_GRAPH_H */

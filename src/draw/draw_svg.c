/*-------------------------------------------------------------------------
 *
 * draw_svg.c
 *	  Graphs as SVG, without any help from outside.
 *
 * Each list is laid out by itself, from the inside out: an activity stands a
 * row below the last that it waits for, and in its row about where those that
 * it waits for stand in theirs.  A container is a box that holds its bodies
 * side by side.  All of this is linear but for sorting a row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "draw/draw.h"

/* In pixels. */
#define MARGIN          16
#define ROW_GAP         44
#define COLUMN_GAP      22
#define BOX_HEIGHT      44
#define BOX_PADDING     14
#define HEADER_HEIGHT   44
#define LABEL_HEIGHT    20
#define LABEL_BASE      12 /* baselines, from the top of what they are in */
#define TITLE_BASE      14
#define NAME_BASE       18
#define STATUS_BASE     34
#define CHARACTER_WIDTH 7.4
#define MIN_WIDTH       70

typedef struct Box
{
	double x; /* left, then top; in the list's own place */
	double y;
	double width;
	double height;
	int row;
	double wish; /* where its middle would like to be */
} Box;

typedef struct Layout
{
	const ActivityList *list;
	int count;     /* without what is internal */
	Box *boxes;    /* by place */
	List **bodies; /* by place: of Layout * */
	double width;
	double height;
} Layout;

static Layout *lay_out(const Drawing *drawing, const ActivityList *list);
static void measure(const Drawing *drawing, Layout *layout, int place);
static double text_width(const char *text);
static char *second_line(const Drawing *drawing, const ActivityDef *def);
static void find_rows(Layout *layout);
static void place_rows(Layout *layout);
static void place_row(Layout *layout, int *places, int count, double y);
static void wish_for_middle(Layout *layout, int place);
static int compare_wishes(const void *a, const void *b, void *arg);
static void put_list(StringInfo svg, const Drawing *drawing,
					 const Layout *layout, double x, double y);
static void put_edge(StringInfo svg, const Layout *layout,
					 const GraphEdge *edge, double x, double y);
static void put_activity(StringInfo svg, const Drawing *drawing,
						 const Layout *layout, int place, double x, double y);
static void put_bodies(StringInfo svg, const Drawing *drawing,
					   const Layout *layout, int place, double x, double y);
static void put_text(StringInfo svg, double x, double y, const char *class,
					 const char *text);
static void put_escaped(StringInfo svg, const char *text);

char *
draw_svg(const Drawing *drawing)
{
	Layout *layout = lay_out(drawing, drawing->document->list);
	double width = Max(layout->width, text_width(drawing->title)) + 2 * MARGIN;
	double height = layout->height + 2 * MARGIN + HEADER_HEIGHT;
	StringInfoData svg;

	initStringInfo(&svg);
	appendStringInfo(
		&svg,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n<title>",
		width, height, width, height);
	put_escaped(&svg, drawing->title);
	appendStringInfoString(
		&svg,
		"</title>\n<style>text{font:12px sans-serif;fill:#222}.t{font:bold 14px sans-serif}.n{font-weight:bold}.k{fill:#555}.e{fill:none;stroke:#606060}.d{stroke-dasharray:5 3}</style>\n"
		"<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#606060\"/></marker></defs>\n");
	appendStringInfo(
		&svg, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n",
		width, height);
	put_text(&svg, width / 2, MARGIN + TITLE_BASE, "t", drawing->title);
	put_list(&svg, drawing, layout, (width - layout->width) / 2,
			 MARGIN + HEADER_HEIGHT);
	appendStringInfoString(&svg, "</svg>\n");
	return svg.data;
}

static Layout *
lay_out(const Drawing *drawing, const ActivityList *list)
{
	Layout *layout = palloc0(sizeof(Layout));

	check_stack_depth();
	layout->list = list;
	layout->count = list->count;
	if (list->count > 0 &&
		list_activity(drawing->document, list, list->count - 1)->internal)
		layout->count--;
	layout->boxes = palloc0(Max(list->count, 1) * sizeof(Box));
	layout->bodies = palloc0(Max(list->count, 1) * sizeof(List *));
	for (int place = 0; place < layout->count; place++)
		measure(drawing, layout, place);
	find_rows(layout);
	place_rows(layout);
	return layout;
}

static void
measure(const Drawing *drawing, Layout *layout, int place)
{
	const ActivityDef *def = list_activity(drawing->document, layout->list,
										   place);
	Box *box = &layout->boxes[place];
	double inside = 0;
	double tallest = 0;
	ListCell *cell;

	box->width = Max(text_width(def->name),
					 text_width(second_line(drawing, def)));
	box->width = Max(box->width + 2 * BOX_PADDING, MIN_WIDTH);
	box->height = BOX_HEIGHT;
	foreach(cell, def->bodies)
	{
		Layout *body = lay_out(drawing, lfirst(cell));

		layout->bodies[place] = lappend(layout->bodies[place], body);
		inside += body->width + BOX_PADDING;
		tallest = Max(tallest, body->height);
	}
	if (def->bodies == NIL)
		return;
	box->width = Max(box->width, inside + BOX_PADDING);
	box->height = HEADER_HEIGHT + LABEL_HEIGHT + tallest + BOX_PADDING;
}

static double
text_width(const char *text)
{
	return pg_mbstrlen(text) * CHARACTER_WIDTH;
}

static char *
second_line(const Drawing *drawing, const ActivityDef *def)
{
	const char *status = draw_status(drawing, def->no);

	return status == NULL ? pstrdup(def->kind->name) :
							psprintf("%s, %s", def->kind->name, status);
}

/* Places are in topological order. */
static void
find_rows(Layout *layout)
{
	const Graph *graph = layout->list->graph;

	for (int place = 0; place < layout->count; place++)
	{
		for (int i = graph->first_in[place]; i < graph->first_in[place + 1];
			 i++)
		{
			int from = graph->edges[graph->in_edges[i]].from;

			layout->boxes[place].row = Max(layout->boxes[place].row,
										   layout->boxes[from].row + 1);
		}
	}
}

static void
place_rows(Layout *layout)
{
	int *places = palloc(Max(layout->count, 1) * sizeof(int));
	int *first;
	int nrows = 0;
	double y = 0;

	for (int place = 0; place < layout->count; place++)
		nrows = Max(nrows, layout->boxes[place].row + 1);
	first = palloc0((nrows + 2) * sizeof(int));
	for (int place = 0; place < layout->count; place++)
		first[layout->boxes[place].row + 2]++;
	for (int row = 0; row < nrows; row++)
		first[row + 2] += first[row + 1];
	for (int place = 0; place < layout->count; place++)
		places[first[layout->boxes[place].row + 1]++] = place;

	for (int row = 0; row < nrows; row++)
	{
		double tallest = 0;

		for (int i = first[row]; i < first[row + 1]; i++)
			tallest = Max(tallest, layout->boxes[places[i]].height);
		place_row(layout, &places[first[row]], first[row + 1] - first[row], y);
		y += tallest + ROW_GAP;
	}
	layout->height = Max(y - ROW_GAP, 0);
	for (int place = 0; place < layout->count; place++)
		layout->width = Max(layout->width,
							layout->boxes[place].x +
								layout->boxes[place].width);
}

/* From the left, each as near to where it would like to be as there is room. */
static void
place_row(Layout *layout, int *places, int count, double y)
{
	double free_from = 0;

	for (int i = 0; i < count; i++)
		wish_for_middle(layout, places[i]);
	qsort_arg(places, count, sizeof(int), compare_wishes, layout);
	for (int i = 0; i < count; i++)
	{
		Box *box = &layout->boxes[places[i]];

		box->x = Max(free_from, box->wish - box->width / 2);
		box->y = y;
		free_from = box->x + box->width + COLUMN_GAP;
	}
}

static void
wish_for_middle(Layout *layout, int place)
{
	const Graph *graph = layout->list->graph;
	int count = graph->first_in[place + 1] - graph->first_in[place];
	double sum = 0;

	for (int i = graph->first_in[place]; i < graph->first_in[place + 1]; i++)
	{
		const Box *box = &layout->boxes[graph->edges[graph->in_edges[i]].from];

		sum += box->x + box->width / 2;
	}
	layout->boxes[place].wish = count > 0 ? sum / count : 0;
}

static int
compare_wishes(const void *a, const void *b, void *arg)
{
	const Layout *layout = arg;
	int left = *(const int *) a;
	int right = *(const int *) b;
	double difference = layout->boxes[left].wish - layout->boxes[right].wish;

	if (difference != 0)
		return difference < 0 ? -1 : 1;
	return left < right ? -1 : left > right;
}

static void
put_list(StringInfo svg, const Drawing *drawing, const Layout *layout,
		 double x, double y)
{
	const Graph *graph = layout->list->graph;

	for (int i = 0; i < graph->nedges; i++)
	{
		if (graph->edges[i].to < layout->count)
			put_edge(svg, layout, &graph->edges[i], x, y);
	}
	for (int place = 0; place < layout->count; place++)
		put_activity(svg, drawing, layout, place, x, y);
}

static void
put_edge(StringInfo svg, const Layout *layout, const GraphEdge *edge, double x,
		 double y)
{
	const Box *from = &layout->boxes[edge->from];
	const Box *to = &layout->boxes[edge->to];
	const char *condition = draw_condition(edge->conditions);
	double x1 = x + from->x + from->width / 2;
	double y1 = y + from->y + from->height;
	double x2 = x + to->x + to->width / 2;
	double y2 = y + to->y;

	appendStringInfo(
		svg,
		"<path class=\"e%s\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\" marker-end=\"url(#arrow)\"/>\n",
		condition != NULL ? " d" : "", x1, y1, x1, y1 + ROW_GAP / 2.0, x2,
		y2 - ROW_GAP / 2.0, x2, y2);
	if (condition != NULL)
		put_text(svg, (x1 + 3 * x2) / 4, y2 - ROW_GAP / 4.0, "k", condition);
}

static void
put_activity(StringInfo svg, const Drawing *drawing, const Layout *layout,
			 int place, double x, double y)
{
	const ActivityDef *def = list_activity(drawing->document, layout->list,
										   place);
	const Box *box = &layout->boxes[place];
	bool has_status = draw_status(drawing, def->no) != NULL;

	x += box->x;
	y += box->y;
	appendStringInfo(
		svg,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"6\" fill=\"%s\" stroke=\"%s\"%s/>\n",
		x, y, box->width, box->height,
		has_status ? draw_fill(drawing->statuses[def->no]) : "#ffffff",
		has_status ? draw_line(drawing->statuses[def->no]) : "#606060",
		def->active ? "" : " stroke-dasharray=\"4 3\"");
	put_text(svg, x + box->width / 2, y + NAME_BASE, "n", def->name);
	put_text(svg, x + box->width / 2, y + STATUS_BASE, "k",
			 second_line(drawing, def));
	put_bodies(svg, drawing, layout, place, x + BOX_PADDING,
			   y + HEADER_HEIGHT);
}

static void
put_bodies(StringInfo svg, const Drawing *drawing, const Layout *layout,
		   int place, double x, double y)
{
	ListCell *cell;

	foreach(cell, layout->bodies[place])
	{
		const Layout *body = lfirst(cell);

		if (body->list->label != NULL)
			put_text(svg, x + body->width / 2, y + LABEL_BASE, "k",
					 body->list->label);
		put_list(svg, drawing, body, x, y + LABEL_HEIGHT);
		x += body->width + BOX_PADDING;
	}
}

static void
put_text(StringInfo svg, double x, double y, const char *class,
		 const char *text)
{
	appendStringInfo(
		svg,
		"<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
		class, x, y);
	put_escaped(svg, text);
	appendStringInfoString(svg, "</text>\n");
}

/* XML has no way to write most control characters, not even escaped. */
static void
put_escaped(StringInfo svg, const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
	{
		switch (*c)
		{
			case '&':
				appendStringInfoString(svg, "&amp;");
				break;
			case '<':
				appendStringInfoString(svg, "&lt;");
				break;
			case '>':
				appendStringInfoString(svg, "&gt;");
				break;
			case '"':
				appendStringInfoString(svg, "&quot;");
				break;
			default:
				appendStringInfoChar(svg, draw_char(*c));
		}
	}
}

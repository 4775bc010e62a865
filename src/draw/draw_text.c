/*-------------------------------------------------------------------------
 *
 * draw_text.c
 *	  Graphs as text for Mermaid and for Graphviz.
 *
 * Both draw a container as a box around what it holds; a branch is a box in
 * that.  Names of activities may have nearly any sign in them, so nodes are
 * called by number, and what people read is quoted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "draw/draw.h"

static void mermaid_list(StringInfo text, const Drawing *drawing,
						 const ActivityList *list, int indent);
static void mermaid_activity(StringInfo text, const Drawing *drawing,
							 const ActivityDef *def, int indent);
static void mermaid_body(StringInfo text, const Drawing *drawing,
						 const ActivityList *body, int indent);
static void mermaid_statuses(StringInfo text, const Drawing *drawing);
static void mermaid_quote(StringInfo text, const char *value);
static void dot_list(StringInfo text, const Drawing *drawing,
					 const ActivityList *list, int indent);
static void dot_activity(StringInfo text, const Drawing *drawing,
						 const ActivityDef *def, int indent);
static void dot_quote(StringInfo text, const char *value);
static bool is_internal(const Drawing *drawing, const ActivityList *list,
						int place);

char *
draw_mermaid(const Drawing *drawing)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "flowchart TD\n");
	mermaid_list(&text, drawing, drawing->document->list, 2);
	if (drawing->statuses != NULL)
		mermaid_statuses(&text, drawing);
	return text.data;
}

static void
mermaid_list(StringInfo text, const Drawing *drawing, const ActivityList *list,
			 int indent)
{
	const Graph *graph = list->graph;

	check_stack_depth();
	for (int place = 0; place < list->count; place++)
	{
		if (!is_internal(drawing, list, place))
			mermaid_activity(text, drawing,
							 list_activity(drawing->document, list, place),
							 indent);
	}
	for (int i = 0; i < graph->nedges; i++)
	{
		const GraphEdge *edge = &graph->edges[i];
		const char *condition = draw_condition(edge->conditions);

		if (is_internal(drawing, list, edge->to))
			continue;
		appendStringInfo(text, "%*sa%d %s%s%s a%d\n", indent, "",
						 list->first + edge->from, condition ? "-. " : "-->",
						 condition ? condition : "", condition ? " .->" : "",
						 list->first + edge->to);
	}
}

static void
mermaid_activity(StringInfo text, const Drawing *drawing,
				 const ActivityDef *def, int indent)
{
	ListCell *cell;

	appendStringInfo(text, "%*s%sa%d[\"", indent, "",
					 def->bodies != NIL ? "subgraph " : "", def->no);
	mermaid_quote(text, def->name);
	appendStringInfoString(text, "<br/>");
	mermaid_quote(text, def->kind->name);
	appendStringInfoString(text, "\"]\n");
	if (def->bodies == NIL)
		return;
	foreach(cell, def->bodies)
		mermaid_body(text, drawing, lfirst(cell), indent + 2);
	appendStringInfo(text, "%*send\n", indent, "");
}

static void
mermaid_body(StringInfo text, const Drawing *drawing, const ActivityList *body,
			 int indent)
{
	if (body->label == NULL)
	{
		mermaid_list(text, drawing, body, indent);
		return;
	}
	appendStringInfo(text, "%*ssubgraph b%d[\"", indent, "", body->first);
	mermaid_quote(text, body->label);
	appendStringInfoString(text, "\"]\n");
	mermaid_list(text, drawing, body, indent + 2);
	appendStringInfo(text, "%*send\n", indent, "");
}

static void
mermaid_statuses(StringInfo text, const Drawing *drawing)
{
	for (int status = ACTIVITY_WAITING; status <= ACTIVITY_INACTIVE; status++)
	{
		bool first = true;

		for (int no = 0; no < drawing->document->nactivities; no++)
		{
			if (drawing->statuses[no] != status ||
				drawing->document->activities[no].internal)
				continue;
			if (first)
				appendStringInfo(text,
								 "  classDef %s fill:%s,stroke:%s\n  class ",
								 activity_status_name(status),
								 draw_fill(status), draw_line(status));
			appendStringInfo(text, "%sa%d", first ? "" : ",", no);
			first = false;
		}
		if (!first)
			appendStringInfo(text, " %s\n", activity_status_name(status));
	}
}

/* Mermaid has entities of its own for what it would read as syntax. */
static void
mermaid_quote(StringInfo text, const char *value)
{
	for (const char *c = value; *c != '\0'; c++)
	{
		if (strchr("\"<>&#;", *c) != NULL)
			appendStringInfo(text, "#%d;", (unsigned char) *c);
		else
			appendStringInfoChar(text, draw_char(*c));
	}
}

char *
draw_dot(const Drawing *drawing)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "digraph ");
	dot_quote(&text, drawing->title);
	appendStringInfoString(
		&text,
		" {\n  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\"]\n");
	dot_list(&text, drawing, drawing->document->list, 2);
	appendStringInfoString(&text, "}\n");
	return text.data;
}

static void
dot_list(StringInfo text, const Drawing *drawing, const ActivityList *list,
		 int indent)
{
	const Graph *graph = list->graph;

	check_stack_depth();
	for (int place = 0; place < list->count; place++)
	{
		if (!is_internal(drawing, list, place))
			dot_activity(text, drawing,
						 list_activity(drawing->document, list, place),
						 indent);
	}
	for (int i = 0; i < graph->nedges; i++)
	{
		const GraphEdge *edge = &graph->edges[i];
		const char *condition = draw_condition(edge->conditions);

		if (is_internal(drawing, list, edge->to))
			continue;
		appendStringInfo(text, "%*sa%d -> a%d", indent, "",
						 list->first + edge->from, list->first + edge->to);
		if (condition != NULL)
			appendStringInfo(text, " [label=\"%s\", style=dashed]", condition);
		appendStringInfoChar(text, '\n');
	}
}

/* A container's own node stands in its box, for the edges to end at. */
static void
dot_activity(StringInfo text, const Drawing *drawing, const ActivityDef *def,
			 int indent)
{
	ListCell *cell;

	if (def->bodies != NIL)
		appendStringInfo(text, "%*ssubgraph cluster_%d {\n", indent, "",
						 def->no);
	appendStringInfo(text, "%*sa%d [label=", indent, "", def->no);
	dot_quote(text, psprintf("%s\n%s", def->name, def->kind->name));
	if (draw_status(drawing, def->no) != NULL)
		appendStringInfo(text, ", fillcolor=\"%s\", color=\"%s\"",
						 draw_fill(drawing->statuses[def->no]),
						 draw_line(drawing->statuses[def->no]));
	appendStringInfoString(text, "]\n");
	foreach(cell, def->bodies)
	{
		const ActivityList *body = lfirst(cell);

		appendStringInfo(text,
						 "%*ssubgraph cluster_b%d {\n%*slabel=", indent + 2,
						 "", body->first, indent + 4, "");
		dot_quote(text, body->label ? body->label : "");
		appendStringInfoChar(text, '\n');
		dot_list(text, drawing, body, indent + 4);
		appendStringInfo(text, "%*s}\n", indent + 2, "");
	}
	if (def->bodies != NIL)
		appendStringInfo(text, "%*s}\n", indent, "");
}

static void
dot_quote(StringInfo text, const char *value)
{
	appendStringInfoChar(text, '"');
	for (const char *c = value; *c != '\0'; c++)
	{
		if (*c == '\n')
			appendStringInfoString(text, "\\n");
		else if (*c == '"' || *c == '\\')
			appendStringInfo(text, "\\%c", *c);
		else
			appendStringInfoChar(text, draw_char(*c));
	}
	appendStringInfoChar(text, '"');
}

static bool
is_internal(const Drawing *drawing, const ActivityList *list, int place)
{
	return list_activity(drawing->document, list, place)->internal;
}

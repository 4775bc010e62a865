/*-------------------------------------------------------------------------
 *
 * document_list.c
 *	  A list of activities: the document's own, or a body of a container.
 *
 * First the names and dependencies of all of them, which say what is upstream
 * of each and how they are numbered; then each activity by itself, which may
 * hold further lists.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "definition/document_internal.h"

static void reserve_numbers(ListParse *parse);
static void parse_one(ListParse *parse, int position);
static void add_check(ListParse *parse, JsonReader *reader);
static void finish_list(Document *document, ActivityList *list);
static void await_activities(Document *document, ActivityList *list);
static bool needs_spreading(const ActivityList *list);
static bool leads_to_any_join(const Document *document,
							  const ActivityList *list, int place);
static void lay_out_rows(const Document *document, ActivityList *list);
static bool holds_secret(const ActivityDef *def, const Document *document);
static bool holds_rerun_always(const ActivityDef *def,
							   const Document *document);

void
document_parse_list(ListParse *parse, List *readers, JsonReader *check_reader)
{
	ListCell *cell;

	parse->readers = palloc(sizeof(JsonReader *) *
							Max(list_length(readers), 1));
	foreach(cell, readers)
		parse->readers[parse->nactivities++] = lfirst(cell);
	parse->list->count = parse->nactivities + (parse->check != NULL ? 1 : 0);
	reserve_numbers(parse);
	document_parse_graph(parse);
	for (int position = 0; position < parse->nactivities; position++)
		parse_one(parse, position);
	if (parse->check != NULL)
		add_check(parse, check_reader);
	finish_list(parse->parse->document, parse->list);
}

static void
reserve_numbers(ListParse *parse)
{
	DocumentParse *whole = parse->parse;
	Document *document = whole->document;
	int needed = document->nactivities + parse->list->count;

	if (needed > whole->max_activities || document->activities == NULL)
	{
		int room = Max(needed, 2 * whole->max_activities) + 1;

		document->activities = document->activities == NULL ?
			palloc0(room * sizeof(ActivityDef)) :
			repalloc_huge(document->activities, room * sizeof(ActivityDef));
		whole->max_activities = room;
	}
	parse->list->first = document->nactivities;
	document->nactivities = needed;
}

/* Lists inside make the array of activities move, so it is filled last. */
static void
parse_one(ListParse *parse, int position)
{
	Document *document = parse->parse->document;
	JsonReader *reader = parse->readers[position];
	JsonbValue json = {.type = jbvBinary};
	ActivityDef def = {0};

	json.val.binary.data = reader->object;
	json.val.binary.len = reader->length;
	def.no = parse->list->first + parse->places[position];
	def.position = position;
	def.name = parse->names[position] ? parse->names[position] : pstrdup("");
	def.list = parse->list;
	def.definition = JsonbValueToJsonb(&json);
	def.needs = parse->scope.needs = palloc0(sizeof(ContextNeeds));
	parse->scope.search->node = parse->places[position];
	document_parse_activity(parse, reader, &def);
	document->activities[def.no] = def;
}

static void
add_check(ListParse *parse, JsonReader *reader)
{
	JsonbParseState *state = NULL;
	ActivityDef def = {0};

	def.no = parse->list->first + parse->nactivities;
	def.position = parse->nactivities;
	def.name = pstrdup("");
	def.list = parse->list;
	def.kind = parse->check;
	def.active = true;
	def.internal = true;
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	def.definition = JsonbValueToJsonb(
		pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	def.needs = parse->scope.needs = palloc0(sizeof(ContextNeeds));
	parse->scope.search->node = -1;
	def.config = parse->check->check(reader, &def, &parse->scope);
	parse->parse->document->activities[def.no] = def;
}

static void
finish_list(Document *document, ActivityList *list)
{
	await_activities(document, list);
	document->spread |= needs_spreading(list);
	lay_out_rows(document, list);
	for (int place = 0; place < list->count; place++)
	{
		ActivityDef *def = list_activity(document, list, place);

		def->secure_output = def->secure_output || holds_secret(def, document);
		def->rerun_inside = holds_rerun_always(def, document);
	}
}

/*
 * Once all leaves have ended everything has, but for what a join "any" did not
 * wait for.
 */
static void
await_activities(Document *document, ActivityList *list)
{
	for (int place = 0; place < list->count; place++)
	{
		ActivityDef *def = list_activity(document, list, place);

		def->awaited = graph_is_leaf(list->graph, place) ||
			leads_to_any_join(document, list, place);
		def->awaited_as = list->nawaited;
		list->nawaited += def->awaited ? 1 : 0;
	}
}

static bool
needs_spreading(const ActivityList *list)
{
	const Graph *graph = list->graph;

	for (int place = 0; place < graph->nnodes; place++)
	{
		if (graph->first_in[place + 1] - graph->first_in[place] >= SPREAD_FROM)
			return true;
	}
	return list->nawaited >= SPREAD_FROM;
}

static bool
leads_to_any_join(const Document *document, const ActivityList *list,
				  int place)
{
	const Graph *graph = list->graph;

	for (int i = graph->first_out[place]; i < graph->first_out[place + 1]; i++)
	{
		int to = graph->edges[graph->out_edges[i]].to;

		if (list_activity(document, list, to)->join_any)
			return true;
	}
	return false;
}

/*
 * At most one of the branches is executed, and once: so there is a place for
 * their rows behind those of the list.  What is repeated gets numbers when it
 * begins.
 */
static void
lay_out_rows(const Document *document, ActivityList *list)
{
	list->nrows = list->count;
	for (int place = 0; place < list->count; place++)
	{
		int longest = 0;
		ListCell *cell;

		foreach(cell, list_activity(document, list, place)->bodies)
		{
			ActivityList *body = lfirst(cell);

			if (body->repeated)
				continue;
			body->row_offset = list->nrows;
			longest = Max(longest, body->nrows);
		}
		list->nrows += longest;
	}
}

/* A container's output shows those of what is inside. */
static bool
holds_secret(const ActivityDef *def, const Document *document)
{
	ListCell *cell;

	foreach(cell, def->bodies)
	{
		const ActivityList *body = lfirst(cell);

		for (int place = 0; place < body->count; place++)
		{
			if (list_activity(document, body, place)->secure_output)
				return true;
		}
	}
	return false;
}

static bool
holds_rerun_always(const ActivityDef *def, const Document *document)
{
	ListCell *cell;

	foreach(cell, def->bodies)
	{
		const ActivityList *body = lfirst(cell);

		for (int place = 0; place < body->count; place++)
		{
			const ActivityDef *inner = list_activity(document, body, place);

			if (inner->rerun_always || inner->rerun_inside)
				return true;
		}
	}
	return false;
}

const ActivityList *
document_parse_body(JsonReader *reader, const char *section, const char *key,
					ActivityDef *def, const TemplateScope *scope,
					const char *label, const ActivityKind *check)
{
	List *readers = reader_objects(reader, key, false);
	ActivityList *list;
	ListParse body = {.parse = scope->parse,
					  .problems = reader->problems,
					  .check = check,
					  .scope = *scope};

	check_stack_depth();
	if (readers == NIL)
		return NULL;
	list = palloc0(sizeof(ActivityList));
	list->container = def->no;
	list->depth = def->list->depth + 1;
	list->label = label;
	list->section = section;
	list->key = pstrdup(key);
	list->repeated = label == NULL;
	body.list = list;
	body.scope.outer = scope;
	body.scope.search = NULL;
	document_parse_list(&body, readers, reader);
	def->bodies = lappend(def->bodies, list);
	return list;
}

/*-------------------------------------------------------------------------
 *
 * document_graph.c
 *	  Names and dependencies of the activities of one list.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "definition/document_internal.h"

typedef struct ConditionWord
{
	const char *word;
	int conditions;
} ConditionWord;

static const ConditionWord condition_words[] = {
	{"succeeded", CONDITION_SUCCEEDED},
	{"failed", CONDITION_FAILED},
	{"skipped", CONDITION_SKIPPED},
	{"completed", CONDITION_COMPLETED},
};

static void parse_names(ListParse *parse, NameIndex *positions);
static char *parse_name(JsonReader *reader);
static const char *name_fault(const char *name);
static Graph *parse_dependencies(ListParse *parse, NameIndex *positions);
static void parse_dependency(ListParse *parse, NameIndex *positions,
							 Graph *graph, int *seen, int position,
							 const char *path, JsonbValue *json);
static char *dependency_parts(ListParse *parse, const char *path,
							  JsonbValue *json, int *conditions);
static int parse_conditions(JsonReader *reader);
static int condition_mask(const char *word);
static void report_unknown_activity(ListParse *parse, const char *path,
									const char *name);
static void order_activities(ListParse *parse, const Graph *by_position);
static void report_cycle(ListParse *parse, const int *cycle, int length);
static void finish_graph(ListParse *parse, const Graph *by_position);
static const ActivityKind *kind_at(ListParse *parse, int position);
static void add_edges_to_check(ListParse *parse, const Graph *by_position);

void
document_parse_graph(ListParse *parse)
{
	NameIndex *positions = names_create(parse->nactivities);
	Graph *by_position;

	parse_names(parse, positions);
	by_position = parse_dependencies(parse, positions);
	order_activities(parse, by_position);
	finish_graph(parse, by_position);
	hash_destroy(positions);
}

static void
parse_names(ListParse *parse, NameIndex *positions)
{
	parse->names = palloc0(sizeof(char *) * Max(parse->nactivities, 1));
	for (int i = 0; i < parse->nactivities; i++)
	{
		char *name = parse_name(parse->readers[i]);

		if (name == NULL)
			continue;
		if (names_add(positions, name, i))
			parse->names[i] = name;
		else
			problem_add(parse->problems, PROBLEM_ERROR,
						reader_path(parse->readers[i], "name"), NULL,
						"%s is named \"%s\" already",
						parse->readers[names_find(positions, name)]->path,
						name);
	}
}

static char *
parse_name(JsonReader *reader)
{
	char *name = reader_text(reader, "name", true);
	const char *fault = name ? name_fault(name) : NULL;

	if (fault == NULL)
		return name;
	problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, "name"),
				"A name has 1 to 63 bytes, and none of . [ ] \" in it.", "%s",
				fault);
	return NULL;
}

static const char *
name_fault(const char *name)
{
	if (name[0] == '\0')
		return "a name cannot be empty";
	if (strlen(name) > MAX_ACTIVITY_NAME)
		return "the name is too long";
	for (const char *c = name; *c != '\0'; c++)
	{
		if (strchr(".[]\"", *c) != NULL)
			return psprintf("the name \"%s\" has a \"%c\" in it", name, *c);
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			return "the name has a control character in it";
	}
	return NULL;
}

/* The graph over positions in the document. */
static Graph *
parse_dependencies(ListParse *parse, NameIndex *positions)
{
	Graph *graph = graph_create(parse->nactivities);
	int *seen = palloc(sizeof(int) * Max(parse->nactivities, 1));

	memset(seen, -1, sizeof(int) * Max(parse->nactivities, 1));
	for (int i = 0; i < parse->nactivities; i++)
	{
		JsonReader *reader = parse->readers[i];
		JsonbValue *list = reader_value(reader, "depends_on");
		char *path = reader_path(reader, "depends_on");

		if (list == NULL)
			continue;
		if (strcmp(json_type_name(list), "array") != 0)
		{
			problem_add(parse->problems, PROBLEM_ERROR, path, NULL,
						"must be an array, not %s", json_type_name(list));
			continue;
		}
		for (uint32 d = 0; d < JsonContainerSize(list->val.binary.data); d++)
			parse_dependency(parse, positions, graph, seen, i,
							 psprintf("%s[%u]", path, d),
							 getIthJsonbValueFromContainer(list->val.binary
															   .data,
														   d));
	}
	graph_finish(graph);
	pfree(seen);
	return graph;
}

/* seen[x]: the last activity that was found to depend on x. */
static void
parse_dependency(ListParse *parse, NameIndex *positions, Graph *graph,
				 int *seen, int position, const char *path, JsonbValue *json)
{
	int conditions;
	char *name = dependency_parts(parse, path, json, &conditions);
	int from;

	if (name == NULL)
		return;
	from = names_find(positions, name);
	if (from < 0)
		report_unknown_activity(parse, path, name);
	else if (from == position)
		problem_add(parse->problems, PROBLEM_ERROR, path, NULL,
					"activity \"%s\" cannot depend on itself", name);
	else if (seen[from] == position)
		problem_add(parse->problems, PROBLEM_ERROR, path,
					"One dependency can have several conditions.",
					"activity \"%s\" is there already", name);
	else
	{
		seen[from] = position;
		graph_add_edge(graph, from, position, conditions);
	}
}

/* The name of the activity that is waited for; NULL after a problem. */
static char *
dependency_parts(ListParse *parse, const char *path, JsonbValue *json,
				 int *conditions)
{
	JsonReader *reader;
	char *name;

	*conditions = CONDITION_SUCCEEDED;
	if (json->type == jbvString)
		return pnstrdup(json->val.string.val, json->val.string.len);
	if (strcmp(json_type_name(json), "object") != 0)
	{
		problem_add(parse->problems, PROBLEM_ERROR, path, NULL,
					"must be the name of an activity, or an object, not %s",
					json_type_name(json));
		return NULL;
	}
	reader = reader_open(parse->problems, json, path);
	name = reader_text(reader, "activity", true);
	*conditions = parse_conditions(reader);
	reader_close(reader);
	return name;
}

static int
parse_conditions(JsonReader *reader)
{
	const char *words[lengthof(condition_words)];
	int errors_before = reader->problems->nerrors;
	List *texts = reader_texts(reader, "conditions", true);
	int conditions = 0;
	ListCell *cell;

	for (int i = 0; i < lengthof(condition_words); i++)
		words[i] = condition_words[i].word;
	if (texts == NIL && reader->problems->nerrors == errors_before)
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "conditions"),
					"Conditions are succeeded, failed, skipped and completed.",
					"a dependency needs at least one condition");
	foreach(cell, texts)
	{
		char *hint;
		int mask = condition_mask(lfirst(cell));

		conditions |= mask;
		if (mask != 0)
			continue;
		hint = problem_nearest_hint(lfirst(cell), words, lengthof(words));
		problem_add(
			reader->problems, PROBLEM_ERROR, reader_path(reader, "conditions"),
			hint ? hint :
				   "Conditions are succeeded, failed, skipped and completed.",
			"there is no condition \"%s\"", (char *) lfirst(cell));
	}
	return conditions;
}

static int
condition_mask(const char *word)
{
	for (int i = 0; i < lengthof(condition_words); i++)
	{
		if (strcmp(condition_words[i].word, word) == 0)
			return condition_words[i].conditions;
	}
	return 0;
}

static void
report_unknown_activity(ListParse *parse, const char *path, const char *name)
{
	const char **names = palloc(sizeof(char *) * Max(parse->nactivities, 1));
	bool hinted = (parse->problems->nerrors < MAX_HINTED);
	char *hint;
	int n = 0;

	for (int i = 0; hinted && i < parse->nactivities; i++)
	{
		if (parse->names[i] != NULL)
			names[n++] = parse->names[i];
	}
	hint = problem_nearest_hint(name, names, n);
	problem_add(parse->problems, PROBLEM_ERROR, path, hint,
				"no activity is named \"%s\"", name);
	pfree(names);
}

static void
order_activities(ListParse *parse, const Graph *by_position)
{
	int n = Max(parse->nactivities, 1);
	int *order = palloc(sizeof(int) * n);
	int *cycle = NULL;
	int length = 0;

	parse->places = palloc(sizeof(int) * n);
	parse->ordered = graph_topological_order(by_position, order, &cycle,
											 &length);
	if (!parse->ordered)
		report_cycle(parse, cycle, length);
	for (int i = 0; i < parse->nactivities; i++)
		parse->places[parse->ordered ? order[i] : i] = i;
	pfree(order);
}

static void
report_cycle(ListParse *parse, const int *cycle, int length)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i <= length; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? " -> " : "",
						 parse->names[cycle[i % length]]);
	problem_add(parse->problems, PROBLEM_ERROR,
				reader_path(parse->readers[cycle[0]], "depends_on"), NULL,
				"the dependencies form a cycle: %s", names.data);
}

/* The list's graph, over places. */
static void
finish_graph(ListParse *parse, const Graph *by_position)
{
	ActivityList *list = parse->list;
	const char **name_of = palloc0(sizeof(char *) * Max(list->count, 1));
	const ActivityKind **kind_of = palloc0(sizeof(ActivityKind *) *
										   Max(list->count, 1));

	list->graph = graph_create(list->count);
	for (int i = 0; i < by_position->nedges; i++)
	{
		const GraphEdge *edge = &by_position->edges[i];

		graph_add_edge(list->graph, parse->places[edge->from],
					   parse->places[edge->to], edge->conditions);
	}
	if (parse->check != NULL)
		add_edges_to_check(parse, by_position);
	graph_finish(list->graph);

	list->names = names_create(parse->nactivities);
	for (int i = 0; i < parse->nactivities; i++)
	{
		if (parse->names[i] == NULL)
			continue;
		name_of[parse->places[i]] = parse->names[i];
		kind_of[parse->places[i]] = kind_at(parse, i);
		(void) names_add(list->names, parse->names[i], parse->places[i]);
	}
	parse->scope.search = upstream_create(list->graph, list->names, name_of,
										  kind_of, parse->ordered);
}

/* Whatever is wrong with it is said when its turn comes. */
static const ActivityKind *
kind_at(ListParse *parse, int position)
{
	const ActivityKind *const *kind = parse->parse->kinds;
	JsonbContainer *activity = parse->readers[position]->object;
	JsonbValue *type = getKeyJsonValueFromContainer(activity, "type",
													strlen("type"), NULL);

	if (type == NULL || type->type != jbvString)
		return NULL;
	while (*kind != NULL &&
		   (strlen((*kind)->name) != type->val.string.len ||
			memcmp((*kind)->name, type->val.string.val,
				   type->val.string.len) != 0))
		kind++;
	return *kind;
}

/* The internal activity follows whatever nothing else waits for. */
static void
add_edges_to_check(ListParse *parse, const Graph *by_position)
{
	for (int i = 0; i < parse->nactivities; i++)
	{
		if (graph_is_leaf(by_position, i))
			graph_add_edge(parse->list->graph, parse->places[i],
						   parse->nactivities,
						   CONDITION_COMPLETED | CONDITION_SKIPPED);
	}
}

/*-------------------------------------------------------------------------
 *
 * document.c
 *	  A pipeline's document as checked structs.
 *
 * First the document's own keys, parameters and variables, for templates name
 * them; then its activities, with all that is in them; then its output, which
 * may look at any of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "definition/document_internal.h"
#include "definition/value.h"

static Document *parse_all(Jsonb *json, const ActivityKind *const *kinds,
						   ProblemList *problems, bool stored);
static void parse_own_keys(DocumentParse *parse);
static TemplateScope parse_activities(DocumentParse *parse);
static void parse_output(DocumentParse *parse, TemplateScope *scope);

Document *
document_parse(Jsonb *json, const ActivityKind *const *kinds,
			   ProblemList *problems)
{
	int errors_before = problems->nerrors;
	Document *document = parse_all(json, kinds, problems, false);

	return problems->nerrors > errors_before ? NULL : document;
}

Document *
document_parse_stored(Jsonb *json, const ActivityKind *const *kinds)
{
	ProblemList problems = {NIL, 0};
	Document *document = parse_all(json, kinds, &problems, true);
	ListCell *cell;

	foreach(cell, problems.problems)
	{
		const Problem *problem = lfirst(cell);

		if (problem->severity == PROBLEM_ERROR && document->problem == NULL)
			document->problem = psprintf("%s: %s", problem->path,
										 problem->message);
	}
	return document;
}

/* A document in spite of problems, but NULL where the JSON is no object. */
static Document *
parse_all(Jsonb *json, const ActivityKind *const *kinds, ProblemList *problems,
		  bool stored)
{
	DocumentParse parse = {0};
	JsonbValue value;
	TemplateScope scope;

	value_of_jsonb(json, &value);
	parse.document = palloc0(sizeof(Document));
	parse.problems = problems;
	parse.kinds = kinds;
	parse.stored = stored;
	parse.root = reader_open(problems, &value, "");
	if (parse.root == NULL)
		return NULL;

	parse_own_keys(&parse);
	scope = parse_activities(&parse);
	parse_output(&parse, &scope);
	reader_close(parse.root);
	return parse.document;
}

static void
parse_own_keys(DocumentParse *parse)
{
	static const char *const if_running[] = {"queue", "skip", "cancel",
											 "error"};
	static const char *const durability[] = {"run", "activity"};
	Document *document = parse->document;
	JsonReader *root = parse->root;

	document->description = reader_text(root, "description", false);
	document->parameters = document_parse_declared(root, "parameters");
	document->variables = document_parse_declared(root, "variables");
	document->concurrency = reader_int(root, "concurrency", 0, 1,
									   PG_INT32_MAX);
	document->if_running = reader_choice(root, "if_running", if_running,
										 lengthof(if_running),
										 IF_RUNNING_QUEUE);
	document->fail_fast = reader_bool(root, "fail_fast", false);
	document->durability = DURABILITY_RUN +
		reader_choice(root, "durability", durability, lengthof(durability),
					  DURABILITY_DEFAULT - DURABILITY_RUN);
	document->timeout = reader_duration(root, "timeout", 0);
}

/* Returns the scope that the activities stand in. */
static TemplateScope
parse_activities(DocumentParse *parse)
{
	Document *document = parse->document;
	int errors_before = parse->problems->nerrors;
	List *readers = reader_objects(parse->root, "activities", true);
	ActivityList *list = palloc0(sizeof(ActivityList));
	ListParse root = {.parse = parse,
					  .problems = parse->problems,
					  .list = list,
					  .scope = {.parse = parse,
								.stored = parse->stored,
								.parameters = document->parameters,
								.variables = document->variables}};

	if (readers == NIL && parse->problems->nerrors == errors_before)
		problem_add(parse->problems, PROBLEM_ERROR, "activities", NULL,
					"a pipeline needs at least one activity");
	list->container = -1;
	list->variables = document->variables;
	document->list = list;
	document_parse_list(&root, readers, NULL);
	document->nested = document->nactivities > list->count;
	return root.scope;
}

/* Worked out when all has ended, so it may look at any activity. */
static void
parse_output(DocumentParse *parse, TemplateScope *scope)
{
	JsonbValue *value = reader_value(parse->root, "output");

	if (value == NULL || reader_open(parse->problems, value, "output") == NULL)
		return;
	scope->search->node = -1;
	scope->needs = parse->document->output_needs = palloc0(
		sizeof(ContextNeeds));
	template_check_json(value, scope, parse->problems, "output");
	parse->document->output = JsonbValueToJsonb(value);
}

const DeclaredValue *
declared_value_find(List *declared, const char *name)
{
	ListCell *cell;

	foreach(cell, declared)
	{
		const DeclaredValue *value = lfirst(cell);

		if (strcmp(value->name, name) == 0)
			return value;
	}
	return NULL;
}

char *
declared_names_hint(const List *declared, const char *what)
{
	StringInfoData names;
	ListCell *cell;

	if (declared == NIL)
		return psprintf("The pipeline has no %s.", what);
	initStringInfo(&names);
	foreach(cell, declared)
		appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "",
						 ((DeclaredValue *) lfirst(cell))->name);
	return psprintf("The pipeline's %s: %s.", what, names.data);
}

const DeclaredValue *
document_find_variable(const Document *document, const ActivityDef *def,
					   const char *name, int *level)
{
	const ActivityList *list = def->list;
	const DeclaredValue *found = declared_value_find(list->variables, name);

	for (*level = 0; found == NULL && list->container >= 0; (*level)++)
	{
		list = document->activities[list->container].list;
		found = declared_value_find(list->variables, name);
	}
	return found;
}

List *
document_visible_variables(const Document *document, const ActivityDef *def)
{
	const ActivityList *list = def->list;
	List *variables = list_copy(list->variables);

	while (list->container >= 0)
	{
		list = document->activities[list->container].list;
		variables = list_concat(variables, list->variables);
	}
	return variables;
}

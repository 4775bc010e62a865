/*-------------------------------------------------------------------------
 *
 * document.c
 *	  A pipeline's document as checked structs.
 *
 * First the document's own keys, parameters and variables, for templates name
 * them; then the names and dependencies of all activities, which say what is
 * upstream of each and how they are numbered; then each activity by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "definition/document_internal.h"
#include "definition/value.h"

static Document *parse_all(Jsonb *json, const ActivityKind *const *kinds,
						   ProblemList *problems);
static void parse_own_keys(DocumentParse *parse);
static void open_activities(DocumentParse *parse);
static void parse_activities(DocumentParse *parse);
static void parse_output(DocumentParse *parse);

Document *
document_parse(Jsonb *json, const ActivityKind *const *kinds,
			   ProblemList *problems)
{
	int			errors_before = problems->nerrors;
	Document   *document = parse_all(json, kinds, problems);

	return problems->nerrors > errors_before ? NULL : document;
}

Document *
document_parse_stored(Jsonb *json, const ActivityKind *const *kinds)
{
	ProblemList problems = {NIL, 0};
	Document   *document = parse_all(json, kinds, &problems);
	ListCell   *cell;

	foreach(cell, problems.problems)
	{
		const Problem *problem = lfirst(cell);

		if (problem->severity == PROBLEM_ERROR && document->problem == NULL)
			document->problem = psprintf("%s: %s", problem->path,
										 problem->message);
	}
	return document;
}

/* Whatever the problems are; NULL where it is no object. */
static Document *
parse_all(Jsonb *json, const ActivityKind *const *kinds,
		  ProblemList *problems)
{
	DocumentParse parse = {0};
	JsonbValue	value;

	value_of_jsonb(json, &value);
	parse.document = palloc0(sizeof(Document));
	parse.problems = problems;
	parse.kinds = kinds;
	parse.root = reader_open(problems, &value, "");
	if (parse.root == NULL)
		return NULL;

	parse_own_keys(&parse);
	open_activities(&parse);
	document_parse_graph(&parse);
	parse_activities(&parse);
	parse_output(&parse);
	reader_close(parse.root);
	return parse.document;
}

static void
parse_own_keys(DocumentParse *parse)
{
	static const char *const if_running[] = {"queue", "skip", "cancel",
	"error"};
	static const char *const durability[] = {"run", "activity"};
	Document   *document = parse->document;
	JsonReader *root = parse->root;

	document->description = reader_text(root, "description", false);
	document->parameters = declared_values_parse(parse, "parameters");
	document->variables = declared_values_parse(parse, "variables");
	document->concurrency = reader_integer(root, "concurrency", 0, 1,
										   PG_INT32_MAX);
	document->if_running = reader_choice(root, "if_running", if_running,
										 lengthof(if_running),
										 IF_RUNNING_QUEUE);
	document->fail_fast = reader_bool(root, "fail_fast", false);
	document->durability = DURABILITY_RUN +
		reader_choice(root, "durability", durability, lengthof(durability),
					  DURABILITY_DEFAULT - DURABILITY_RUN);
	document->timeout = reader_duration(root, "timeout", 0);
	parse->scope.parameters = document->parameters;
	parse->scope.variables = document->variables;
}

static void
open_activities(DocumentParse *parse)
{
	int			errors_before = parse->problems->nerrors;
	List	   *readers = reader_objects(parse->root, "activities", true);
	ListCell   *cell;

	if (readers == NIL && parse->problems->nerrors == errors_before)
		problem_add(parse->problems, PROBLEM_ERROR, "activities", NULL,
					"a pipeline needs at least one activity");
	parse->readers = palloc(sizeof(JsonReader *) *
							Max(list_length(readers), 1));
	foreach(cell, readers)
		parse->readers[parse->nactivities++] = lfirst(cell);
}

static void
parse_activities(DocumentParse *parse)
{
	Document   *document = parse->document;
	JsonbValue *array = reader_value(parse->root, "activities");

	document->nactivities = parse->nactivities;
	document->activities = palloc0(sizeof(ActivityDef) *
								   Max(parse->nactivities, 1));
	for (int position = 0; position < parse->nactivities; position++)
	{
		int			number = parse->numbers[position];
		ActivityDef *def = &document->activities[number];
		JsonbValue *json;

		json = getIthJsonbValueFromContainer(array->val.binary.data, position);
		def->no = number;
		def->position = position;
		def->name = parse->names[position];
		def->definition = JsonbValueToJsonb(json);
		parse->scope.search->node = number;
		document_parse_activity(parse, position, def);
	}
}

/* Worked out when all has ended, so it may look at any activity. */
static void
parse_output(DocumentParse *parse)
{
	JsonbValue *value = reader_value(parse->root, "output");

	if (value == NULL ||
		reader_open(parse->problems, value, "output") == NULL)
		return;
	parse->scope.search->node = -1;
	template_check_json(value, &parse->scope, parse->problems, "output");
	parse->document->output = JsonbValueToJsonb(value);
}

const DeclaredValue *
declared_value_find(List *declared, const char *name)
{
	ListCell   *cell;

	foreach(cell, declared)
	{
		const DeclaredValue *value = lfirst(cell);

		if (strcmp(value->name, name) == 0)
			return value;
	}
	return NULL;
}

const ActivityDef *
document_activity(const Document *document, const char *name)
{
	int			number = names_find(document->names, name);

	return number < 0 ? NULL : &document->activities[number];
}

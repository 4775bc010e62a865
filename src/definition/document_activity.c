/*-------------------------------------------------------------------------
 *
 * document_activity.c
 *	  The common keys of one activity, and its type.
 *
 * What a type of activity has keys for is its own affair (activity/); here are
 * the keys that many types have in common, and which of them a type takes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"

#include "definition/document_internal.h"

#define DEFAULT_RETRY_INTERVAL (INT64CONST(30) * USECS_PER_SEC)
#define MAX_RETRIES            1000000
#define MAX_BACKOFF            1000.0

#define NOT_AVAILABLE          "is not available in this version"

/* All types that a document may name, whether this library has them or not. */
static const char *const type_names[] = {
	"sql",          "lookup",          "copy",
	"data_flow",    "parallel",        "train",
	"promote",      "score",           "pipeline",
	"if",           "switch",          "for_each",
	"until",        "filter",          "wait",
	"set_variable", "append_variable", "validation",
	"fail",         "approval",        "command",
	"web",
};

static void parse_keys(ListParse *parse, JsonReader *reader, ActivityDef *def);
static void demote(ListParse *parse, const ProblemList *problems);
static const ActivityKind *parse_kind(ListParse *parse, JsonReader *reader);
static char *kind_hint(const ActivityKind *const *kinds, const char *name);
static bool type_is_planned(const char *name);
static void parse_common(JsonReader *reader, ActivityDef *def);
static void parse_retry(JsonReader *reader, ActivityDef *def);
static void check_sqlstates(JsonReader *retry, List *sqlstates);
static bool is_sqlstate(const char *code);
static void parse_transaction(JsonReader *reader, ActivityDef *def);
static void parse_reuse(ListParse *parse, JsonReader *reader,
						ActivityDef *def);
static List *parse_tables(ListParse *parse, JsonReader *reader,
						  const char *key);
static void refuse_unavailable(JsonReader *reader, const ActivityKind *kind);
static bool takes_key(JsonReader *reader, const ActivityKind *kind, int flag,
					  const char *key);

void
document_parse_activity(ListParse *parse, JsonReader *reader, ActivityDef *def)
{
	static const char *const ends[] = {"succeeded", "failed", "skipped"};
	ProblemList harmless = {NIL, 0};

	def->active = reader_bool(reader, "active", true);
	def->on_inactive = END_SUCCEEDED +
		reader_choice(reader, "on_inactive", ends, lengthof(ends), 0);

	/* What is wrong with an activity that is not run can wait. */
	if (!def->active)
		reader->problems = &harmless;
	parse_keys(parse, reader, def);
	reader->problems = parse->problems;
	demote(parse, &harmless);
}

static void
parse_keys(ListParse *parse, JsonReader *reader, ActivityDef *def)
{
	def->kind = parse_kind(parse, reader);
	parse_common(reader, def);

	/* Where the type is not known, no key can be called wrong. */
	if (def->kind->check == NULL)
		return;
	parse_retry(reader, def);
	parse_transaction(reader, def);
	parse_reuse(parse, reader, def);
	refuse_unavailable(reader, def->kind);
	if (def->kind->takes & STARTS_RUNS)
		parse->parse->document->has_children = true;
	def->config = def->kind->check(reader, def, &parse->scope);
	reader_close(reader);
}

static void
demote(ListParse *parse, const ProblemList *problems)
{
	ListCell *cell;

	foreach(cell, problems->problems)
	{
		const Problem *problem = lfirst(cell);

		problem_add(parse->problems, PROBLEM_WARNING, problem->path,
					problem->hint, "%s", problem->message);
	}
}

/*
 * Never NULL: a type that this library does not have gets a kind without
 * check(), which remains where the activity is inactive.
 */
static const ActivityKind *
parse_kind(ListParse *parse, JsonReader *reader)
{
	char *name = reader_text(reader, "type", true);
	char *path = reader_path(reader, "type");
	ActivityKind *none;

	for (const ActivityKind *const *kind = parse->parse->kinds; *kind; kind++)
	{
		if (name != NULL && strcmp((*kind)->name, name) == 0)
			return *kind;
	}
	none = palloc0(sizeof(ActivityKind));
	none->name = name ? name : "";
	if (name == NULL)
		return none;
	if (type_is_planned(name))
		problem_add(reader->problems, PROBLEM_ERROR, path, NULL,
					"type \"%s\" " NOT_AVAILABLE, name);
	else
		problem_add(reader->problems, PROBLEM_ERROR, path,
					kind_hint(parse->parse->kinds, name),
					"activity type \"%s\" does not exist", name);
	return none;
}

static char *
kind_hint(const ActivityKind *const *kinds, const char *name)
{
	const char *names[lengthof(type_names)];
	char *nearest;
	int n = 0;

	for (; n < lengthof(names) && kinds[n] != NULL; n++)
		names[n] = kinds[n]->name;
	nearest = problem_nearest_hint(name, names, n);
	return nearest ? nearest :
					 psprintf("Types are %s.", problem_quoted_words(names, n));
}

static bool
type_is_planned(const char *name)
{
	for (int i = 0; i < lengthof(type_names); i++)
	{
		if (strcmp(type_names[i], name) == 0)
			return true;
	}
	return false;
}

static void
parse_common(JsonReader *reader, ActivityDef *def)
{
	static const char *const on_rerun[] = {"reuse", "run"};
	static const char *const join[] = {"all", "any"};

	(void) reader_text(reader, "description", false);
	(void) reader_value(reader, "tags");
	def->priority = reader_int(reader, "priority", 0, PG_INT32_MIN,
							   PG_INT32_MAX);
	def->timeout = reader_duration(reader, "timeout", 0);
	def->rerun_always = reader_choice(reader, "on_rerun", on_rerun,
									  lengthof(on_rerun), 0) == 1;
	def->secure_output = reader_bool(reader, "secure_output", false);
	def->join_any = reader_choice(reader, "join", join, lengthof(join), 0) ==
		1;
}

static void
parse_retry(JsonReader *reader, ActivityDef *def)
{
	JsonReader *retry;

	if (!takes_key(reader, def->kind, TAKES_RETRY, "retry"))
		return;
	retry = reader_object(reader, "retry", false);
	if (retry == NULL)
		return;
	if (!reader_has(retry, "max_retries"))
		problem_add(retry->problems, PROBLEM_ERROR,
					reader_path(retry, "max_retries"), NULL, "is missing");
	def->retry.max_retries = reader_int(retry, "max_retries", 0, 0,
										MAX_RETRIES);
	def->retry.interval = reader_duration(retry, "interval",
										  DEFAULT_RETRY_INTERVAL);
	def->retry.backoff = reader_number(retry, "backoff", 1.0, 1.0,
									   MAX_BACKOFF);
	def->retry.max_interval = reader_duration(retry, "max_interval", 0);
	def->retry.on = reader_texts(retry, "on", false);
	check_sqlstates(retry, def->retry.on);
	reader_close(retry);
}

static void
check_sqlstates(JsonReader *retry, List *sqlstates)
{
	ListCell *cell;

	foreach(cell, sqlstates)
	{
		if (!is_sqlstate(lfirst(cell)))
			problem_add(retry->problems, PROBLEM_ERROR,
						reader_path(retry, "on"),
						"An SQLSTATE has five digits or upper-case letters, "
						"a class the first two of them.",
						"\"%s\" is neither an SQLSTATE nor a class of them",
						(char *) lfirst(cell));
	}
}

static bool
is_sqlstate(const char *code)
{
	size_t length = strlen(code);

	return (length == 5 || length == 2) &&
		strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == length;
}

static void
parse_transaction(JsonReader *reader, ActivityDef *def)
{
	static const char *const words[] = {"single", "none"};

	if (takes_key(reader, def->kind, TAKES_TRANSACTION, "transaction"))
		def->own_transactions = reader_choice(reader, "transaction", words,
											  lengthof(words), 0) == 1;
}

/* Nobody can vouch for what each statement has committed by itself. */
static void
parse_reuse(ListParse *parse, JsonReader *reader, ActivityDef *def)
{
	if (takes_key(reader, def->kind, TAKES_REUSE, "reuse"))
		def->reuse = reader_bool(reader, "reuse", false);
	def->has_inputs = takes_key(reader, def->kind, TAKES_REUSE, "inputs") &&
		reader_has(reader, "inputs");
	def->has_outputs = takes_key(reader, def->kind, TAKES_REUSE, "outputs") &&
		reader_has(reader, "outputs");
	if (def->has_inputs)
		def->inputs = parse_tables(parse, reader, "inputs");
	if (def->has_outputs)
		def->outputs = parse_tables(parse, reader, "outputs");
	if (def->reuse && def->own_transactions)
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "reuse"), NULL,
					"does not go with \"transaction\": \"none\"");
}

static List *
parse_tables(ListParse *parse, JsonReader *reader, const char *key)
{
	List *tables = NIL;
	ListCell *cell;

	foreach(cell, reader_texts(reader, key, false))
	{
		Template *name = template_parse(lfirst(cell), TEMPLATE_TEXT,
										&parse->scope, reader->problems,
										psprintf("%s[%d]",
												 reader_path(reader, key),
												 foreach_current_index(cell)));

		if (name != NULL)
			tables = lappend(tables, name);
	}
	return tables;
}

/* Better refused than taken and then not done. */
static void
refuse_unavailable(JsonReader *reader, const ActivityKind *kind)
{
	char *compute;

	if (!takes_key(reader, kind, TAKES_COMPUTE, "compute"))
		return;
	compute = reader_text(reader, "compute", false);
	if (compute != NULL && strcmp(compute, "local") != 0)
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "compute"),
					"The only target is \"local\".",
					"compute target \"%s\" " NOT_AVAILABLE, compute);
}

/*
 * Does the type take the key?  A problem where it does not and the key is
 * there.  Keys that it does not take are not listed among those it knows.
 */
static bool
takes_key(JsonReader *reader, const ActivityKind *kind, int flag,
		  const char *key)
{
	if (kind->takes & flag)
		return true;
	if (!reader_peek(reader, key))
		return false;
	(void) reader_has(reader, key);
	problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
				NULL, "activities of type \"%s\" do not take \"%s\"",
				kind->name, key);
	return false;
}

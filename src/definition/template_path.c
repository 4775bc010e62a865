/*-------------------------------------------------------------------------
 *
 * template_path.c
 *	  What a placeholder's path may name, and what it finds.
 *
 * A path is jsonpath, parsed and evaluated by the server.  When a pipeline is
 * defined, the parsed path is walked for every "$" in it, and the keys that
 * follow are held against what there can be at that place of the document:
 * a misspelt name is found then, not at the end of a night's run.  What lies
 * deeper, in outputs, is known only when it runs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "definition/catch.h"
#include "definition/template_internal.h"
#include "definition/upstream.h"

/* In messages: more names than this are not listed. */
#define MAX_NAMES 20

/* A nearest name is looked for only in the first few problems. */
#define MAX_HINTED 100

typedef struct PathCheck
{
	TemplatePath *path;
	const TemplateScope *scope; /* NULL: any name will do */
	ProblemList *problems;
	const char *where;
	bool fine;
} PathCheck;

/* The first keys behind a "$"; NULL where there is none, or something else. */
typedef struct RootKeys
{
	char *root;
	char *name;
	char *field;
	bool only_name; /* nothing follows the name */
} RootKeys;

static void parse_jsonpath(void *arg);
static void check_items(PathCheck *check, JsonPathItem *item);
static void check_operands(PathCheck *check, JsonPathItem *item);
static void check_subscripts(PathCheck *check, JsonPathItem *item);
static void check_root(PathCheck *check, JsonPathItem *item);
static void read_keys(JsonPathItem *root, RootKeys *keys);
static char *next_key(JsonPathItem *item);
static List *roots_in_scope(const TemplateScope *scope);
static void check_declared(PathCheck *check, const RootKeys *keys,
						   const char *kind, List *declared);
static void check_activity(PathCheck *check, const RootKeys *keys);
static void check_loop(PathCheck *check, const RootKeys *keys);
static bool find_upstream(const TemplateScope *scope, const char *name,
						  bool *exists);
static void note_need(ContextNeeds *needs, int level, int place);
static List *upstream_list(const PathCheck *check);
static void check_word(PathCheck *check, const char *owner, const char *word,
					   List *words);
static bool name_listed(List *names, const char *name);
static void report(PathCheck *check, const char *word, List *names,
				   const char *message);
static void report_with(PathCheck *check, const char *hint,
						const char *message);
static char *list_hint(List *names);
static void raise_not_found(const TemplatePath *path, Jsonb *context);
static char *names_below(JsonbContainer *object);

bool
template_path_parse(TemplatePath *path, const char *text,
					const TemplateScope *scope, ProblemList *problems,
					const char *where)
{
	PathCheck check = {path, scope, problems, where, true};
	JsonPathItem item;
	char *message;

	path->text = pstrdup(text);
	if (text[0] == '\0')
		message = "it is empty";
	else if (catch_errors(parse_jsonpath, path, &message))
	{
		jspInit(&item, path->jsonpath);
		check_items(&check, &item);
		return check.fine;
	}
	problem_add(problems, PROBLEM_ERROR, where, NULL,
				"${{ %s }} holds no path: %s", text, message);
	return false;
}

static void
parse_jsonpath(void *arg)
{
	TemplatePath *path = arg;
	char *jsonpath = psprintf("$.%s", path->text);

	path->jsonpath = DatumGetJsonPathP(
		DirectFunctionCall1(jsonpath_in, CStringGetDatum(jsonpath)));
}

/* An item and all that follow it. */
static void
check_items(PathCheck *check, JsonPathItem *item)
{
	JsonPathItem next;

	check_stack_depth();
	for (;;)
	{
		if (item->type == jpiRoot)
			check_root(check, item);
		else if (item->type == jpiVariable)
			report(check, NULL, NIL,
				   "variables of jsonpath have no value here");
		else
			check_operands(check, item);
		if (!jspGetNext(item, &next))
			return;
		*item = next;
	}
}

/* Other items have no paths inside. */
static void
check_operands(PathCheck *check, JsonPathItem *item)
{
	JsonPathItem operand;

	switch (item->type)
	{
		case jpiAnd:
		case jpiOr:
		case jpiEqual:
		case jpiNotEqual:
		case jpiLess:
		case jpiGreater:
		case jpiLessOrEqual:
		case jpiGreaterOrEqual:
		case jpiAdd:
		case jpiSub:
		case jpiMul:
		case jpiDiv:
		case jpiMod:
		case jpiStartsWith:
			jspGetLeftArg(item, &operand);
			check_items(check, &operand);
			jspGetRightArg(item, &operand);
			check_items(check, &operand);
			break;
		case jpiNot:
		case jpiIsUnknown:
		case jpiPlus:
		case jpiMinus:
		case jpiExists:
		case jpiFilter:
			jspGetArg(item, &operand);
			check_items(check, &operand);
			break;
		case jpiLikeRegex:
			jspInitByBuffer(&operand, item->base,
							item->content.like_regex.expr);
			check_items(check, &operand);
			break;
		case jpiIndexArray:
			check_subscripts(check, item);
			break;
		default:
			break;
	}
}

static void
check_subscripts(PathCheck *check, JsonPathItem *item)
{
	for (int i = 0; i < item->content.array.nelems; i++)
	{
		JsonPathItem from;
		JsonPathItem to;

		if (jspGetArraySubscript(item, &from, &to, i))
			check_items(check, &to);
		check_items(check, &from);
	}
}

static void
check_root(PathCheck *check, JsonPathItem *item)
{
	RootKeys keys = {0};
	List *roots;

	read_keys(item, &keys);
	if (keys.root != NULL)
		check->path->roots = lappend(check->path->roots, keys.root);
	if (check->scope == NULL)
		return;

	roots = roots_in_scope(check->scope);
	if (keys.root == NULL)
		report(check, NULL, roots, "a path begins with a name");
	else if (!name_listed(roots, keys.root))
		report(check, keys.root, roots,
			   psprintf("there is no \"%s\" here", keys.root));
	else if (strcmp(keys.root, "parameters") == 0)
		check_declared(check, &keys, "parameter", check->scope->parameters);
	else if (strcmp(keys.root, "variables") == 0)
		check_declared(check, &keys, "variable", check->scope->variables);
	else if (strcmp(keys.root, "activities") == 0)
		check_activity(check, &keys);
	else if (strcmp(keys.root, "loops") == 0)
		check_loop(check, &keys);
	else if (strcmp(keys.root, "run") == 0 && keys.name != NULL)
		check_word(check, "run", keys.name,
				   list_make5("id", "pipeline", "version", "submitted_at",
							  "submitted_by"));
}

static void
read_keys(JsonPathItem *root, RootKeys *keys)
{
	JsonPathItem item = *root;

	keys->root = next_key(&item);
	if (keys->root != NULL)
		keys->name = next_key(&item);
	if (keys->name == NULL)
		return;
	keys->only_name = !jspHasNext(&item);
	keys->field = next_key(&item);
}

/* Moves on to the next item; NULL where that is not a key. */
static char *
next_key(JsonPathItem *item)
{
	JsonPathItem next;
	int32 length;
	char *key;

	if (!jspGetNext(item, &next))
		return NULL;
	*item = next;
	if (item->type != jpiKey)
		return NULL;
	key = jspGetString(item, &length);
	return pnstrdup(key, length);
}

static List *
roots_in_scope(const TemplateScope *scope)
{
	List *roots = list_make5("parameters", "variables", "activities", "run",
							 "trigger");

	if (scope->in_batch)
		roots = lappend(roots, "batch");
	if (scope->in_loop)
		roots = list_concat(roots, list_make3("item", "index", "loops"));
	return roots;
}

static void
check_declared(PathCheck *check, const RootKeys *keys, const char *kind,
			   List *declared)
{
	const DeclaredValue *found;
	List *names = NIL;
	ListCell *cell;

	if (keys->name == NULL)
		return;
	found = declared_value_find(declared, keys->name);
	if (found != NULL)
	{
		/* Arithmetic and the like make values of their own. */
		JsonPathItem first;

		jspInit(&first, check->path->jsonpath);
		if (keys->only_name && first.type == jpiRoot)
			check->path->declared = found;
		return;
	}
	foreach(cell, declared)
		names = lappend(names, ((DeclaredValue *) lfirst(cell))->name);
	report(check, keys->name, names,
		   psprintf("no %s is named \"%s\"", kind, keys->name));
}

static void
check_activity(PathCheck *check, const RootKeys *keys)
{
	bool exists;

	if (keys->name == NULL)
	{
		check->scope->needs->all_upstream = true;
		return;
	}
	if (!find_upstream(check->scope, keys->name, &exists))
	{
		if (exists)
			report_with(check,
						"An activity sees those that \"depends_on\" leads to, "
						"and those upstream of the containers around it.",
						psprintf("activity \"%s\" is not upstream of this one",
								 keys->name));
		else
			report(check, keys->name, upstream_list(check),
				   psprintf("no activity upstream of this one is named \"%s\"",
							keys->name));
		return;
	}
	if (keys->field != NULL)
		check_word(check, "an activity", keys->field,
				   list_make3("output", "status", "error"));
}

static void
check_loop(PathCheck *check, const RootKeys *keys)
{
	if (keys->name == NULL)
		return;
	if (!name_listed(check->scope->loops, keys->name))
		report(check, keys->name, check->scope->loops,
			   psprintf("no \"for_each\" around this activity is named \"%s\"",
						keys->name));
	else if (keys->field != NULL)
		check_word(check, "a loop", keys->field, list_make2("item", "index"));
}

/* Also of each container around.  A name hides the same one further out. */
static bool
find_upstream(const TemplateScope *scope, const char *name, bool *exists)
{
	ContextNeeds *needs = scope->needs;
	int level = 0;
	int place = names_find(scope->search->names, name);

	while (place < 0 && scope->outer != NULL)
	{
		scope = scope->outer;
		level++;
		place = names_find(scope->search->names, name);
	}
	*exists = place >= 0;
	if (place < 0 || !upstream_has(scope->search, place))
		return false;
	note_need(needs, level, place);
	return true;
}

static void
note_need(ContextNeeds *needs, int level, int place)
{
	ListCell *cell;

	while (list_length(needs->places) <= level)
		needs->places = lappend(needs->places, NULL);
	cell = list_nth_cell(needs->places, level);
	lfirst(cell) = bms_add_member(lfirst(cell), place);
}

/* For hints; in a document full of errors the later ones go without. */
static List *
upstream_list(const PathCheck *check)
{
	const TemplateScope *scope = check->scope;

	List *names = NIL;

	if (check->problems->nerrors >= MAX_HINTED)
		return NIL;
	for (; scope != NULL; scope = scope->outer)
		names = list_concat(names, upstream_names(scope->search));
	return names;
}

static void
check_word(PathCheck *check, const char *owner, const char *word, List *words)
{
	if (!name_listed(words, word))
		report(check, word, words, psprintf("%s has no \"%s\"", owner, word));
}

static bool
name_listed(List *names, const char *name)
{
	ListCell *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

/* names: what there is instead of the word. */
static void
report(PathCheck *check, const char *word, List *names, const char *message)
{
	const char **candidates = palloc((list_length(names) + 1) *
									 sizeof(char *));
	ListCell *cell;
	int n = 0;
	char *hint = NULL;

	foreach(cell, names)
		candidates[n++] = lfirst(cell);
	if (word != NULL && check->problems->nerrors < MAX_HINTED)
		hint = problem_nearest_hint(word, candidates, n);
	if (hint == NULL && n > 0)
		hint = list_hint(names);
	report_with(check, hint, message);
}

static void
report_with(PathCheck *check, const char *hint, const char *message)
{
	problem_add(check->problems, PROBLEM_ERROR, check->where, hint,
				"${{ %s }}: %s", check->path->text, message);
	check->fine = false;
}

static char *
list_hint(List *names)
{
	StringInfoData hint;
	int n = 0;
	ListCell *cell;

	initStringInfo(&hint);
	appendStringInfoString(&hint, "There is ");
	foreach(cell, names)
	{
		if (n++ == MAX_NAMES)
		{
			appendStringInfo(&hint, ", and %d more",
							 list_length(names) - MAX_NAMES);
			break;
		}
		appendStringInfo(&hint, "%s\"%s\"", n > 1 ? ", " : "",
						 (char *) lfirst(cell));
	}
	appendStringInfoChar(&hint, '.');
	return hint.data;
}

/*
 * The function without time zones: what a path finds must not depend on the
 * session.  Several results make an array.
 */
void
template_path_find(const TemplatePath *path, Jsonb *context, JsonbValue *value)
{
	JsonbParseState *state = NULL;
	Jsonb *no_variables;
	Jsonb *found;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	no_variables = JsonbValueToJsonb(
		pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	found = DatumGetJsonbP(DirectFunctionCall4(jsonb_path_query_array,
											   JsonbPGetDatum(context),
											   PointerGetDatum(path->jsonpath),
											   JsonbPGetDatum(no_variables),
											   BoolGetDatum(false)));
	if (JB_ROOT_COUNT(found) == 0)
		raise_not_found(path, context);
	if (JB_ROOT_COUNT(found) == 1)
		*value = *getIthJsonbValueFromContainer(&found->root, 0);
	else
	{
		value->type = jbvBinary;
		value->val.binary.data = &found->root;
		value->val.binary.len = VARSIZE(found) - VARHDRSZ;
	}
}

/* Follows the path as long as it goes from key to key. */
static void
raise_not_found(const TemplatePath *path, Jsonb *context)
{
	JsonbContainer *object = &context->root;
	StringInfoData place;
	JsonPathItem item;
	char *key;

	initStringInfo(&place);
	jspInit(&item, path->jsonpath);
	while (item.type == jpiRoot || item.type == jpiKey)
	{
		JsonbValue wanted = {.type = jbvString};
		JsonbValue *below;

		if (!JsonContainerIsObject(object) || (key = next_key(&item)) == NULL)
			break;
		wanted.val.string.val = key;
		wanted.val.string.len = strlen(key);
		below = findJsonbValueFromContainer(object, JB_FOBJECT, &wanted);
		if (below == NULL)
			break;
		appendStringInfo(&place, "%s%s", place.len > 0 ? "." : "", key);
		if (below->type != jbvBinary)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("${{ %s }} finds nothing", path->text),
					 errdetail("%s is of JSON type %s, with nothing below it.",
							   place.data, json_type_name(below))));
		object = below->val.binary.data;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("${{ %s }} finds nothing", path->text),
			 errdetail("In %s there is %s.",
					   place.len > 0 ? place.data : "the run's context",
					   names_below(object))));
}

static char *
names_below(JsonbContainer *object)
{
	StringInfoData names;
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue value;
	int n = 0;

	if (!JsonContainerIsObject(object))
		return psprintf("an array of %u", JsonContainerSize(object));
	initStringInfo(&names);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY && n++ < MAX_NAMES)
			appendStringInfo(&names, "%s\"%.*s\"", n > 1 ? ", " : "",
							 value.val.string.len, value.val.string.val);
	}
	if (n > MAX_NAMES)
		appendStringInfo(&names, " and %d more", n - MAX_NAMES);
	return n > 0 ? names.data : "nothing";
}

/*-------------------------------------------------------------------------
 *
 * template_names.c
 *	  What a placeholder's path may name at its place of the document.
 *
 * The parsed path is walked for every "$" in it, and the keys that follow are
 * held against what there can be: a misspelt name is found when the pipeline is
 * defined, not at the end of a night's run.  What lies deeper, in outputs of
 * statements, is known only when it runs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#include "definition/template_internal.h"
#include "definition/upstream.h"

static const char *const run_words[] = {"id",           "pipeline",
										"version",      "submitted_at",
										"submitted_by", NULL};
static const char *const trigger_words[] =
	{"type",       "name",          "scheduled_at",
	 "table",      "operation",     "window_start",
	 "window_end", "parent_run_id", "parent_activity",
	 NULL};
static const char *const activity_words[] = {"output", "status", "error",
											 NULL};
static const char *const loop_words[] = {"item", "index", NULL};

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
	char *below;
	bool only_name; /* nothing follows the name */
} RootKeys;

static void check_items(PathCheck *check, JsonPathItem *item);
static void check_operands(PathCheck *check, JsonPathItem *item);
static void check_subscripts(PathCheck *check, JsonPathItem *item);
static void check_root(PathCheck *check, JsonPathItem *item);
static void read_keys(JsonPathItem *root, RootKeys *keys);
static List *roots_in_scope(const TemplateScope *scope);
static void check_declared(PathCheck *check, const RootKeys *keys,
						   const char *kind, List *declared);
static void check_activity(PathCheck *check, const RootKeys *keys);
static void check_loop(PathCheck *check, const RootKeys *keys);
static bool find_upstream(const TemplateScope *scope, const char *name,
						  bool *exists, const ActivityKind **kind);
static void note_need(ContextNeeds *needs, int level, int place);
static List *upstream_list(const PathCheck *check);
static void check_property(PathCheck *check, const RootKeys *keys,
						   const char *const *words);
static void check_activity_field(PathCheck *check, const RootKeys *keys,
								 const ActivityKind *kind);
static bool is_scalar(const DeclaredValue *declared);
static void check_word(PathCheck *check, const char *owner, const char *word,
					   const char *const *words);
static void report_below(PathCheck *check, const char *owner,
						 const char *word);
static bool name_listed(List *names, const char *name);
static void report(PathCheck *check, const char *word, List *names,
				   const char *message);
static void report_with(PathCheck *check, const char *hint,
						const char *message);
static char *list_hint(List *names);

bool
template_names_check(TemplatePath *path, const TemplateScope *scope,
					 ProblemList *problems, const char *where)
{
	PathCheck check = {path, scope, problems, where, true};
	JsonPathItem item;

	jspInit(&item, path->jsonpath);
	check_items(&check, &item);
	return check.fine;
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
		if (from.type == jpiString)
			report_with(check, "A name is written behind a dot: .\"name\".",
						"a subscript must be a number");
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
	else if (strcmp(keys.root, "run") == 0)
		check_property(check, &keys, run_words);
	else if (strcmp(keys.root, "trigger") == 0)
		check_property(check, &keys, trigger_words);
	else if (strcmp(keys.root, "batch") == 0 && keys.name != NULL &&
			 !name_listed(check->scope->batch, keys.name))
		report(check, keys.name, check->scope->batch,
			   psprintf("batch has no \"%s\"", keys.name));
	else if (strcmp(keys.root, "index") == 0 && keys.name != NULL)
		report_below(check, "index", keys.name);
}

/* Of the run or of what started it: a scalar. */
static void
check_property(PathCheck *check, const RootKeys *keys,
			   const char *const *words)
{
	if (keys->name == NULL)
		return;
	check_word(check, keys->root, keys->name, words);
	if (keys->field != NULL)
		report_below(check, psprintf("%s.%s", keys->root, keys->name),
					 keys->field);
}

static void
read_keys(JsonPathItem *root, RootKeys *keys)
{
	JsonPathItem item = *root;

	keys->root = template_next_key(&item);
	if (keys->root != NULL)
		keys->name = template_next_key(&item);
	if (keys->name == NULL)
		return;
	keys->only_name = !jspHasNext(&item);
	keys->field = template_next_key(&item);
	if (keys->field != NULL)
		keys->below = template_next_key(&item);
}

char *
template_next_key(JsonPathItem *item)
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

	if (scope->batch != NIL)
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
		if (keys->field != NULL && is_scalar(found))
			report_below(check,
						 psprintf("%s \"%s\" of type %s", kind, found->name,
								  found->type_name),
						 keys->field);
		return;
	}
	foreach(cell, declared)
		names = lappend(names, ((DeclaredValue *) lfirst(cell))->name);
	report(check, keys->name, names,
		   psprintf("no %s is named \"%s\"", kind, keys->name));
}

/* A text may have been given as any JSON value. */
static bool
is_scalar(const DeclaredValue *declared)
{
	char category;
	bool preferred;

	get_type_category_preferred(getBaseType(declared->type), &category,
								&preferred);
	return category == TYPCATEGORY_NUMERIC ||
		category == TYPCATEGORY_BOOLEAN || category == TYPCATEGORY_DATETIME ||
		category == TYPCATEGORY_TIMESPAN;
}

static void
check_activity(PathCheck *check, const RootKeys *keys)
{
	const ActivityKind *kind;
	bool exists;

	if (keys->name == NULL)
	{
		check->scope->needs->all_upstream = true;
		return;
	}
	if (!find_upstream(check->scope, keys->name, &exists, &kind))
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
		check_activity_field(check, keys, kind);
}

static void
check_activity_field(PathCheck *check, const RootKeys *keys,
					 const ActivityKind *kind)
{
	check_word(check, "an activity", keys->field, activity_words);
	if (keys->below == NULL)
		return;
	if (strcmp(keys->field, "output") != 0)
		report_below(check, keys->field, keys->below);
	else if (kind != NULL && kind->output_words != NULL)
		check_word(check,
				   psprintf("output of activity \"%s\" of type \"%s\"",
							keys->name, kind->name),
				   keys->below, kind->output_words);
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
		check_word(check, "a loop", keys->field, loop_words);
}

/* Also of each container around.  A name hides the same one further out. */
static bool
find_upstream(const TemplateScope *scope, const char *name, bool *exists,
			  const ActivityKind **kind)
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
	*kind = scope->search->kind_of[place];
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
check_word(PathCheck *check, const char *owner, const char *word,
		   const char *const *words)
{
	List *names = NIL;

	for (; *words != NULL; words++)
		names = lappend(names, unconstify(char *, *words));
	if (!name_listed(names, word))
		report(check, word, names, psprintf("%s has no \"%s\"", owner, word));
}

static void
report_below(PathCheck *check, const char *owner, const char *word)
{
	report_with(check, NULL,
				psprintf("%s is a value with no \"%s\" in it", owner, word));
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

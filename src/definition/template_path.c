/*-------------------------------------------------------------------------
 *
 * template_path.c
 *	  A placeholder's path: parsed, and what it finds.
 *
 * A path is jsonpath, parsed and evaluated by the server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/fmgrprotos.h"

#include "definition/catch.h"
#include "definition/template_internal.h"

static void parse_jsonpath(void *arg);
static void raise_not_found(const TemplatePath *path, Jsonb *context);
static char *names_below(JsonbContainer *object);

bool
template_path_parse(TemplatePath *path, const char *text,
					const TemplateScope *scope, ProblemList *problems,
					const char *where)
{
	char *message;

	path->text = pstrdup(text);
	if (text[0] == '\0')
	{
		problem_add(problems, PROBLEM_ERROR, where, NULL,
					"${{ %s }} holds no path: it is empty", text);
		return false;
	}
	if (!catch_errors(parse_jsonpath, path, &message))
	{
		problem_add(
			problems, PROBLEM_ERROR, where,
			"A name with spaces or signs is quoted, activities.\"Copy data\".output, and a second path begins with \"$.\".",
			"${{ %s }} holds no path: %s", text, message);
		return false;
	}
	return template_names_check(path, scope, problems, where);
}

static void
parse_jsonpath(void *arg)
{
	TemplatePath *path = arg;
	char *jsonpath = psprintf("$.%s", path->text);

	path->jsonpath = DatumGetJsonPathP(
		DirectFunctionCall1(jsonpath_in, CStringGetDatum(jsonpath)));
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

		if (!JsonContainerIsObject(object) ||
			(key = template_next_key(&item)) == NULL)
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

/*-------------------------------------------------------------------------
 *
 * template_json.c
 *	  JSON values any of whose texts may hold ${{ path }}.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "definition/template_internal.h"
#include "definition/value.h"

static void check_container(JsonbContainer *container,
							const TemplateScope *scope, ProblemList *problems,
							const char *path);
static char *placeholder_text(const JsonbValue *value);
static Jsonb *render_text(const char *text, Jsonb *context);
static void push_values(JsonbParseState **state, const char *text,
						Jsonb *context);

void
template_check_json(JsonbValue *value, const TemplateScope *scope,
					ProblemList *problems, const char *path)
{
	char *text = placeholder_text(value);

	if (text != NULL)
		(void) template_parse(text, TEMPLATE_TEXT, scope, problems, path);
	else if (value->type == jbvBinary)
		check_container(value->val.binary.data, scope, problems, path);
}

static void
check_container(JsonbContainer *container, const TemplateScope *scope,
				ProblemList *problems, const char *path)
{
	JsonbIterator *it = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue value;
	const char *below = path;
	int element = 0;

	check_stack_depth();
	/* skipNested: what is below comes as one value, but for the root itself */
	(void) JsonbIteratorNext(&it, &value, false);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			below = psprintf("%s%s%.*s", path, path[0] != '\0' ? "." : "",
							 value.val.string.len, value.val.string.val);
			continue;
		}
		if (token == WJB_ELEM)
			below = psprintf("%s[%d]", path, element++);
		if (token == WJB_ELEM || token == WJB_VALUE)
			template_check_json(&value, scope, problems, below);
	}
}

/* The text, where it is one with a placeholder; else NULL. */
static char *
placeholder_text(const JsonbValue *value)
{
	char *text;

	if (value->type != jbvString)
		return NULL;
	text = pnstrdup(value->val.string.val, value->val.string.len);
	return strstr(text, PLACEHOLDER_OPEN) != NULL ? text : NULL;
}

bool
template_in_json(Jsonb *value)
{
	JsonbIterator *it = JsonbIteratorInit(&value->root);
	JsonbIteratorToken token;
	JsonbValue item;

	while ((token = JsonbIteratorNext(&it, &item, false)) != WJB_DONE)
		if ((token == WJB_ELEM || token == WJB_VALUE) &&
			placeholder_text(&item) != NULL)
			return true;
	return false;
}

Jsonb *
template_render_json(Jsonb *value, Jsonb *context)
{
	JsonbIterator *it = JsonbIteratorInit(&value->root);
	JsonbParseState *state = NULL;
	JsonbValue *result = NULL;
	JsonbIteratorToken token;
	JsonbValue item;

	if (JB_ROOT_IS_SCALAR(value))
	{
		char *text;

		(void) JsonbExtractScalar(&value->root, &item);
		text = placeholder_text(&item);
		return text ? render_text(text, context) : value;
	}

	while ((token = JsonbIteratorNext(&it, &item, false)) != WJB_DONE)
	{
		bool is_item = (token == WJB_ELEM || token == WJB_VALUE);
		char *text = is_item ? placeholder_text(&item) : NULL;

		if (text != NULL)
			value_of_jsonb(render_text(text, context), &item);
		result = pushJsonbValue(&state, token,
								is_item || token == WJB_KEY ? &item : NULL);
	}
	return JsonbValueToJsonb(result);
}

/* What is stored was checked when it was defined, so no scope is needed. */
static Jsonb *
render_text(const char *text, Jsonb *context)
{
	ProblemList problems = {NIL, 0};
	Template *tmpl = template_parse(text, TEMPLATE_TEXT, NULL, &problems, "");

	problem_raise(&problems);
	return template_render_value(tmpl, context);
}

Jsonb *
template_values(Jsonb *value, Jsonb *context)
{
	JsonbIterator *it = JsonbIteratorInit(&value->root);
	JsonbParseState *state = NULL;
	JsonbIteratorToken token;
	JsonbValue item;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&it, &item, false)) != WJB_DONE)
	{
		if (token == WJB_ELEM || token == WJB_VALUE)
		{
			char *text = placeholder_text(&item);

			if (text != NULL)
				push_values(&state, text, context);
		}
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
push_values(JsonbParseState **state, const char *text, Jsonb *context)
{
	ProblemList problems = {NIL, 0};
	Template *tmpl = template_parse(text, TEMPLATE_TEXT, NULL, &problems, "");
	int i;

	problem_raise(&problems);
	if (template_uses_root(tmpl, "batch"))
		return;
	for (i = 0; i < tmpl->nplaceholders; i++)
	{
		const TemplatePath *path = &tmpl->placeholders[i].path;
		JsonbValue key = {.type = jbvString};
		JsonbValue found;

		key.val.string.val = path->text;
		key.val.string.len = strlen(path->text);
		pushJsonbValue(state, WJB_KEY, &key);
		template_path_find(path, context, &found);
		pushJsonbValue(state, WJB_VALUE, &found);
	}
}

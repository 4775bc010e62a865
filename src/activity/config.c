/*-------------------------------------------------------------------------
 *
 * config.c
 *	  Templates among an activity's own keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/activity.h"
#include "activity/config.h"

Template *
config_template(JsonReader *reader, const char *key, TemplateUse use,
				const TemplateScope *scope, bool required)
{
	char *text = reader_text(reader, key, required);

	if (text == NULL)
		return NULL;
	return template_parse(text, use, scope, reader->problems,
						  reader_path(reader, key));
}

List *
config_templates(JsonReader *reader, const char *key, TemplateUse use,
				 const TemplateScope *scope, bool required)
{
	JsonbValue *value = reader_value(reader, key);
	List *templates = NIL;
	Template *parsed;
	ListCell *cell;

	if (value == NULL || value->type == jbvString)
	{
		parsed = config_template(reader, key, use, scope, required);
		return parsed ? list_make1(parsed) : NIL;
	}
	foreach(cell, config_elements(reader, key, "text, or an array of texts"))
	{
		char *path = psprintf("%s[%d]", reader_path(reader, key),
							  foreach_current_index(cell));

		parsed = config_value_template(reader, lfirst(cell), path, use, scope);
		if (parsed != NULL)
			templates = lappend(templates, parsed);
	}
	return templates;
}

Template *
config_value_template(JsonReader *reader, const JsonbValue *value,
					  const char *path, TemplateUse use,
					  const TemplateScope *scope)
{
	if (value->type != jbvString)
	{
		problem_add(reader->problems, PROBLEM_ERROR, path, NULL,
					"must be text, not %s", json_type_name(value));
		return NULL;
	}
	return template_parse(pnstrdup(value->val.string.val,
								   value->val.string.len),
						  use, scope, reader->problems, path);
}

List *
config_check_statements(const Template *tmpl, const TemplateScope *scope,
						ProblemList *problems, const char *path)
{
	List *statements;
	char *fault;

	if (tmpl == NULL || scope->stored)
		return NIL;
	statements = template_statements(tmpl, "", "", &fault);
	if (fault != NULL)
		problem_add(problems, PROBLEM_WARNING, path, NULL, "%s", fault);
	return statements;
}

List *
config_render(ActivityCall *call, List *templates)
{
	List *texts = NIL;
	ListCell *cell;

	foreach(cell, templates)
		texts = lappend(texts, call_render(call, lfirst(cell)));
	return texts;
}

List *
config_elements(JsonReader *reader, const char *key, const char *expected)
{
	JsonbValue *value = reader_value(reader, key);
	List *elements = NIL;

	if (value == NULL)
		return NIL;
	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
	{
		problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
					NULL, "must be %s, not %s", expected,
					json_type_name(value));
		return NIL;
	}
	for (uint32 i = 0; i < JsonContainerSize(value->val.binary.data); i++)
		elements =
			lappend(elements,
					getIthJsonbValueFromContainer(value->val.binary.data, i));
	if (elements == NIL)
		problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
					NULL, "must not be empty");
	return elements;
}

int
config_one_of(JsonReader *reader, const char *const *keys, int nkeys)
{
	int first = -1;
	int nfound = 0;

	for (int i = 0; i < nkeys; i++)
	{
		if (!reader_has(reader, keys[i]))
			continue;
		if (nfound++ == 0)
			first = i;
	}
	if (nfound != 1)
		problem_add(reader->problems, PROBLEM_ERROR, reader->path, NULL,
					"must have exactly one of the keys %s",
					problem_quoted_words(keys, nkeys));
	return first;
}

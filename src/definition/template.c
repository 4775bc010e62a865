/*-------------------------------------------------------------------------
 *
 * template.c
 *	  Text with ${{ path }} in it.
 *
 * A template is the text cut at its placeholders: n of them, and n + 1 texts
 * around them.  Rendering puts them together again with what the paths find.
 * A text that came from a value is never looked at for placeholders.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "parser/scansup.h"

#include "definition/template_internal.h"
#include "definition/value.h"

static bool split(Template *tmpl, const TemplateScope *scope,
				  ProblemList *problems, const char *path);
static const char *find_close(const char *inside);
static void add_placeholder(Template *tmpl, char *text_before);
static bool parse_placeholder(Placeholder *placeholder, char *inside,
							  const TemplateScope *scope,
							  ProblemList *problems, const char *path);
static char *cut_filter(char *inside);
static char *trim(char *text);
static void append_value(StringInfo text, const Template *tmpl,
						 const Placeholder *placeholder, Jsonb *context);
static void check_settings(const Template *tmpl);

Template *
template_parse(const char *text, TemplateUse use, const TemplateScope *scope,
			   ProblemList *problems, const char *path)
{
	Template *tmpl = palloc0(sizeof(Template));

	tmpl->use = use;
	tmpl->source = pstrdup(text);
	if (!split(tmpl, scope, problems, path))
		return NULL;
	if (use == TEMPLATE_SQL && !template_is_constant(tmpl) &&
		!template_sql_check(tmpl, problems, path))
		return NULL;
	return tmpl;
}

/* Goes on after a problem with one placeholder, to report the others' too. */
static bool
split(Template *tmpl, const TemplateScope *scope, ProblemList *problems,
	  const char *path)
{
	const char *rest = tmpl->source;
	const char *open;
	bool fine = true;

	tmpl->texts = palloc(sizeof(char *));
	tmpl->placeholders = palloc(sizeof(Placeholder));
	while ((open = strstr(rest, PLACEHOLDER_OPEN)) != NULL)
	{
		const char *inside = open + strlen(PLACEHOLDER_OPEN);
		const char *close = find_close(inside);

		if (close == NULL)
		{
			problem_add(problems, PROBLEM_ERROR, path, NULL,
						"\"${{\" has no \"}}\" that closes it");
			return false;
		}
		add_placeholder(tmpl, pnstrdup(rest, open - rest));
		fine &= parse_placeholder(&tmpl->placeholders[tmpl->nplaceholders - 1],
								  pnstrdup(inside, close - inside), scope,
								  problems, path);
		rest = close + strlen(PLACEHOLDER_CLOSE);
	}
	tmpl->texts[tmpl->nplaceholders] = pstrdup(rest);
	return fine;
}

/* Braces in the quoted names and texts of a path do not count. */
static const char *
find_close(const char *inside)
{
	bool quoted = false;

	for (const char *c = inside; *c != '\0'; c++)
	{
		if (*c == '"')
			quoted = !quoted;
		else if (quoted && *c == '\\' && c[1] != '\0')
			c++;
		else if (!quoted &&
				 strncmp(c, PLACEHOLDER_CLOSE, strlen(PLACEHOLDER_CLOSE)) == 0)
			return c;
	}
	return NULL;
}

static void
add_placeholder(Template *tmpl, char *text_before)
{
	int n = tmpl->nplaceholders++;

	/* Doubled at each power of two, with room for one text more. */
	if ((n & (n + 1)) == 0)
	{
		int room = 2 * (n + 1);

		tmpl->texts = repalloc(tmpl->texts, (room + 1) * sizeof(char *));
		tmpl->placeholders = repalloc(tmpl->placeholders,
									  room * sizeof(Placeholder));
	}
	tmpl->texts[n] = text_before;
	memset(&tmpl->placeholders[n], 0, sizeof(Placeholder));
}

static bool
parse_placeholder(Placeholder *placeholder, char *inside,
				  const TemplateScope *scope, ProblemList *problems,
				  const char *path)
{
	char *filter = cut_filter(inside);

	if (filter != NULL && strcmp(filter, "identifier") != 0)
	{
		problem_add(problems, PROBLEM_ERROR, path,
					"After \"|\" only \"identifier\" may stand.",
					"\"%s\" is no way to write a value", filter);
		return false;
	}
	placeholder->identifier = (filter != NULL);
	return template_path_parse(&placeholder->path, trim(inside), scope,
							   problems, path);
}

/*
 * Cuts off what follows a single "|" outside quotes, and returns it; "||" is
 * an operator of jsonpath.  NULL where there is none.
 */
static char *
cut_filter(char *inside)
{
	bool quoted = false;

	for (char *c = inside; *c != '\0'; c++)
	{
		if (*c == '"')
			quoted = !quoted;
		else if ((quoted && c[0] == '\\' && c[1] != '\0') ||
				 (!quoted && c[0] == '|' && c[1] == '|'))
			c++;
		else if (!quoted && *c == '|')
		{
			*c = '\0';
			return trim(c + 1);
		}
	}
	return NULL;
}

static char *
trim(char *text)
{
	char *end = text + strlen(text);

	while (scanner_isspace(*text))
		text++;
	while (end > text && scanner_isspace(end[-1]))
		end--;
	*end = '\0';
	return text;
}

bool
template_is_constant(const Template *tmpl)
{
	return tmpl->nplaceholders == 0;
}

const char *
template_source(const Template *tmpl)
{
	return tmpl->source;
}

bool
template_uses_root(const Template *tmpl, const char *root)
{
	for (int i = 0; i < tmpl->nplaceholders; i++)
	{
		ListCell *cell;

		foreach(cell, tmpl->placeholders[i].path.roots)
		{
			if (strcmp(lfirst(cell), root) == 0)
				return true;
		}
	}
	return false;
}

bool
template_is_lone(const Template *tmpl)
{
	return tmpl->nplaceholders == 1 && !tmpl->placeholders[0].identifier &&
		tmpl->texts[0][0] == '\0' && tmpl->texts[1][0] == '\0';
}

char *
template_render(const Template *tmpl, Jsonb *context)
{
	return template_render_noting(tmpl, context, NULL);
}

char *
template_render_noting(const Template *tmpl, Jsonb *context, TemplateNote note)
{
	StringInfoData text;

	if (template_is_constant(tmpl))
		return pstrdup(tmpl->source);
	Assert(context != NULL);
	if (tmpl->use == TEMPLATE_SQL)
		check_settings(tmpl);

	initStringInfo(&text);
	for (int i = 0; i < tmpl->nplaceholders; i++)
	{
		int start;

		appendStringInfoString(&text, tmpl->texts[i]);
		start = text.len;
		append_value(&text, tmpl, &tmpl->placeholders[i], context);
		if (note != NULL && tmpl->use == TEMPLATE_SQL)
			note(tmpl->placeholders[i].path.text, text.data + start,
				 text.len - start);
	}
	appendStringInfoString(&text, tmpl->texts[tmpl->nplaceholders]);
	return text.data;
}

/* As text a null is nothing at all. */
static void
append_value(StringInfo text, const Template *tmpl,
			 const Placeholder *placeholder, Jsonb *context)
{
	JsonbValue value;

	template_path_find(&placeholder->path, context, &value);
	if (tmpl->use == TEMPLATE_SQL)
		template_sql_append(text, placeholder, &value);
	else if (value.type != jbvNull)
		appendStringInfoString(text, value_plain(&value));
}

/*
 * The statements of an activity may have changed what a backslash means in a
 * string since the pipeline was created, and with it where strings end.
 */
static void
check_settings(const Template *tmpl)
{
	ProblemList problems = {NIL, 0};

	/* Only the memory of what was checked is changed. */
	if (!template_sql_check(unconstify(Template *, tmpl), &problems, ""))
		problem_raise(&problems);
}

Jsonb *
template_render_value(const Template *tmpl, Jsonb *context)
{
	JsonbValue value;

	if (template_is_lone(tmpl))
		template_path_find(&tmpl->placeholders[0].path, context, &value);
	else
	{
		value.type = jbvString;
		value.val.string.val = template_render(tmpl, context);
		value.val.string.len = strlen(value.val.string.val);
	}
	return JsonbValueToJsonb(&value);
}

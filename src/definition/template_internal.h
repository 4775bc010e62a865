/*-------------------------------------------------------------------------
 *
 * template_internal.h
 *	  What the files of the template family share.
 *
 * template.c		finds placeholders in a text, and fills them
 * template_path.c	a placeholder's path, and what it finds
 * template_names.c	what a path may name
 * template_sql.c	values as literals, and where in SQL they may stand
 * template_syntax.c	statements as the server's grammar sees them
 * template_json.c	JSON values with placeholders in their texts
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_TEMPLATE_INTERNAL_H
#define MLPIPE_TEMPLATE_INTERNAL_H

#include "utils/jsonpath.h"

#include "definition/document.h"

typedef struct TemplatePath
{
	char *text;                    /* as it was written */
	JsonPath *jsonpath;            /* of "$." and the text */
	List *roots;                   /* of char *: the first key behind each $ */
	const DeclaredValue *declared; /* where it names just that, else NULL */
} TemplatePath;

typedef struct Placeholder
{
	TemplatePath path;
	bool identifier; /* "| identifier" */
} Placeholder;

struct Template
{
	TemplateUse use;
	char *source;
	int nplaceholders;
	char **texts; /* nplaceholders + 1: what stands between */
	Placeholder *placeholders;
	int checked; /* a mask: LEXED_* settings it was fine under */
};

/* Bits of Template.checked, by standard_conforming_strings. */
#define LEXED_STANDARD (1 << 0)
#define LEXED_ESCAPES  (1 << 1)

/* In messages: more names than this are not listed. */
#define MAX_NAMES 20

/* What marks the beginning and the end of a placeholder. */
#define PLACEHOLDER_OPEN  "${{"
#define PLACEHOLDER_CLOSE "}}"

/*
 * Fills path from its text.  scope NULL: names are not checked.  False after
 * a problem.
 */
extern bool template_path_parse(TemplatePath *path, const char *text,
								const TemplateScope *scope,
								ProblemList *problems, const char *where);

/* Reports what a parsed path names that cannot be; false after a problem. */
extern bool template_names_check(TemplatePath *path,
								 const TemplateScope *scope,
								 ProblemList *problems, const char *where);

/* Moves on to the next item; NULL where that is not a key. */
extern char *template_next_key(JsonPathItem *item);

/* What the path finds; raises 22023 where that is nothing. */
extern void template_path_find(const TemplatePath *path, Jsonb *context,
							   JsonbValue *value);

/*
 * Can values stand where the placeholders are, under the settings of now?
 * False after a problem.
 */
extern bool template_sql_check(Template *tmpl, ProblemList *problems,
							   const char *where);

/* The value as SQL, with a space on both sides. */
extern void template_sql_append(StringInfo sql, const Placeholder *placeholder,
								JsonbValue *value);

/* What template_render_value does, for a template of any use. */
extern bool template_is_lone(const Template *tmpl);

#endif /* MLPIPE_TEMPLATE_INTERNAL_H */

/*-------------------------------------------------------------------------
 *
 * template_syntax.c
 *	  Statements with placeholders, as the server's grammar sees them.
 *
 * What will stand in place of a placeholder is one literal, but there are
 * places where the grammar takes a text alone, or a number alone, and which it
 * will be is not known yet.  So several stand-ins are tried, and a text is
 * only found fault with where the grammar stumbles over something else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "definition/catch.h"
#include "definition/template_internal.h"

#define NAME_STAND_IN "\"x\""

static char *put_stand_ins(const Template *tmpl, const char *before,
						   const char *after, const char *stand_in);

static bool stumbles_over(const char *message, const char *token);

List *
template_statements(const Template *tmpl, const char *before,
					const char *after, char **fault)
{
	static const char *const stand_ins[] = {"$1", "'x'", "1"};

	for (int i = 0; i < lengthof(stand_ins); i++)
	{
		char *sql = put_stand_ins(tmpl, before, after, stand_ins[i]);
		List *parsed;

		*fault = NULL;
		if (catch_parse(sql, &parsed, fault))
			return parsed;
		if (template_is_constant(tmpl) ||
			!(stumbles_over(*fault, stand_ins[i]) ||
			  stumbles_over(*fault, NAME_STAND_IN)))
			return NIL;
	}
	*fault = NULL;
	return NIL;
}

static char *
put_stand_ins(const Template *tmpl, const char *before, const char *after,
			  const char *stand_in)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, before);
	for (int i = 0; i < tmpl->nplaceholders; i++)
		appendStringInfo(&sql, "%s %s ", tmpl->texts[i],
						 tmpl->placeholders[i].identifier ? NAME_STAND_IN :
															stand_in);
	appendStringInfoString(&sql, tmpl->texts[tmpl->nplaceholders]);
	appendStringInfoString(&sql, after);
	return sql.data;
}

static bool
stumbles_over(const char *message, const char *token)
{
	char *end = psprintf(" at or near \"%s\"", token);
	size_t length = strlen(message);

	return length >= strlen(end) &&
		strcmp(message + length - strlen(end), end) == 0;
}

/*-------------------------------------------------------------------------
 *
 * template_sql.c
 *	  Values as literals, and where in SQL they may stand.
 *
 * Whether a place in a statement can take a value is asked of the server's own
 * lexer: each placeholder is replaced by " $1 ", and it is fine where a token
 * begins at exactly that "$".  Inside a string, a quoted name, a dollar-quoted
 * body or a comment none does.  Since what is put there at run time is one
 * literal with spaces around it, it lexes like the "$1" did, whatever the value
 * is, but for one thing: strings with nothing but a line's end between them are
 * one string to SQL.  So a placeholder right beside a string is refused, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/keywords.h"
#include "lib/stringinfo.h"
#include "parser/parser.h"
#include "parser/scanner.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "definition/catch.h"
#include "definition/template_internal.h"
#include "definition/value.h"

#define STAND_IN " $1 "

typedef enum LexFault
{
	LEX_FINE,
	LEX_INSIDE, /* of a string, a quoted name or a comment */
	LEX_BESIDE_STRING
} LexFault;

typedef struct LexCheck
{
	char *sql;   /* with a stand-in for each placeholder */
	int *places; /* offset of each stand-in's "$" */
	int nplaces;
	LexFault fault;
	int culprit; /* the placeholder at fault */
} LexCheck;

static void put_stand_ins(const Template *tmpl, LexCheck *check);
static void lex(void *arg);
static void judge_tokens(LexCheck *check, core_yyscan_t scanner);
static bool begins_string(const char *token);
static void report_fault(const LexCheck *check, const Template *tmpl,
						 ProblemList *problems, const char *where);
static void append_identifier(StringInfo sql, const Placeholder *placeholder,
							  JsonbValue *value);
static void append_declared(StringInfo sql, const DeclaredValue *declared,
							JsonbValue *value);
static void append_untyped(StringInfo sql, JsonbValue *value);

bool
template_sql_check(Template *tmpl, ProblemList *problems, const char *where)
{
	int settings = standard_conforming_strings ? LEXED_STANDARD :
												 LEXED_ESCAPES;
	LexCheck check = {0};
	char *message;

	if (tmpl->checked & settings)
		return true;
	put_stand_ins(tmpl, &check);
	if (!catch_errors(lex, &check, &message))
	{
		/* What the lexer saw last has stand-ins in it. */
		char *near = strstr(message, " at or near ");

		if (near != NULL)
			*near = '\0';
		problem_add(problems, PROBLEM_ERROR, where, NULL, "%s", message);
		return false;
	}
	if (check.fault != LEX_FINE)
	{
		report_fault(&check, tmpl, problems, where);
		return false;
	}
	tmpl->checked |= settings;
	return true;
}

static void
put_stand_ins(const Template *tmpl, LexCheck *check)
{
	StringInfoData sql;

	initStringInfo(&sql);
	check->nplaces = tmpl->nplaceholders;
	check->places = palloc(check->nplaces * sizeof(int));
	for (int i = 0; i < tmpl->nplaceholders; i++)
	{
		appendStringInfoString(&sql, tmpl->texts[i]);
		check->places[i] = sql.len + 1;
		appendStringInfoString(&sql, STAND_IN);
	}
	appendStringInfoString(&sql, tmpl->texts[tmpl->nplaceholders]);
	check->sql = sql.data;
}

static void
lex(void *arg)
{
	LexCheck *check = arg;
	core_yy_extra_type extra;
	core_yyscan_t scanner = scanner_init(check->sql, &extra, &ScanKeywords,
										 ScanKeywordTokens);

	/* The statement itself will warn, if it comes to that. */
	extra.escape_string_warning = false;
	judge_tokens(check, scanner);
	scanner_finish(scanner);
}

static void
judge_tokens(LexCheck *check, core_yyscan_t scanner)
{
	core_YYSTYPE value;
	YYLTYPE at;
	bool after_string = false;
	bool after_place = false;
	int next = 0;

	while (core_yylex(&value, &at, scanner) != 0)
	{
		bool is_place = (next < check->nplaces && at == check->places[next]);
		bool is_string = begins_string(check->sql + at);

		if (next < check->nplaces && at > check->places[next])
			break;
		if ((is_place && after_string) || (is_string && after_place))
		{
			check->fault = LEX_BESIDE_STRING;
			check->culprit = is_place ? next : next - 1;
			return;
		}
		next += is_place ? 1 : 0;
		after_place = is_place;
		after_string = is_string;
	}
	if (next < check->nplaces)
	{
		check->fault = LEX_INSIDE;
		check->culprit = next;
	}
}

/* 'x', E'x', B'x', X'x', N'x' and U&'x'; dollar quotes do not run together. */
static bool
begins_string(const char *token)
{
	if (token[0] == '\'')
		return true;
	if (token[0] != '\0' && strchr("eEbBxXnN", token[0]) != NULL)
		return token[1] == '\'';
	return (token[0] == 'u' || token[0] == 'U') && token[1] == '&' &&
		token[2] == '\'';
}

static void
report_fault(const LexCheck *check, const Template *tmpl,
			 ProblemList *problems, const char *where)
{
	const char *path = tmpl->placeholders[check->culprit].path.text;

	if (check->fault == LEX_BESIDE_STRING)
		problem_add(problems, PROBLEM_ERROR, where,
					psprintf("Put an operator between them, as in "
							 "'...' || ${{ %s }}.",
							 path),
					"${{ %s }} stands right beside a string", path);
	else
		problem_add(problems, PROBLEM_ERROR, where,
					psprintf("A value is a literal by itself: write "
							 "'%%' || ${{ %s }} || '%%', or call "
							 "mlpipe_parameter().",
							 path),
					"${{ %s }} stands inside a string, a quoted name "
					"or a comment",
					path);
}

void
template_sql_append(StringInfo sql, const Placeholder *placeholder,
					JsonbValue *value)
{
	appendStringInfoChar(sql, ' ');
	if (placeholder->identifier)
		append_identifier(sql, placeholder, value);
	else if (placeholder->path.declared != NULL)
		append_declared(sql, placeholder->path.declared, value);
	else
		append_untyped(sql, value);
	appendStringInfoChar(sql, ' ');
}

/* Every part is quoted: a value must not become a keyword either. */
static void
append_identifier(StringInfo sql, const Placeholder *placeholder,
				  JsonbValue *value)
{
	char *part = value->type == jbvNull ? "" : value_plain(value);

	for (;;)
	{
		int length = (int) strcspn(part, ".");

		if (length == 0)
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(
					 "the value of ${{ %s | identifier }} has an empty name in it",
					 placeholder->path.text)));
		appendStringInfoChar(sql, '"');
		for (const char *c = part; c < part + length; c++)
			appendStringInfo(sql, *c == '"' ? "\"\"" : "%c", *c);
		appendStringInfoChar(sql, '"');
		if (part[length] == '\0')
			return;
		appendStringInfoChar(sql, '.');
		part += length + 1;
	}
}

/* Parentheses let a subscript or a field follow. */
static void
append_declared(StringInfo sql, const DeclaredValue *declared,
				JsonbValue *value)
{
	char *input = value_input_text(declared->type, value);
	Oid base = getBaseType(declared->type);
	bool enclose = OidIsValid(get_element_type(base)) || type_is_rowtype(base);

	appendStringInfo(sql, "%s%s::%s%s", enclose ? "(" : "",
					 input ? quote_literal_cstr(input) : "NULL",
					 declared->type_name, enclose ? ")" : "");
}

static void
append_untyped(StringInfo sql, JsonbValue *value)
{
	char *json = value_json(value);

	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(sql, "NULL");
			break;
		case jbvString:
			appendStringInfoString(sql,
								   quote_literal_cstr(value_plain(value)));
			break;
		case jbvNumeric:
			appendStringInfo(sql, json[0] == '-' ? "(%s)" : "%s", json);
			break;
		case jbvBool:
			appendStringInfoString(sql, json);
			break;
		default:
			appendStringInfo(sql, "%s::pg_catalog.jsonb",
							 quote_literal_cstr(json));
	}
}

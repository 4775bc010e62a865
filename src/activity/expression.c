/*-------------------------------------------------------------------------
 *
 * expression.c
 *	  SQL expressions of a document: conditions, and what variables are set to.
 *
 * An expression is put in parentheses after SELECT, and the result must be a
 * SELECT of one column and nothing else: then the text is one expression and
 * does not reach beyond its parentheses.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/parsenodes.h"
#include "parser/parser.h"

#include "activity/config.h"
#include "activity/expression.h"
#include "activity/select.h"
#include "definition/catch.h"
#include "definition/value.h"

/* The line break ends a comment that the text may end in. */
#define BEFORE_EXPRESSION "SELECT ("
#define AFTER_EXPRESSION  "\n)"

#define VALUE_COLUMN      "value"
#define MAX_VALUE_BYTES   ((int64) 16 * 1024 * 1024)

static void warn_of_syntax(const Template *template, ProblemList *problems,
						   const char *path);
static char *in_parentheses(const char *text);
static bool is_one_expression(List *parsed);
static char *render(ActivityCall *call, const Template *expression,
					Jsonb *context);
static JsonbValue *only_value(ActivityCall *call, const char *sql);

Template *
expression_check(JsonReader *reader, const char *key,
				 const TemplateScope *scope, bool required)
{
	Template *template = config_template(reader, key, TEMPLATE_SQL, scope,
										 required);
	List *parsed;
	char *fault;

	if (template == NULL || scope->stored)
		return template;
	if (!template_is_constant(template))
	{
		warn_of_syntax(template, reader->problems, reader_path(reader, key));
		return template;
	}
	if (!catch_parse(in_parentheses(template_source(template)), &parsed,
					 &fault))
		problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
					NULL, "%s", fault);
	else if (!is_one_expression(parsed))
		problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
					NULL, "must be one SQL expression");
	return template;
}

/* What it will be is only seen when it runs; then it fails. */
static void
warn_of_syntax(const Template *template, ProblemList *problems,
			   const char *path)
{
	char *fault;

	(void) template_statements(template, BEFORE_EXPRESSION, AFTER_EXPRESSION,
							   &fault);
	if (fault != NULL)
		problem_add(problems, PROBLEM_WARNING, path, NULL, "%s", fault);
}

static char *
in_parentheses(const char *text)
{
	return psprintf("%s%s%s", BEFORE_EXPRESSION, text, AFTER_EXPRESSION);
}

static bool
is_one_expression(List *parsed)
{
	SelectStmt *select;

	if (list_length(parsed) != 1)
		return false;
	select = (SelectStmt *) linitial_node(RawStmt, parsed)->stmt;
	return IsA(select, SelectStmt) && select->op == SETOP_NONE &&
		list_length(select->targetList) == 1 &&
		select->distinctClause == NIL && select->intoClause == NULL &&
		select->fromClause == NIL && select->whereClause == NULL &&
		select->groupClause == NIL && select->havingClause == NULL &&
		select->windowClause == NIL && select->valuesLists == NIL &&
		select->sortClause == NIL && select->limitOffset == NULL &&
		select->limitCount == NULL && select->lockingClause == NIL &&
		select->withClause == NULL &&
		linitial_node(ResTarget, select->targetList)->name == NULL;
}

/* Null is false. */
bool
expression_is_true(ActivityCall *call, const Template *expression,
				   Jsonb *context)
{
	char *text = render(call, expression, context);

	return only_value(call,
					  psprintf("SELECT (%s\n) IS TRUE AS " VALUE_COLUMN, text))
		->val.boolean;
}

char *
expression_text(ActivityCall *call, const Template *expression)
{
	char *text = render(call, expression, NULL);
	JsonbValue *value =
		only_value(call,
				   psprintf("SELECT (%s\n)::pg_catalog.text AS " VALUE_COLUMN,
							text));

	return value->type == jbvNull ? NULL : value_plain(value);
}

Jsonb *
expression_json(ActivityCall *call, const Template *expression)
{
	char *text = render(call, expression, NULL);

	return JsonbValueToJsonb(
		only_value(call, psprintf("SELECT (%s\n) AS " VALUE_COLUMN, text)));
}

bool
query_is_true(ActivityCall *call, const Template *query)
{
	Select select;

	select_parse(call_render(call, query), &select);
	return only_value(
			   call,
			   psprintf("SELECT EXISTS (SELECT FROM (%s\n) AS q (" VALUE_COLUMN
						") WHERE q." VALUE_COLUMN " IS TRUE) AS " VALUE_COLUMN,
						select.text))
		->val.boolean;
}

static char *
render(ActivityCall *call, const Template *expression, Jsonb *context)
{
	char *text = context == NULL ? call_render(call, expression) :
								   call_render_in(expression, context);

	if (!is_one_expression(
			raw_parser(in_parentheses(text), RAW_PARSE_DEFAULT)))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("\"%s\" is not one SQL expression",
						template_source(expression))));
	return text;
}

static JsonbValue *
only_value(ActivityCall *call, const char *sql)
{
	JsonReceiver *receiver = json_receiver_create(CurrentMemoryContext, 1,
												  MAX_VALUE_BYTES, true);
	StatementResult result;
	JsonbValue *row;

	statement_run(sql, &receiver->pub, &result);
	row = getIthJsonbValueFromContainer(&json_receiver_value(receiver)->root,
										0);
	if (row == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_CARDINALITY_VIOLATION),
			 errmsg(
				 "an expression must have one value, and this one has none")));
	return getKeyJsonValueFromContainer(row->val.binary.data, VALUE_COLUMN,
										strlen(VALUE_COLUMN), NULL);
}

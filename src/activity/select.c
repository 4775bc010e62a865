/*-------------------------------------------------------------------------
 *
 * select.c
 *	  Queries that become a part of a larger statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"

#include "activity/select.h"
#include "definition/catch.h"

static char *find_fault(List *parsed);
static bool has_into_clause(const SelectStmt *select);
static RawStmt *parse_one(const char *sql);
static bool locks_rows(Node *node, void *context);

void
select_parse(const char *sql, Select *select)
{
	List *parsed = raw_parser(sql, RAW_PARSE_DEFAULT);
	char *fault = find_fault(parsed);
	RawStmt *raw;
	const char *start;

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR), errmsg("query %s", fault),
				 errhint(SELECT_ONLY_HINT)));

	raw = linitial_node(RawStmt, parsed);
	start = sql + Max(raw->stmt_location, 0);
	select->text = raw->stmt_len > 0 ? pnstrdup(start, raw->stmt_len) :
									   pstrdup(start);
	select->has_offset = ((SelectStmt *) raw->stmt)->limitOffset != NULL;
}

void
select_check(const Template *query, ProblemList *problems, const char *path)
{
	List *parsed;
	char *fault;

	if (query == NULL || !template_is_constant(query))
		return;
	if (!catch_parse(template_source(query), &parsed, &fault))
		problem_add(problems, PROBLEM_ERROR, path, NULL, "%s", fault);
	else if ((fault = find_fault(parsed)) != NULL)
		problem_add(problems, PROBLEM_ERROR, path, SELECT_ONLY_HINT, "%s",
					fault);
}

/* What keeps it from being one query, as the end of a sentence; or NULL. */
static char *
find_fault(List *parsed)
{
	Node *node;

	if (list_length(parsed) != 1)
		return psprintf("must be one SELECT, not %d statements",
						list_length(parsed));
	node = linitial_node(RawStmt, parsed)->stmt;
	if (!IsA(node, SelectStmt))
		return psprintf("must be a SELECT, not %s",
						GetCommandTagName(CreateCommandTag(node)));
	if (has_into_clause((SelectStmt *) node))
		return pstrdup("must be a SELECT without INTO");
	return NULL;
}

/* Elsewhere in the statement the server refuses what changes rows. */
char *
select_only_fault(List *parsed)
{
	char *fault = find_fault(parsed);
	WithClause *with;
	ListCell *cell;

	if (fault != NULL)
		return fault;
	with = castNode(SelectStmt, linitial_node(RawStmt, parsed)->stmt)
			   ->withClause;
	if (with == NULL)
		return NULL;
	foreach(cell, with->ctes)
	{
		Node *node = lfirst_node(CommonTableExpr, cell)->ctequery;

		if (!IsA(node, SelectStmt))
			return psprintf("must be a SELECT without %s in WITH",
							GetCommandTagName(CreateCommandTag(node)));
	}
	return NULL;
}

/* In a UNION, the first branch would have it. */
static bool
has_into_clause(const SelectStmt *select)
{
	while (select->op != SETOP_NONE)
		select = select->larg;
	return select->intoClause != NULL;
}

List *
select_columns(const char *sql)
{
	Query *query = parse_analyze_fixedparams(parse_one(sql), sql, NULL, 0,
											 NULL);
	List *names = NIL;
	ListCell *cell;

	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!entry->resjunk)
			names = lappend(names, pstrdup(entry->resname));
	}
	return names;
}

TupleDesc
select_rows(const char *sql)
{
	Query *query = parse_analyze_fixedparams(parse_one(sql), sql, NULL, 0,
											 NULL);

	return ExecCleanTypeFromTL(query->targetList);
}

static RawStmt *
parse_one(const char *sql)
{
	return linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT));
}

/* Rewrites it first, so that what views hide is looked at, too. */
bool
select_sees_changes(const char *sql)
{
	List *queries = pg_analyze_and_rewrite_fixedparams(parse_one(sql), sql,
													   NULL, 0, NULL);

	return contain_volatile_functions((Node *) queries) ||
		locks_rows((Node *) queries, NULL);
}

static bool
locks_rows(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return ((Query *) node)->rowMarks != NIL ||
			query_tree_walker((Query *) node, locks_rows, context, 0);
	return expression_tree_walker(node, locks_rows, context);
}

/*-------------------------------------------------------------------------
 *
 * parallel_rewrite.c
 *	  Makes the statement of a parallel activity read its mini-batch.
 *
 * The statement names a relation, mini_batch, that does not exist.  Its raw
 * parse tree is changed before the server analyses it: in a FROM list, a join,
 * USING, or the source of a MERGE, mini_batch is replaced by the input table,
 * with a sampling method of ours (parallel_sampler.c) and with the alias
 * mini_batch if the statement gave none.
 *
 * As for any other name, a common table expression of that name hides the
 * relation within the statement that it belongs to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"

#include "activity/parallel.h"
#include "compat.h"

#define BATCH_RELATION  "mini_batch"
#define SAMPLING_SCHEMA "mlpipe"
#define SAMPLING_METHOD "mini_batch_range"
#define RETURNED_ROWS   "mlpipe_returned"

typedef struct Rewrite
{
	const char *schema;
	const char *table;
	bool hidden; /* is mini_batch a common table expression? */
} Rewrite;

static void refuse_kind(void);
static bool rewrite_node(Node *node, void *arg);
static bool rewrite_list(List *list, Rewrite *rewrite);
static void rewrite_place(Node **place, Rewrite *rewrite);
static bool rewrite_statement(Node *node, Rewrite *rewrite);
static void rewrite_with(WithClause *with, Rewrite *rewrite);
static bool names_batch(const Node *node);
static RangeTableSample *sample_of(RangeVar *reference,
								   const Rewrite *rewrite);
static WithClause **with_of(Node *statement);
static RangeVar *target_of(Node *statement);
static bool returns_rows(Node *statement);
static SelectStmt *select_all_from(const char *name);

RawStmt *
batch_statement_parse(const char *text)
{
	List *statements = pg_parse_query(text);
	RawStmt *raw;

	if (list_length(statements) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"run\" must be one statement, not %d",
						list_length(statements))));
	raw = linitial_node(RawStmt, statements);
	if (with_of(raw->stmt) == NULL)
		refuse_kind();
	if (IsA(raw->stmt, SelectStmt) &&
		((SelectStmt *) raw->stmt)->intoClause != NULL)
		refuse_kind();
	return raw;
}

static void
refuse_kind(void)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 errmsg(
			 "\"run\" must be a SELECT, INSERT, UPDATE, DELETE or MERGE statement"),
		 errhint(
			 "Other statements can stand in \"init\" and \"shutdown\", or in an activity of type \"sql\".")));
}

void
batch_statement_read_from(RawStmt *raw, const char *schema, const char *table)
{
	Rewrite rewrite = {schema, table, false};

	(void) rewrite_node(raw->stmt, &rewrite);
}

static bool
rewrite_node(Node *node, void *arg)
{
	Rewrite *rewrite = arg;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_List:
			return rewrite_list((List *) node, rewrite);
		case T_JoinExpr:
			rewrite_place(&((JoinExpr *) node)->larg, rewrite);
			rewrite_place(&((JoinExpr *) node)->rarg, rewrite);
			break;
		case T_MergeStmt:
			rewrite_place(&((MergeStmt *) node)->sourceRelation, rewrite);
			return rewrite_statement(node, rewrite);
		case T_SelectStmt:
		case T_InsertStmt:
		case T_UpdateStmt:
		case T_DeleteStmt:
			return rewrite_statement(node, rewrite);
		case T_LockingClause:
			/* The names there are aliases. */
		case T_RangeTableSample:
			/* One of ours, or a sample of another table. */
			return false;
		default:
			break;
	}
	return raw_expression_tree_walker(node, rewrite_node, rewrite);
}

/* Relations are in lists only where they are read. */
static bool
rewrite_list(List *list, Rewrite *rewrite)
{
	ListCell *cell;

	foreach(cell, list)
	{
		Node *node = lfirst(cell);

		rewrite_place(&node, rewrite);
		lfirst(cell) = node;
		(void) rewrite_node(node, rewrite);
	}
	return false;
}

static void
rewrite_place(Node **place, Rewrite *rewrite)
{
	if (!rewrite->hidden && names_batch(*place))
		*place = (Node *) sample_of((RangeVar *) *place, rewrite);
}

/*
 * For a statement that can have a WITH clause: what that hides is hidden until
 * the statement's end.
 */
static bool
rewrite_statement(Node *node, Rewrite *rewrite)
{
	WithClause **with = with_of(node);
	WithClause *saved_with = *with;
	bool saved_hidden = rewrite->hidden;

	if (names_batch((Node *) target_of(node)))
		ereport(
			ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("relation \"%s\" can only be read", BATCH_RELATION),
			 errhint(
				 "Write to the table that it is made of by the table's own name.")));

	/* Its names are in scope after it only, and the walker would visit it last. */
	if (saved_with != NULL)
		rewrite_with(saved_with, rewrite);
	*with = NULL;
	(void) raw_expression_tree_walker(node, rewrite_node, rewrite);
	*with = saved_with;
	rewrite->hidden = saved_hidden;
	return false;
}

/* Each sees those before it; in WITH RECURSIVE all, itself included. */
static void
rewrite_with(WithClause *with, Rewrite *rewrite)
{
	ListCell *cell;
	bool hides = false;

	if (with->recursive)
		foreach(cell, with->ctes)
			hides |= strcmp(lfirst_node(CommonTableExpr, cell)->ctename,
							BATCH_RELATION) == 0;
	rewrite->hidden |= hides;
	foreach(cell, with->ctes)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, cell);

		(void) rewrite_node(cte->ctequery, rewrite);
		rewrite->hidden |= strcmp(cte->ctename, BATCH_RELATION) == 0;
	}
}

static bool
names_batch(const Node *node)
{
	const RangeVar *reference = (const RangeVar *) node;

	return node != NULL && IsA(node, RangeVar) &&
		reference->catalogname == NULL && reference->schemaname == NULL &&
		strcmp(reference->relname, BATCH_RELATION) == 0;
}

static RangeTableSample *
sample_of(RangeVar *reference, const Rewrite *rewrite)
{
	RangeTableSample *sample = makeNode(RangeTableSample);
	RangeVar *table = makeRangeVar(pstrdup(rewrite->schema),
								   pstrdup(rewrite->table),
								   reference->location);

	table->inh = false;
	table->alias = reference->alias != NULL ? reference->alias :
											  makeAlias(BATCH_RELATION, NIL);
	sample->relation = (Node *) table;
	sample->method = list_make2(makeString(SAMPLING_SCHEMA),
								makeString(SAMPLING_METHOD));
	sample->location = reference->location;
	return sample;
}

/* Where a statement keeps its WITH clause; NULL if its kind has none. */
static WithClause **
with_of(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_SelectStmt:
			return &((SelectStmt *) statement)->withClause;
		case T_InsertStmt:
			return &((InsertStmt *) statement)->withClause;
		case T_UpdateStmt:
			return &((UpdateStmt *) statement)->withClause;
		case T_DeleteStmt:
			return &((DeleteStmt *) statement)->withClause;
		case T_MergeStmt:
			return &((MergeStmt *) statement)->withClause;
		default:
			return NULL;
	}
}

static RangeVar *
target_of(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_InsertStmt:
			return ((InsertStmt *) statement)->relation;
		case T_UpdateStmt:
			return ((UpdateStmt *) statement)->relation;
		case T_DeleteStmt:
			return ((DeleteStmt *) statement)->relation;
		case T_MergeStmt:
			return ((MergeStmt *) statement)->relation;
		default:
			return NULL;
	}
}

/*
 * INSERT INTO target SELECT ...; a statement that changes rows goes into a WITH
 * clause.  It may only do so at the top level, so all of its own WITH moves
 * there.
 */
void
batch_statement_append_to(RawStmt *raw, RangeVar *target)
{
	Node *statement = raw->stmt;
	InsertStmt *insert = makeNode(InsertStmt);
	WithClause **with = with_of(statement);

	insert->relation = target;
	insert->override = OVERRIDING_NOT_SET;
	insert->withClause = *with;
	*with = NULL;
	if (IsA(statement, SelectStmt))
		insert->selectStmt = statement;
	else
	{
		CommonTableExpr *changes = makeNode(CommonTableExpr);

		if (!returns_rows(statement))
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"run\" returns no rows to append to table \"%s\"",
						target->relname),
				 errhint("Add a RETURNING clause.")));
		changes->ctename = RETURNED_ROWS;
		changes->ctematerialized = CTEMaterializeDefault;
		changes->ctequery = statement;
		changes->location = -1;
		if (insert->withClause == NULL)
		{
			insert->withClause = makeNode(WithClause);
			insert->withClause->location = -1;
		}
		insert->withClause->ctes = lappend(insert->withClause->ctes, changes);
		insert->selectStmt = (Node *) select_all_from(RETURNED_ROWS);
	}
	raw->stmt = (Node *) insert;
}

static bool
returns_rows(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_InsertStmt:
			return has_returning((InsertStmt *) statement);
		case T_UpdateStmt:
			return has_returning((UpdateStmt *) statement);
		case T_DeleteStmt:
			return has_returning((DeleteStmt *) statement);
		case T_MergeStmt:
			return merge_has_returning((MergeStmt *) statement);
		default:
			return IsA(statement, SelectStmt);
	}
}

static SelectStmt *
select_all_from(const char *name)
{
	SelectStmt *select = makeNode(SelectStmt);
	ColumnRef *star = makeNode(ColumnRef);
	ResTarget *all = makeNode(ResTarget);

	star->fields = list_make1(makeNode(A_Star));
	star->location = -1;
	all->val = (Node *) star;
	all->location = -1;
	select->targetList = list_make1(all);
	select->fromClause = list_make1(makeRangeVar(NULL, pstrdup(name), -1));
	return select;
}

/*-------------------------------------------------------------------------
 *
 * parallel_plan.c
 *	  The plan of a parallel activity's statement, and the table that its rows
 *	  go to.
 *
 * The statement is parsed, changed (parallel_rewrite.c) and planned once in a
 * worker, by way of the server's plan cache: when a table or function that it
 * uses changes, the server makes it anew.  What differs between mini-batches
 * is not in the plan but in MyBatch, which the scan looks at when it begins.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/portalcmds.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/analyze.h"
#include "tcop/cmdtag.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "activity/parallel.h"
#include "activity/sql_name.h"
#include "compat.h"

static CachedPlanSource *make_source(const char *text, Oid relation,
									 RangeVar *append_to);
static void read_from(RawStmt *raw, Oid relation);
static RangeVar *name_of(const char *name);
static void create_target(const char *text, Oid relation,
						  const char *append_to);
static void add_column(StringInfo sql, Form_pg_attribute column);
static void check_may_insert(Oid target);

Oid
parallel_batch_relation(const ParallelConfig *config, const StepRow *split)
{
	return config->columns == NIL ? split->relation : InvalidOid;
}

CachedPlanSource *
batch_plan_create(const char *text, Oid relation, const char *append_to,
				  bool save)
{
	CachedPlanSource *source = make_source(text, relation,
										   append_to != NULL ?
											   name_of(append_to) :
											   NULL);

	if (save)
		SaveCachedPlan(source);
	return source;
}

static CachedPlanSource *
make_source(const char *text, Oid relation, RangeVar *append_to)
{
	RawStmt *raw = batch_statement_parse(text);
	CachedPlanSource *source;
	List *queries;

	if (OidIsValid(relation))
		read_from(raw, relation);
	if (append_to != NULL)
		batch_statement_append_to(raw, append_to);

	source = CreateCachedPlan(raw, text, CreateCommandTag(raw->stmt));
	queries = pg_analyze_and_rewrite_fixedparams(raw, text, NULL, 0, NULL);
	/* Not parallel: the mini-batches are what runs side by side. */
	CompleteCachedPlan(source, queries, NULL, NULL, 0, NULL, NULL,
					   CURSOR_OPT_GENERIC_PLAN, false);
	return source;
}

static void
read_from(RawStmt *raw, Oid relation)
{
	char *schema = get_namespace_name(get_rel_namespace(relation));
	char *table = get_rel_name(relation);

	if (schema == NULL || table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the input of the step was dropped")));
	batch_statement_read_from(raw, schema, table);
}

static RangeVar *
name_of(const char *name)
{
	return makeRangeVarFromNameList(
		textToQualifiedNameList(cstring_to_text(name)));
}

/*
 * Through a portal, so that rules, RETURNING and statements in WITH work as
 * they do from a client.  What it returns has been appended or is for nobody.
 */
int64
batch_plan_run(CachedPlanSource *source)
{
	Portal portal = CreateNewPortal();
	CachedPlan *plan;
	QueryCompletion completion;

	portal->visible = false;
	/* A saved plan's reference is the portal's, and goes when that goes. */
	plan = GetCachedPlan(source, NULL, NULL, NULL);
	PortalDefineQuery(portal, NULL, source->query_string, source->commandTag,
					  plan->stmt_list, plan);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	InitializeQueryCompletion(&completion);
	(void) portal_run(portal, false, None_Receiver, &completion);
	PortalDrop(portal, false);
	return (int64) completion.nprocessed;
}

void
append_target_prepare(const char *text, Oid relation, const char *append_to)
{
	RangeVar *target = name_of(append_to);
	Oid target_id = RangeVarGetRelid(target, NoLock, true);

	if (!OidIsValid(target_id))
	{
		create_target(text, relation, append_to);
		CommandCounterIncrement();
		target_id = RangeVarGetRelid(target, NoLock, false);
	}
	check_may_insert(target_id);
}

/* As the user would: CREATE TABLE, with the columns that run returns. */
static void
create_target(const char *text, Oid relation, const char *append_to)
{
	CachedPlanSource *source = make_source(text, relation, NULL);
	TupleDesc columns = source->resultDesc;
	StatementResult result;
	StringInfoData sql;
	int i;

	if (columns == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"run\" returns no rows to append to table \"%s\"",
						append_to)));
	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", table_name(append_to));
	for (i = 0; i < columns->natts; i++)
	{
		if (i > 0)
			appendStringInfoString(&sql, ", ");
		add_column(&sql, TupleDescAttr(columns, i));
	}
	appendStringInfoChar(&sql, ')');
	DropCachedPlan(source);
	statement_run(sql.data, NULL, &result);
}

static void
add_column(StringInfo sql, Form_pg_attribute column)
{
	Oid type = column->atttypid == UNKNOWNOID ? TEXTOID : column->atttypid;

	appendStringInfo(sql, "%s %s", quote_identifier(NameStr(column->attname)),
					 format_type_extended(type, column->atttypmod,
										  FORMAT_TYPE_TYPEMOD_GIVEN |
											  FORMAT_TYPE_FORCE_QUALIFY));
	if (OidIsValid(column->attcollation) &&
		column->attcollation != get_typcollation(type))
		appendStringInfo(sql, " COLLATE %s",
						 generate_collation_name(column->attcollation));
}

/* Once here, rather than by each mini-batch after its work. */
static void
check_may_insert(Oid target)
{
	if (pg_class_aclcheck(target, GetUserId(), ACL_INSERT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(target, GetUserId(), ACL_INSERT,
								  ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV,
					   get_relkind_objtype(get_rel_relkind(target)),
					   get_rel_name(target));
}

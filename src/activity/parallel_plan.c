/*-------------------------------------------------------------------------
 *
 * parallel_plan.c
 *	  The plan of a parallel activity's statement.
 *
 * The statement is parsed, changed (parallel_rewrite.c) and planned once in a
 * worker, by way of the server's plan cache: when a table or function that it
 * uses changes, the server makes the plan anew.  What differs between
 * mini-batches is not in the plan but in MyBatch, which the scan looks at when
 * it begins.
 *
 * A parse tree names its tables, so if the input was renamed, the server would
 * not find it, or find another table that has its name now.  But the step's
 * input is the table that was split, whatever it is called; so the worker
 * compares names (batch_input_name()) and makes a new plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/portalcmds.h"
#include "commands/trigger.h"
#include "parser/analyze.h"
#include "storage/lmgr.h"
#include "tcop/cmdtag.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"

#include "activity/parallel.h"
#include "activity/sql_name.h"
#include "compat.h"

static CachedPlanSource *make_source(const char *text, Oid relation,
									 RangeVar *append_to);
static CachedPlanSource *parse_source(const char *text, Oid relation,
									  RangeVar *append_to);
static void read_from(RawStmt *raw, Oid relation);
static int64 run_source(CachedPlanSource *source);
static void begin_context(ErrorContextCallback *callback, const char *text);
static void statement_context(void *arg);

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
											   table_range_var(append_to) :
											   NULL);

	if (save)
		SaveCachedPlan(source);
	return source;
}

static CachedPlanSource *
make_source(const char *text, Oid relation, RangeVar *append_to)
{
	ErrorContextCallback callback;
	CachedPlanSource *source;

	begin_context(&callback, text);
	source = parse_source(text, relation, append_to);
	error_context_stack = callback.previous;
	return source;
}

static CachedPlanSource *
parse_source(const char *text, Oid relation, RangeVar *append_to)
{
	RawStmt *raw = batch_statement_parse(text);
	CachedPlanSource *source;
	List *queries;

	/* The text has one statement, and is shown without the values. */
	raw->stmt_location = -1;
	raw->stmt_len = 0;
	if (OidIsValid(relation))
		read_from(raw, relation);
	if (append_to != NULL)
		batch_statement_append_to(raw, append_to);

	source = CreateCachedPlan(raw, text, CreateCommandTag(raw->stmt));
	queries = pg_analyze_and_rewrite_fixedparams(raw, text, NULL, 0, NULL);
	/* No parallel query: it is the mini-batches that run side by side. */
	CompleteCachedPlan(source, queries, NULL, NULL, 0, NULL, NULL,
					   CURSOR_OPT_GENERIC_PLAN, false);
	return source;
}

static void
read_from(RawStmt *raw, Oid relation)
{
	InputName name;

	batch_input_name(relation, &name);
	if (NameStr(name.table)[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the input of the step was dropped")));
	batch_statement_read_from(raw, pstrdup(NameStr(name.schema)),
							  pstrdup(NameStr(name.table)));
}

void
batch_input_name(Oid relation, InputName *name)
{
	char *schema;
	char *table;

	memset(name, 0, sizeof(*name));
	if (!OidIsValid(relation))
		return;
	LockRelationOid(relation, AccessShareLock);
	schema = get_namespace_name(get_rel_namespace(relation));
	table = get_rel_name(relation);
	if (schema == NULL || table == NULL)
		return;
	namestrcpy(&name->schema, schema);
	namestrcpy(&name->table, table);
	pfree(schema);
	pfree(table);
}

int64
batch_plan_run(CachedPlanSource *source)
{
	ErrorContextCallback callback;
	int64 rows;

	begin_context(&callback, source->query_string);
	rows = run_source(source);
	/* Deferred constraints belong to the mini-batch, not to the group. */
	AfterTriggerSetState(makeNode(ConstraintsSetStmt));
	error_context_stack = callback.previous;
	return rows;
}

/*
 * Through a portal, so that rules, RETURNING and statements in WITH work as
 * they do from a client.  Rows that it returns are for nobody.
 */
static int64
run_source(CachedPlanSource *source)
{
	Portal portal = CreateNewPortal();
	CachedPlan *plan;
	QueryCompletion completion;

	portal->visible = false;
	/* A saved plan's reference is the portal's, and goes when that goes. */
	plan = GetCachedPlan(source, NULL, NULL, NULL);
	PortalDefineQuery(portal, NULL, call_shown(source->query_string),
					  source->commandTag, plan->stmt_list, plan);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	InitializeQueryCompletion(&completion);
	(void) portal_run(portal, false, None_Receiver, &completion);
	PortalDrop(portal, false);
	return (int64) completion.nprocessed;
}

/* Errors say from which statement they come. */
static void
begin_context(ErrorContextCallback *callback, const char *text)
{
	callback->previous = error_context_stack;
	callback->callback = statement_context;
	callback->arg = unconstify(char *, text);
	error_context_stack = callback;
}

/* Notices do not need it. */
static void
statement_context(void *arg)
{
	if (geterrcode() != ERRCODE_SUCCESSFUL_COMPLETION &&
		ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_WARNING)
		errcontext("statement: \"%s\"", call_excerpt(arg));
}

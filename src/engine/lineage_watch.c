/*-------------------------------------------------------------------------
 *
 * lineage_watch.c
 *	  Sees what the statements of an attempt read and write.
 *
 * Every statement goes through the executor or through ProcessUtility, also
 * inside functions in any language.  The range table of a plan tells which
 * tables it touches as soon as it starts: what an error stops has been looked
 * at all the same.  When it ends, its scans have counted the rows.
 *
 * A table is noted if the statement needs a right on it.  So it is the table
 * that was named and not its partitions, and what is below a view and not the
 * view.  Outside of an attempt all of this is a look at one variable.
 *
 * Code in C that reads tables past the executor is not seen.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "activity/activity.h"
#include "compat.h"
#include "engine/hooks.h"
#include "engine/lineage.h"

/* What a walk over the states of a plan needs to know. */
typedef struct PlanWalk
{
	QueryDesc *query;
	bool counting; /* else the counters are being set up */
} PlanWalk;

static ExecutorStart_hook_type previous_start = NULL;
static ExecutorEnd_hook_type previous_end = NULL;
static ProcessUtility_hook_type previous_utility = NULL;
static needs_fmgr_hook_type previous_needs_hook = NULL;
static fmgr_hook_type previous_call_hook = NULL;
static bool watching = false;

static void executor_start(QueryDesc *query, int flags);
static void executor_end(QueryDesc *query);
static void note_tables(const PlannedStmt *plan);
static bool calls_functions(const PlannedStmt *plan);
static void note_table(const PlannedStmt *plan, const RangeTblEntry *table);
static bool is_insert_target(const PlannedStmt *plan,
							 const RangeTblEntry *table);
static bool inserts_into(const PlannedStmt *plan, const Plan *top,
						 const RangeTblEntry *table);
static void note_target(const PlannedStmt *plan, const Plan *top);
static bool note_function(Oid function);
static void note_call(FmgrHookEventType event, FmgrInfo *function, Datum *arg);
static void walk_plan(QueryDesc *query, bool counting);
static bool walk_node(PlanState *node, void *arg);
static Index scanned_table(const PlanState *node);
static void set_up_counter(PlanState *node, QueryDesc *query);
static void count_scan(const PlanState *node, const QueryDesc *query);
static void count_modified(const ModifyTableState *node,
						   const QueryDesc *query);
static int64 rows_of(const PlanState *node);
static Oid named_table(const PlannedStmt *plan, Index table);
static void process_utility(PlannedStmt *statement, const char *text,
							bool read_only_tree, ProcessUtilityContext context,
							ParamListInfo parameters,
							QueryEnvironment *environment,
							DestReceiver *receiver,
							QueryCompletion *completion);
static bool is_skipped(const Node *statement);
static void note_truncate(const TruncateStmt *truncate);
static void note_utility(const Node *statement, int64 rows);
static void note_copy(const CopyStmt *copy, int64 rows);
static void note_made(const RangeVar *name, int64 rows);
static void note_replaced(Oid relation, int64 rows);

void
lineage_install_hooks(void)
{
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	previous_end = ExecutorEnd_hook;
	ExecutorEnd_hook = executor_end;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	previous_needs_hook = needs_fmgr_hook;
	needs_fmgr_hook = note_function;
	previous_call_hook = fmgr_hook;
	fmgr_hook = note_call;
}

void
lineage_start(void)
{
	watching = true;
}

void
lineage_stop(void)
{
	watching = false;
}

bool
lineage_is_watching(void)
{
	return watching;
}

/*
 * What workers of a parallel query have counted comes back only if the whole
 * plan is instrumented.
 */
static void
executor_start(QueryDesc *query, int flags)
{
	bool watched = watching && (flags & EXEC_FLAG_EXPLAIN_ONLY) == 0;

	if (watched && query->plannedstmt->parallelModeNeeded)
		query->instrument_options |= INSTRUMENT_ROWS;
	hook_start_executor(previous_start, query, flags);
	if (!watched)
		return;
	note_tables(query->plannedstmt);
	walk_plan(query, false);
}

static void
executor_end(QueryDesc *query)
{
	if (watching &&
		(query->estate->es_top_eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		walk_plan(query, true);
	if (previous_end)
		previous_end(query);
	else
		standard_ExecutorEnd(query);
}

/* Foreign keys are checked by queries that read nothing for the user. */
static void
note_tables(const PlannedStmt *plan)
{
	ListCell *cell;

	if (plan->parallelModeNeeded && calls_functions(plan))
		lineage_note_problem(false, "functions that ran in parallel workers");
	foreach(cell, plan->rtable)
		note_table(plan, lfirst_node(RangeTblEntry, cell));
	note_target(plan, plan->planTree);
	foreach(cell, plan->subplans)
		note_target(plan, lfirst(cell));
}

/* A user's function; what it reads in another process is not seen here. */
static bool
calls_functions(const PlannedStmt *plan)
{
	ListCell *cell;

	foreach(cell, plan->invalItems)
	{
		if (lfirst_node(PlanInvalItem, cell)->cacheId == PROCOID)
			return true;
	}
	return false;
}

static void
note_table(const PlannedStmt *plan, const RangeTblEntry *table)
{
	LineageEntry *entry;
	Oid reader;

	if (OidIsValid(table->relid) &&
		get_rel_relkind(table->relid) == RELKIND_VIEW)
		lineage_note_source(RelationRelationId, table->relid);
	if (table->rtekind != RTE_RELATION || InNoForceRLSOperation() ||
		!(table_required_rights(plan, table) & ACL_SELECT))
		return;
	if (table->relkind == RELKIND_SEQUENCE)
		lineage_note_problem(false, "a sequence");
	if (is_insert_target(plan, table))
		return;
	entry = lineage_note(table->relid, false, 0);
	reader = table_checked_as(plan, table);
	if (!OidIsValid(reader))
		reader = GetUserId();
	if (entry != NULL && MyCall != NULL && reader != MyCall->role)
		entry->by_others = true;
}

/*
 * What INSERT looks at in its own target, to find conflicts or to return rows,
 * is not what it makes its rows from.
 */
static bool
is_insert_target(const PlannedStmt *plan, const RangeTblEntry *table)
{
	ListCell *cell;

	if (inserts_into(plan, plan->planTree, table))
		return true;

	/* In WITH. */
	foreach(cell, plan->subplans)
	{
		if (inserts_into(plan, lfirst(cell), table))
			return true;
	}
	return false;
}

static bool
inserts_into(const PlannedStmt *plan, const Plan *top,
			 const RangeTblEntry *table)
{
	const ModifyTable *modify = (const ModifyTable *) top;

	return top != NULL && IsA(top, ModifyTable) &&
		modify->operation == CMD_INSERT &&
		rt_fetch(modify->nominalRelation, plan->rtable) == table;
}

static void
note_target(const PlannedStmt *plan, const Plan *top)
{
	const ModifyTable *modify = (const ModifyTable *) top;
	LineageEntry *entry;

	if (top == NULL || !IsA(top, ModifyTable))
		return;
	entry = lineage_note(rt_fetch(modify->nominalRelation, plan->rtable)
							 ->relid,
						 true, 0);
	if (entry != NULL &&
		(modify->operation != CMD_INSERT ||
		 modify->onConflictAction == ONCONFLICT_UPDATE))
		entry->replaces = true;
}

static void
walk_plan(QueryDesc *query, bool counting)
{
	PlanWalk walk = {.query = query, .counting = counting};

	if (lineage_entries() != NIL && query->planstate != NULL)
		(void) walk_node(query->planstate, &walk);
}

static bool
walk_node(PlanState *node, void *arg)
{
	PlanWalk *walk = arg;

	if (!walk->counting)
		set_up_counter(node, walk->query);
	else if (IsA(node, ModifyTableState))
		count_modified((ModifyTableState *) node, walk->query);
	else if (scanned_table(node) > 0)
		count_scan(node, walk->query);
	return planstate_tree_walker(node, walk_node, arg);
}

/* The place of its table in the range table; 0 if the node scans none. */
static Index
scanned_table(const PlanState *node)
{
	switch (nodeTag(node))
	{
		case T_SeqScanState:
		case T_SampleScanState:
		case T_IndexScanState:
		case T_IndexOnlyScanState:
		case T_BitmapHeapScanState:
		case T_TidScanState:
		case T_TidRangeScanState:
		case T_ForeignScanState:
		case T_CustomScanState:
			return ((const Scan *) node->plan)->scanrelid;
		default:
			return 0;
	}
}

/*
 * Only what is wanted is counted, as a counter costs a little for each row.  If
 * a statement modifies a table in WITH, the server does not count those rows:
 * they are as many as it is given.
 */
static void
set_up_counter(PlanState *node, QueryDesc *query)
{
	MemoryContext previous;

	if (IsA(node, ModifyTableState) && !((ModifyTableState *) node)->canSetTag)
		node = outerPlanState(node);
	else if (scanned_table(node) == 0)
		return;
	if (node->instrument != NULL)
		return;
	previous = MemoryContextSwitchTo(query->estate->es_query_cxt);
	node->instrument = InstrAlloc(1, INSTRUMENT_ROWS, false);
	MemoryContextSwitchTo(previous);
}

static void
count_scan(const PlanState *node, const QueryDesc *query)
{
	lineage_add_rows(named_table(query->plannedstmt, scanned_table(node)),
					 false, rows_of(node));
}

static void
count_modified(const ModifyTableState *node, const QueryDesc *query)
{
	const ModifyTable *plan = (const ModifyTable *) node->ps.plan;
	Oid relation = rt_fetch(plan->nominalRelation, query->plannedstmt->rtable)
					   ->relid;

	lineage_add_rows(relation, true,
					 node->canSetTag ? query->estate->es_processed :
									   rows_of(outerPlanState(node)));
}

static int64
rows_of(const PlanState *node)
{
	const Instrumentation *counter = node->instrument;

	return counter == NULL ? 0 :
							 (int64) (counter->ntuples + counter->tuplecount);
}

/* Up from a partition to the table that the statement names. */
static Oid
named_table(const PlannedStmt *plan, Index table)
{
	ListCell *cell;
	bool found = true;

	while (found)
	{
		found = false;
		foreach(cell, plan->appendRelations)
		{
			AppendRelInfo *part = lfirst_node(AppendRelInfo, cell);

			if (part->child_relid != table ||
				rt_fetch(part->parent_relid, plan->rtable)->rtekind !=
					RTE_RELATION)
				continue;
			table = part->parent_relid;
			found = true;
			break;
		}
	}
	return rt_fetch(table, plan->rtable)->relid;
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo parameters,
				QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	QueryCompletion own;
	const Node *node = statement->utilityStmt;
	const Node *target = NULL;

	if (!watching)
	{
		hook_process_utility(previous_utility, statement, text, read_only_tree,
							 context, parameters, environment, receiver,
							 completion);
		return;
	}
	InitializeQueryCompletion(&own);
	if (completion == NULL)
		completion = &own;
	if (IsA(node, TruncateStmt))
		note_truncate((const TruncateStmt *) node);
	else if (!is_skipped(node))
		target = node;
	hook_process_utility(previous_utility, statement, text, read_only_tree,
						 context, parameters, environment, receiver,
						 completion);
	if (target != NULL)
		note_utility(target, (int64) completion->nprocessed);
}

/* CREATE TABLE IF NOT EXISTS ... AS, if it does exist. */
static bool
is_skipped(const Node *statement)
{
	const CreateTableAsStmt *create = (const CreateTableAsStmt *) statement;

	return IsA(statement, CreateTableAsStmt) && create->if_not_exists &&
		OidIsValid(RangeVarGetRelid(create->into->rel, NoLock, true));
}

/* Also what CASCADE takes along.  How many rows there were, nobody knows. */
static void
note_truncate(const TruncateStmt *truncate)
{
	List *relations = NIL;
	List *more;
	ListCell *cell;

	foreach(cell, truncate->relations)
	{
		Oid relation = RangeVarGetRelid(lfirst(cell), NoLock, true);

		if (OidIsValid(relation))
			relations = list_append_unique_oid(relations, relation);
	}
	while (truncate->behavior == DROP_CASCADE && relations != NIL &&
		   (more = heap_truncate_find_FKs(relations)) != NIL)
		relations = list_concat_unique_oid(relations, more);
	foreach(cell, relations)
		note_replaced(lfirst_oid(cell), 0);
}

static void
note_utility(const Node *statement, int64 rows)
{
	switch (nodeTag(statement))
	{
		case T_CopyStmt:
			note_copy((const CopyStmt *) statement, rows);
			break;
		case T_CreateTableAsStmt:
			note_made(((const CreateTableAsStmt *) statement)->into->rel,
					  rows);
			break;
		case T_RefreshMatViewStmt:
			note_made(((const RefreshMatViewStmt *) statement)->relation,
					  rows);
			break;
		default:
			break;
	}
}

/* Under row-level security the server makes it COPY of a query, which is seen. */
static void
note_copy(const CopyStmt *copy, int64 rows)
{
	Oid relation;

	lineage_note_problem(!copy->is_from,
						 copy->is_program ? "a program" : "a file");
	if (copy->relation == NULL)
		return;
	relation = RangeVarGetRelid(copy->relation, NoLock, true);
	if (OidIsValid(relation) &&
		(copy->is_from ||
		 check_enable_rls(relation, InvalidOid, true) != RLS_ENABLED))
		lineage_note(relation, copy->is_from, rows);
}

static void
note_made(const RangeVar *name, int64 rows)
{
	Oid relation = RangeVarGetRelid(name, NoLock, true);

	if (OidIsValid(relation))
		note_replaced(relation, rows);
}

static void
note_replaced(Oid relation, int64 rows)
{
	LineageEntry *entry = lineage_note(relation, true, rows);

	if (entry != NULL)
		entry->replaces = true;
}

/* The server asks whether a function, also one that it inlines, wants a hook. */
static bool
note_function(Oid function)
{
	if (watching)
		lineage_note_source(ProcedureRelationId, function);
	return previous_needs_hook != NULL && previous_needs_hook(function);
}

/*
 * It does not ask that of functions that run as their owner or with settings of
 * their own, which it calls with a hook in any case.
 */
static void
note_call(FmgrHookEventType event, FmgrInfo *function, Datum *arg)
{
	if (watching && event == FHET_START)
		lineage_note_source(ProcedureRelationId, function->fn_oid);
	if (previous_call_hook != NULL)
		previous_call_hook(event, function, arg);
}

/*-------------------------------------------------------------------------
 *
 * parallel_target.c
 *	  The table of append_row_to.
 *
 * It is checked when the input is split, if run can be analysed then, so that
 * mistakes are found before anything is stored.  If it is missing, the first
 * worker makes it, after its init, as run may need what init has made.  An
 * empty input has no worker, so there the split does both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "activity/parallel.h"
#include "activity/parallel_stage_table.h"
#include "activity/sql_name.h"
#include "definition/catch.h"

/* SQL's own advisory locks have 1 and 2 there, and guard.c's have 20053. */
#define TARGET_LOCK_SPACE 20054

/* The target of a step that has no mini-batch. */
typedef struct UnusedTarget
{
	ActivityCall *call;
	const Split *split;
	const char *append_to;
} UnusedTarget;

static bool reads_batch(const ParallelConfig *config);
static void make_after_init(UnusedTarget *target);
static void run_statement(ActivityCall *call, const Template *tmpl);
static void make_unused(void *arg);
static Jsonb *sample_keys(const UnusedTarget *target);
static void lock_name(RangeVar *target);
static void create_target(const char *text, Oid relation,
						  const char *append_to);
static void check_outlives_step(Form_pg_attribute column, Oid relation);
static void add_column(StringInfo sql, Form_pg_attribute column);
static void check_takes_rows(Oid target);
static void check_may_insert(Oid target);

void
parallel_check_target(ActivityCall *call, const Split *split)
{
	const ParallelConfig *config = call->def->config;
	Oid relation = parallel_batch_relation(config, &split->row);
	char *append_to = NULL;
	char *text;

	if (config->init != NULL || reads_batch(config))
		return;
	text = call_render(call, config->run);
	if (config->append_to != NULL)
	{
		append_to = call_render(call, config->append_to);
		append_target_prepare(text, relation, append_to);
	}
	DropCachedPlan(batch_plan_create(text, relation, append_to, false));
}

/* If it does, its text differs from mini-batch to mini-batch. */
static bool
reads_batch(const ParallelConfig *config)
{
	return template_uses_root(config->run, "batch");
}

void
parallel_make_unused_target(ActivityCall *call, const Split *split)
{
	const ParallelConfig *config = call->def->config;
	UnusedTarget target = {.call = call, .split = split};
	char *message;

	if (config->init == NULL && !reads_batch(config))
	{
		parallel_check_target(call, split);
		return;
	}
	if (config->append_to == NULL)
		return;
	target.append_to = call_render(call, config->append_to);
	if (config->init == NULL)
		make_unused(&target);
	else if (!catch_errors(make_unused, &target, &message))
		make_after_init(&target);
}

/* Its columns may only be known in a session in which init has run. */
static void
make_after_init(UnusedTarget *target)
{
	const ParallelConfig *config = target->call->def->config;

	run_statement(target->call, config->init);
	make_unused(target);
	run_statement(target->call, config->shutdown);
}

static void
run_statement(ActivityCall *call, const Template *tmpl)
{
	StatementResult result;

	if (tmpl != NULL)
		statement_run(call_render(call, tmpl), NULL, &result);
}

static void
make_unused(void *arg)
{
	UnusedTarget *target = arg;
	const ParallelConfig *config = target->call->def->config;
	Oid relation = parallel_batch_relation(config, &target->split->row);
	CurrentBatch none = {.number = 1, .context = CurrentMemoryContext};
	char *text;

	if (config->partition_keys != NIL)
		none.keys = sample_keys(target);
	MyBatch = &none;
	PG_TRY();
	{
		text = parallel_run_text(target->call);
		append_target_prepare(text, relation, target->append_to);
		DropCachedPlan(
			batch_plan_create(text, relation, target->append_to, false));
	}
	PG_FINALLY();
	{
		MyBatch = NULL;
	}
	PG_END_TRY();
}

static Jsonb *
sample_keys(const UnusedTarget *target)
{
	Relation rows = table_open(target->split->row.relation, NoLock);
	const ParallelConfig *config = target->call->def->config;
	Jsonb *keys = batch_keys_sample(RelationGetDescr(rows),
									config->partition_keys);

	table_close(rows, NoLock);
	return keys;
}

void
append_target_prepare(const char *text, Oid relation, const char *append_to)
{
	RangeVar *target = table_range_var(append_to);
	Oid target_id = RangeVarGetRelid(target, NoLock, true);

	if (!OidIsValid(target_id))
	{
		lock_name(target);
		target_id = RangeVarGetRelid(target, NoLock, true);
	}
	if (!OidIsValid(target_id))
	{
		create_target(text, relation, append_to);
		CommandCounterIncrement();
		target_id = RangeVarGetRelid(target, NoLock, false);
	}
	check_takes_rows(target_id);
	check_may_insert(target_id);
}

/*
 * Steps that go on side by side, those of a loop's iterations for one, may have
 * the same target: one of them makes it, and the others wait for its commit.
 */
static void
lock_name(RangeVar *target)
{
	Oid schema = RangeVarGetCreationNamespace(target);
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, schema,
						 string_hash(target->relname, NAMEDATALEN),
						 TARGET_LOCK_SPACE);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	AcceptInvalidationMessages();
}

/* Makes it as the user would: CREATE TABLE, with the columns of run. */
static void
create_target(const char *text, Oid relation, const char *append_to)
{
	CachedPlanSource *source = batch_plan_create(text, relation, NULL, false);
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
		check_outlives_step(TupleDescAttr(columns, i), relation);
		add_column(&sql, TupleDescAttr(columns, i));
	}
	appendStringInfoChar(&sql, ')');
	DropCachedPlan(source);
	statement_run(sql.data, NULL, &result);
}

/* A column of the staged rows' type would be dropped along with them. */
static void
check_outlives_step(Form_pg_attribute column, Oid relation)
{
	Oid element = get_element_type(column->atttypid);
	Oid type = OidIsValid(element) ? element : column->atttypid;

	if (get_typ_typrelid(type) != relation || !OidIsValid(relation) ||
		!is_stage_table(relation))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		 errmsg("column \"%s\" cannot be a row of the relation mini_batch",
				NameStr(column->attname)),
		 errdetail(
			 "These rows are staged, and their type exists only as long as the step."),
		 errhint("Return its columns, or convert it with to_jsonb().")));
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
check_takes_rows(Oid target)
{
	char kind = get_rel_relkind(target);
	int events = relation_is_updatable(target, NIL, true, NULL);

	/* For a view, the statement's analysis says more. */
	if (kind == RELKIND_VIEW || (events & (1 << CMD_INSERT)) != 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("cannot append rows to relation \"%s\"",
					get_rel_name(target)),
			 errdetail_relkind_not_supported(kind)));
}

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

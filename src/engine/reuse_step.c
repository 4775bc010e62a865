/*-------------------------------------------------------------------------
 *
 * reuse_step.c
 *	  What a parallel step with "reuse" is recognized by.
 *
 * The mini-batches commit by themselves, in several processes.  So what each
 * worker has seen is added to the record of the split when it leaves, and the
 * one that ends the step looks at the tables.
 *
 * By then nobody has kept the snapshot from before the split.  So no page of an
 * input may have been written since.  Outputs may only have been added to, by
 * as many rows as the workers have counted; what mini-batches change or delete
 * could not be told from what others do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "activity/activity.h"
#include "engine/content.h"
#include "engine/lineage.h"
#include "engine/reuse.h"
#include "engine/reuse_key.h"
#include "store/engine_mode.h"
#include "store/reuse_store.h"

static void add_declared(ActivityCall *call, List *names, TableUse use);
static void add_entries(ActivityCall *call);
static void add_sources(ActivityCall *call);
static void add_problems(ActivityCall *call);
static void add_table(ActivityCall *call, TableUse use, Oid relation,
					  const char *name, int64 rows, const char *problem);
static const char *look_at_tables(ActivityCall *call, const ReuseRow *row,
								  List *tables);
static void look_at_table(const ReuseRow *row, ReuseTable *table,
						  Snapshot start, bool special);
static bool is_written(List *tables, Oid relation);

void
reuse_step_seen(ActivityCall *call)
{
	int level = reuse_pin_names();

	if (call->def->has_inputs)
		add_declared(call, call->def->inputs, TABLE_INPUT);
	if (call->def->has_outputs)
		add_declared(call, call->def->outputs, TABLE_OUTPUT);
	add_entries(call);
	add_sources(call);
	add_problems(call);
	AtEOXact_GUC(false, level);
}

static void
add_declared(ActivityCall *call, List *names, TableUse use)
{
	ListCell *cell;

	foreach(cell, names)
	{
		char *name = call_render(call, lfirst(cell));
		Oid relation = reuse_find_table(name);
		char *qualified = OidIsValid(relation) ? lineage_name(relation) : NULL;

		add_table(call, use, relation, qualified ? qualified : name, 0,
				  OidIsValid(relation) ? NULL : "does not exist");
	}
}

static void
add_entries(ActivityCall *call)
{
	ListCell *cell;

	foreach(cell, lineage_entries())
	{
		const LineageEntry *entry = lfirst(cell);
		const char *problem = NULL;

		if (entry->written && !call->def->has_outputs)
		{
			if (entry->replaces)
				problem = "its mini-batches change rows of it";
			add_table(call, TABLE_OUTPUT, entry->relation, entry->name,
					  entry->rows, problem);
		}
		else if (!entry->written && !call->def->has_inputs && !entry->own)
		{
			if (entry->by_others && reuse_has_row_security(entry->relation))
				problem = "row-level security may hide a part of it";
			add_table(call, TABLE_INPUT, entry->relation, entry->name, 0,
					  problem);
		}
	}
}

static void
add_sources(ActivityCall *call)
{
	ListCell *cell;

	foreach(cell, lineage_sources())
	{
		const LineageSource *source = lfirst(cell);
		ReuseTable table = {.use = source->class_id == ProcedureRelationId ?
								TABLE_FUNCTION :
								TABLE_VIEW,
							.relation = source->object_id};
		EngineMode mode;

		if (!reuse_source_hash(&table, &table.hash))
			continue;
		table.name = reuse_source_name(&table);
		engine_mode_enter(&mode);
		reuse_table_add(call->run_id, call->no, &table);
		engine_mode_leave(&mode);
	}
}

/* Adds it as an input that has no name. */
static void
add_problems(ActivityCall *call)
{
	EngineMode mode;

	if (!call->def->has_inputs && lineage_problem(false) != NULL)
		add_table(call, TABLE_INPUT, InvalidOid, "of another kind", 0,
				  lineage_problem(false));
	else if (!call->def->has_outputs && lineage_problem(true) != NULL)
		add_table(call, TABLE_OUTPUT, InvalidOid, "of another kind", 0,
				  lineage_problem(true));
	if (reuse_asked_for_context())
		add_table(call, TABLE_INPUT, InvalidOid, "of another kind", 0,
				  "the context of the run");
	engine_mode_enter(&mode);
	reuse_asked_add(call->run_id, call->no, reuse_asked());
	engine_mode_leave(&mode);
}

static void
add_table(ActivityCall *call, TableUse use, Oid relation, const char *name,
		  int64 rows, const char *problem)
{
	ReuseTable table = {.use = use,
						.relation = relation,
						.name = pstrdup(name),
						.problem = problem,
						.hash = {.rows = rows}};
	EngineMode mode;

	engine_mode_enter(&mode);
	reuse_table_add(call->run_id, call->no, &table);
	engine_mode_leave(&mode);
}

void
reuse_step_end(ActivityCall *call, bool complete)
{
	const char *problem = NULL;
	ReuseRow *row;
	List *tables;
	ListCell *cell;
	EngineMode mode;
	int level;

	contents_reset();
	engine_mode_enter(&mode);
	row = reuse_load(call->run_id, call->no);
	tables = reuse_tables(call->run_id, call->no);
	engine_mode_leave(&mode);
	if (row == NULL || row->start_snapshot == NULL)
		return;

	level = reuse_pin_names();
	if (!complete)
		problem = "some of its mini-batches have failed";
	else if (GetUserId() != call->role)
		problem = "it has changed its role";
	else
		problem = look_at_tables(call, row, tables);
	AtEOXact_GUC(false, level);

	engine_mode_enter(&mode);
	contents_remember();
	foreach(cell, tables)
		reuse_table_update(call->run_id, call->no, lfirst(cell));
	reuse_set_problem(call->run_id, call->no, problem);
	engine_mode_leave(&mode);
}

/* The first problem; NULL: none. */
static const char *
look_at_tables(ActivityCall *call, const ReuseRow *row, List *tables)
{
	Snapshot start = RestoreSnapshot(VARDATA(row->start_snapshot));
	const char *problem = NULL;
	ListCell *cell;

	foreach(cell, tables)
	{
		ReuseTable *table = lfirst(cell);

		if (table->problem == NULL &&
			(table->use == TABLE_INPUT || table->use == TABLE_OUTPUT))
			look_at_table(row, table, start,
						  table->use == TABLE_OUTPUT ?
							  call->def->has_outputs :
							  is_written(tables, table->relation));
		if (table->problem != NULL && table->use != TABLE_FOUND &&
			problem == NULL)
			problem = psprintf("%s %s: %s",
							   table->use == TABLE_OUTPUT ? "output" : "input",
							   table->name, table->problem);
	}
	return problem;
}

/*
 * An output's rows are, so far, those that were counted; for one that only the
 * document names, nobody has counted any.
 */
static void
look_at_table(const ReuseRow *row, ReuseTable *table, Snapshot start,
			  bool special)
{
	Content *content = content_create(table->relation, InvalidTransactionId);

	contents_now(list_make1(content));
	if (table->use == TABLE_OUTPUT && !special)
		content_require_added(content, start, table->hash.rows);
	else if (table->use == TABLE_INPUT && special)
		content->problem = "written by the activity itself";
	else if (table->use == TABLE_INPUT)
		content_require_unchanged(content, row->start_lsn, start);
	table->problem = content->problem;
	table->hash = content->hash;
	table->visible = RelationIsVisible(table->relation);
}

static bool
is_written(List *tables, Oid relation)
{
	ListCell *cell;

	foreach(cell, tables)
	{
		const ReuseTable *table = lfirst(cell);

		if (table->use == TABLE_OUTPUT && table->relation == relation)
			return true;
	}
	return false;
}

/*-------------------------------------------------------------------------
 *
 * reuse.c
 *	  Activities that are not done again: "reuse": true.
 *
 * A success is recognized by its key, that is the role, the activity's name,
 * its definition, the values of its placeholders and the ends of what it
 * depends on; and by the contents of its inputs and outputs.  Both are kept
 * with the end of the activity.  If there is an earlier success with the same
 * key, whose inputs are what they were and whose outputs are what it left, the
 * activity ends at once, with the earlier output.
 *
 * The contents of inputs are taken as of a snapshot from before the activity
 * begins.  If another transaction has changed an input since, nobody knows what
 * the statements saw: then the success is no use to later runs, and its record
 * says so.  The same goes for all whose content cannot be told: files, foreign
 * tables, sequences, what is read with the rights of others and cannot be seen
 * whole.  So every doubt leads to doing the work again.
 *
 * reuse_key.c makes the key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#include "activity/activity.h"
#include "engine/content.h"
#include "engine/guard.h"
#include "engine/lineage.h"
#include "engine/rerun.h"
#include "engine/reuse.h"
#include "engine/reuse_key.h"
#include "engine/run_cache.h"
#include "store/engine_mode.h"
#include "store/reuse_store.h"

/* So many successes with the same key are looked at, latest first. */
#define MAX_CANDIDATES 4

/* What is known of this process's attempt; in that one's context. */
typedef struct ReuseAttempt
{
	ReuseRow row;
	List *tables; /* of ReuseTable *, for its record */
	const ReuseRow *compared;
	List *found;    /* of ReuseTable *: outputs of that, before the work */
	Snapshot start; /* before the work */
	bool taken;
} ReuseAttempt;

static ReuseAttempt *attempt = NULL;

static bool is_usable(ActivityCall *call, const ReuseRow *candidate);
static bool tables_stand(const ReuseRow *candidate);
static Oid table_now(const ReuseTable *table);
static bool has_content(const ReuseTable *table);
static void look_again(ReuseTable *table, const Content *content);
static void keep_as_found(const ReuseTable *table);
static void take_over(ActivityCall *call, const ReuseRow *candidate);
static void take_over_tables(const ReuseRow *candidate);
static void look_at_split(void);
static const char *find_problem(ActivityCall *call);
static void look_at_inputs(ActivityCall *call);
static void look_at_sources(void);
static void look_at_outputs(ActivityCall *call);
static void add_declared(ActivityCall *call, List *names, TableUse use);
static void add_input(Oid relation, const char *name, bool written);
static void add_output(Oid relation, const char *name, bool appended,
					   int64 rows);
static ReuseTable *add_table(TableUse use, Oid relation, const char *name);
static bool is_known(TableUse use, Oid relation);
static const LineageEntry *find_entry(Oid relation, bool written);

bool
reuse_take(ActivityCall *call)
{
	EngineMode mode;
	List *candidates = NIL;
	ListCell *cell;

	contents_reset();
	attempt = palloc0(sizeof(ReuseAttempt));
	attempt->row.run_id = call->run_id;
	attempt->row.no = call->no;
	reuse_key_make(call, &attempt->row);

	engine_mode_enter(&mode);
	if (!rerun_demands(call))
		candidates = reuse_candidates(attempt->row.key, call->run_id,
									  MAX_CANDIDATES);
	engine_mode_leave(&mode);
	foreach(cell, candidates)
	{
		if (is_usable(call, lfirst(cell)))
		{
			take_over(call, lfirst(cell));
			return true;
		}
	}
	if (attempt->compared == NULL)
	{
		engine_mode_enter(&mode);
		attempt->compared = reuse_nearest(attempt->row.place, call->run_id);
		engine_mode_leave(&mode);
	}
	attempt->start = RegisterSnapshot(GetLatestSnapshot());
	return false;
}

static bool
is_usable(ActivityCall *call, const ReuseRow *candidate)
{
	bool first = attempt->compared == NULL;
	bool stands;

	attempt->found = first ? NIL : attempt->found;
	if (first)
		attempt->compared = candidate;
	stands = reuse_asked_same(call, candidate->asked) &&
		tables_stand(candidate);
	if (stands)
		attempt->compared = candidate;
	return stands;
}

/* Looks at all of them, so that what was found can be told. */
static bool
tables_stand(const ReuseRow *candidate)
{
	bool keep_found = attempt->found == NIL;
	bool stand = true;
	List *contents = NIL;
	List *tables;
	ListCell *cell;
	int n = 0;
	EngineMode mode;

	engine_mode_enter(&mode);
	tables = reuse_tables(candidate->run_id, candidate->no);
	engine_mode_leave(&mode);
	foreach(cell, tables)
	{
		const ReuseTable *table = lfirst(cell);

		if (has_content(table))
			contents = lappend(contents,
							   content_create(table_now(table), table->xid));
	}
	contents_now(contents);

	foreach(cell, tables)
	{
		const ReuseTable *table = lfirst(cell);
		ReuseTable now = *table;

		now.relation = table_now(table);
		if (table->use == TABLE_FOUND)
			continue;
		look_again(&now, has_content(table) ? list_nth(contents, n++) : NULL);
		if (now.problem != NULL ||
			memcmp(&now.hash, &table->hash, sizeof(ContentHash)) != 0)
			stand = false;
		if (table->use == TABLE_OUTPUT && keep_found)
			keep_as_found(&now);
	}
	return stand;
}

/*
 * What counts for an input is its content, even if it is made anew each time.
 * An output that was made anew is not as it was left: it lacks its indexes,
 * say.
 */
static Oid
table_now(const ReuseTable *table)
{
	Oid named;

	if (table->use != TABLE_INPUT || reuse_name_stands(table))
		return table->relation;
	named = reuse_table_named(table->name);
	return OidIsValid(named) ? named : table->relation;
}

static bool
has_content(const ReuseTable *table)
{
	return table->use == TABLE_INPUT || table->use == TABLE_OUTPUT;
}

/* It is also a change if a name has come to mean another table. */
static void
look_again(ReuseTable *table, const Content *content)
{
	table->problem = NULL;
	if (content == NULL)
	{
		if (!reuse_source_hash(table, &table->hash))
			table->problem = "dropped";
		return;
	}
	table->hash = content->hash;
	table->problem = content->problem;
	if (table->problem == NULL && !reuse_name_stands(table))
		table->problem = "renamed, or another table has its name";
}

static void
keep_as_found(const ReuseTable *table)
{
	ReuseTable *found = palloc(sizeof(ReuseTable));

	*found = *table;
	found->use = TABLE_FOUND;
	attempt->found = lappend(attempt->found, found);
}

static void
take_over(ActivityCall *call, const ReuseRow *candidate)
{
	attempt->taken = true;
	attempt->row.asked = candidate->asked;
	attempt->row.origin_run_id = candidate->origin_run_id;
	attempt->row.origin_no = candidate->origin_no;
	call->output = candidate->output;
	call->items_in = candidate->items_in;
	call->items_out = candidate->items_out;
	take_over_tables(candidate);
}

static void
take_over_tables(const ReuseRow *candidate)
{
	EngineMode mode;
	ListCell *cell;

	engine_mode_enter(&mode);
	foreach(cell, reuse_tables(candidate->run_id, candidate->no))
	{
		ReuseTable *table = lfirst(cell);

		if (table->use != TABLE_FOUND)
			attempt->tables = lappend(attempt->tables, table);
	}
	engine_mode_leave(&mode);
}

void
reuse_look(ActivityCall *call, ActivityOutcome outcome)
{
	int level = reuse_pin_names();

	attempt->row.origin_run_id = call->run_id;
	attempt->row.origin_no = call->no;
	attempt->row.asked = reuse_asked();
	if (outcome == OUTCOME_STEP)
		look_at_split();
	else
		attempt->row.problem = find_problem(call);
	if (attempt->row.problem == NULL)
	{
		look_at_inputs(call);
		look_at_sources();
		look_at_outputs(call);
	}
	AtEOXact_GUC(false, level);
	UnregisterSnapshot(attempt->start);
}

/*
 * Its mini-batches commit by themselves, until long after this.  Up to now the
 * snapshot has kept what others have deleted since.  Pages may have been
 * written all the same, by our own reading, say, which removes dead versions.
 */
static void
look_at_split(void)
{
	Size size = EstimateSnapshotSpace(attempt->start);
	bytea *kept = palloc(VARHDRSZ + size);

	SET_VARSIZE(kept, VARHDRSZ + size);
	SerializeSnapshot(attempt->start, VARDATA(kept));
	attempt->row.start_snapshot = kept;
	attempt->row.start_lsn = GetXLogInsertRecPtr();
	attempt->row.problem = "its mini-batches have not ended";
}

static const char *
find_problem(ActivityCall *call)
{
	const char *problem = NULL;

	if (!call->def->has_inputs && lineage_problem(false) != NULL)
		problem = psprintf("it reads %s", lineage_problem(false));
	else if (!call->def->has_outputs && lineage_problem(true) != NULL)
		problem = psprintf("it writes %s", lineage_problem(true));
	else if (GetUserId() != call->role)
		problem = "it has changed its role";
	else if (call->variables != NIL)
		problem = "it sets variables";
	else if (reuse_asked_for_context())
		problem = "it asks for the context of the run";
	else if (call->goes_on_from != 0)
		problem = "it goes on with what an earlier run has done";
	return problem;
}

static void
look_at_inputs(ActivityCall *call)
{
	ListCell *cell;

	if (call->def->has_inputs)
	{
		add_declared(call, call->def->inputs, TABLE_INPUT);
		return;
	}
	foreach(cell, lineage_entries())
	{
		const LineageEntry *entry = lfirst(cell);

		if (!entry->written && !entry->own)
			add_input(entry->relation, entry->name,
					  find_entry(entry->relation, true) != NULL);
	}
}

static void
add_declared(ActivityCall *call, List *names, TableUse use)
{
	ListCell *cell;

	foreach(cell, names)
	{
		char *name = call_render(call, lfirst(cell));
		Oid relation = reuse_find_table(name);

		/* As it was written there it may not be what it is looked for by. */
		if (OidIsValid(relation) && lineage_name(relation) != NULL)
			name = lineage_name(relation);
		if (!OidIsValid(relation))
			attempt->row.problem = psprintf("table \"%s\" does not exist",
											name);
		else if (use == TABLE_INPUT)
			add_input(relation, name, find_entry(relation, true) != NULL);
		else
			add_output(relation, name, false, 0);
	}
}

/*
 * Row-level security may hide from us what another role, which is free of it,
 * has read for the activity.
 */
static void
add_input(Oid relation, const char *name, bool written)
{
	const LineageEntry *entry = find_entry(relation, false);
	Content *content = content_create(relation, InvalidTransactionId);
	ReuseTable *table;

	if (is_known(TABLE_INPUT, relation))
		return;
	table = add_table(TABLE_INPUT, relation, name);
	if (entry != NULL && entry->by_others && reuse_has_row_security(relation))
		content->problem = "row-level security may hide a part of it";
	else if (written && reuse_has_new_file(relation))
		content->problem = "replaced by the activity itself";
	else
		content_as_of(content, attempt->start, written);
	table->problem = content->problem;
	table->hash = content->hash;
}

static void
look_at_sources(void)
{
	ListCell *cell;

	foreach(cell, lineage_sources())
	{
		const LineageSource *source = lfirst(cell);
		ReuseTable table = {.use = source->class_id == ProcedureRelationId ?
								TABLE_FUNCTION :
								TABLE_VIEW,
							.relation = source->object_id};
		ContentHash hash;

		/* What came and went in this transaction, is the activity's own. */
		if (!reuse_source_hash(&table, &hash))
			continue;
		add_table(table.use, table.relation, reuse_source_name(&table))
			->hash = hash;
	}
}

static void
look_at_outputs(ActivityCall *call)
{
	ListCell *cell;

	if (call->def->has_outputs)
	{
		add_declared(call, call->def->outputs, TABLE_OUTPUT);
		return;
	}
	foreach(cell, lineage_entries())
	{
		const LineageEntry *entry = lfirst(cell);

		/* What it has dropped again, is no output. */
		if (entry->written && get_rel_relkind(entry->relation) != '\0')
			add_output(entry->relation, entry->name, !entry->replaces,
					   entry->rows);
	}
}

/*
 * If the activity has only added to a table, its output is its own rows:
 * others may add theirs.  They are known by the transaction; if they are not
 * (a part of it was a subtransaction), the table as a whole counts.
 */
static void
add_output(Oid relation, const char *name, bool appended, int64 rows)
{
	TransactionId xid = GetTopTransactionIdIfAny();
	ReuseTable *table;
	Content *content;

	if (is_known(TABLE_OUTPUT, relation))
		return;

	/* It may have been given another one. */
	if (lineage_name(relation) != NULL)
		name = lineage_name(relation);
	table = add_table(TABLE_OUTPUT, relation, name);
	if (appended && TransactionIdIsValid(xid) && !reuse_has_new_file(relation))
	{
		content = content_create(relation, xid);
		contents_now(list_make1(content));
		if (content->problem == NULL && content->hash.rows == rows)
		{
			table->xid = xid;
			table->hash = content->hash;
			return;
		}
	}
	content = content_create(relation, InvalidTransactionId);
	contents_now(list_make1(content));
	content_require_settled(content, attempt->start);
	table->problem = content->problem;
	table->hash = content->hash;
}

static ReuseTable *
add_table(TableUse use, Oid relation, const char *name)
{
	ReuseTable *table = palloc0(sizeof(ReuseTable));

	table->use = use;
	table->relation = relation;
	table->name = pstrdup(name);
	table->visible = use != TABLE_FUNCTION && RelationIsVisible(relation);
	attempt->tables = lappend(attempt->tables, table);
	return table;
}

static bool
is_known(TableUse use, Oid relation)
{
	ListCell *cell;

	foreach(cell, attempt->tables)
	{
		const ReuseTable *table = lfirst(cell);

		if (table->use == use && table->relation == relation)
			return true;
	}
	return false;
}

static const LineageEntry *
find_entry(Oid relation, bool written)
{
	ListCell *cell;

	foreach(cell, lineage_entries())
	{
		const LineageEntry *entry = lfirst(cell);

		if (entry->relation == relation && entry->written == written)
			return entry;
	}
	return NULL;
}

/* The first table that cannot be told makes the success useless to others. */
void
reuse_write(ActivityCall *call)
{
	ReuseRow *row = &attempt->row;
	EngineMode mode;
	ListCell *cell;

	foreach(cell, attempt->tables)
	{
		const ReuseTable *table = lfirst(cell);

		if (table->problem != NULL && row->problem == NULL)
			row->problem = psprintf("%s %s: %s",
									table->use == TABLE_OUTPUT ? "output" :
																 "input",
									table->name, table->problem);
	}
	if (attempt->compared != NULL)
	{
		row->compared_run_id = attempt->compared->run_id;
		row->compared_no = attempt->compared->no;
	}
	if (attempt->taken)
		guard_share(run_info(call->run_id));
	engine_mode_enter(&mode);
	contents_remember();
	if (attempt->taken)
		activity_set_reused(call->run_id, call->no, row->origin_run_id);
	reuse_insert(row);
	foreach(cell, list_concat_copy(attempt->tables, attempt->found))
		reuse_table_insert(call->run_id, call->no, lfirst(cell));
	engine_mode_leave(&mode);
	if (row->start_snapshot != NULL)
		reuse_step_seen(call);
}

/*-------------------------------------------------------------------------
 *
 * lineage.c
 *	  Gathers which tables the work of an attempt reads and writes.
 *
 * lineage_watch.c sees the statements.  A table's name is noted when the table
 * is first seen: it may have been dropped by the time somebody looks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "engine/lineage.h"
#include "mlpipe.h"
#include "store/engine_mode.h"
#include "store/lineage_store.h"

/* What one attempt can leave; if it touches more tables, the rest is lost. */
#define MAX_ENTRIES 10000

static MemoryContext LineageContext = NULL;
static List *entries = NIL;
static List *sources = NIL;
static const char *read_problem = NULL;
static const char *write_problem = NULL;

static LineageEntry *find_entry(Oid relation, bool written);
static MemoryContext enter_context(void);
static bool is_users_table(Form_pg_class class);
static int compare_entries(const ListCell *a, const ListCell *b);

void
lineage_reset(void)
{
	entries = NIL;
	sources = NIL;
	read_problem = write_problem = NULL;
	if (LineageContext != NULL)
		MemoryContextReset(LineageContext);
}

LineageEntry *
lineage_note(Oid relation, bool written, int64 rows)
{
	LineageEntry *entry = find_entry(relation, written);
	MemoryContext previous;
	char *name;

	if (entry != NULL)
	{
		entry->rows += rows;
		return entry;
	}
	name = lineage_name(relation);
	if (name == NULL || list_length(entries) >= MAX_ENTRIES)
		return NULL;

	previous = enter_context();
	entry = palloc0(sizeof(LineageEntry));
	entry->relation = relation;
	entry->written = written;
	entry->rows = rows;
	entry->name = pstrdup(name);
	entry->own = !written && lineage_has_new_file(relation);
	entries = lappend(entries, entry);
	MemoryContextSwitchTo(previous);
	return entry;
}

static MemoryContext
enter_context(void)
{
	if (LineageContext == NULL)
		LineageContext = AllocSetContextCreate(TopMemoryContext,
											   "mlpipe lineage",
											   ALLOCSET_SMALL_SIZES);
	return MemoryContextSwitchTo(LineageContext);
}

bool
lineage_has_new_file(Oid relation)
{
	Relation table = RelationIdGetRelation(relation);
	bool new_file = RelationIsValid(table) &&
		(table->rd_createSubid != InvalidSubTransactionId ||
		 relation_new_file_subid(table) != InvalidSubTransactionId);

	if (RelationIsValid(table))
		RelationClose(table);
	return new_file;
}

void
lineage_note_source(Oid class_id, Oid object_id)
{
	MemoryContext previous;
	LineageSource *source;
	ListCell *cell;

	if (object_id < FirstNormalObjectId)
		return;
	foreach(cell, sources)
	{
		source = lfirst(cell);
		if (source->object_id == object_id && source->class_id == class_id)
			return;
	}
	if (list_length(sources) >= MAX_ENTRIES)
		return;
	previous = enter_context();
	source = palloc(sizeof(LineageSource));
	source->class_id = class_id;
	source->object_id = object_id;
	sources = lappend(sources, source);
	MemoryContextSwitchTo(previous);
}

void
lineage_note_problem(bool written, const char *problem)
{
	const char **place = written ? &write_problem : &read_problem;

	if (*place == NULL)
		*place = problem;
}

const char *
lineage_problem(bool written)
{
	if (list_length(entries) >= MAX_ENTRIES ||
		list_length(sources) >= MAX_ENTRIES)
		return "too many tables";
	return written ? write_problem : read_problem;
}

List *
lineage_sources(void)
{
	return sources;
}

void
lineage_add_rows(Oid relation, bool written, int64 rows)
{
	LineageEntry *entry = find_entry(relation, written);

	if (entry != NULL)
		entry->rows += rows;
}

static LineageEntry *
find_entry(Oid relation, bool written)
{
	ListCell *cell;

	foreach(cell, entries)
	{
		LineageEntry *entry = lfirst(cell);

		if (entry->relation == relation && entry->written == written)
			return entry;
	}
	return NULL;
}

char *
lineage_name(Oid relation)
{
	HeapTuple tuple;
	Form_pg_class class;
	char *name = NULL;

	/* The catalogs, and what initdb has made besides. */
	if (relation < FirstNormalObjectId)
		return NULL;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	if (!HeapTupleIsValid(tuple))
		return NULL;
	class = (Form_pg_class) GETSTRUCT(tuple);
	if (is_users_table(class))
		name = quote_qualified_identifier(get_namespace_name(
											  class->relnamespace),
										  NameStr(class->relname));
	ReleaseSysCache(tuple);
	return name;
}

static bool
is_users_table(Form_pg_class class)
{
	switch (class->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_MATVIEW:
			return class->relpersistence != RELPERSISTENCE_TEMP &&
				class->relnamespace != get_namespace_oid(EXTENSION_NAME, true);
		default:
			return false;
	}
}

LineageMark
lineage_mark(void)
{
	LineageMark mark = {.count = list_length(entries)};
	ListCell *cell;

	if (mark.count > 0)
		mark.rows = palloc(mark.count * sizeof(int64));
	foreach(cell, entries)
		mark.rows[foreach_current_index(cell)] =
			((LineageEntry *) lfirst(cell))->rows;
	return mark;
}

void
lineage_go_back(const LineageMark *mark)
{
	ListCell *cell;

	foreach(cell, entries)
	{
		int i = foreach_current_index(cell);

		((LineageEntry *) lfirst(cell))->rows = i < mark->count ?
			mark->rows[i] :
			0;
	}
}

List *
lineage_entries(void)
{
	return entries;
}

void
lineage_write(int64 run_id, int32 no)
{
	EngineMode mode;
	ListCell *cell;

	if (entries == NIL)
		return;

	/* In one order, for workers of a step add to the same rows. */
	list_sort(entries, compare_entries);

	/* The user's statements may have set the transaction read-only. */
	XactReadOnly = false;
	engine_mode_enter(&mode);
	foreach(cell, entries)
	{
		LineageEntry *entry = lfirst(cell);
		LineageRow row = {.run_id = run_id,
						  .no = no,
						  .relation = entry->relation,
						  .written = entry->written,
						  .rows = entry->rows,
						  .name = entry->name};

		lineage_add(&row);
	}
	engine_mode_leave(&mode);
}

static int
compare_entries(const ListCell *a, const ListCell *b)
{
	const LineageEntry *one = lfirst(a);
	const LineageEntry *other = lfirst(b);

	if (one->relation != other->relation)
		return one->relation < other->relation ? -1 : 1;
	return (int) one->written - (int) other->written;
}

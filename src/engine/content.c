/*-------------------------------------------------------------------------
 *
 * content.c
 *	  What is in a table: its rows as a hash, without reading them if nothing
 *	  was written since they were last read.
 *
 * The hash is an ordinary query, with the rights of the current user (and in
 * parallel where the planner thinks so).  What it found is remembered with a
 * stamp of the table: its files, their sizes, the greatest LSN on any of its
 * pages, and its columns.  Whatever changes a page gives it a greater LSN than
 * any page had before, also after a crash, since what is remembered is in the
 * same WAL.  So with the same stamp the pages are the same.
 *
 * Yet the same pages may show other rows once a transaction ends that had
 * written them before.  So a hash is only remembered if nobody else was at work
 * on the table while it was read: first the stamp is taken, then the locks that
 * writers hold until their end are looked for, then the rows are read, with a
 * snapshot taken after that.
 *
 * This works for ordinary tables, and for trees of them by inheritance and
 * partitioning; unlogged tables have no LSNs and are read each time.  Of
 * foreign tables, views, and tables of which row-level security hides a part,
 * nobody could tell that they have not changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "definition/catch.h"
#include "engine/content.h"
#include "engine/table_pages.h"
#include "store/engine_mode.h"

/* An aggregate takes no more arguments; its first one is its state. */
#define MAX_COLUMNS 99

#define CHANGED     "changed by another transaction meanwhile"

/* What to read, and how. */
typedef struct Reading
{
	Content *content;
	Snapshot snapshot;
} Reading;

/* In TopTransactionContext: set anew by each attempt before it is used. */
static List *fresh = NIL; /* of Content * */

static void open_content(Content *content);
static const char *find_problem(Oid relation);
static const char *check_tree(Content *content);
static const char *check_table(Relation table);
static bool recall(Content *content);
static const Content *find_fresh(const Content *content);
static void read_stamp(Content *content);
static bool is_quiet(const Content *content);
static void read_rows(Content *content, Snapshot snapshot);
static void try_to_read(void *arg);
static void add_column_names(Content *content);
static char *hash_query(const Content *content);
static void add_columns(StringInfo sql, Relation table);
static bool table_is_settled(Relation table, Snapshot snapshot);
static bool tree_is_settled(const Content *content, Snapshot snapshot);
static int compare_contents(const ListCell *a, const ListCell *b);

Content *
content_create(Oid relation, TransactionId xid)
{
	Content *content = palloc0(sizeof(Content));

	content->relation = relation;
	content->xid = xid;
	return content;
}

/*
 * What is remembered is as of the time of its stamp, what has to be read as of
 * the snapshot.  If there are both, the stamps are looked at once more, so that
 * all of it is as of the snapshot.
 */
void
contents_now(List *contents)
{
	bool reads = false;
	ListCell *cell;

	foreach(cell, contents)
	{
		Content *content = lfirst(cell);

		open_content(content);
		if (content->problem == NULL && !recall(content))
			reads = true;
	}
	if (!reads)
		return;

	PushActiveSnapshot(GetLatestSnapshot());
	foreach(cell, contents)
	{
		Content *content = lfirst(cell);
		ContentStamp before = content->stamp;

		if (content->problem != NULL)
			continue;
		if (!content->remembered)
		{
			read_rows(content, GetActiveSnapshot());
			continue;
		}
		read_stamp(content);
		if (memcmp(&before, &content->stamp, sizeof(before)) != 0)
			content->problem = CHANGED;
	}
	PopActiveSnapshot();
}

void
content_as_of(Content *content, Snapshot snapshot, bool written)
{
	open_content(content);
	if (content->problem == NULL && written)
		content->has_stamp = false;
	if (content->problem != NULL || recall(content))
	{
		content_require_settled(content, snapshot);
		return;
	}
	content_require_settled(content, snapshot);
	if (content->problem == NULL)
		read_rows(content, snapshot);
}

void
content_require_settled(Content *content, Snapshot snapshot)
{
	if (content->problem == NULL && !tree_is_settled(content, snapshot))
		content->problem = CHANGED;
}

/*
 * Pages that nobody has written since have lost no tuple, and transactions that
 * were under way at that time show in their tuples.
 */
void
content_require_unchanged(Content *content, XLogRecPtr lsn, Snapshot snapshot)
{
	if (content->problem == NULL &&
		(!content->has_stamp || content->stamp.lsn > lsn))
		content->problem = CHANGED;
	content_require_settled(content, snapshot);
}

void
content_require_added(Content *content, Snapshot snapshot, int64 rows)
{
	int64 added = 0;
	bool only_added = true;
	ListCell *cell;

	if (content->problem != NULL)
		return;
	foreach(cell, content->tree)
	{
		Relation table = relation_open(lfirst_oid(cell), NoLock);

		if (table->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
			only_added &= table_count_added(table, snapshot, &added);
		relation_close(table, NoLock);
	}
	if (!only_added || added != rows)
		content->problem = CHANGED;
}

/* Locks it, and reads its stamp; or finds a problem. */
static void
open_content(Content *content)
{
	content->remembered = false;
	content->has_stamp = false;
	LockRelationOid(content->relation, AccessShareLock);
	content->problem = find_problem(content->relation);
	if (content->problem == NULL)
		content->problem = check_tree(content);
	if (content->problem == NULL)
		read_stamp(content);
}

/* With the rights of the current user, as for all that is read here. */
static const char *
find_problem(Oid relation)
{
	char kind = get_rel_relkind(relation);

	switch (kind)
	{
		case '\0':
			return "dropped";
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_MATVIEW:
			break;
		case RELKIND_FOREIGN_TABLE:
			return "a foreign table";
		case RELKIND_VIEW:
			return "a view";
		default:
			return "not a table";
	}
	if (pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return "not all of it may be read";
	if (check_enable_rls(relation, InvalidOid, true) == RLS_ENABLED)
		return "row-level security hides a part of it";
	return NULL;
}

static const char *
check_tree(Content *content)
{
	ListCell *cell;

	content->tree = find_all_inheritors(content->relation, AccessShareLock,
										NULL);
	list_sort(content->tree, list_oid_cmp);
	foreach(cell, content->tree)
	{
		Relation table = relation_open(lfirst_oid(cell), NoLock);
		const char *problem = check_table(table);

		relation_close(table, NoLock);
		if (problem != NULL)
			return problem;
	}
	return NULL;
}

static const char *
check_table(Relation table)
{
	if (table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		return NULL;
	if (table->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		return "partly a foreign table";
	if (table->rd_rel->relam != HEAP_TABLE_AM_OID)
		return "stored by another access method than heap";
	if (table->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		return "a temporary table";
	return NULL;
}

/* From what this transaction has just read, or from what was remembered. */
static bool
recall(Content *content)
{
	const Content *known;
	EngineMode mode;

	content->quiet = false;
	if (!content->has_stamp)
		return false;
	known = find_fresh(content);
	if (known != NULL)
	{
		content->hash = known->hash;
		content->remembered = true;
		return true;
	}
	engine_mode_enter(&mode);
	content->remembered = table_hash_find(content->relation, content->xid,
										  &content->stamp, &content->hash);
	engine_mode_leave(&mode);
	if (!content->remembered)
		content->quiet = is_quiet(content);
	return content->remembered;
}

static const Content *
find_fresh(const Content *content)
{
	ListCell *cell;

	foreach(cell, fresh)
	{
		const Content *known = lfirst(cell);

		if (known->relation == content->relation &&
			known->xid == content->xid &&
			memcmp(&known->stamp, &content->stamp, sizeof(ContentStamp)) == 0)
			return known;
	}
	return NULL;
}

static void
read_stamp(Content *content)
{
	ListCell *cell;

	memset(&content->stamp, 0, sizeof(ContentStamp));
	content->has_stamp = true;
	foreach(cell, content->tree)
	{
		Relation table = relation_open(lfirst_oid(cell), NoLock);

		content->has_stamp = table_stamp(table, &content->stamp);
		relation_close(table, NoLock);
		if (!content->has_stamp)
			return;
	}
}

/* Whoever writes holds such a lock until the transaction ends. */
static bool
is_quiet(const Content *content)
{
	ListCell *cell;

	foreach(cell, content->tree)
	{
		LOCKTAG tag;
		int others;

		SET_LOCKTAG_RELATION(tag, MyDatabaseId, lfirst_oid(cell));
		(void) GetLockConflicts(&tag, ShareLock, &others);
		if (others > 0)
			return false;
	}
	return true;
}

static void
read_rows(Content *content, Snapshot snapshot)
{
	Reading reading = {content, snapshot};
	char *message;

	if (!catch_errors(try_to_read, &reading, &message))
		content->problem = message;
	else if (content->has_stamp && content->quiet)
	{
		Content *known = MemoryContextAlloc(TopTransactionContext,
											sizeof(Content));
		MemoryContext previous = MemoryContextSwitchTo(TopTransactionContext);

		*known = *content;
		fresh = lappend(fresh, known);
		MemoryContextSwitchTo(previous);
	}
}

static void
try_to_read(void *arg)
{
	Reading *reading = arg;
	SPIPlanPtr plan;
	bytea *hash;
	bool isnull;

	PushActiveSnapshot(reading->snapshot);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare_cursor(hash_query(reading->content), 0, NULL,
							  CURSOR_OPT_PARALLEL_OK);
	if (plan == NULL ||
		SPI_execute_plan(plan, NULL, NULL, true, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not read the rows of a table");
	hash = DatumGetByteaPP(SPI_getbinval(SPI_tuptable->vals[0],
										 SPI_tuptable->tupdesc, 1, &isnull));
	if (VARSIZE_ANY_EXHDR(hash) != sizeof(ContentHash))
		elog(ERROR, "unexpected size of a hash");
	memcpy(&reading->content->hash, VARDATA_ANY(hash), sizeof(ContentHash));
	add_column_names(reading->content);
	SPI_finish();
	PopActiveSnapshot();
}

/* The names of its columns are a part of what is in a table. */
static void
add_column_names(Content *content)
{
	Relation table = relation_open(content->relation, NoLock);
	TupleDesc columns = RelationGetDescr(table);
	ContentStamp names = {0};
	int i;

	for (i = 0; i < columns->natts; i++)
	{
		if (!TupleDescAttr(columns, i)->attisdropped)
			stamp_add_column(&names, columns, i);
	}
	relation_close(table, NoLock);
	content->hash.low += names.digest;
	content->hash.high ^= names.digest;
}

static char *
hash_query(const Content *content)
{
	Relation table = relation_open(content->relation, NoLock);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT mlpipe.hash_rows(");
	add_columns(&sql, table);
	appendStringInfo(&sql, ") FROM %s AS t",
					 quote_qualified_identifier(get_namespace_name(
													RelationGetNamespace(
														table)),
												RelationGetRelationName(
													table)));
	if (TransactionIdIsValid(content->xid))
		appendStringInfo(
			&sql, " WHERE t.xmin OPERATOR(pg_catalog.=) '%u'::pg_catalog.xid",
			content->xid);
	relation_close(table, NoLock);
	return sql.data;
}

/* If there are too many for arguments, they are grouped into rows. */
static void
add_columns(StringInfo sql, Relation table)
{
	TupleDesc columns = RelationGetDescr(table);
	bool in_rows = columns->natts > MAX_COLUMNS;
	int n = 0;
	int i;

	for (i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (column->attisdropped)
			continue;
		if (in_rows && n % MAX_COLUMNS == 0)
			appendStringInfoString(sql, n > 0 ? "), ROW(" : "ROW(");
		else if (n > 0)
			appendStringInfoString(sql, ", ");
		appendStringInfo(sql, "t.%s",
						 quote_identifier(NameStr(column->attname)));
		n++;
	}
	appendStringInfoString(sql, n == 0 ? "1" : in_rows ? ")" : "");
}

static bool
tree_is_settled(const Content *content, Snapshot snapshot)
{
	bool settled = true;
	ListCell *cell;

	foreach(cell, content->tree)
	{
		Relation table = relation_open(lfirst_oid(cell), NoLock);

		if (settled && table->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
			settled = table_is_settled(table, snapshot);
		relation_close(table, NoLock);
	}
	return settled;
}

/*
 * Is there no tuple that another transaction has made or deleted later than the
 * snapshot?  While that is registered, no tuple is removed that it shows, nor
 * one that came and went since.
 */
static bool
table_is_settled(Relation table, Snapshot snapshot)
{
	int64 added = 0;

	return table_count_added(table, snapshot, &added) && added == 0;
}

/* In a fixed order, as others may remember the same tables. */
void
contents_remember(void)
{
	ListCell *cell;

	list_sort(fresh, compare_contents);
	foreach(cell, fresh)
	{
		const Content *content = lfirst(cell);

		table_hash_keep(content->relation, content->xid, &content->stamp,
						&content->hash);
	}
	contents_reset();
}

void
contents_reset(void)
{
	fresh = NIL;
}

static int
compare_contents(const ListCell *a, const ListCell *b)
{
	const Content *one = lfirst(a);
	const Content *other = lfirst(b);

	if (one->relation != other->relation)
		return one->relation < other->relation ? -1 : 1;
	return one->xid < other->xid ? -1 : one->xid > other->xid;
}

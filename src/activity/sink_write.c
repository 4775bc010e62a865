/*-------------------------------------------------------------------------
 *
 * sink_write.c
 *	  Writes the rows of a query to a table, in one statement.
 *
 * Each mode is one statement, as it may read the table that it writes: to
 * remove doubles, say, a table is overwritten with a query over itself.  If an
 * earlier statement deleted the old rows, nothing would be left.
 *
 * Queries have parentheses of their own, and a line break after them ends a
 * comment that they may end in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "activity/sink.h"
#include "activity/sql_name.h"

/* Names that no query of the user's will have. */
#define OLD_ROWS "\"mlpipe old rows\""
#define SOURCE   "\"mlpipe source\""
#define TARGET   "\"mlpipe target\""

static int64 insert_rows(const SinkTarget *target, const char *with,
						 const Select *query);
static int64 overwrite_rows(const SinkTarget *target, const char *with,
							const Select *query);
static void append_delete_first(StringInfo sql, const SinkTarget *target,
								const Select *query);
static void append_query_first(StringInfo sql, const SinkTarget *target,
							   const Select *query);
static int64 upsert_rows(SinkTarget *target, const char *with,
						 const Select *query);
static int64 create_with_rows(const SinkTarget *target, const char *with,
							  const Select *query);
static int64 update_rows(const SinkTarget *target, const char *with,
						 const Select *query);
static int64 delete_rows(const SinkTarget *target, const char *with,
						 const Select *query);
static char *with_query(const char *with, const Select *query);
static void append_with(StringInfo sql, const char *with);
static void append_target(StringInfo sql, const SinkTarget *target,
						  List *columns);
static void append_source(StringInfo sql, const Select *query, List *columns);
static void append_assignments(StringInfo sql, List *columns,
							   const char *source);
static void append_key_match(StringInfo sql, List *key);
static List *written_columns(const SinkTarget *target, const char *with,
							 const Select *query);
static void require_key(const SinkTarget *target, List *columns);
static List *other_columns(const SinkTarget *target, List *columns);
static int64 run(const char *sql);
static void upsert_context(void *arg);
static bool is_lockable(const SinkTarget *target);

int64
sink_write(SinkTarget *target, const char *with, const Select *query)
{
	switch (target->mode)
	{
		case SINK_APPEND:
			return insert_rows(target, with, query);
		case SINK_OVERWRITE:
			return overwrite_rows(target, with, query);
		case SINK_UPSERT:
			return upsert_rows(target, with, query);
		case SINK_CREATE:
			return create_with_rows(target, with, query);
		case SINK_UPDATE:
			return update_rows(target, with, query);
		case SINK_DELETE:
			return delete_rows(target, with, query);
	}
	pg_unreachable();
}

static int64
insert_rows(const SinkTarget *target, const char *with, const Select *query)
{
	StringInfoData sql;

	initStringInfo(&sql);
	append_with(&sql, with);
	appendStringInfoString(&sql, "INSERT INTO ");
	append_target(&sql, target, target->columns);
	appendStringInfo(&sql, "\n(\n%s\n)", query->text);
	return run(sql.data);
}

/*
 * The new rows must not come before the old ones are gone, or they would meet
 * in unique indexes; and the query has to see the old ones.
 */
static int64
overwrite_rows(const SinkTarget *target, const char *with, const Select *query)
{
	StringInfoData sql;

	sink_lock(target);
	initStringInfo(&sql);
	appendStringInfo(&sql, "WITH %s%s", with ? with : "", with ? ",\n" : "");
	if (query->has_offset || select_sees_changes(with_query(with, query)))
		append_query_first(&sql, target, query);
	else
		append_delete_first(&sql, target, query);
	return run(sql.data);
}

/*
 * An OFFSET asks for the number of old rows before the query gets to its first
 * row.  It does not come between the query's columns and those of the table,
 * whose types an untyped literal takes.
 */
static void
append_delete_first(StringInfo sql, const SinkTarget *target,
					const Select *query)
{
	appendStringInfo(sql, "%s AS (DELETE FROM %s RETURNING 1)\nINSERT INTO ",
					 OLD_ROWS, target->table);
	append_target(sql, target, target->columns);
	appendStringInfo(sql, "\n(\n%s\n) OFFSET (SELECT 0 * count(*) FROM %s)",
					 query->text, OLD_ROWS);
}

/* All new rows are kept aside, then the old ones are deleted. */
static void
append_query_first(StringInfo sql, const SinkTarget *target,
				   const Select *query)
{
	appendStringInfo(sql, "%s AS MATERIALIZED (\n%s\n),\n", SOURCE,
					 query->text);
	appendStringInfo(
		sql,
		"%s AS (DELETE FROM %s WHERE (SELECT count(*) FROM %s) >= 0 RETURNING 1)\n",
		OLD_ROWS, target->table, SOURCE);
	appendStringInfoString(sql, "INSERT INTO ");
	append_target(sql, target, target->columns);
	appendStringInfo(sql,
					 "\nSELECT * FROM %s WHERE (SELECT count(*) FROM %s) >= 0",
					 SOURCE, OLD_ROWS);
}

static int64
upsert_rows(SinkTarget *target, const char *with, const Select *query)
{
	List *columns = written_columns(target, with, query);
	List *others = other_columns(target, columns);
	ErrorContextCallback callback = {.previous = error_context_stack,
									 .callback = upsert_context,
									 .arg = target};
	StringInfoData sql;
	int64 rows;

	initStringInfo(&sql);
	append_with(&sql, with);
	appendStringInfoString(&sql, "INSERT INTO ");
	append_target(&sql, target, columns);
	appendStringInfo(&sql, "\n(\n%s\n)\nON CONFLICT (%s) DO ", query->text,
					 column_list(target->key, NULL));
	target->keeps_existing = others == NIL;
	if (target->keeps_existing)
		appendStringInfoString(&sql, "NOTHING");
	else
	{
		appendStringInfoString(&sql, "UPDATE SET ");
		append_assignments(&sql, others, "excluded");
	}

	error_context_stack = &callback;
	rows = run(sql.data);
	error_context_stack = callback.previous;
	return rows;
}

/*
 * The query has been analyzed before, so that what is wrong with a column here
 * is that the key has no unique index.
 */
static void
upsert_context(void *arg)
{
	const SinkTarget *target = arg;
	char *key;

	if (geterrcode() != ERRCODE_INVALID_COLUMN_REFERENCE)
		return;
	key = column_list(target->key, NULL);
	errhint(
		"Mode \"upsert\" needs a unique index on exactly the columns of \"key\": CREATE UNIQUE INDEX ON %s (%s).",
		target->table, key);
}

static int64
create_with_rows(const SinkTarget *target, const char *with,
				 const Select *query)
{
	StringInfoData sql;

	if (target->types != NIL)
	{
		sink_create_table(target);
		return insert_rows(target, with, query);
	}
	initStringInfo(&sql);
	appendStringInfoString(&sql, "CREATE TABLE ");
	append_target(&sql, target, target->columns);
	appendStringInfoString(&sql, " AS\n");
	append_with(&sql, with);
	appendStringInfo(&sql, "(\n%s\n)", query->text);
	return run(sql.data);
}

static int64
update_rows(const SinkTarget *target, const char *with, const Select *query)
{
	List *columns = written_columns(target, with, query);
	List *others = other_columns(target, columns);
	StringInfoData sql;

	if (others == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nothing to update in table \"%s\"", target->name),
				 errdetail(
					 "All columns of the source are columns of the key.")));
	initStringInfo(&sql);
	append_with(&sql, with);
	appendStringInfo(&sql, "UPDATE %s AS %s SET ", target->table, TARGET);
	append_assignments(&sql, others, SOURCE);
	appendStringInfoString(&sql, "\nFROM ");
	append_source(&sql, query, columns);
	append_key_match(&sql, target->key);
	return run(sql.data);
}

static int64
delete_rows(const SinkTarget *target, const char *with, const Select *query)
{
	List *columns = written_columns(target, with, query);
	StringInfoData sql;

	initStringInfo(&sql);
	append_with(&sql, with);
	appendStringInfo(&sql, "DELETE FROM %s AS %s\nUSING ", target->table,
					 TARGET);
	append_source(&sql, query, columns);
	append_key_match(&sql, target->key);
	return run(sql.data);
}

/* The query alone, to be analyzed. */
static char *
with_query(const char *with, const Select *query)
{
	StringInfoData sql;

	initStringInfo(&sql);
	append_with(&sql, with);
	appendStringInfo(&sql, "(\n%s\n)", query->text);
	return sql.data;
}

static void
append_with(StringInfo sql, const char *with)
{
	if (with != NULL)
		appendStringInfo(sql, "WITH %s\n", with);
}

static void
append_target(StringInfo sql, const SinkTarget *target, List *columns)
{
	appendStringInfoString(sql, target->table);
	if (columns != NIL)
		appendStringInfo(sql, " (%s)", column_list(columns, NULL));
}

static void
append_source(StringInfo sql, const Select *query, List *columns)
{
	appendStringInfo(sql, "(\n%s\n) AS %s (%s)\n", query->text, SOURCE,
					 column_list(columns, NULL));
}

static void
append_assignments(StringInfo sql, List *columns, const char *source)
{
	ListCell *cell;

	foreach(cell, columns)
	{
		const char *column = quote_identifier(lfirst(cell));

		appendStringInfo(sql, "%s%s = %s.%s",
						 foreach_current_index(cell) > 0 ? ", " : "", column,
						 source, column);
	}
}

static void
append_key_match(StringInfo sql, List *key)
{
	ListCell *cell;

	foreach(cell, key)
	{
		const char *column = quote_identifier(lfirst(cell));

		appendStringInfo(sql, "%s %s.%s = %s.%s",
						 foreach_current_index(cell) > 0 ? " AND" : "WHERE",
						 TARGET, column, SOURCE, column);
	}
}

/* One name for each column of the query, the key's among them. */
static List *
written_columns(const SinkTarget *target, const char *with,
				const Select *query)
{
	List *names = select_columns(with_query(with, query));

	if (target->columns != NIL)
	{
		if (list_length(target->columns) != list_length(names))
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(
					 "\"columns\" does not match the columns of the source"),
				 errdetail(
					 "The source returns (%s), and \"columns\" names (%s).",
					 column_list(names, NULL),
					 column_list(target->columns, NULL))));
		names = target->columns;
	}
	require_key(target, names);
	return names;
}

static void
require_key(const SinkTarget *target, List *columns)
{
	ListCell *cell;

	foreach(cell, target->key)
	{
		if (!column_in(lfirst(cell), columns))
			ereport(
				ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("source has no column \"%s\" of the key",
						(char *) lfirst(cell)),
				 errdetail("Its columns are %s.", column_list(columns, NULL)),
				 errhint(
					 "Mode \"%s\" goes by the names of the source's columns, or by those in \"columns\".",
					 sink_mode_words[target->mode])));
	}
}

static List *
other_columns(const SinkTarget *target, List *columns)
{
	List *others = NIL;
	ListCell *cell;

	foreach(cell, columns)
	{
		if (!column_in(lfirst(cell), target->key))
			others = lappend(others, lfirst(cell));
	}
	return others;
}

static int64
run(const char *sql)
{
	StatementResult result;

	statement_run(sql, NULL, &result);
	return result.processed;
}

/*
 * Of two that overwrite a table at once, the second would not see, and so not
 * delete, the rows of the first.  Readers are not in the way.
 */
void
sink_lock(const SinkTarget *target)
{
	if (is_lockable(target))
		run(psprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE",
					 target->table));
}

/* Views and foreign tables are left to look after themselves. */
static bool
is_lockable(const SinkTarget *target)
{
	List *names = textToQualifiedNameList(cstring_to_text(target->name));
	Oid relation = RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock,
									true);
	char kind = get_rel_relkind(relation);

	return kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE;
}

void
sink_create_table(const SinkTarget *target)
{
	StringInfoData sql;
	ListCell *name;
	ListCell *type;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", target->table);
	forboth(name, target->columns, type, target->types)
		appendStringInfo(&sql, "%s%s %s",
						 name == list_head(target->columns) ? "" : ", ",
						 quote_identifier(lfirst(name)),
						 (char *) lfirst(type));
	appendStringInfoChar(&sql, ')');
	run(sql.data);
}

void
sink_delete_all(const SinkTarget *target)
{
	run(psprintf("DELETE FROM %s", target->table));
}

/*-------------------------------------------------------------------------
 *
 * sql_name.c
 *	  Names of a document as identifiers in statements.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "activity/sql_name.h"
#include "definition/catch.h"

#define MAX_NAME_PARTS 3 /* database, schema, table */

static List *split_name(const char *name);
static void try_name(void *arg);

char *
table_name(const char *name)
{
	StringInfoData quoted;
	ListCell *cell;

	initStringInfo(&quoted);
	foreach(cell, split_name(name))
		appendStringInfo(&quoted, "%s%s", quoted.len > 0 ? "." : "",
						 quote_identifier(lfirst(cell)));
	return quoted.data;
}

/* A list of char *, folded and cut as the server does with identifiers. */
static List *
split_name(const char *name)
{
	List *parts = NIL;

	if (!SplitIdentifierString(pstrdup(name), '.', &parts) || parts == NIL ||
		list_length(parts) > MAX_NAME_PARTS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid table name \"%s\"", name)));
	return parts;
}

RangeVar *
table_range_var(const char *name)
{
	return makeRangeVarFromNameList(
		textToQualifiedNameList(cstring_to_text(name)));
}

void
table_name_check(const Template *name, ProblemList *problems, const char *path)
{
	char *message;

	if (name == NULL || !template_is_constant(name))
		return;
	if (!catch_errors(try_name, unconstify(char *, template_source(name)),
					  &message))
		problem_add(
			problems, PROBLEM_ERROR, path,
			"Write it as in SQL: schema.table, with double quotes around odd names.",
			"must be the name of a table, not \"%s\"", template_source(name));
}

static void
try_name(void *arg)
{
	(void) split_name(arg);
}

List *
table_columns(const char *name)
{
	Bitmapset *generated;
	List *all = table_shape(name, &generated);
	List *columns = NIL;
	ListCell *cell;

	foreach(cell, all)
	{
		if (!bms_is_member(foreach_current_index(cell), generated))
			columns = lappend(columns, lfirst(cell));
	}
	return columns;
}

List *
table_shape(const char *name, Bitmapset **generated)
{
	Relation table = table_openrv(table_range_var(name), AccessShareLock);
	TupleDesc desc = RelationGetDescr(table);
	List *columns = NIL;

	*generated = NULL;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped)
			continue;
		if (attribute->attgenerated)
			*generated = bms_add_member(*generated, list_length(columns));
		columns = lappend(columns, pstrdup(NameStr(attribute->attname)));
	}
	table_close(table, NoLock);
	return columns;
}

char *
column_list(List *names, const char *prefix)
{
	StringInfoData list;
	ListCell *cell;

	initStringInfo(&list);
	foreach(cell, names)
		appendStringInfo(&list, "%s%s%s", list.len > 0 ? ", " : "",
						 prefix ? prefix : "", quote_identifier(lfirst(cell)));
	return list.data;
}

bool
column_in(const char *name, List *names)
{
	ListCell *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

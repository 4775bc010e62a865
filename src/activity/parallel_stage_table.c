/*-------------------------------------------------------------------------
 *
 * parallel_stage_table.c
 *	  The tables that the rows of a step, and the keys of its partitions, are
 *	  kept in.
 *
 * The table belongs to the extension's owner, so that nobody else can change
 * it; the query runs as the user, whose rights it needs, and the user may read
 * its result.  As a member of the extension the table is not dumped, and is
 * dropped with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_tablespace.h"
#include "catalog/toasting.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "commands/tablespace.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "activity/parallel.h"
#include "activity/parallel_stage_table.h"
#include "compat.h"
#include "mlpipe.h"
#include "store/engine_mode.h"

#define STAGE_SCHEMA "mlpipe"

static char *table_name_of(const char *kind, int64 run_id, int32 no);
static void check_tablespace(char persistence);
static void keep_statistics_from_users_code(Oid table, TupleDesc rows);
static List *stage_columns(TupleDesc rows);
static void grant_select(Oid table, const char *name, Oid reader);
static List *granted_to(Oid table);
static RoleSpec *role_spec(Oid role);
static void change_grants(const char *name, bool is_grant, List *privileges,
						  List *roles);
static void drop_table(const char *name);

/*
 * Without the commands' own machinery, so that no event trigger of the
 * database sees it with our rights.
 */
Relation
stage_table_create(const char *kind, int64 run_id, int32 no, TupleDesc rows,
				   char persistence)
{
	char *name = table_name_of(kind, run_id, no);
	Oid reader = GetUserId();
	CreateStmt *create = makeNode(CreateStmt);
	EngineMode mode;
	ObjectAddress table;
	ObjectAddress extension;

	check_tablespace(persistence);
	engine_mode_enter(&mode);
	create->relation = makeRangeVar(STAGE_SCHEMA, pstrdup(name), -1);
	create->relation->relpersistence = persistence;
	create->tableElts = stage_columns(rows);
	create->oncommit = ONCOMMIT_NOOP;
	create->accessMethod = "heap";
	table = DefineRelation(create, RELKIND_RELATION, engine_owner(), NULL,
						   NULL);
	CommandCounterIncrement();
	NewRelationCreateToastTable(table.objectId, (Datum) 0);
	keep_statistics_from_users_code(table.objectId, rows);

	ObjectAddressSet(extension, ExtensionRelationId,
					 get_extension_oid(EXTENSION_NAME, false));
	recordDependencyOn(&table, &extension, DEPENDENCY_EXTENSION);
	CommandCounterIncrement();
	grant_select(table.objectId, name, reader);
	engine_mode_leave(&mode);
	return table_open(table.objectId, AccessExclusiveLock);
}

static char *
table_name_of(const char *kind, int64 run_id, int32 no)
{
	return psprintf("%s_" INT64_FORMAT "_%d", kind, run_id, no);
}

/* The user's default_tablespace, so the user's rights to it count. */
static void
check_tablespace(char persistence)
{
	Oid tablespace = GetDefaultTablespace(persistence, false);

	if (OidIsValid(tablespace) &&
		tablespace_aclcheck(tablespace, GetUserId(), ACL_CREATE) !=
			ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLESPACE,
					   get_tablespace_name(tablespace));
}

/*
 * ANALYZE, autovacuum's too, works with the rights of the table's owner, and
 * calls what somebody has put into a type: the subtype_diff of a range.
 */
static void
keep_statistics_from_users_code(Oid table, TupleDesc rows)
{
	List *commands = NIL;
	int i;

	for (i = 0; i < rows->natts; i++)
	{
		Form_pg_attribute row = TupleDescAttr(rows, i);
		AlterTableCmd *command = makeNode(AlterTableCmd);

		if (row->atttypid < FirstNormalObjectId)
			continue;
		command->subtype = AT_SetStatistics;
		command->name = pstrdup(NameStr(row->attname));
		command->def = (Node *) makeInteger(0);
		command->behavior = DROP_RESTRICT;
		commands = lappend(commands, command);
	}
	if (commands == NIL)
		return;
	CommandCounterIncrement();
	AlterTableInternal(table, commands, false);
}

static List *
stage_columns(TupleDesc rows)
{
	List *columns = NIL;
	int i;

	for (i = 0; i < rows->natts; i++)
	{
		Form_pg_attribute row = TupleDescAttr(rows, i);

		columns = lappend(columns,
						  makeColumnDef(NameStr(row->attname), row->atttypid,
										row->atttypmod, row->attcollation));
	}
	return columns;
}

/*
 * Only the reader may select, whatever the owner's default privileges give to
 * others.
 */
static void
grant_select(Oid table, const char *name, Oid reader)
{
	List *others = granted_to(table);
	AccessPriv *privilege = makeNode(AccessPriv);

	if (others != NIL)
		change_grants(name, false, NIL, others);
	privilege->priv_name = "select";
	change_grants(name, true, list_make1(privilege),
				  list_make1(role_spec(reader)));
}

/* All but the owner, a list of RoleSpec. */
static List *
granted_to(Oid table)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	List *roles = NIL;
	Datum datum;
	bool isnull;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	datum = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &isnull);
	if (!isnull)
	{
		Acl *acl = DatumGetAclPCopy(datum);

		for (int i = 0; i < ACL_NUM(acl); i++)
		{
			Oid role = ACL_DAT(acl)[i].ai_grantee;

			if (role != engine_owner())
				roles = lappend(roles, role_spec(role));
		}
	}
	ReleaseSysCache(tuple);
	return roles;
}

static RoleSpec *
role_spec(Oid role)
{
	RoleSpec *spec = makeNode(RoleSpec);

	spec->location = -1;
	spec->roletype = ROLESPEC_PUBLIC;
	if (role == ACL_ID_PUBLIC)
		return spec;
	spec->roletype = ROLESPEC_CSTRING;
	spec->rolename = GetUserNameFromId(role, false);
	return spec;
}

/* privileges NIL: all */
static void
change_grants(const char *name, bool is_grant, List *privileges, List *roles)
{
	GrantStmt *grant = makeNode(GrantStmt);

	grant->is_grant = is_grant;
	grant->targtype = ACL_TARGET_OBJECT;
	grant->objtype = OBJECT_TABLE;
	grant->objects = list_make1(makeRangeVar(STAGE_SCHEMA, pstrdup(name), -1));
	grant->privileges = privileges;
	grant->grantees = roles;
	grant->behavior = DROP_CASCADE;
	ExecuteGrantStmt(grant);
	CommandCounterIncrement();
}

bool
is_stage_table(Oid relation)
{
	char *name = get_rel_name(relation);

	return name != NULL && strncmp(name, "stage_", strlen("stage_")) == 0 &&
		get_rel_namespace(relation) == get_namespace_oid(STAGE_SCHEMA, true);
}

void
parallel_drop_stage(int64 run_id, int32 no)
{
	stage_table_drop("stage", run_id, no);
	stage_table_drop("keys", run_id, no);
}

void
parallel_drop_orphaned_stages(void)
{
	EngineMode mode;
	List *names;
	ListCell *cell;

	engine_mode_enter(&mode);
	names = step_orphaned_stages();
	engine_mode_leave(&mode);
	foreach(cell, names)
		drop_table(lfirst(cell));
}

void
stage_table_drop(const char *kind, int64 run_id, int32 no)
{
	drop_table(table_name_of(kind, run_id, no));
}

/* Waits for a worker that still reads it. */
static void
drop_table(const char *name)
{
	RangeVar *table = makeRangeVar(STAGE_SCHEMA, pstrdup(name), -1);
	EngineMode mode;
	ObjectAddress address;

	engine_mode_enter(&mode);
	ObjectAddressSet(address, RelationRelationId,
					 RangeVarGetRelid(table, AccessExclusiveLock, true));
	if (OidIsValid(address.objectId))
		performDeletion(&address, DROP_CASCADE,
						PERFORM_DELETION_SKIP_EXTENSIONS |
							PERFORM_DELETION_QUIETLY);
	engine_mode_leave(&mode);
}

/*-------------------------------------------------------------------------
 *
 * hooks.c
 *	  Statements that our workers would be in the way of.
 *
 * Being connected, they would make statements fail that want nobody in a
 * database: DROP DATABASE, ALTER DATABASE ... RENAME and SET TABLESPACE,
 * CREATE DATABASE ... TEMPLATE; and DROP EXTENSION and ALTER EXTENSION UPDATE
 * would pull the tables from under them.  So they are stopped first, but only
 * for those who have the right to the statement.  If it fails later, they come
 * back.
 *
 * The server calls a hook for a drop after it has checked the right to it and
 * before it counts who is connected, or drops anything.  But for an extension
 * it does so only when it has locked all that belongs to it, and for that it
 * would wait as long as an activity that has looked at our tables or views;
 * and for the other statements there is no such hook.  So those are watched
 * for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "compat.h"
#include "engine/evict.h"
#include "engine/hooks.h"
#include "engine/shmem.h"
#include "engine/wakeup.h"
#include "mlpipe.h"

static object_access_hook_type previous_hook = NULL;
static ProcessUtility_hook_type previous_utility_hook = NULL;

static void object_access(ObjectAccessType access, Oid class_id, Oid object_id,
						  int sub_id, void *arg);
static void process_utility(PlannedStmt *statement, const char *text,
							bool read_only_tree, ProcessUtilityContext context,
							ParamListInfo parameters,
							QueryEnvironment *environment,
							DestReceiver *receiver,
							QueryCompletion *completion);
static Oid database_to_clear(Node *statement);
static bool drops_extension(DropStmt *drop);
static bool updates_extension(Node *statement);
static bool owns_our_extension(void);
static Oid renamed_database(RenameStmt *rename);
static Oid moved_database(AlterDatabaseStmt *alter);
static Oid template_database(CreatedbStmt *create);
static bool may_create_databases(void);
static bool is_template(Oid database);
static char *option_value(List *options, const char *name);
static void have_sessions_look_again(void);

void
hooks_install(void)
{
	previous_hook = object_access_hook;
	object_access_hook = object_access;
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo parameters,
				QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	bool update = updates_extension(statement->utilityStmt);

	if (control != NULL)
	{
		Oid database = database_to_clear(statement->utilityStmt);

		if (OidIsValid(database))
			evict_workers(database);
	}
	hook_process_utility(previous_utility_hook, statement, text,
						 read_only_tree, context, parameters, environment,
						 receiver, completion);
	if (update)
		have_sessions_look_again();
}

/* InvalidOid if our workers are in nobody's way, or the user has no right. */
static Oid
database_to_clear(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropStmt:
			return drops_extension((DropStmt *) statement) ? MyDatabaseId :
															 InvalidOid;
		case T_AlterExtensionStmt:
			return updates_extension(statement) && owns_our_extension() ?
				MyDatabaseId :
				InvalidOid;
		case T_RenameStmt:
			return renamed_database((RenameStmt *) statement);
		case T_AlterDatabaseStmt:
			return moved_database((AlterDatabaseStmt *) statement);
		case T_CreatedbStmt:
			return template_database((CreatedbStmt *) statement);
		default:
			return InvalidOid;
	}
}

static bool
drops_extension(DropStmt *drop)
{
	ListCell *cell;

	if (drop->removeType != OBJECT_EXTENSION)
		return false;
	foreach(cell, drop->objects)
		if (strcmp(strVal(lfirst(cell)), EXTENSION_NAME) == 0)
			return owns_our_extension();
	return false;
}

static bool
updates_extension(Node *statement)
{
	return IsA(statement, AlterExtensionStmt) &&
		strcmp(((AlterExtensionStmt *) statement)->extname, EXTENSION_NAME) ==
		0;
}

static bool
owns_our_extension(void)
{
	Oid extension = get_extension_oid(EXTENSION_NAME, true);

	return OidIsValid(extension) && owns_extension(extension, GetUserId());
}

static Oid
renamed_database(RenameStmt *rename)
{
	Oid database;

	if (rename->renameType != OBJECT_DATABASE)
		return InvalidOid;
	database = get_database_oid(rename->subname, true);
	return OidIsValid(database) && database != MyDatabaseId &&
			owns_database(database, GetUserId()) && may_create_databases() ?
		database :
		InvalidOid;
}

static Oid
moved_database(AlterDatabaseStmt *alter)
{
	Oid database;

	if (option_value(alter->options, "tablespace") == NULL)
		return InvalidOid;
	database = get_database_oid(alter->dbname, true);
	return OidIsValid(database) && database != MyDatabaseId &&
			owns_database(database, GetUserId()) ?
		database :
		InvalidOid;
}

/* This may be the one that the session is connected to. */
static Oid
template_database(CreatedbStmt *create)
{
	char *name = option_value(create->options, "template");
	Oid database = get_database_oid(name ? name : "template1", true);

	return OidIsValid(database) && may_create_databases() &&
			(owns_database(database, GetUserId()) || is_template(database)) ?
		database :
		InvalidOid;
}

static bool
may_create_databases(void)
{
	HeapTuple tuple;
	bool may;

	if (superuser())
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (!HeapTupleIsValid(tuple))
		return false;
	may = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
	ReleaseSysCache(tuple);
	return may;
}

static bool
is_template(Oid database)
{
	HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool template;

	if (!HeapTupleIsValid(tuple))
		return false;
	template = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	ReleaseSysCache(tuple);
	return template;
}

/* NULL if it is not given, or given as DEFAULT. */
static char *
option_value(List *options, const char *name)
{
	ListCell *cell;

	foreach(cell, options)
	{
		DefElem *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

/*
 * Sessions know the extension's version until something happens to its schema
 * (engine_mode.c), which an update need not touch.
 */
static void
have_sessions_look_again(void)
{
	Oid schema = get_namespace_oid(EXTENSION_SCHEMA, true);
	Relation namespaces;
	HeapTuple tuple;

	if (!OidIsValid(schema))
		return;
	namespaces = table_open(NamespaceRelationId, AccessShareLock);
	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	if (HeapTupleIsValid(tuple))
	{
		CacheInvalidateHeapTuple(namespaces, tuple, NULL);
		ReleaseSysCache(tuple);
	}
	table_close(namespaces, AccessShareLock);
	wakeup_scheduler(ERRAND_START);
}

static void
object_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id,
			  void *arg)
{
	if (previous_hook)
		previous_hook(access, class_id, object_id, sub_id, arg);
	if (access != OAT_DROP || control == NULL || sub_id != 0)
		return;
	if (class_id == DatabaseRelationId)
		evict_workers_for_good(object_id);
	else if (class_id == ExtensionRelationId &&
			 object_id == get_extension_oid(EXTENSION_NAME, true))
		evict_workers(MyDatabaseId);
}

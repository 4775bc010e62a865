/*-------------------------------------------------------------------------
 *
 * engine_mode.c
 *	  Work on the extension's own tables: with its owner's rights, and with
 *	  settings that the session's user cannot influence.
 *
 * Users have no rights on the tables; the functions that they call, and the
 * executors that run as them, take those of the extension's owner for just as
 * long as a statement of store/ needs.  search_path is pinned so that no
 * object of a user can stand in for one of ours or of the server.
 *
 * Sequential and bitmap scans are off because the planner would choose them
 * while a table is small, and a plan once kept would stay so while the table
 * grows; a sequential scan also takes a predicate lock on the whole table
 * under serializable isolation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "mlpipe.h"
#include "store/engine_mode.h"

#define ENGINE_SEARCH_PATH "pg_catalog, mlpipe, pg_temp"

int engine_lock_timeout = 0;

static Oid owner = InvalidOid;
static Oid extension = InvalidOid;
static char installed_version[NAMEDATALEN];
static bool version_fits = false;

static void set_local(const char *name, const char *value);
static void look_up_extension(void);
static void refuse_version(void);
static void at_schema_change(Datum arg, int cache, uint32 hash);

void
engine_mode_enter(EngineMode *saved)
{
	Oid engine = engine_owner();

	if (!version_fits)
		refuse_version();
	GetUserIdAndSecContext(&saved->user, &saved->sec_context);
	SetUserIdAndSecContext(engine,
						   saved->sec_context | SECURITY_LOCAL_USERID_CHANGE);
	saved->guc_level = NewGUCNestLevel();

	/* Setting costs more than looking, and executors enter often. */
	if (strcmp(namespace_search_path, ENGINE_SEARCH_PATH) != 0)
		set_local("search_path", ENGINE_SEARCH_PATH);
	if (enable_seqscan)
		set_local("enable_seqscan", "off");
	if (enable_bitmapscan)
		set_local("enable_bitmapscan", "off");
	if (jit_enabled)
		set_local("jit", "off");

	/* A plan that is made without index scans would be kept, too. */
	if (!enable_indexscan)
		set_local("enable_indexscan", "on");

	/*
	 * A plan made for its values has them in it, and a session can have plans
	 * shown to it that are made while it ends an activity of somebody else's.
	 */
	if (plan_cache_mode == PLAN_CACHE_MODE_FORCE_CUSTOM_PLAN)
		set_local("plan_cache_mode", "auto");

	/* A role's own limit is for its statements. */
	if (LockTimeout != engine_lock_timeout)
		set_local("lock_timeout", psprintf("%d", engine_lock_timeout));
}

void
engine_mode_leave(const EngineMode *saved)
{
	AtEOXact_GUC(false, saved->guc_level);
	SetUserIdAndSecContext(saved->user, saved->sec_context);
}

Oid
engine_extension(void)
{
	(void) engine_owner();
	return extension;
}

Oid
engine_owner(void)
{
	static bool registered = false;

	if (!registered)
		CacheRegisterSyscacheCallback(NAMESPACEOID, at_schema_change,
									  (Datum) 0);
	registered = true;
	if (!OidIsValid(owner))
		look_up_extension();
	return owner;
}

/* The extension may have been dropped with its schema, and another one made. */
static void
at_schema_change(Datum arg, int cache, uint32 hash)
{
	owner = InvalidOid;
}

/* For the rest of the (sub)transaction, or until the level is left. */
static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static void
look_up_extension(void)
{
	Relation extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	Form_pg_extension found;
	char *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(EXTENSION_NAME));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1,
							  &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool null;

		found = (Form_pg_extension) GETSTRUCT(tuple);
		version = TextDatumGetCString(
			heap_getattr(tuple, Anum_pg_extension_extversion,
						 RelationGetDescr(extensions), &null));
		extension = found->oid;
		owner = found->extowner;
	}
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);

	if (version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"%s\" is not installed in this database",
						EXTENSION_NAME),
				 errhint("Run CREATE EXTENSION %s.", EXTENSION_NAME)));
	strlcpy(installed_version, version, sizeof(installed_version));
	version_fits = strcmp(version, MLPIPE_VERSION) == 0;
}

/*
 * Tables of another version are not touched: the server loads a new library
 * when it is started, and the tables change when somebody says so.
 */
static void
refuse_version(void)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg(
			 "extension \"%s\" is of version %s in this database, but its library of version %s",
			 EXTENSION_NAME, installed_version, MLPIPE_VERSION),
		 errhint(
			 "Restart the server after new files have been installed, then run ALTER EXTENSION %s UPDATE.",
			 EXTENSION_NAME)));
}

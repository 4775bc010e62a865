/*-------------------------------------------------------------------------
 *
 * role.c
 *	  Whether a role may connect to this database, and so run anything in it.
 *
 * The server checks that when a process connects.  Executors may outlive the
 * right.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "compat.h"
#include "engine/role.h"
#include "engine/slot.h"

static bool may_have_changed = false;

static void at_change(Datum arg, int cache, uint32 hash);

char *
role_problem(Oid role)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	char *problem = NULL;
	char *name;

	if (!HeapTupleIsValid(tuple))
		return psprintf("role with OID %u does not exist", role);
	name = pstrdup(NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname));
	if (!((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin)
		problem = psprintf("role \"%s\" is not permitted to log in", name);
	ReleaseSysCache(tuple);
	if (problem == NULL &&
		database_aclcheck(MyDatabaseId, role, ACL_CONNECT) != ACLCHECK_OK)
		problem =
			psprintf("role \"%s\" has no CONNECT privilege on the database",
					 name);
	return problem;
}

bool
role_is_lent(Oid role, Oid owner, Oid lender)
{
	return may_set_role(owner, role) || may_set_role(lender, role);
}

bool
role_is_still_allowed(void)
{
	if (!may_have_changed)
		return true;
	may_have_changed = role_problem(MySlot->role) != NULL;
	return !may_have_changed;
}

void
role_watch(void)
{
	CacheRegisterSyscacheCallback(AUTHOID, at_change, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, at_change, (Datum) 0);
	CacheRegisterSyscacheCallback(DATABASEOID, at_change, (Datum) 0);
}

static void
at_change(Datum arg, int cache, uint32 hash)
{
	may_have_changed = true;
}

/*-------------------------------------------------------------------------
 *
 * rights.c
 *	  Who may do what with a pipeline and its runs.
 *
 * The tables know only owners and grants; that members of a role may do what
 * the role may is for the server to say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "api/rights.h"
#include "compat.h"
#include "engine/role.h"
#include "store/engine_mode.h"
#include "store/watch_store.h"

/* Answers of mlpipe.may_see(), kept while one statement runs. */
typedef struct SeenKey
{
	int32 pipeline_id; /* 0: none, and the submitter decides */
	Oid submitted_by;  /* then; else InvalidOid */
} SeenKey;

typedef struct SeenEntry
{
	SeenKey key;
	bool may_see;
} SeenEntry;

typedef struct SeenCache
{
	Oid user; /* whose answers these are */
	bool sees_all;
	HTAB *entries;
} SeenCache;

static bool is_granted(int32 pipeline_id);
static Oid pipeline_owner(int32 pipeline_id);
static SeenCache *seen_cache(FmgrInfo *flinfo);
static bool cached_may_see(SeenCache *cache, const SeenKey *key);

bool
pipeline_may_use(int32 pipeline_id, Oid owner)
{
	return has_privs_of_role(GetUserId(), owner) || is_granted(pipeline_id);
}

static bool
is_granted(int32 pipeline_id)
{
	EngineMode saved;
	List *grantees;
	ListCell *cell;

	engine_mode_enter(&saved);
	grantees = pipeline_grantees(pipeline_id);
	engine_mode_leave(&saved);
	foreach(cell, grantees)
	{
		if (has_privs_of_role(GetUserId(), lfirst_oid(cell)))
			return true;
	}
	return false;
}

void
pipeline_require_use(const PipelineRow *pipeline)
{
	if (!pipeline_may_use(pipeline->pipeline_id, pipeline->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for pipeline \"%s\"",
						pipeline->name),
				 errhint("Its owner can grant its use with mlpipe_grant().")));
}

void
pipeline_require_owner(const PipelineRow *pipeline)
{
	if (!has_privs_of_role(GetUserId(), pipeline->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of pipeline \"%s\"", pipeline->name)));
}

void
pipeline_require_lent_role(const PipelineRow *pipeline)
{
	char *role = GetUserNameFromId(pipeline->run_as, true);

	if (role == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg(
				 "the role that the pipeline runs as does not exist any more"),
			 errhint(
				 "Name another one: mlpipe_alter_pipeline(..., run_as => ...).")));
	if (!role_is_lent(pipeline->run_as, pipeline->owner, pipeline->run_as_by))
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("pipeline \"%s\" may not run as role \"%s\" any more",
					pipeline->name, role),
			 errdetail(
				 "Neither its owner nor the one who set its run_as can SET ROLE to that role."),
			 errhint(
				 "Name another one: mlpipe_alter_pipeline(..., run_as => ...).")));
}

bool
role_may_be_set(Oid role)
{
	return may_set_role(GetUserId(), role);
}

bool
run_may_use(int32 pipeline_id, Oid submitted_by)
{
	if (pipeline_id == 0)
		return has_privs_of_role(GetUserId(), submitted_by);
	return pipeline_may_use(pipeline_id, pipeline_owner(pipeline_id));
}

bool
run_may_see(int32 pipeline_id, Oid submitted_by)
{
	return user_sees_all() || run_may_use(pipeline_id, submitted_by);
}

bool
run_id_may_see(int64 run_id)
{
	EngineMode saved;
	RunLook look;
	bool found;

	if (user_sees_all())
		return true;
	engine_mode_enter(&saved);
	found = run_look(run_id, &look);
	engine_mode_leave(&saved);
	return found && run_may_see(look.pipeline_id, look.submitted_by);
}

/* InvalidOid where there is no such pipeline: that nobody is a member of. */
static Oid
pipeline_owner(int32 pipeline_id)
{
	EngineMode saved;
	PipelineRow *pipeline;

	engine_mode_enter(&saved);
	pipeline = pipeline_by_id(pipeline_id);
	engine_mode_leave(&saved);
	return pipeline ? pipeline->owner : InvalidOid;
}

/* Superusers have the privileges of every role. */
bool
user_sees_all(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
}

/*
 * may_see(pipeline_id integer, run_as oid, submitted_by oid): run_may_see, as
 * the views' filter.  A view asks for each row, so answers are remembered for
 * as long as the statement runs.
 */
PG_FUNCTION_INFO_V1(mlpipe_may_see);
Datum
mlpipe_may_see(PG_FUNCTION_ARGS)
{
	SeenCache *cache = seen_cache(fcinfo->flinfo);
	SeenKey key = {0, InvalidOid};

	if (cache->sees_all)
		PG_RETURN_BOOL(true);
	if (!PG_ARGISNULL(0))
		key.pipeline_id = PG_GETARG_INT32(0);
	else if (!PG_ARGISNULL(2))
		key.submitted_by = PG_GETARG_OID(2);
	else
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(cached_may_see(cache, &key));
}

static SeenCache *
seen_cache(FmgrInfo *flinfo)
{
	SeenCache *cache = flinfo->fn_extra;
	HASHCTL control = {0};

	if (cache != NULL && cache->user == GetUserId())
		return cache;
	cache = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(SeenCache));
	cache->user = GetUserId();
	cache->sees_all = user_sees_all();
	control.keysize = sizeof(SeenKey);
	control.entrysize = sizeof(SeenEntry);
	control.hcxt = flinfo->fn_mcxt;
	cache->entries = hash_create("mlpipe may_see", 64, &control,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	flinfo->fn_extra = cache;
	return cache;
}

/* An answer is entered once it is there: looking it up may raise. */
static bool
cached_may_see(SeenCache *cache, const SeenKey *key)
{
	SeenEntry *entry = hash_search(cache->entries, key, HASH_FIND, NULL);
	bool may_see;

	if (entry != NULL)
		return entry->may_see;
	may_see = run_may_use(key->pipeline_id, key->submitted_by);
	entry = hash_search(cache->entries, key, HASH_ENTER, NULL);
	entry->may_see = may_see;
	return may_see;
}

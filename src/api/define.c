/*-------------------------------------------------------------------------
 *
 * define.c
 *	  Defining, altering and dropping pipelines.
 *
 * Documents are checked as the user who brings them, with the user's
 * search_path, and stored as the extension's owner.  Whoever changes what a
 * pipeline does, changes what is run as its run_as: so that takes the rights of
 * the owner, and to be able to become that role besides.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/syscache.h"

#include "api/argument.h"
#include "api/missing.h"
#include "api/rights.h"
#include "definition/document.h"
#include "engine/stop.h"
#include "mlpipe.h"
#include "store/engine_mode.h"
#include "store/pipeline_store.h"

static char *name_argument(FunctionCallInfo fcinfo);
static void check_pipeline_name(const char *name);
static Document *parse_or_raise(Jsonb *definition);
static PipelineRow *lock_or_insert(const char *name, Oid owner, bool *is_new);
static PipelineRow *lock_to_change(const char *name);
static PipelineRow *lock_existing(const char *name);
static PipelineRow *find_to_see(const char *name);
static PipelineRow *find_existing(const char *name);
static int32 add_version(PipelineRow *pipeline, Jsonb *definition,
						 const Document *document, Oid user);
static void warn_of_disabled(const PipelineRow *pipeline);
static void save_pipeline(const PipelineRow *pipeline);
static VersionRow *find_version(const PipelineRow *pipeline, int32 version);
static void require_run_as(const PipelineRow *pipeline);
static void set_owner(PipelineRow *pipeline, Oid role);
static void set_run_as(PipelineRow *pipeline, Oid role);
static void set_default_version(PipelineRow *pipeline, int32 version);
static void require_role(Oid role);
static VersionStatus status_argument(FunctionCallInfo fcinfo, int argument);
static int64 unfinished_runs(const PipelineRow *pipeline);

/* mlpipe_create_pipeline(name text, definition jsonb) returns integer */
PG_FUNCTION_INFO_V1(mlpipe_create_pipeline);
Datum
mlpipe_create_pipeline(PG_FUNCTION_ARGS)
{
	char *name = name_argument(fcinfo);
	Jsonb *definition;
	Document *document;
	PipelineRow *pipeline;
	bool is_new;
	int32 version;

	argument_require(fcinfo, 1, "definition");
	definition = PG_GETARG_JSONB_P(1);
	check_pipeline_name(name);
	document = parse_or_raise(definition);

	pipeline = lock_or_insert(name, GetUserId(), &is_new);
	if (!is_new)
	{
		pipeline_require_owner(pipeline);
		require_run_as(pipeline);
	}
	version = add_version(pipeline, document_bind_types(definition, document),
						  document, GetUserId());
	PG_RETURN_INT32(version);
}

/* The first argument of nearly all functions here. */
static char *
name_argument(FunctionCallInfo fcinfo)
{
	argument_require(fcinfo, 0, "name of pipeline");
	return argument_text(fcinfo, 0);
}

static void
check_pipeline_name(const char *name)
{
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of pipeline cannot be empty")));
	if (strlen(name) > MAX_PIPELINE_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of pipeline is too long"),
				 errdetail("It has %zu bytes; %d is the limit.", strlen(name),
						   MAX_PIPELINE_NAME)));
}

static Document *
parse_or_raise(Jsonb *definition)
{
	ProblemList problems = {NIL, 0};
	Document *document = document_parse(definition, activity_kinds(),
										&problems);
	ListCell *cell;

	problem_raise(&problems);
	foreach(cell, problems.problems)
	{
		const Problem *problem = lfirst(cell);

		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("%s: %s", problem->path, problem->message),
				 problem->hint ? errhint("%s", problem->hint) : 0));
	}
	return document;
}

/*
 * Two sessions may create the same pipeline at once.  The one that comes second
 * waits in the insert for the first to commit, and then finds it there; where
 * the first rolls back, or the pipeline is dropped meanwhile, it goes round
 * again.
 */
static PipelineRow *
lock_or_insert(const char *name, Oid owner, bool *is_new)
{
	EngineMode saved;
	PipelineRow *pipeline;

	engine_mode_enter(&saved);
	*is_new = false;
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		pipeline = pipeline_lock(name);
		if (pipeline != NULL)
			break;
		*is_new = pipeline_insert(name, owner) != 0;
	}
	engine_mode_leave(&saved);
	return pipeline;
}

/* The version that is the default now. */
static int32
add_version(PipelineRow *pipeline, Jsonb *definition, const Document *document,
			Oid user)
{
	EngineMode saved;
	VersionRow *newest;
	bool is_disabled = false;

	engine_mode_enter(&saved);
	newest = version_newest(pipeline->pipeline_id);
	if (newest != NULL &&
		compareJsonbContainers(&version_definition(newest->version_id)->root,
							   &definition->root) == 0)
	{
		pipeline->default_version = newest->version;
		is_disabled = newest->status == VERSION_DISABLED;
	}
	else
	{
		pipeline->default_version = newest ? newest->version + 1 : 1;
		(void) pipeline_version_store(pipeline->pipeline_id,
									  pipeline->default_version, definition,
									  document, user);
	}
	pipeline_update(pipeline);
	engine_mode_leave(&saved);
	if (is_disabled)
		warn_of_disabled(pipeline);
	return pipeline->default_version;
}

static void
warn_of_disabled(const PipelineRow *pipeline)
{
	ereport(
		WARNING,
		(errcode(ERRCODE_WARNING),
		 errmsg("version %d of pipeline \"%s\" is disabled",
				pipeline->default_version, pipeline->name),
		 errdetail(
			 "It has the same definition and is the default now, so that no run can be submitted."),
		 errhint("Make it active with mlpipe_set_version_status().")));
}

/* mlpipe_validate(definition jsonb): a row for each problem */
PG_FUNCTION_INFO_V1(mlpipe_validate);
Datum
mlpipe_validate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ProblemList problems = {NIL, 0};
	ListCell *cell;

	argument_require(fcinfo, 0, "definition");
	InitMaterializedSRF(fcinfo, 0);
	(void) document_parse(PG_GETARG_JSONB_P(0), activity_kinds(), &problems);
	foreach(cell, problems.problems)
	{
		const Problem *problem = lfirst(cell);
		bool is_error = (problem->severity == PROBLEM_ERROR);
		Datum values[4];
		bool nulls[4] = {false, false, false, problem->hint == NULL};

		values[0] = CStringGetTextDatum(problem->path);
		values[1] = CStringGetTextDatum(is_error ? "error" : "warning");
		values[2] = CStringGetTextDatum(problem->message);
		values[3] = nulls[3] ? (Datum) 0 : CStringGetTextDatum(problem->hint);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

/* mlpipe_definition(name text, version integer) returns jsonb */
PG_FUNCTION_INFO_V1(mlpipe_definition);
Datum
mlpipe_definition(PG_FUNCTION_ARGS)
{
	PipelineRow *pipeline = find_to_see(name_argument(fcinfo));
	int32 version = PG_ARGISNULL(1) ? pipeline->default_version :
									  PG_GETARG_INT32(1);
	int64 version_id = find_version(pipeline, version)->version_id;
	EngineMode saved;
	Jsonb *definition;

	engine_mode_enter(&saved);
	definition = version_definition(version_id);
	engine_mode_leave(&saved);
	PG_RETURN_JSONB_P(definition);
}

static PipelineRow *
find_to_see(const char *name)
{
	PipelineRow *pipeline = find_existing(name);

	if (!run_may_see(pipeline->pipeline_id, InvalidOid))
		pipeline_require_use(pipeline);
	return pipeline;
}

static PipelineRow *
find_existing(const char *name)
{
	EngineMode saved;
	PipelineRow *pipeline;

	engine_mode_enter(&saved);
	pipeline = pipeline_by_name(name);
	engine_mode_leave(&saved);
	if (pipeline == NULL)
		missing_pipeline(name);
	return pipeline;
}

static VersionRow *
find_version(const PipelineRow *pipeline, int32 version)
{
	EngineMode saved;
	VersionRow *row;

	engine_mode_enter(&saved);
	row = version_find(pipeline->pipeline_id, version);
	engine_mode_leave(&saved);
	if (row == NULL)
		missing_version(pipeline->name, version);
	return row;
}

/*
 * mlpipe_alter_pipeline(name text, default_version integer, run_as regrole,
 * enabled boolean, owner regrole)
 */
PG_FUNCTION_INFO_V1(mlpipe_alter_pipeline);
Datum
mlpipe_alter_pipeline(PG_FUNCTION_ARGS)
{
	PipelineRow *pipeline = lock_to_change(name_argument(fcinfo));

	/* The roles first: another version is then run as that one. */
	if (!PG_ARGISNULL(4))
		set_owner(pipeline, PG_GETARG_OID(4));
	if (!PG_ARGISNULL(2))
		set_run_as(pipeline, PG_GETARG_OID(2));
	if (!PG_ARGISNULL(1))
		set_default_version(pipeline, PG_GETARG_INT32(1));
	if (!PG_ARGISNULL(3))
		pipeline->enabled = PG_GETARG_BOOL(3);
	save_pipeline(pipeline);
	PG_RETURN_VOID();
}

/*
 * Rights are looked at before the row is locked, so that nobody can hold up a
 * pipeline that is not theirs; and again, since it may be another by then.
 */
static PipelineRow *
lock_to_change(const char *name)
{
	PipelineRow *pipeline = find_existing(name);

	pipeline_require_owner(pipeline);
	pipeline = lock_existing(name);
	pipeline_require_owner(pipeline);
	return pipeline;
}

static PipelineRow *
lock_existing(const char *name)
{
	EngineMode saved;
	PipelineRow *pipeline;

	engine_mode_enter(&saved);
	pipeline = pipeline_lock(name);
	engine_mode_leave(&saved);
	if (pipeline == NULL)
		missing_pipeline(name);
	return pipeline;
}

/* What ran as its owner goes on to do so. */
static void
set_owner(PipelineRow *pipeline, Oid role)
{
	bool ran_as_owner = pipeline->run_as == pipeline->owner;

	require_role(role);
	if (!role_may_be_set(role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be able to SET ROLE \"%s\"",
						GetUserNameFromId(role, false))));
	pipeline->owner = role;
	if (ran_as_owner)
		set_run_as(pipeline, role);
}

static void
set_run_as(PipelineRow *pipeline, Oid role)
{
	require_role(role);
	pipeline->run_as = role;
	pipeline->run_as_by = GetUserId();
	require_run_as(pipeline);
}

static void
require_role(Oid role)
{
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role)));
}

static void
require_run_as(const PipelineRow *pipeline)
{
	char *role = GetUserNameFromId(pipeline->run_as, true);

	if (!role_may_be_set(pipeline->run_as))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be able to SET ROLE \"%s\"",
						role ? role : "(dropped)"),
				 errdetail("Runs of pipeline \"%s\" execute as that role.",
						   pipeline->name)));
}

static void
set_default_version(PipelineRow *pipeline, int32 version)
{
	require_run_as(pipeline);
	if (find_version(pipeline, version)->status == VERSION_DISABLED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of pipeline \"%s\" is disabled", version,
						pipeline->name)));
	pipeline->default_version = version;
}

static void
save_pipeline(const PipelineRow *pipeline)
{
	EngineMode saved;

	engine_mode_enter(&saved);
	pipeline_update(pipeline);
	engine_mode_leave(&saved);
}

/* mlpipe_set_version_status(name text, version integer, status text) */
PG_FUNCTION_INFO_V1(mlpipe_set_version_status);
Datum
mlpipe_set_version_status(PG_FUNCTION_ARGS)
{
	char *name = name_argument(fcinfo);
	VersionStatus status;
	PipelineRow *pipeline;
	EngineMode saved;
	bool found;

	argument_require(fcinfo, 1, "version");
	status = status_argument(fcinfo, 2);
	pipeline = lock_to_change(name);
	engine_mode_enter(&saved);
	found = version_set_status(pipeline->pipeline_id, PG_GETARG_INT32(1),
							   status);
	engine_mode_leave(&saved);
	if (!found)
		missing_version(name, PG_GETARG_INT32(1));
	PG_RETURN_VOID();
}

static VersionStatus
status_argument(FunctionCallInfo fcinfo, int argument)
{
	VersionStatus status;
	char *word;

	argument_require(fcinfo, argument, "status");
	word = argument_text(fcinfo, argument);
	if (!version_status_parse(word, &status))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no version status \"%s\"", word),
				 errhint("It is one of active, deprecated and disabled.")));
	return status;
}

/* mlpipe_drop_pipeline(name text, force boolean) */
PG_FUNCTION_INFO_V1(mlpipe_drop_pipeline);
Datum
mlpipe_drop_pipeline(PG_FUNCTION_ARGS)
{
	PipelineRow *pipeline = lock_to_change(name_argument(fcinfo));
	bool force = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	int64 unfinished = unfinished_runs(pipeline);
	EngineMode saved;

	if (unfinished > 0 && !force)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg(
				 "cannot drop pipeline \"%s\" because it has unfinished runs",
				 pipeline->name),
			 errdetail_plural("There is " INT64_FORMAT " such run.",
							  "There are " INT64_FORMAT " such runs.",
							  (unsigned long) unfinished, unfinished),
			 errhint("Wait for them, or use force => true to cancel them.")));
	engine_mode_enter(&saved);
	pipeline_mark_dropped(pipeline->pipeline_id);
	if (unfinished > 0)
		run_cancel_all_of_pipeline(pipeline->pipeline_id,
								   "the pipeline was dropped");
	engine_mode_leave(&saved);
	PG_RETURN_VOID();
}

static int64
unfinished_runs(const PipelineRow *pipeline)
{
	EngineMode saved;
	int64 count;

	engine_mode_enter(&saved);
	count = pipeline_unfinished_runs(pipeline->pipeline_id);
	engine_mode_leave(&saved);
	return count;
}

/* mlpipe_grant(pipeline text, grantee regrole) */
PG_FUNCTION_INFO_V1(mlpipe_grant);
Datum
mlpipe_grant(PG_FUNCTION_ARGS)
{
	char *name = name_argument(fcinfo);
	PipelineRow *pipeline;
	EngineMode saved;

	argument_require(fcinfo, 1, "grantee");
	require_role(PG_GETARG_OID(1));
	pipeline = lock_to_change(name);
	engine_mode_enter(&saved);
	pipeline_grant_add(pipeline->pipeline_id, PG_GETARG_OID(1));
	engine_mode_leave(&saved);
	PG_RETURN_VOID();
}

/* mlpipe_revoke(pipeline text, grantee regrole); a dropped role's grant too */
PG_FUNCTION_INFO_V1(mlpipe_revoke);
Datum
mlpipe_revoke(PG_FUNCTION_ARGS)
{
	char *name = name_argument(fcinfo);
	PipelineRow *pipeline;
	EngineMode saved;

	argument_require(fcinfo, 1, "grantee");
	pipeline = lock_to_change(name);
	engine_mode_enter(&saved);
	pipeline_grant_remove(pipeline->pipeline_id, PG_GETARG_OID(1));
	engine_mode_leave(&saved);
	PG_RETURN_VOID();
}

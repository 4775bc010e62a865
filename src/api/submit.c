/*-------------------------------------------------------------------------
 *
 * submit.c
 *	  Submitting runs.
 *
 * All that can be wrong with a submit is an error here, in the session of the
 * one who submits.  The run becomes visible, and ready work, when that
 * transaction commits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "api/argument.h"
#include "api/missing.h"
#include "api/parameters.h"
#include "api/rights.h"
#include "api/submit.h"
#include "engine/create.h"
#include "engine/run_cache.h"
#include "engine/shmem.h"
#include "mlpipe.h"
#include "store/admission_store.h"
#include "store/engine_mode.h"
#include "store/pipeline_store.h"
#include "store/submission_store.h"

#define MAX_IDEMPOTENCY_KEY 255 /* bytes: what an index entry can hold */

static void require_usable(const char *name, const PipelineRow *pipeline);
static void require_version(const PipelineRow *pipeline, int32 number,
							const VersionRow *version);
static void require_valid(const PipelineRow *pipeline,
						  const Document *document);
static void refuse_while_running(const PipelineRow *pipeline,
								 const Document *document);
static Jsonb *object_argument(FunctionCallInfo fcinfo, int argument,
							  const char *name);
static char *check_key(char *key);
static void common_arguments(FunctionCallInfo fcinfo, int first,
							 RunRequest *request);
static Jsonb *manual_trigger(void);

/*
 * mlpipe_submit(pipeline text, parameters jsonb, version integer, priority
 * integer, idempotency_key text, tags jsonb, not_before timestamptz)
 * returns bigint
 */
PG_FUNCTION_INFO_V1(mlpipe_submit);
Datum
mlpipe_submit(PG_FUNCTION_ARGS)
{
	RunRequest request = {0};

	argument_require(fcinfo, 0, "name of pipeline");
	submit_require_server();
	run_cache_trim();
	submit_prepare(&request, argument_text(fcinfo, 0),
				   PG_ARGISNULL(2) ? DEFAULT_VERSION : PG_GETARG_INT32(2),
				   object_argument(fcinfo, 1, "parameters"));
	common_arguments(fcinfo, 3, &request);
	PG_RETURN_INT64(run_create(&request));
}

void
submit_prepare(RunRequest *request, const char *name, int32 number,
			   Jsonb *parameters)
{
	PipelineRow *pipeline;
	VersionRow *version = NULL;
	EngineMode mode;

	engine_mode_enter(&mode);
	pipeline = pipeline_by_name(name);
	if (pipeline != NULL)
	{
		if (number == DEFAULT_VERSION)
			number = pipeline->default_version;
		version = version_find(pipeline->pipeline_id, number);
	}
	engine_mode_leave(&mode);

	require_usable(name, pipeline);
	Assert(pipeline != NULL);
	require_version(pipeline, number, version);
	Assert(version != NULL);
	request->pipeline_id = pipeline->pipeline_id;
	request->version_id = version->version_id;
	request->document = version_document(version->version_id);
	require_valid(pipeline, request->document);
	request->run_as = pipeline->run_as;
	request->submitted_by = GetUserId();
	request->parameters = parameters_check(request->document, parameters);
	pipeline_require_lent_role(pipeline);
	if (request->document->if_running == IF_RUNNING_ERROR)
		refuse_while_running(pipeline, request->document);
}

/*
 * mlpipe_submit(definition jsonb, parameters jsonb, priority integer,
 * idempotency_key text, tags jsonb, not_before timestamptz) returns bigint
 *
 * A document without a name runs as the one who submits it.
 */
PG_FUNCTION_INFO_V1(mlpipe_submit_document);
Datum
mlpipe_submit_document(PG_FUNCTION_ARGS)
{
	RunRequest request = {0};
	ProblemList problems = {NIL, 0};
	Jsonb *definition;
	EngineMode mode;
	int64 existing = 0;

	argument_require(fcinfo, 0, "definition");
	definition = PG_GETARG_JSONB_P(0);
	submit_require_server();
	run_cache_trim();
	request.document = document_parse(definition, activity_kinds(), &problems);
	problem_raise(&problems);
	request.run_as = GetUserId();
	request.submitted_by = GetUserId();
	request.parameters = parameters_check(request.document,
										  object_argument(fcinfo, 1,
														  "parameters"));
	common_arguments(fcinfo, 2, &request);

	engine_mode_enter(&mode);
	if (request.idempotency_key != NULL)
		existing = run_find_by_key(0, request.submitted_by,
								   request.idempotency_key);
	if (existing == 0)
		request.version_id = pipeline_version_store(0, 1, definition,
													request.document,
													request.submitted_by);
	engine_mode_leave(&mode);
	PG_RETURN_INT64(existing != 0 ? existing : run_create(&request));
}

void
submit_require_server(void)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot submit a run on a standby server"),
				 errhint("Submit it on the primary server.")));
	PreventCommandIfReadOnly("mlpipe_submit()");
	shmem_require();
}

/* May the user submit it?  NULL where there is no pipeline of that name. */
static void
require_usable(const char *name, const PipelineRow *pipeline)
{
	if (pipeline == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("pipeline \"%s\" does not exist", name),
				 name[0] == '{' ?
					 errhint("To submit a document, cast it to jsonb.") :
					 0));
	pipeline_require_use(pipeline);
	if (!pipeline->enabled)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("pipeline \"%s\" is disabled", name),
			 errhint(
				 "Its owner can enable it: mlpipe_alter_pipeline(..., enabled => true).")));
}

static void
require_valid(const PipelineRow *pipeline, const Document *document)
{
	if (document->problem != NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg(
				 "the document of pipeline \"%s\" is not valid any more: %s",
				 pipeline->name, document->problem)));
}

static void
require_version(const PipelineRow *pipeline, int32 number,
				const VersionRow *version)
{
	if (version == NULL)
		missing_version(pipeline->name, number);
	switch (version->status)
	{
		case VERSION_DISABLED:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("version %d of pipeline \"%s\" is disabled",
							number, pipeline->name)));
			break;
		case VERSION_DEPRECATED:
			ereport(WARNING,
					(errcode(ERRCODE_WARNING_DEPRECATED_FEATURE),
					 errmsg("version %d of pipeline \"%s\" is deprecated",
							number, pipeline->name)));
			break;
		case VERSION_ACTIVE:
			break;
	}
}

/*
 * if_running "error" is the one mode for which transactions that submit have
 * to wait for each other.
 */
static void
refuse_while_running(const PipelineRow *pipeline, const Document *document)
{
	EngineMode mode;
	int unfinished;

	engine_mode_enter(&mode);
	(void) pipeline_lock(pipeline->name);
	unfinished = list_length(runs_unfinished(pipeline->pipeline_id, false));
	engine_mode_leave(&mode);
	if (document->concurrency > 0 && unfinished >= document->concurrency)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("pipeline \"%s\" is running already", pipeline->name),
				 errdetail_plural(
					 "It has %d unfinished run, and its concurrency is %d.",
					 "It has %d unfinished runs, and its concurrency is %d.",
					 unfinished, unfinished, document->concurrency)));
}

static Jsonb *
object_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	Jsonb *value;

	argument_require(fcinfo, argument, name);
	value = PG_GETARG_JSONB_P(argument);
	if (!JB_ROOT_IS_OBJECT(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", name)));
	return value;
}

static char *
check_key(char *key)
{
	if (strlen(key) > MAX_IDEMPOTENCY_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("idempotency key is too long"),
				 errdetail("It has %zu bytes; %d is the limit.", strlen(key),
						   MAX_IDEMPOTENCY_KEY)));
	return key;
}

/* priority, idempotency_key, tags, not_before: in this order in both forms. */
static void
common_arguments(FunctionCallInfo fcinfo, int first, RunRequest *request)
{
	request->priority = PG_ARGISNULL(first) ? 0 : PG_GETARG_INT32(first);
	if (!PG_ARGISNULL(first + 1))
		request->idempotency_key = check_key(argument_text(fcinfo, first + 1));
	request->tags = object_argument(fcinfo, first + 2, "tags");
	if (!PG_ARGISNULL(first + 3))
	{
		TimestampTz not_before = PG_GETARG_TIMESTAMPTZ(first + 3);

		if (not_before > GetCurrentTimestamp())
			request->not_before = not_before;
	}
	request->trigger = manual_trigger();
}

static Jsonb *
manual_trigger(void)
{
	return DatumGetJsonbP(
		DirectFunctionCall1(jsonb_in,
							CStringGetDatum("{\"type\": \"manual\"}")));
}

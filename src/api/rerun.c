/*-------------------------------------------------------------------------
 *
 * rerun.c
 *	  Running a finished run again.
 *
 * A rerun is submitted, and checked, like any run; what it takes over is the
 * engine's business.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/argument.h"
#include "api/missing.h"
#include "api/parameters.h"
#include "api/submit.h"
#include "engine/run_cache.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"
#include "store/pipeline_store.h"
#include "store/rerun_store.h"

static RerunSource *find_source(const RunRow *run);
static Jsonb *new_parameters(FunctionCallInfo fcinfo,
							 const RerunSource *source);
static void prepare_pipeline(RunRequest *request, const RunRow *run,
							 const RerunSource *source, Jsonb *parameters);
static void prepare_document(RunRequest *request, const RunRow *run,
							 Jsonb *parameters);
static void find_activity(RunRequest *request, int64 run_id, const char *name);

/*
 * mlpipe_rerun(run_id bigint, from_activity text, only_failed boolean,
 * parameters jsonb) returns bigint
 */
PG_FUNCTION_INFO_V1(mlpipe_rerun);
Datum
mlpipe_rerun(PG_FUNCTION_ARGS)
{
	RunRequest request = {.rerun_from = -1};
	RunRow *run = argument_run(fcinfo, 0);
	char *from = argument_text(fcinfo, 1);
	RerunSource *source;
	Jsonb *parameters;
	EngineMode mode;

	submit_require_server();
	source = find_source(run);
	parameters = new_parameters(fcinfo, source);
	if (source->pipeline != NULL)
		prepare_pipeline(&request, run, source, parameters);
	else
		prepare_document(&request, run, parameters);
	request.rerun_of = run->run_id;
	request.rerun_all = !PG_ARGISNULL(2) && !PG_GETARG_BOOL(2);
	request.next_no = source->next_no;
	request.group_id = source->group_id;
	request.priority = source->priority;
	request.level = source->level;
	request.tags = source->tags;
	if (from != NULL)
		find_activity(&request, run->run_id, from);
	engine_mode_enter(&mode);
	request.trigger = rerun_trigger(source, from);
	engine_mode_leave(&mode);
	PG_RETURN_INT64(run_create(&request));
}

static RerunSource *
find_source(const RunRow *run)
{
	EngineMode mode;
	RerunSource *source;

	engine_mode_enter(&mode);
	source = rerun_source(run->run_id);
	engine_mode_leave(&mode);
	if (source == NULL)
		missing_run(run->run_id);
	if (source->finished_at == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot rerun run " INT64_FORMAT, run->run_id),
				 errdetail("It is %s.", run_status_name(run->status)),
				 errhint("Wait until it has ended, or cancel it first.")));
	return source;
}

static Jsonb *
new_parameters(FunctionCallInfo fcinfo, const RerunSource *source)
{
	EngineMode mode;
	Jsonb *parameters;

	if (PG_ARGISNULL(3))
		return source->parameters;
	if (!JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(3)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameters must be a JSON object")));
	engine_mode_enter(&mode);
	parameters = rerun_parameters(source->parameters, PG_GETARG_JSONB_P(3));
	engine_mode_leave(&mode);
	return parameters;
}

/* Another pipeline may have its name by now. */
static void
prepare_pipeline(RunRequest *request, const RunRow *run,
				 const RerunSource *source, Jsonb *parameters)
{
	EngineMode mode;
	PipelineRow *pipeline;

	engine_mode_enter(&mode);
	pipeline = pipeline_by_name(source->pipeline);
	engine_mode_leave(&mode);
	if (pipeline == NULL || pipeline->pipeline_id != run->pipeline_id)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot rerun run " INT64_FORMAT, run->run_id),
				 errdetail("Its pipeline \"%s\" was dropped.",
						   source->pipeline)));
	submit_prepare(request, source->pipeline, source->version, parameters);
}

/*
 * It runs as the role that submitted the document, whoever has it done again:
 * that role wrote it, and only those who have its privileges get here.
 */
static void
prepare_document(RunRequest *request, const RunRow *run, Jsonb *parameters)
{
	if (!has_privs_of_role(GetUserId(), run->run_as))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for run " INT64_FORMAT,
						run->run_id)));
	request->version_id = run->version_id;
	request->document = version_document(run->version_id);
	if (request->document->problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the document of run " INT64_FORMAT
						" is not valid any more: %s",
						run->run_id, request->document->problem)));
	request->run_as = run->run_as;
	request->submitted_by = GetUserId();
	request->parameters = parameters_check(request->document, parameters);
}

static void
find_activity(RunRequest *request, int64 run_id, const char *name)
{
	EngineMode mode;
	ActivityRow *activity;

	engine_mode_enter(&mode);
	activity = activity_find(run_id, name);
	engine_mode_leave(&mode);
	if (activity == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("run " INT64_FORMAT " has no activity \"%s\"", run_id,
					name),
			 errhint(
				 "Activities inside of others are named as in mlpipe_activities: \"each[3].train\".")));
	request->rerun_from = activity->no;
}

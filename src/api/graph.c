/*-------------------------------------------------------------------------
 *
 * graph.c
 *	  mlpipe_graph(): a pipeline, or one of its runs, as a picture.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "api/argument.h"
#include "api/missing.h"
#include "api/rights.h"
#include "draw/draw.h"
#include "engine/run_cache.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"
#include "store/pipeline_store.h"
#include "store/run_store.h"

typedef struct GraphFormat
{
	const char *name;
	char *(*draw)(const Drawing *drawing);
} GraphFormat;

static const GraphFormat formats[] = {
	{"mermaid", draw_mermaid},
	{"dot", draw_dot},
	{"svg", draw_svg},
};

static const GraphFormat *format_argument(FunctionCallInfo fcinfo);
static void find_run(FunctionCallInfo fcinfo, Drawing *drawing);
static void require_pipeline(FunctionCallInfo fcinfo, const RunRow *run,
							 const PipelineRow *pipeline);
static void find_pipeline(FunctionCallInfo fcinfo, Drawing *drawing);

/*
 * mlpipe_graph(name text, version integer, format text, run_id bigint)
 * returns text
 */
PG_FUNCTION_INFO_V1(mlpipe_graph);
Datum
mlpipe_graph(PG_FUNCTION_ARGS)
{
	const GraphFormat *format = format_argument(fcinfo);
	Drawing drawing = {0};

	run_cache_trim();
	if (PG_ARGISNULL(3))
		find_pipeline(fcinfo, &drawing);
	else
		find_run(fcinfo, &drawing);
	PG_RETURN_TEXT_P(cstring_to_text(format->draw(&drawing)));
}

static const GraphFormat *
format_argument(FunctionCallInfo fcinfo)
{
	char *name;

	argument_require(fcinfo, 2, "format");
	name = argument_text(fcinfo, 2);

	for (int i = 0; i < lengthof(formats); i++)
	{
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no format \"%s\" of graphs", name),
			 errhint("The formats are \"mermaid\", \"dot\" and \"svg\".")));
}

static void
find_pipeline(FunctionCallInfo fcinfo, Drawing *drawing)
{
	EngineMode mode;
	char *name;
	PipelineRow *pipeline;
	VersionRow *version;
	int32 number;

	argument_require(fcinfo, 0, "name of pipeline");
	name = argument_text(fcinfo, 0);
	engine_mode_enter(&mode);
	pipeline = pipeline_by_name(name);
	engine_mode_leave(&mode);
	if (pipeline == NULL)
		missing_pipeline(name);
	if (!run_may_see(pipeline->pipeline_id, InvalidOid))
		pipeline_require_use(pipeline);

	number = PG_ARGISNULL(1) ? pipeline->default_version : PG_GETARG_INT32(1);
	engine_mode_enter(&mode);
	version = version_find(pipeline->pipeline_id, number);
	engine_mode_leave(&mode);
	if (version == NULL)
		missing_version(name, number);
	drawing->title = psprintf("%s, version %d", name, number);
	drawing->document = version_document(version->version_id);
}

/* As its activities stand now.  Who may not see it cannot learn of it. */
static void
find_run(FunctionCallInfo fcinfo, Drawing *drawing)
{
	int64 run_id = PG_GETARG_INT64(3);
	EngineMode mode;
	RunRow *run;
	PipelineRow *pipeline = NULL;

	engine_mode_enter(&mode);
	run = run_load(run_id, false);
	if (run != NULL && run->pipeline_id != 0)
		pipeline = pipeline_by_id(run->pipeline_id);
	engine_mode_leave(&mode);
	if (run == NULL || !run_may_see(run->pipeline_id, run->submitted_by))
		missing_run(run_id);
	require_pipeline(fcinfo, run, pipeline);
	drawing->title = psprintf("%s%srun " INT64_FORMAT ", %s",
							  pipeline ? pipeline->name : "",
							  pipeline ? ", " : "", run_id,
							  run_status_name(run->status));
	drawing->document = version_document(run->version_id);
	engine_mode_enter(&mode);
	drawing->statuses = activity_statuses(run_id,
										  drawing->document->nactivities);
	engine_mode_leave(&mode);
}

/* name and version may be left out, for a run says both. */
static void
require_pipeline(FunctionCallInfo fcinfo, const RunRow *run,
				 const PipelineRow *pipeline)
{
	char *name = argument_text(fcinfo, 0);

	if (name != NULL &&
		(pipeline == NULL || strcmp(pipeline->name, name) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("run " INT64_FORMAT " is not one of pipeline \"%s\"",
						run->run_id, name)));
	if (!PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version and run_id cannot both be given"),
				 errhint("A run keeps the version that it started with.")));
}

/*-------------------------------------------------------------------------
 *
 * pipeline.c
 *	  The activity "pipeline": a child run, whose end it may wait for.
 *
 * The child is submitted in the transaction that parks the activity, and it
 * ends the activity in the transaction of its own end: engine/child.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/activity.h"
#include "activity/config.h"
#include "engine/child.h"
#include "store/engine_mode.h"
#include "store/pipeline_store.h"

typedef struct PipelineConfig
{
	Template *name;
	int version;       /* 0: the default version */
	Jsonb *parameters; /* with placeholders; NULL: none */
	bool waits;
} PipelineConfig;

static void *check_pipeline(JsonReader *reader, ActivityDef *def,
							const TemplateScope *scope);
static void check_child(JsonReader *reader, const Template *name);
static ActivityOutcome run_pipeline(ActivityCall *call);

static const char *const child_words[] = {"run_id", "status", "output", NULL};

const ActivityType pipeline_activity = {.kind = {.name = "pipeline",
												 .takes = TAKES_RETRY |
													 TAKES_ITS_TIME |
													 STARTS_RUNS,
												 .check = check_pipeline,
												 .output_words = child_words},
										.run = run_pipeline,
										.when_due = DUE_TIMES_OUT};

static void *
check_pipeline(JsonReader *reader, ActivityDef *def,
			   const TemplateScope *scope)
{
	PipelineConfig *config = palloc0(sizeof(PipelineConfig));
	JsonReader *parameters = reader_object(reader, "parameters", false);

	config->name = config_template(reader, "pipeline", TEMPLATE_TEXT, scope,
								   true);
	config->version = reader_int(reader, "version", 0, 1, PG_INT32_MAX);
	config->waits = reader_bool(reader, "wait_on_completion", true);
	if (parameters != NULL)
	{
		JsonbValue *value = reader_value(reader, "parameters");

		template_check_json(value, scope, reader->problems,
							reader_path(reader, "parameters"));
		config->parameters = JsonbValueToJsonb(value);
	}
	check_child(reader, config->name);
	return config;
}

/* It may still be created before the run. */
static void
check_child(JsonReader *reader, const Template *name)
{
	EngineMode mode;
	bool exists;

	if (name == NULL || !template_is_constant(name))
		return;
	engine_mode_enter(&mode);
	exists = pipeline_by_name(template_source(name)) != NULL;
	engine_mode_leave(&mode);
	if (!exists)
		problem_add(reader->problems, PROBLEM_WARNING,
					reader_path(reader, "pipeline"), NULL,
					"pipeline \"%s\" does not exist yet",
					template_source(name));
}

static ActivityOutcome
run_pipeline(ActivityCall *call)
{
	const PipelineConfig *config = call->def->config;
	Jsonb *parameters = config->parameters == NULL ?
		NULL :
		template_render_json(config->parameters, call_context(call));
	int64 run_id = call_submit_child(call, call_render(call, config->name),
									 config->version, parameters,
									 config->waits);

	call_set_output(call, child_output(run_id, RUN_QUEUED, NULL));
	if (!config->waits)
		return OUTCOME_DONE;
	call->due_at = call->def->timeout > 0 ? call_deadline(call) : 0;
	return OUTCOME_PARKED;
}

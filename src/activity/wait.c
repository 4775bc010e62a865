/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  The activity "wait": succeeds some time later, and takes no worker until
 *	  then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "activity/activity.h"
#include "activity/config.h"
#include "definition/duration.h"

typedef struct WaitConfig
{
	int64 duration;     /* microseconds */
	Template *template; /* or what it is known by at run time */
} WaitConfig;

static void *check_wait(JsonReader *reader, ActivityDef *def,
						const TemplateScope *scope);
static ActivityOutcome run_wait(ActivityCall *call);
static int64 render_duration(ActivityCall *call, const Template *template);

const ActivityType wait_activity = {.kind = {.name = "wait",
											 .takes = 0,
											 .check = check_wait},
									.run = run_wait,
									.when_due = DUE_SUCCEEDS};

static void *
check_wait(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	WaitConfig *config = palloc0(sizeof(WaitConfig));
	JsonbValue *value = reader_value(reader, "duration");

	if (value != NULL && value->type == jbvNumeric)
	{
		config->duration = reader_duration(reader, "duration", 0);
		return config;
	}
	config->template = config_template(reader, "duration", TEMPLATE_TEXT,
									   scope, true);
	if (config->template != NULL && template_is_constant(config->template))
	{
		config->template = NULL;
		config->duration = reader_duration(reader, "duration", 0);
	}
	return config;
}

static ActivityOutcome
run_wait(ActivityCall *call)
{
	const WaitConfig *config = call->def->config;
	int64 duration = config->template == NULL ?
		config->duration :
		render_duration(call, config->template);

	if (duration == 0)
		return OUTCOME_DONE;

	/* In the past if the scheduler has left the end to an executor: due.c. */
	call->due_at = call_started_at(call) + duration;
	return OUTCOME_PARKED;
}

static int64
render_duration(ActivityCall *call, const Template *template)
{
	JsonbValue value = {.type = jbvString};
	int64 duration;
	const char *message;

	value.val.string.val = call_render(call, template);
	value.val.string.len = strlen(value.val.string.val);
	if (!duration_parse(&value, &duration, &message))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("duration \"%s\" %s", value.val.string.val, message)));
	return duration;
}

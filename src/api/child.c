/*-------------------------------------------------------------------------
 *
 * child.c
 *	  Child runs: what activities of type "pipeline" submit.
 *
 * They are checked like any other submission, as one by the role that the
 * parent executes as.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/activity.h"
#include "activity/output.h"
#include "api/submit.h"
#include "engine/create.h"
#include "engine/run_cache.h"
#include "store/engine_mode.h"
#include "store/run_store.h"

/* Here a pipeline that runs itself comes to an end. */
#define MAX_LEVELS 32

static int32 level_of(int64 run_id);
static Jsonb *no_parameters(void);
static Jsonb *child_trigger(ActivityCall *call);

int64
call_submit_child(ActivityCall *call, const char *pipeline, int32 version,
				  Jsonb *parameters, bool waits)
{
	RunRequest request = {0};

	request.level = level_of(call->run_id) + 1;
	if (request.level >= MAX_LEVELS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("child runs are nested more than %d levels deep",
						MAX_LEVELS),
				 errhint("Perhaps a pipeline runs itself.")));
	submit_prepare(&request, pipeline, version > 0 ? version : DEFAULT_VERSION,
				   parameters != NULL ? parameters : no_parameters());
	request.priority = run_info(call->run_id)->priority;
	request.trigger = child_trigger(call);
	if (waits)
	{
		request.parent_run_id = call->run_id;
		request.parent_no = call->no;
		request.parent_attempt = call->attempt;
	}
	return run_create(&request);
}

static int32
level_of(int64 run_id)
{
	EngineMode mode;
	int32 level;

	engine_mode_enter(&mode);
	level = run_load(run_id, false)->level;
	engine_mode_leave(&mode);
	return level;
}

static Jsonb *
no_parameters(void)
{
	Output nothing;

	output_begin(&nothing);
	return output_end(&nothing);
}

static Jsonb *
child_trigger(ActivityCall *call)
{
	Output trigger;

	output_begin(&trigger);
	output_text(&trigger, "type", "pipeline");
	output_count(&trigger, "parent_run_id", call->run_id);
	output_text(&trigger, "parent_activity", call_name(call));
	return output_end(&trigger);
}

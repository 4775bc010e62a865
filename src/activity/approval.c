/*-------------------------------------------------------------------------
 *
 * approval.c
 *	  The activity "approval": waits for mlpipe_approve().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/approval.h"
#include "activity/config.h"
#include "activity/output.h"

typedef struct ApprovalConfig
{
	Template *message;
	List *approvers; /* of char * */
} ApprovalConfig;

static void *check_approval(JsonReader *reader, ActivityDef *def,
							const TemplateScope *scope);
static ActivityOutcome run_approval(ActivityCall *call);

const ActivityType approval_activity = {.kind = {.name = "approval",
												 .takes = TAKES_ITS_TIME,
												 .check = check_approval},
										.run = run_approval,
										.when_due = DUE_TIMES_OUT};

static void *
check_approval(JsonReader *reader, ActivityDef *def,
			   const TemplateScope *scope)
{
	ApprovalConfig *config = palloc0(sizeof(ApprovalConfig));

	config->message = config_template(reader, "message", TEMPLATE_TEXT, scope,
									  false);
	config->approvers = reader_texts(reader, "approvers", false);
	return config;
}

/* Its message can be seen while it waits. */
static ActivityOutcome
run_approval(ActivityCall *call)
{
	const ApprovalConfig *config = call->def->config;
	Output output;

	output_begin(&output);
	if (config->message != NULL)
		output_text(&output, "message", call_render(call, config->message));
	call_set_output(call, output_end(&output));
	call->due_at = call->def->timeout > 0 ? call_deadline(call) : 0;
	return OUTCOME_PARKED;
}

List *
approval_approvers(const ActivityDef *def)
{
	return ((const ApprovalConfig *) def->config)->approvers;
}

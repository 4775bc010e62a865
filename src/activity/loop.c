/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  The expressions that loops look at after an iteration or a round.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/activity.h"
#include "activity/expression.h"
#include "activity/loop.h"
#include "activity/output.h"

static void *check_until(JsonReader *reader, ActivityDef *def,
						 const TemplateScope *scope);
static void *check_break(JsonReader *reader, ActivityDef *def,
						 const TemplateScope *scope);
static ActivityOutcome run_check(ActivityCall *call);

const ActivityType until_check = {.kind = {.name = "condition",
										   .takes = 0,
										   .check = check_until},
								  .run = run_check};

const ActivityType break_check = {.kind = {.name = "break",
										   .takes = 0,
										   .check = check_break},
								  .run = run_check};

static void *
check_until(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	return expression_check(reader, "condition", scope, true);
}

static void *
check_break(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	return expression_check(reader, "break", scope, true);
}

static ActivityOutcome
run_check(ActivityCall *call)
{
	Output output;

	output_begin(&output);
	output_bool(&output, "value",
				expression_is_true(call, call->def->config, NULL));
	call_set_output(call, output_end(&output));
	return OUTCOME_DONE;
}

bool
loop_check_was_true(const BodyEnd *body)
{
	int last = body->scope->first_no + body->scope->list->count - 1;
	Jsonb *output = activity_output(body->run->run_id, last);
	JsonbValue *value = output == NULL ?
		NULL :
		getKeyJsonValueFromContainer(&output->root, "value", strlen("value"),
									 NULL);

	return value != NULL && value->type == jbvBool && value->val.boolean;
}

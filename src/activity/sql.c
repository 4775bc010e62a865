/*-------------------------------------------------------------------------
 *
 * sql.c
 *	  The activity "sql": runs statements.
 *
 * Its config is the list of its texts, as Template *.  A text may hold several
 * statements.  What they name may not be there yet when the pipeline is
 * created, so only their syntax is looked at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "activity/activity.h"
#include "activity/config.h"
#include "activity/output.h"

/* What the output keeps of the last statement's rows. */
#define MAX_KEPT_ROWS  1000
#define MAX_KEPT_BYTES ((int64) 1024 * 1024)

static void *check_sql(JsonReader *reader, ActivityDef *def,
					   const TemplateScope *scope);
static ActivityOutcome run_sql(ActivityCall *call);
static Jsonb *make_output(JsonReceiver *receiver,
						  const StatementResult *result);

const ActivityType sql_activity = {.kind = {.name = "sql",
											.takes = TAKES_RETRY |
												TAKES_TRANSACTION |
												TAKES_REUSE | TAKES_COMPUTE,
											.check = check_sql},
								   .run = run_sql};

static void *
check_sql(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	List *templates = config_templates(reader, "sql", TEMPLATE_SQL, scope,
									   true);
	char *path = reader_path(reader, "sql");
	ListCell *cell;

	foreach(cell, templates)
		(void) config_check_statements(lfirst(cell), scope, reader->problems,
									   list_length(templates) == 1 ?
										   path :
										   psprintf("%s[%d]", path,
													foreach_current_index(
														cell)));
	return templates;
}

/* The call's context is used throughout, since statements may commit. */
static ActivityOutcome
run_sql(ActivityCall *call)
{
	JsonReceiver *receiver;
	StatementResult result;

	MemoryContextSwitchTo(call->context);
	receiver = json_receiver_create(call->context, MAX_KEPT_ROWS,
									MAX_KEPT_BYTES, false);
	statements_run(config_render(call, call->def->config),
				   call->def->own_transactions, &receiver->pub, &result);

	/* mlpipe_set_output() wins. */
	if (call->output == NULL)
		call_set_output(call, make_output(receiver, &result));
	return OUTCOME_DONE;
}

static Jsonb *
make_output(JsonReceiver *receiver, const StatementResult *result)
{
	Output output;

	output_begin(&output);
	output_count(&output, "row_count", result->processed);
	output_json(&output, "rows", json_receiver_value(receiver));
	if (receiver->truncated)
		output_bool(&output, "truncated", true);
	return output_end(&output);
}

/*-------------------------------------------------------------------------
 *
 * for_each.c
 *	  The activity "for_each": its activities once for each item.
 *
 * As many iterations as batch_count says are in progress at a time; the end of
 * any of them begins the next.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/activity.h"
#include "activity/config.h"
#include "activity/items.h"
#include "activity/loop.h"
#include "activity/output.h"
#include "definition/upstream.h"
#include "engine/container.h"

#define DEFAULT_BATCH_COUNT 20
#define MAX_BATCH_COUNT     10000

typedef struct ForEachConfig
{
	ItemsConfig items;
	const ActivityList *body;
	int batch_count;
	int max_failures; /* -1: any number */
	bool has_break;
	int collect; /* the place in the body; -1: none */
} ForEachConfig;

static void *check_for_each(JsonReader *reader, ActivityDef *def,
							const TemplateScope *scope);
static void check_body(JsonReader *reader, ActivityDef *def,
					   const TemplateScope *scope, ForEachConfig *config);
static int check_collect(JsonReader *reader, const ActivityList *body);
static ActivityOutcome run_for_each(ActivityCall *call);
static int max_scopes(const ActivityDef *def);
static void iteration_ended(BodyEnd *body);
static void loop_ended(BodyEnd *body, const ForEachConfig *config);
static Jsonb *make_output(int64 count, int64 succeeded, int64 failed,
						  Jsonb *outputs);

static const char *const loop_words[] = {"count", "succeeded", "failed",
										 "outputs", NULL};

const ActivityType for_each_activity = {.kind = {.name = "for_each",
												 .takes = TAKES_ITS_TIME,
												 .check = check_for_each,
												 .output_words = loop_words},
										.run = run_for_each,
										.when_due = DUE_TIMES_OUT,
										.body_ended = iteration_ended,
										.max_scopes = max_scopes};

static void *
check_for_each(JsonReader *reader, ActivityDef *def,
			   const TemplateScope *scope)
{
	ForEachConfig *config = palloc0(sizeof(ForEachConfig));
	bool sequential = reader_bool(reader, "sequential", false);

	items_check(reader, scope, &config->items);
	config->batch_count = reader_int(reader, "batch_count",
									 DEFAULT_BATCH_COUNT, 1, MAX_BATCH_COUNT);
	if (sequential)
		config->batch_count = 1;
	config->max_failures = reader_int(reader, "max_failures", -1, 0,
									  LOOP_ANY_FAILURES - 1);
	config->has_break = reader_has(reader, "break");
	config->collect = -1;
	check_body(reader, def, scope, config);
	return config;
}

static void
check_body(JsonReader *reader, ActivityDef *def, const TemplateScope *scope,
		   ForEachConfig *config)
{
	TemplateScope inside = *scope;
	List *variables = document_parse_declared(reader, "variables");
	ActivityList *body;

	inside.in_loop = true;
	inside.loops = lcons(def->name, list_copy(scope->loops));
	inside.variables = list_concat_copy(variables, scope->variables);
	body = unconstify(ActivityList *,
					  document_parse_body(reader, NULL, "activities", def,
										  &inside, NULL,
										  config->has_break ?
											  &break_check.kind :
											  NULL));
	if (body == NULL)
	{
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "activities"), NULL,
					"a loop needs at least one activity");
		(void) reader_has(reader, "collect");
		return;
	}
	body->has_items = true;
	body->variables = variables;
	config->body = body;
	config->collect = check_collect(reader, body);
}

static int
check_collect(JsonReader *reader, const ActivityList *body)
{
	char *name = reader_text(reader, "collect", false);
	int place;

	if (name == NULL)
		return -1;
	place = names_find(body->names, name);
	if (place < 0)
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "collect"), NULL,
					"no activity of the loop is named \"%s\"", name);
	return place;
}

static ActivityOutcome
run_for_each(ActivityCall *call)
{
	const ForEachConfig *config = call->def->config;

	call->items = items_load(call, &config->items);
	if (JB_ROOT_COUNT(call->items) == 0)
	{
		call_set_output(call,
						make_output(0, 0, 0,
									config->collect < 0 ? NULL : call->items));
		return OUTCOME_DONE;
	}
	call->body = config->body;
	call->max_scopes = max_scopes(call->def);
	return OUTCOME_BODY;
}

static int
max_scopes(const ActivityDef *def)
{
	const ForEachConfig *config = def->config;

	return config->batch_count;
}

static void
iteration_ended(BodyEnd *body)
{
	const ForEachConfig *config = body->def->config;
	int limit = config->max_failures;

	if (!body->succeeded && config->max_failures >= 0)
		loop_count_failure(body->run->run_id, body->scope->parent_no);
	if (config->has_break && limit < 0)
		limit = LOOP_ANY_FAILURES;
	if (body->check == END_SUCCEEDED && loop_check_was_true(body))
		loop_break(body->run->run_id, body->scope->parent_no);
	if (container_next_item(body, limit) == LOOP_IS_OVER)
		loop_ended(body, config);
}

static void
loop_ended(BodyEnd *body, const ForEachConfig *config)
{
	int64 run_id = body->run->run_id;
	int32 no = body->scope->parent_no;
	int64 count;
	int64 succeeded;
	int64 failed;
	Jsonb *outputs = NULL;
	Jsonb *output;

	loop_totals(run_id, no, &count, &succeeded, &failed);
	if (config->collect >= 0)
		outputs = loop_outputs(run_id, no, config->collect);
	output = make_output(count, succeeded, failed, outputs);
	if (config->collect >= 0 && outputs == NULL)
		container_fail_output(body);
	else if (failed == 0)
		container_succeed(body, output);
	else
		container_fail(body, NULL, output);
}

static Jsonb *
make_output(int64 count, int64 succeeded, int64 failed, Jsonb *outputs)
{
	Output output;

	output_begin(&output);
	output_count(&output, "count", count);
	output_count(&output, "succeeded", succeeded);
	output_count(&output, "failed", failed);
	if (outputs != NULL)
		output_json(&output, "outputs", outputs);
	return output_end(&output);
}

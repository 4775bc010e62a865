/*-------------------------------------------------------------------------
 *
 * branch.c
 *	  The activities "if" and "switch": one of several lists of activities.
 *
 * A branch that is missing or empty has no list: to take it is to succeed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/activity.h"
#include "activity/expression.h"
#include "activity/output.h"
#include "engine/container.h"

#define DEFAULT_LABEL "default"

typedef struct BranchConfig
{
	Template *expression;
	List *labels; /* of char *: values of a switch */
	List *bodies; /* of ActivityList *, NULL where empty */
	bool has_default;
	const ActivityList *otherwise; /* "else", or "default" */
} BranchConfig;

static void *check_if(JsonReader *reader, ActivityDef *def,
					  const TemplateScope *scope);
static void *check_switch(JsonReader *reader, ActivityDef *def,
						  const TemplateScope *scope);
static void check_cases(JsonReader *cases, ActivityDef *def,
						const TemplateScope *scope, BranchConfig *config);
static ActivityOutcome run_if(ActivityCall *call);
static ActivityOutcome run_switch(ActivityCall *call);
static ActivityOutcome take_branch(ActivityCall *call, const char *label,
								   const ActivityList *body);
static void branch_ended(BodyEnd *body);
static Jsonb *make_output(const char *label, Jsonb *activities);

static const char *const branch_words[] = {"branch", "activities", NULL};

const ActivityType if_activity = {.kind = {.name = "if",
										   .takes = TAKES_ITS_TIME,
										   .check = check_if,
										   .output_words = branch_words},
								  .run = run_if,
								  .when_due = DUE_TIMES_OUT,
								  .body_ended = branch_ended};

const ActivityType switch_activity = {.kind = {.name = "switch",
											   .takes = TAKES_ITS_TIME,
											   .check = check_switch,
											   .output_words = branch_words},
									  .run = run_switch,
									  .when_due = DUE_TIMES_OUT,
									  .body_ended = branch_ended};

static void *
check_if(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	BranchConfig *config = palloc0(sizeof(BranchConfig));

	config->expression = expression_check(reader, "condition", scope, true);
	if (!reader_peek(reader, "then") && !reader_peek(reader, "else"))
		problem_add(reader->problems, PROBLEM_ERROR, reader->path, NULL,
					"must have one of the keys \"then\", \"else\"");
	config->bodies = list_make1(
		unconstify(ActivityList *,
				   document_parse_body(reader, NULL, "then", def, scope,
									   "then", NULL)));
	config->otherwise = document_parse_body(reader, NULL, "else", def, scope,
											"else", NULL);
	return config;
}

static void *
check_switch(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	BranchConfig *config = palloc0(sizeof(BranchConfig));
	JsonReader *cases = reader_object(reader, "cases", true);

	config->expression = expression_check(reader, "on", scope, true);
	config->has_default = reader_has(reader, DEFAULT_LABEL);
	if (cases != NULL)
		check_cases(cases, def, scope, config);
	config->otherwise = document_parse_body(reader, NULL, DEFAULT_LABEL, def,
											scope, DEFAULT_LABEL, NULL);
	return config;
}

static void
check_cases(JsonReader *cases, ActivityDef *def, const TemplateScope *scope,
			BranchConfig *config)
{
	JsonbIterator *it = JsonbIteratorInit(cases->object);
	JsonbIteratorToken token;
	JsonbValue value;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		char *label;

		if (token != WJB_KEY)
			continue;
		label = pnstrdup(value.val.string.val, value.val.string.len);
		if (strcmp(label, DEFAULT_LABEL) == 0)
			problem_add(
				cases->problems, PROBLEM_ERROR, reader_path(cases, label),
				"What is done for all other values is \"default\" beside \"cases\".",
				"a case cannot be called \"default\"");
		config->labels = lappend(config->labels, label);
		config->bodies = lappend(config->bodies,
								 unconstify(ActivityList *,
											document_parse_body(cases, "cases",
																label, def,
																scope, label,
																NULL)));
	}
	reader_close(cases);
}

static ActivityOutcome
run_if(ActivityCall *call)
{
	const BranchConfig *config = call->def->config;

	if (expression_is_true(call, config->expression, NULL))
		return take_branch(call, "then", linitial(config->bodies));
	return take_branch(call, "else", config->otherwise);
}

static ActivityOutcome
run_switch(ActivityCall *call)
{
	const BranchConfig *config = call->def->config;
	char *value = expression_text(call, config->expression);
	ListCell *label;
	ListCell *body;

	forboth(label, config->labels, body, config->bodies)
	{
		if (value != NULL && strcmp(lfirst(label), value) == 0)
			return take_branch(call, lfirst(label), lfirst(body));
	}
	return take_branch(call, config->has_default ? DEFAULT_LABEL : NULL,
					   config->otherwise);
}

static ActivityOutcome
take_branch(ActivityCall *call, const char *label, const ActivityList *body)
{
	Output nothing;

	if (body != NULL)
	{
		call->body = body;
		return OUTCOME_BODY;
	}
	output_begin(&nothing);
	call_set_output(call, make_output(label, output_end(&nothing)));
	return OUTCOME_DONE;
}

static void
branch_ended(BodyEnd *body)
{
	Jsonb *activities;

	if (!body->succeeded)
	{
		container_fail(body, NULL, NULL);
		return;
	}
	activities = activity_outputs(body->run->run_id, body->run->document,
								  body->scope);
	if (activities == NULL)
		container_fail_output(body);
	else
		container_succeed(body,
						  make_output(body->scope->list->label, activities));
}

static Jsonb *
make_output(const char *label, Jsonb *activities)
{
	Output output;

	output_begin(&output);
	output_text(&output, "branch", label);
	output_json(&output, "activities", activities);
	return output_end(&output);
}

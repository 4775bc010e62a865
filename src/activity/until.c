/*-------------------------------------------------------------------------
 *
 * until.c
 *	  The activity "until": its activities again and again, until a condition
 *	  is true.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "activity/activity.h"
#include "activity/loop.h"
#include "activity/output.h"
#include "engine/container.h"

#define DEFAULT_TIMEOUT (7 * USECS_PER_DAY)

typedef struct UntilConfig
{
	const ActivityList *body;
	int64 interval; /* microseconds between two rounds */
	int max_rounds; /* 0: any number */
	bool fail_on_error;
} UntilConfig;

static void *check_until(JsonReader *reader, ActivityDef *def,
						 const TemplateScope *scope);
static ActivityOutcome run_until(ActivityCall *call);
static void round_ended(BodyEnd *body);
static void succeed(BodyEnd *body);
static Failure *too_many_rounds(const UntilConfig *config);

static const char *const round_words[] = {"rounds", "activities", NULL};

const ActivityType until_activity = {.kind = {.name = "until",
											  .takes = TAKES_ITS_TIME,
											  .check = check_until,
											  .output_words = round_words},
									 .run = run_until,
									 .when_due = DUE_TIMES_OUT,
									 .body_ended = round_ended};

static void *
check_until(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	UntilConfig *config = palloc0(sizeof(UntilConfig));

	if (def->timeout == 0)
		def->timeout = DEFAULT_TIMEOUT;
	config->interval = reader_duration(reader, "interval", 0);
	config->max_rounds = reader_int(reader, "max_rounds", 0, 1, PG_INT32_MAX);
	config->fail_on_error = reader_bool(reader, "fail_on_error", false);
	config->body = document_parse_body(reader, NULL, "activities", def, scope,
									   NULL, &until_check.kind);
	if (config->body == NULL)
	{
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "activities"), NULL,
					"a loop needs at least one activity");
		(void) reader_has(reader, "condition");
	}
	return config;
}

static ActivityOutcome
run_until(ActivityCall *call)
{
	const UntilConfig *config = call->def->config;

	call->body = config->body;
	return OUTCOME_BODY;
}

static void
round_ended(BodyEnd *body)
{
	const UntilConfig *config = body->def->config;

	if ((config->fail_on_error && !body->succeeded) ||
		body->check != END_SUCCEEDED)
		container_fail(body, NULL, NULL);
	else if (loop_check_was_true(body))
		succeed(body);
	else if (body->scope->iteration == config->max_rounds)
		container_fail(body, too_many_rounds(config), NULL);
	else
		container_repeat(body,
						 config->interval == 0 ?
							 0 :
							 GetCurrentTimestamp() + config->interval);
}

static void
succeed(BodyEnd *body)
{
	Jsonb *activities = activity_outputs(body->run->run_id,
										 body->run->document, body->scope);
	Output output;

	if (activities == NULL)
	{
		container_fail_output(body);
		return;
	}
	output_begin(&output);
	output_count(&output, "rounds", body->scope->iteration);
	output_json(&output, "activities", activities);
	container_succeed(body, output_end(&output));
}

static Failure *
too_many_rounds(const UntilConfig *config)
{
	return failure_create(
		CurrentMemoryContext, "P0001",
		psprintf("max_rounds: the condition was not true after %d %s",
				 config->max_rounds,
				 config->max_rounds == 1 ? "round" : "rounds"),
		NULL, NULL);
}

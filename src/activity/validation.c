/*-------------------------------------------------------------------------
 *
 * validation.c
 *	  The activity "validation": waits until a query returns true.
 *
 * Each look is taken in an executor, all of them in one attempt; between two
 * looks it is parked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "activity/activity.h"
#include "activity/config.h"
#include "activity/expression.h"
#include "activity/select.h"

#define DEFAULT_INTERVAL (10 * USECS_PER_SEC)
#define MIN_INTERVAL     (USECS_PER_SEC / 1000)

typedef struct ValidationConfig
{
	Template *query;
	int64 interval; /* microseconds */
} ValidationConfig;

static void *check_validation(JsonReader *reader, ActivityDef *def,
							  const TemplateScope *scope);
static ActivityOutcome run_validation(ActivityCall *call);
static void raise_timeout(const ActivityDef *def);

const ActivityType validation_activity = {.kind = {.name = "validation",
												   .takes = TAKES_ITS_TIME,
												   .check = check_validation},
										  .run = run_validation,
										  .when_due = DUE_LOOKS_AGAIN};

static void *
check_validation(JsonReader *reader, ActivityDef *def,
				 const TemplateScope *scope)
{
	ValidationConfig *config = palloc0(sizeof(ValidationConfig));

	config->query = config_template(reader, "query", TEMPLATE_SQL, scope,
									true);
	select_check(config->query, reader->problems,
				 reader_path(reader, "query"));
	config->interval = reader_duration(reader, "interval", DEFAULT_INTERVAL);
	config->interval = Max(config->interval, MIN_INTERVAL);
	return config;
}

static ActivityOutcome
run_validation(ActivityCall *call)
{
	const ValidationConfig *config = call->def->config;
	TimestampTz deadline = call->def->timeout > 0 ? call_deadline(call) :
													DT_NOEND;

	if (GetCurrentTimestamp() >= deadline)
		raise_timeout(call->def);
	if (query_is_true(call, config->query))
		return OUTCOME_DONE;
	call->due_at = Min(GetCurrentTimestamp() + config->interval, deadline);
	return OUTCOME_PARKED;
}

static void
raise_timeout(const ActivityDef *def)
{
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("timeout: the query was not true for %g s",
					def->timeout / (double) USECS_PER_SEC)));
}

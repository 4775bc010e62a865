/*-------------------------------------------------------------------------
 *
 * fail.c
 *	  The activity "fail": ends as failed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/activity.h"
#include "activity/config.h"

#define SQLSTATE_LENGTH 5

typedef struct FailConfig
{
	Template *message;
	Template *error_code; /* NULL: none */
} FailConfig;

static void *check_fail(JsonReader *reader, ActivityDef *def,
						const TemplateScope *scope);
static ActivityOutcome run_fail(ActivityCall *call);
static bool is_error_sqlstate(const char *code);

const ActivityType fail_activity = {.kind = {.name = "fail",
											 .takes = 0,
											 .check = check_fail},
									.run = run_fail};

static void *
check_fail(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	FailConfig *config = palloc0(sizeof(FailConfig));

	config->message = config_template(reader, "message", TEMPLATE_TEXT, scope,
									  true);
	config->error_code = config_template(reader, "error_code", TEMPLATE_TEXT,
										 scope, false);
	return config;
}

static ActivityOutcome
run_fail(ActivityCall *call)
{
	const FailConfig *config = call->def->config;
	char *message = call_render(call, config->message);
	char *code = config->error_code == NULL ?
		NULL :
		call_render(call, config->error_code);
	int sqlstate = ERRCODE_RAISE_EXCEPTION;
	bool in_detail = false;

	if (code != NULL && is_error_sqlstate(code))
		sqlstate = MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4]);
	else
		in_detail = code != NULL;

	ereport(ERROR,
			(errcode(sqlstate), errmsg_internal("%s", message),
			 in_detail ? errdetail("The error code is \"%s\".", code) : 0));
	return OUTCOME_DONE; /* not reached */
}

/* The classes 00, 01 and 02 say success, warning and no data. */
static bool
is_error_sqlstate(const char *code)
{
	return strlen(code) == SQLSTATE_LENGTH &&
		strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
		SQLSTATE_LENGTH &&
		!(code[0] == '0' && code[1] >= '0' && code[1] <= '2');
}

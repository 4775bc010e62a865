/*-------------------------------------------------------------------------
 *
 * inside.c
 *	  Functions for the statements of an activity.
 *
 * They answer for MyCall, the attempt that this process is making.  What they
 * are told is kept in memory until the attempt has ended: an output and
 * variables are stored with a success, log lines and metrics in any case.
 * Progress alone goes out at once, through shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "activity/activity.h"
#include "activity/batch.h"
#include "activity/variable.h"
#include "api/argument.h"
#include "definition/value.h"
#include "engine/journal.h"
#include "engine/reuse.h"
#include "engine/slot.h"

#define MAX_METRIC_NAME 1000 /* bytes; up to 100,000 metrics are in memory */

static ActivityCall *require_call(void);
static void require_no_batch(const char *what, const char *hint);
static const DeclaredValue *require_parameter(ActivityCall *call,
											  const char *name);

PG_FUNCTION_INFO_V1(mlpipe_run_id);
Datum
mlpipe_run_id(PG_FUNCTION_ARGS)
{
	if (MyCall == NULL)
		PG_RETURN_NULL();
	reuse_note_context();
	PG_RETURN_INT64(MyCall->run_id);
}

PG_FUNCTION_INFO_V1(mlpipe_activity_name);
Datum
mlpipe_activity_name(PG_FUNCTION_ARGS)
{
	if (MyCall == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(call_name(MyCall)));
}

PG_FUNCTION_INFO_V1(mlpipe_parameter);
Datum
mlpipe_parameter(PG_FUNCTION_ARGS)
{
	ActivityCall *call = require_call();
	const DeclaredValue *parameter;
	JsonbValue *given;
	char *value;

	argument_require(fcinfo, 0, "name");
	parameter = require_parameter(call, argument_text(fcinfo, 0));
	reuse_note_parameter(parameter->name);
	given = call_parameter(call, parameter->name);
	if (given == NULL)
		elog(ERROR, "run " INT64_FORMAT " has no parameter \"%s\"",
			 call->run_id, parameter->name);
	value = value_input_text(parameter->type, given);
	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}

PG_FUNCTION_INFO_V1(mlpipe_context);
Datum
mlpipe_context(PG_FUNCTION_ARGS)
{
	ActivityCall *call = require_call();

	reuse_note_context();
	PG_RETURN_JSONB_P(call_whole_context(call));
}

/* NULL takes back what was set before. */
PG_FUNCTION_INFO_V1(mlpipe_set_output);
Datum
mlpipe_set_output(PG_FUNCTION_ARGS)
{
	ActivityCall *call = require_call();

	require_no_batch("a mini-batch cannot set an output",
					 "The output of a parallel activity is its summary.");
	if (PG_ARGISNULL(0))
		call->output = NULL;
	else
		call_set_output(call, PG_GETARG_JSONB_P(0));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(mlpipe_set_variable);
Datum
mlpipe_set_variable(PG_FUNCTION_ARGS)
{
	ActivityCall *call = require_call();
	const DeclaredValue *variable;
	VariableKey key;
	JsonbValue null = {.type = jbvNull};
	Jsonb *value;

	require_no_batch(
		"a mini-batch cannot set a variable",
		"Mini-batches run side by side; set it in an activity that depends on the parallel one.");
	argument_require(fcinfo, 0, "name");
	variable = variable_find(call, argument_text(fcinfo, 0), &key);
	value = PG_ARGISNULL(1) ? JsonbValueToJsonb(&null) : PG_GETARG_JSONB_P(1);
	variable_check(variable, value);
	variable_keep(call, &key, value, false);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(mlpipe_log);
Datum
mlpipe_log(PG_FUNCTION_ARGS)
{
	ActivityCall *call;
	char *word;
	int elevel;

	call = require_call();
	argument_require(fcinfo, 1, "level");
	word = argument_text(fcinfo, 1);
	elevel = journal_level_parse(word);
	if (elevel == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no log level \"%s\"", word),
			 errhint(
				 "The levels are \"debug\", \"info\", \"notice\", \"warning\" and \"error\".")));
	if (!PG_ARGISNULL(0) && elevel >= call->log_floor)
		journal_log(elevel, argument_text(fcinfo, 0));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(mlpipe_log_metric);
Datum
mlpipe_log_metric(PG_FUNCTION_ARGS)
{
	int64 step = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2);
	char *name;

	(void) require_call();
	argument_require(fcinfo, 0, "name");
	argument_require(fcinfo, 1, "value");
	name = argument_text(fcinfo, 0);
	if (strlen(name) > MAX_METRIC_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of metric is too long"),
				 errdetail("It has %zu bytes; %d is the limit.", strlen(name),
						   MAX_METRIC_NAME)));
	journal_metric(name, PG_ARGISNULL(2) ? NULL : &step, PG_GETARG_FLOAT8(1));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(mlpipe_item_failed);
Datum
mlpipe_item_failed(PG_FUNCTION_ARGS)
{
	(void) require_call();
	argument_require(fcinfo, 0, "key");
	argument_require(fcinfo, 1, "message");
	batch_item_failed(argument_text(fcinfo, 0), argument_text(fcinfo, 1));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(mlpipe_progress);
Datum
mlpipe_progress(PG_FUNCTION_ARGS)
{
	int64 done;
	int64 total = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	TimestampTz now = GetCurrentTimestamp();

	(void) require_call();
	argument_require(fcinfo, 0, "done");
	done = PG_GETARG_INT64(0);
	if (done < 0 || total < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("progress cannot be negative")));

	control_lock();
	MySlot->progress_done = done;
	MySlot->progress_total = total;
	MySlot->progress_at = now;

	/* Also a sign of life of the step: progress_update_timeout. */
	if (MySlot->step != NULL)
		MySlot->step->last_batch_at = now;
	control_unlock();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(mlpipe_batch);
Datum
mlpipe_batch(PG_FUNCTION_ARGS)
{
	Jsonb *batch;

	(void) require_call();
	batch = batch_context();
	if (batch == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("activity \"%s\" is not running a mini-batch",
						MyCall->def->name)));
	PG_RETURN_JSONB_P(batch);
}

static ActivityCall *
require_call(void)
{
	if (MyCall == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no activity is being run by this session"),
			 errhint(
				 "This function is for the statements of a pipeline's activities.")));
	return MyCall;
}

static void
require_no_batch(const char *what, const char *hint)
{
	if (MySlot != NULL && MySlot->step != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_internal("%s", what), errhint("%s", hint)));
}

static const DeclaredValue *
require_parameter(ActivityCall *call, const char *name)
{
	List *parameters = call->document->parameters;
	const DeclaredValue *parameter = declared_value_find(parameters, name);

	if (parameter == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_PARAMETER),
				 errmsg("parameter \"%s\" does not exist", name),
				 errhint("%s",
						 declared_names_hint(parameters, "parameters"))));
	return parameter;
}

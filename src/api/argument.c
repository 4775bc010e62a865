/*-------------------------------------------------------------------------
 *
 * argument.c
 *	  Arguments of SQL functions.
 *
 * Nearly all functions take nulls for some of their arguments, so none is
 * strict, and those that need a value say which one is missing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "api/argument.h"
#include "api/missing.h"
#include "api/rights.h"
#include "engine/run_cache.h"
#include "store/engine_mode.h"

void
argument_require(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

char *
argument_text(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return NULL;
	return text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* Who may not see a run cannot learn that it exists. */
RunRow *
argument_run(FunctionCallInfo fcinfo, int argument)
{
	EngineMode mode;
	RunRow *run;
	int64 run_id;

	argument_require(fcinfo, argument, "run_id");
	run_id = PG_GETARG_INT64(argument);
	run_cache_trim();
	engine_mode_enter(&mode);
	run = run_load(run_id, false);
	engine_mode_leave(&mode);
	if (run == NULL || !run_may_see(run->pipeline_id, run->submitted_by))
		missing_run(run_id);
	if (!run_may_use(run->pipeline_id, run->submitted_by))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for run " INT64_FORMAT, run_id)));
	return run;
}

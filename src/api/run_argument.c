/*-------------------------------------------------------------------------
 *
 * run_argument.c
 *	  The run that a function was called for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/rights.h"
#include "api/run_argument.h"
#include "engine/run_cache.h"
#include "store/engine_mode.h"

/* Who may not see a run cannot learn that it exists. */
RunRow *
run_argument(FunctionCallInfo fcinfo, int argument)
{
	EngineMode mode;
	RunRow *run;
	int64 run_id;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("run_id must not be null")));
	run_id = PG_GETARG_INT64(argument);
	run_cache_trim();
	engine_mode_enter(&mode);
	run = run_load(run_id, false);
	engine_mode_leave(&mode);
	if (run == NULL || !run_may_see(run->pipeline_id, run->submitted_by))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("run " INT64_FORMAT " does not exist", run_id)));
	if (!run_may_use(run->pipeline_id, run->submitted_by))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for run " INT64_FORMAT, run_id)));
	return run;
}

/*-------------------------------------------------------------------------
 *
 * look.c
 *	  Looking at a run again and again, for those who wait for it or watch it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/look.h"
#include "api/rights.h"
#include "store/engine_mode.h"

static void raise_no_run(int64 run_id);

void
run_look_first(int64 run_id, RunLook *look)
{
	run_look_again(run_id, look);
	if (!run_may_see(look->pipeline_id, look->submitted_by))
		raise_no_run(run_id);
}

void
run_look_again(int64 run_id, RunLook *look)
{
	EngineMode mode;
	bool found;

	engine_mode_enter(&mode);
	found = run_look(run_id, look);
	engine_mode_leave(&mode);
	if (!found)
		raise_no_run(run_id);
}

/* That there is one which others may see is none of the user's business. */
static void
raise_no_run(int64 run_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("run " INT64_FORMAT " does not exist", run_id)));
}

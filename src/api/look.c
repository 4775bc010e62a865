/*-------------------------------------------------------------------------
 *
 * look.c
 *	  Looking at a run again and again, for those who wait for it or watch it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/look.h"
#include "api/missing.h"
#include "api/rights.h"
#include "store/engine_mode.h"

void
run_look_first(int64 run_id, RunLook *look)
{
	run_look_again(run_id, look);
	if (!run_may_see(look->pipeline_id, look->submitted_by))
		missing_run(run_id);
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
		missing_run(run_id);
}

/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  Why an activity was done, or not done again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "api/argument.h"
#include "api/look.h"
#include "api/rights.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"
#include "store/reuse_store.h"

static void require_record(int64 run_id, const char *activity, int32 *no);
static bool may_see_earlier(const ReuseRow *record);
static void put_part(ReturnSetInfo *result, const ReusePart *part,
					 bool shows_earlier);

/* mlpipe_explain_reuse(run_id bigint, activity text) returns setof record */
PG_FUNCTION_INFO_V1(mlpipe_explain_reuse);
Datum
mlpipe_explain_reuse(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	EngineMode mode;
	RunLook look;
	ReuseRow *record;
	List *parts;
	ListCell *cell;
	bool shows_earlier;
	int64 run_id;
	int32 no;

	argument_require(fcinfo, 0, "run_id");
	argument_require(fcinfo, 1, "activity");
	run_id = PG_GETARG_INT64(0);
	run_look_first(run_id, &look);
	require_record(run_id, argument_text(fcinfo, 1), &no);

	engine_mode_enter(&mode);
	record = reuse_load(run_id, no);
	parts = reuse_parts(run_id, no);
	engine_mode_leave(&mode);
	shows_earlier = may_see_earlier(record);
	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, parts)
		put_part(result, lfirst(cell), shows_earlier);
	return (Datum) 0;
}

static void
require_record(int64 run_id, const char *activity, int32 *no)
{
	EngineMode mode;
	ActivityRow *row;
	bool found;

	engine_mode_enter(&mode);
	row = activity_find(run_id, activity);
	found = row != NULL && reuse_load(run_id, row->no) != NULL;
	engine_mode_leave(&mode);
	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("run " INT64_FORMAT " has no activity \"%s\"", run_id,
						activity)));
	if (!found)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("activity \"%s\" of run " INT64_FORMAT
					" has nothing to explain",
					activity, run_id),
			 errdetail(
				 "Only activities with \"reuse\" that have succeeded leave a record.")));
	*no = row->no;
}

/* The earlier run may be of somebody else's pipeline that has the same role. */
static bool
may_see_earlier(const ReuseRow *record)
{
	EngineMode mode;
	RunLook look;
	bool found;

	if (record->compared_run_id == 0)
		return false;
	engine_mode_enter(&mode);
	found = run_look(record->compared_run_id, &look);
	engine_mode_leave(&mode);
	return found && run_may_see(look.pipeline_id, look.submitted_by);
}

static void
put_part(ReturnSetInfo *result, const ReusePart *part, bool shows_earlier)
{
	Datum values[4] = {CStringGetTextDatum(part->part)};
	bool nulls[4] = {false, part->this_run == NULL,
					 part->earlier_run == NULL || !shows_earlier,
					 !part->looked};

	if (!nulls[1])
		values[1] = CStringGetTextDatum(part->this_run);
	if (!nulls[2])
		values[2] = CStringGetTextDatum(part->earlier_run);
	values[3] = BoolGetDatum(part->same);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*-------------------------------------------------------------------------
 *
 * approve.c
 *	  Answers to activities of type "approval".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "activity/approval.h"
#include "activity/output.h"
#include "api/argument.h"
#include "api/missing.h"
#include "api/rights.h"
#include "engine/finish.h"
#include "engine/guard.h"
#include "engine/run_cache.h"
#include "engine/shmem.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"
#include "store/run_store.h"

static RunRow *find_run(int64 run_id);
static ActivityRow *find_activity(const RunInfo *run, const RunRow *row,
								  const char *name);
static void require_right(const RunRow *run, const ActivityDef *def);
static bool is_approver(List *approvers);
static void require_waiting(const RunInfo *run, const ActivityRow *row);
static Jsonb *answer(Oid user, const char *comment);
static Failure *rejection(Oid user, const char *comment);

/*
 * mlpipe_approve(run_id bigint, activity text, approved boolean, comment text)
 * returns void
 */
PG_FUNCTION_INFO_V1(mlpipe_approve);
Datum
mlpipe_approve(PG_FUNCTION_ARGS)
{
	Oid user = GetUserId();
	char *comment = argument_text(fcinfo, 3);
	RunRow *row;
	const RunInfo *run;
	ActivityRow *activity;

	argument_require(fcinfo, 0, "run_id");
	argument_require(fcinfo, 1, "activity");
	argument_require(fcinfo, 2, "approved");
	shmem_require();
	run_cache_trim();
	row = find_run(PG_GETARG_INT64(0));
	run = run_info(row->run_id);
	guard_share(run);
	activity = find_activity(run, row, argument_text(fcinfo, 1));
	require_right(row, &run->document->activities[activity->activity_no]);
	require_waiting(run, activity);
	if (PG_GETARG_BOOL(2))
		(void) activity_succeed(run, activity->no, activity->attempt,
								answer(user, comment), -1, -1, NULL);
	else
		(void) activity_fail(run, activity->no, activity->attempt,
							 rejection(user, comment), false, NULL);
	PG_RETURN_VOID();
}

static RunRow *
find_run(int64 run_id)
{
	EngineMode mode;
	RunRow *run;

	engine_mode_enter(&mode);
	run = run_load(run_id, false);
	engine_mode_leave(&mode);
	if (run == NULL)
		missing_run(run_id);
	return run;
}

/* Who may not see a run cannot learn that it exists. */
static ActivityRow *
find_activity(const RunInfo *run, const RunRow *row, const char *name)
{
	EngineMode mode;
	ActivityRow *activity;

	engine_mode_enter(&mode);
	activity = activity_find(run->run_id, name);
	engine_mode_leave(&mode);
	if (activity != NULL &&
		run->document->activities[activity->activity_no].kind ==
			&approval_activity.kind)
		return activity;
	if (!run_may_see(row->pipeline_id, row->submitted_by))
		missing_run(run->run_id);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("run " INT64_FORMAT
					" has no activity \"%s\" of type \"approval\"",
					run->run_id, name)));
	return NULL; /* keep compilers quiet */
}

static void
require_right(const RunRow *run, const ActivityDef *def)
{
	List *approvers = approval_approvers(def);

	if (approvers != NIL ? is_approver(approvers) :
						   run_may_use(run->pipeline_id, run->submitted_by))
		return;
	if (!run_may_see(run->pipeline_id, run->submitted_by))
		missing_run(run->run_id);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to approve activity \"%s\"",
					def->name)));
}

static bool
is_approver(List *approvers)
{
	ListCell *cell;

	foreach(cell, approvers)
	{
		Oid role = get_role_oid(lfirst(cell), true);

		if (OidIsValid(role) && is_member_of_role(GetUserId(), role))
			return true;
	}
	return superuser();
}

static void
require_waiting(const RunInfo *run, const ActivityRow *row)
{
	if (row->status != ACTIVITY_IN_PROGRESS || !row->parked)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("activity \"%s\" of run " INT64_FORMAT
						" does not wait for an approval",
						row->name, run->run_id),
				 errdetail("It is %s.", activity_status_name(row->status))));
}

static Jsonb *
answer(Oid user, const char *comment)
{
	Output output;

	output_begin(&output);
	output_bool(&output, "approved", true);
	output_text(&output, "approved_by", GetUserNameFromId(user, false));
	output_text(&output, "comment", comment);
	return output_end(&output);
}

static Failure *
rejection(Oid user, const char *comment)
{
	char *message = psprintf("rejected by %s%s%s",
							 GetUserNameFromId(user, false),
							 comment ? ": " : "", comment ? comment : "");

	return failure_create(CurrentMemoryContext, "P0001", message, NULL, NULL);
}

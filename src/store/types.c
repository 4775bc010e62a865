/*-------------------------------------------------------------------------
 *
 * types.c
 *	  The status words of the tables, as C enums.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/types.h"

static const char *const run_status_names[] =
	{[RUN_QUEUED] = "queued",         [RUN_IN_PROGRESS] = "in_progress",
	 [RUN_CANCELLING] = "cancelling", [RUN_SUCCEEDED] = "succeeded",
	 [RUN_FAILED] = "failed",         [RUN_CANCELLED] = "cancelled",
	 [RUN_SUSPENDED] = "suspended",   [RUN_SKIPPED] = "skipped"};

static const char *const activity_status_names[] = {
	[ACTIVITY_WAITING] = "waiting",         [ACTIVITY_QUEUED] = "queued",
	[ACTIVITY_IN_PROGRESS] = "in_progress", [ACTIVITY_SUCCEEDED] = "succeeded",
	[ACTIVITY_FAILED] = "failed",           [ACTIVITY_SKIPPED] = "skipped",
	[ACTIVITY_CANCELLED] = "cancelled",     [ACTIVITY_INACTIVE] = "inactive"};

static int find_name(const char *const *names, int count, const char *name);

const char *
run_status_name(RunStatus status)
{
	return run_status_names[status];
}

RunStatus
run_status_parse(const char *name)
{
	return find_name(run_status_names, lengthof(run_status_names), name);
}

bool
run_status_is_final(RunStatus status)
{
	switch (status)
	{
		case RUN_SUCCEEDED:
		case RUN_FAILED:
		case RUN_CANCELLED:
		case RUN_SKIPPED:
			return true;
		case RUN_QUEUED:
		case RUN_IN_PROGRESS:
		case RUN_CANCELLING:
		case RUN_SUSPENDED:
			return false;
	}
	return false;
}

const char *
activity_status_name(ActivityStatus status)
{
	return activity_status_names[status];
}

ActivityStatus
activity_status_parse(const char *name)
{
	return find_name(activity_status_names, lengthof(activity_status_names),
					 name);
}

static int
find_name(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
	{
		if (strcmp(names[i], name) == 0)
			return i;
	}
	elog(ERROR, "unexpected status \"%s\"", name);
}

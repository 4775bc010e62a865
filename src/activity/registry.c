/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  The types of activity that this library can run.
 *
 * A new type is a file that fills an ActivityType, and a line here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/activity.h"
#include "mlpipe.h"

static const ActivityKind *const kinds[] = {&sql_activity.kind,
											&lookup_activity.kind,
											&copy_activity.kind,
											&data_flow_activity.kind,
											&parallel_activity.kind,
											&wait_activity.kind,
											&fail_activity.kind,
											&set_variable_activity.kind,
											&append_variable_activity.kind,
											&filter_activity.kind,
											&if_activity.kind,
											&switch_activity.kind,
											&for_each_activity.kind,
											&until_activity.kind,
											&validation_activity.kind,
											&approval_activity.kind,
											&pipeline_activity.kind,
											NULL};

StaticAssertDecl(offsetof(ActivityType, kind) == 0,
				 "a kind of ours has to be the beginning of its type");

const ActivityKind *const *
activity_kinds(void)
{
	return kinds;
}

const ActivityType *
activity_type(const ActivityDef *def)
{
	return (const ActivityType *) def->kind;
}

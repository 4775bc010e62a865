/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  Rows of mlpipe.source_change become runs.
 *
 * mlpipe_submit_on_change() leaves such a row in the transaction that changes
 * a table, and this, in the scheduler, decides what comes of it: one run for
 * all changes of a trigger that came in while none of its runs waited to
 * start.  Deciding it here, in one process, is what lets writers pass each
 * other.
 *
 * A change is committed before it is read here, and whether a run still waits
 * is looked at after that.  So a run that takes over a change starts later
 * than the change was committed, and sees it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "engine/create.h"
#include "engine/role.h"
#include "engine/run_cache.h"
#include "engine/scheduler.h"
#include "store/change_store.h"
#include "store/engine_mode.h"

static void read_groups(void *arg);
static void turn_into_run(void *arg);
static bool needs_run(const ChangeGroup *group);
static void create_run(const ChangeGroup *group);

/*
 * A group that fails keeps its rows, and is tried again: soon if it did not
 * get a lock, else with the next change or the next start.  Its error is in
 * the log, once for each try.
 */
bool
changes_to_runs(void)
{
	List *groups = NIL;
	ListCell *cell;

	if (!try_in_transaction(read_groups, &groups))
		return false;
	foreach(cell, groups)
		(void) try_in_transaction(turn_into_run, lfirst(cell));
	return true;
}

static void
read_groups(void *arg)
{
	List **groups = arg;
	EngineMode mode;

	engine_mode_enter(&mode);
	*groups = changes_grouped();
	engine_mode_leave(&mode);
}

static void
turn_into_run(void *arg)
{
	ChangeGroup *group = arg;
	EngineMode mode;

	if (needs_run(group))
		create_run(group);
	engine_mode_enter(&mode);
	changes_delete(group);
	engine_mode_leave(&mode);
}

/*
 * Changes for a pipeline that has been dropped or disabled since lead to
 * nothing, nor do those for one that may no longer execute as its role.
 */
static bool
needs_run(const ChangeGroup *group)
{
	EngineMode mode;
	bool awaited;

	if (!group->wanted ||
		!role_is_lent(group->run_as, group->owner, group->run_as_by))
		return false;
	engine_mode_enter(&mode);
	awaited = change_is_awaited(group);
	engine_mode_leave(&mode);
	return !awaited;
}

/* The version is the one that the parameters were checked for. */
static void
create_run(const ChangeGroup *group)
{
	RunRequest request = {.pipeline_id = group->pipeline_id,
						  .version_id = group->version_id,
						  .document = version_document(group->version_id),
						  .run_as = group->run_as,
						  .submitted_by = group->submitted_by,
						  .parameters = group->parameters,
						  .trigger = group->trigger,
						  .not_before = group->not_before};

	(void) run_create(&request);
}

/*-------------------------------------------------------------------------
 *
 * rights.h
 *	  Who may do what with a pipeline and its runs.
 *
 * Nothing here is called in engine mode: the role that asks is the current
 * user, who inside it is the extension's owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_RIGHTS_H
#define MLPIPE_RIGHTS_H

#include "store/pipeline_store.h"

/*
 * May the current user submit, see and cancel runs of the pipeline?  The
 * owner's members, granted roles' members and superusers may.
 */
extern bool pipeline_may_use(int32 pipeline_id, Oid owner);
extern void pipeline_require_use(const PipelineRow *pipeline);

/* May the current user change it?  The owner's members and superusers may. */
extern void pipeline_require_owner(const PipelineRow *pipeline);

/* Could the current user become this role with SET ROLE? */
extern bool role_may_be_set(Oid role);

/*
 * May the current user cancel (or rerun, ...) this run?  pipeline_id 0: its
 * document had no name, so the run belongs to the one who submitted it.
 */
extern bool run_may_use(int32 pipeline_id, Oid submitted_by);

/* run_may_use, or a member of pg_monitor, who may look at everything. */
extern bool run_may_see(int32 pipeline_id, Oid submitted_by);

#endif /* MLPIPE_RIGHTS_H */

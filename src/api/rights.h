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

/* Raises 42501 where not. */
extern void pipeline_require_use(const PipelineRow *pipeline);

/* May the current user change it, as the owner's members may?  Else 42501. */
extern void pipeline_require_owner(const PipelineRow *pipeline);

/*
 * May its runs still execute as its run_as?  Whoever set that could become
 * that role then, but memberships are revoked.  Raises 42501, or 42704 where
 * the role was dropped.
 */
extern void pipeline_require_lent_role(const PipelineRow *pipeline);

/* Could the current user become this role with SET ROLE? */
extern bool role_may_be_set(Oid role);

/*
 * May the current user cancel (or rerun, ...) this run?  pipeline_id 0: its
 * document had no name, so the run belongs to the one who submitted it.
 */
extern bool run_may_use(int32 pipeline_id, Oid submitted_by);

/* May the current user look at everything?  Members of pg_monitor may. */
extern bool user_sees_all(void);

/* May the current user use this run, or look at everything? */
extern bool run_may_see(int32 pipeline_id, Oid submitted_by);

/* The same of a run that is only known by its number; false: there is none. */
extern bool run_id_may_see(int64 run_id);

#endif /* MLPIPE_RIGHTS_H */

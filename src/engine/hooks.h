/*-------------------------------------------------------------------------
 *
 * hooks.h
 *	  Statements that our workers would be in the way of, and how a hook goes on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_HOOKS_H
#define MLPIPE_HOOKS_H

#include "executor/executor.h"
#include "tcop/utility.h"

extern void hooks_install(void);

/* A hook goes on: in the one that was there before it, or else in the server. */
static inline void
hook_start_executor(ExecutorStart_hook_type previous, QueryDesc *query,
					int flags)
{
	if (previous)
		previous(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

static inline void
hook_process_utility(ProcessUtility_hook_type previous, PlannedStmt *statement,
					 const char *text, bool read_only_tree,
					 ProcessUtilityContext context, ParamListInfo parameters,
					 QueryEnvironment *environment, DestReceiver *receiver,
					 QueryCompletion *completion)
{
	(previous ? previous : standard_ProcessUtility)(statement, text,
													read_only_tree, context,
													parameters, environment,
													receiver, completion);
}

#endif /* MLPIPE_HOOKS_H */

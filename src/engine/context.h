/*-------------------------------------------------------------------------
 *
 * context.h
 *	  The object that ${{ }} looks into.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_CONTEXT_H
#define MLPIPE_CONTEXT_H

#include "store/scope_store.h"

/*
 * Holds what the paths noted in needs look for.  scopes: a list of Scope *,
 * from the scope they look from outwards.  place: that of the activity in the
 * innermost scope, or -1 if all of that scope is looked at.
 */
extern Jsonb *context_load(int64 run_id, const Document *document,
						   List *scopes, int place, const ContextNeeds *needs);

/* All that has ended, whether it is upstream or not. */
extern Jsonb *context_load_all(int64 run_id, const Document *document,
							   List *scopes);

#endif /* MLPIPE_CONTEXT_H */

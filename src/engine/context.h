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
 * For the paths that needs was noted of.  scopes: where they look from, and
 * what is around that, from the inside out; a list of Scope *.  place: of the
 * activity in the innermost, or -1 where it looks at all of that.
 */
extern Jsonb *context_load(int64 run_id, const Document *document,
						   List *scopes, int place, const ContextNeeds *needs);

/* All that has ended, whether it is upstream or not. */
extern Jsonb *context_load_all(int64 run_id, const Document *document,
							   List *scopes);

#endif /* MLPIPE_CONTEXT_H */

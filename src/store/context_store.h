/*-------------------------------------------------------------------------
 *
 * context_store.h
 *	  The object that ${{ }} looks into.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_CONTEXT_STORE_H
#define MLPIPE_CONTEXT_STORE_H

#include "definition/document.h"
#include "utils/jsonb.h"

/* An activity as the object that ${{ }} looks into shows it. */
typedef struct ShownActivity
{
	int32 no;
	const char *name;
} ShownActivity;

/*
 * That object, in the current memory context; called in engine mode.  scopes:
 * where it looks from, and what is around that, from the outside in; a list of
 * Scope *.  shown: the activities in it, in the same order; a list of
 * ShownActivity *.  only_ended: those of them that have ended.
 */
extern Jsonb *run_context_load(int64 run_id, const Document *document,
							   List *scopes, List *shown, bool only_ended);

#endif /* MLPIPE_CONTEXT_STORE_H */

/*-------------------------------------------------------------------------
 *
 * scope_store.h
 *	  Scopes: executions of a list of activities.  That is the run itself, the
 *	  branch of an if, an iteration, a round.
 *
 * Every statement on mlpipe.scope, and those on mlpipe.activity_run that speak
 * of a scope's activities or of a container as such.  Called in engine mode, in
 * a transaction.  Results live in the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_SCOPE_STORE_H
#define MLPIPE_SCOPE_STORE_H

#include "store/activity_store.h"

/* An execution of a list of activities: the run itself, or one in a container. */
typedef struct Scope
{
	const ActivityList *list;
	int32 first_no;        /* the row of the list's first activity */
	int32 parent_no;       /* the container's row; -1: the run itself */
	int32 iteration;       /* from 1; of the run itself 0 */
	const char *container; /* name of the container's row; NULL: none */
} Scope;

/* The one that an activity's row is in; palloc'd. */
extern Scope *scope_of(const Document *document, const ActivityRow *row);

/*
 * The rows of a scope: its roots queued (not before due_at, if that is not 0),
 * the others waiting.  claim: the place of a root that pid takes at once; -1.
 */
extern void activities_insert(int64 run_id, const Document *document,
							  const Scope *scope, TimestampTz due_at,
							  int claim, int pid);

/* The names of these rows, in their order: an array of texts. */
extern Datum scope_row_names(const Document *document, const Scope *scope);

/* What a status means to those that depend on the activity. */
extern ActivityEnd activity_end_of(ActivityStatus status,
								   const ActivityDef *def);

/* How each activity of a scope ended, by place in its list. */
extern void activity_ends(int64 run_id, const Document *document,
						  const Scope *scope, ActivityEnd *ends);

/*
 * The outputs of those that succeeded; an object by their names.  NULL where
 * they are too large to be one.
 */
extern Jsonb *activity_outputs(int64 run_id, const Document *document,
							   const Scope *scope);

/* NULL where it has none. */
extern Jsonb *activity_output(int64 run_id, int32 no);

/* The rows of a container's scopes: all of a loop's items, or one by itself. */
extern void scope_items_insert(int64 run_id, int32 no, Jsonb *items);
extern void scope_insert(int64 run_id, const Scope *scope);

/*
 * Begins the first iteration after that one which nobody has begun, unless the
 * loop has more than max_failures (< 0: any number).  first_no is that of the
 * loop's first iteration.  The iteration, or 0 where there is none left.
 */
extern int32 scope_begin_next(int64 run_id, int32 no, int32 after,
							  int32 first_no, const ActivityList *list,
							  int32 max_failures);

/*
 * Takes off so many activities that the scope's end waits for.  Where these
 * were the last, it has ended as verdict says, unless that is not known yet
 * (END_NONE).  Returns how many are left.
 */
extern int32 scope_count_down(int64 run_id, const Scope *scope, int32 ended,
							  ActivityEnd verdict);
extern void scope_end(int64 run_id, const Scope *scope, bool succeeded);

/* A loop works on one iteration less at a time: how many it works on now. */
extern int32 loop_count_down(int64 run_id, int32 no);
extern void loop_count_failure(int64 run_id, int32 no);

/* Begins no more, for any max_failures but a negative one. */
extern void loop_break(int64 run_id, int32 no);
#define LOOP_ANY_FAILURES (PG_INT32_MAX - 1)

/* Of a loop's iterations: all, those that ended well, and that failed. */
extern void loop_totals(int64 run_id, int32 no, int64 *count, int64 *succeeded,
						int64 *failed);

/*
 * The outputs of the activity at that place, in order of the iterations; NULL
 * where they are too large to be one array.
 */
extern Jsonb *loop_outputs(int64 run_id, int32 no, int place);

/* NULL where it has none. */
extern Jsonb *scope_item(int64 run_id, int32 no, int32 iteration);

#endif /* MLPIPE_SCOPE_STORE_H */

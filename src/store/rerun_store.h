/*-------------------------------------------------------------------------
 *
 * rerun_store.h
 *	  Statements by which a rerun takes over what an earlier run has done.
 *
 * A rerun's rows have the numbers of that run's, so what belongs together is
 * found by number; what begins anew gets numbers above all of those.
 *
 * Called in engine mode, in a transaction.  Results live in the current memory
 * context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_RERUN_STORE_H
#define MLPIPE_RERUN_STORE_H

#include "definition/rerun_plan.h"
#include "store/scope_store.h"

/* What a rerun has to know of the run that it takes over from. */
typedef struct RerunSource
{
	int64 run_id;
	char *pipeline; /* NULL: a document without a name */
	int32 version;
	int32 priority;
	int32 level;
	int32 next_no;
	int64 group_id;
	TimestampTz finished_at; /* 0: it has not */
	Jsonb *parameters;
	Jsonb *tags;
	Jsonb *trigger;
} RerunSource;

/*
 * NULL where there is no such run.  It is not purged before the end of the
 * transaction.
 */
extern RerunSource *rerun_source(int64 run_id);

/* The parameters with some of them changed; trigger of a rerun of that run. */
extern Jsonb *rerun_parameters(Jsonb *earlier, Jsonb *changed);
extern Jsonb *rerun_trigger(const RerunSource *source,
							const char *from_activity);

/*
 * How the activities of a scope ended there, by place.  step_kind: whose work
 * is mini-batches.
 */
extern void rerun_earlier_ends(int64 run_id, const Document *document,
							   const Scope *scope,
							   const ActivityKind *step_kind,
							   EarlierEnd *earlier);

/* The rerun that takes over. */
typedef struct Takeover
{
	int64 run_id;
	int64 from_run_id;
	const Document *document; /* of both */
} Takeover;

/*
 * The rows of a scope, as actions (by place) say; those that are kept are
 * copied, with what they did to variables.  What is inside of them is not.
 */
extern void rerun_insert(const Takeover *takeover, const Scope *scope,
						 const RerunAction *actions, const EarlierEnd *earlier,
						 TimestampTz due_at);

/* All scopes of those containers, and what is inside of them. */
extern void rerun_copy_inside(const Takeover *takeover,
							  const List *containers);

/*
 * The iterations of a loop that is gone on with: those that succeeded are
 * copied, unless none is to be kept (keep); but for iteration again (0: none).
 */
typedef struct RerunLoop
{
	int32 left;     /* iterations that have to begin */
	int32 first_no; /* number of the first row of the first iteration */
} RerunLoop;

extern RerunLoop rerun_copy_loop(const Takeover *takeover, int32 no,
								 const ActivityList *body, bool keep,
								 int32 again);

/* The run with whose results of it an activity goes on; 0: none. */
extern int64 rerun_continues(int64 run_id, int32 no);

/* The first row of a scope there; -1: it had not begun. */
extern int32 rerun_scope_begun(int64 run_id, int32 no, int32 iteration);

/* A rerun that ended when it was submitted has started, too. */
extern void rerun_set_started(int64 run_id);

#endif /* MLPIPE_RERUN_STORE_H */

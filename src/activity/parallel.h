/*-------------------------------------------------------------------------
 *
 * parallel.h
 *	  What the parts of the parallel activity share.
 *
 * parallel_check.c reads its keys; parallel.c splits its input with the help
 * of parallel_split.c and parallel_stage.c; parallel_restore.c publishes the
 * step; parallel_keys.c, parallel_scatter.c, parallel_place.c,
 * parallel_group_table.c, parallel_numbers.c, parallel_partition.c,
 * parallel_key_table.c, page_scan.c and stage_pages.c stage partitions, and
 * parallel_restage.c does it again after a crash; parallel_work.c is a worker's
 * way through it (parallel_worker.h); parallel_locate.c, parallel_rewrite.c,
 * parallel_plan.c and parallel_sampler.c run one statement over one part of a
 * table, and parallel_target.c sees to where its rows go; parallel_judge.c and
 * parallel_end.c end it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_H
#define MLPIPE_PARALLEL_H

#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "tcop/dest.h"
#include "utils/plancache.h"
#include "utils/relcache.h"

#include "activity/activity.h"
#include "activity/batch.h"
#include "activity/parallel_config.h"
#include "activity/parallel_keys.h"
#include "activity/parallel_partition.h"
#include "engine/failure.h"
#include "store/batch_store.h"
#include "store/step_store.h"

/*
 * parallel_split.c, parallel_stage.c
 */

/* How an input falls into mini-batches. */
typedef struct Split
{
	StepRow row;               /* all but its key and split_seconds */
	StringInfoData boundaries; /* BOUNDARY_SIZE bytes each */
	bytea *snapshot;           /* NULL: none is needed */
	StringInfoData hashes;     /* of mini-batches, uint64; no data: of none */
} Split;

/*
 * Splits a table where it is.  False if its kind has to be staged instead.
 * Raises if the current user may not read it.
 */
extern bool split_table(Oid relation, const BatchSize *size, Split *split);

/*
 * Runs the query as the current user and keeps its rows in a table of ours,
 * which that user may read; that table is split.
 */
extern void split_query(const char *query, int64 run_id, int32 no,
						const BatchSize *size, Split *split);

/*
 * The same with partitions by these columns, a list of char *.  nnumbers: the
 * query is one of columns_query(), with so many columns after the keys; or 0.
 */
extern void split_partitions(const char *query, List *keys, int nnumbers,
							 int64 run_id, int32 no, Split *split);

/* Are its rows just what lies in its own blocks, for everybody alike? */
extern bool split_can_stand(Relation relation);

/*
 * The rows come in the order of their mini-batches, whose numbers are known; in
 * the end there are at least so many, some without rows.
 */
typedef struct GroupStage GroupStage;

extern GroupStage *group_stage_begin(int64 run_id, int32 no, TupleDesc rows,
									 Split *split);
extern void group_stage_add(GroupStage *groups, int32 batch,
							TupleTableSlot *row);
extern void group_stage_end(GroupStage *groups, int32 least);

/* A split by partition keys whose rows a crash took away. */
typedef struct LostStage
{
	const StepRow *row;
	PartitionList partitions; /* by their number; only keys are known */
	List *missing;            /* of BatchAttempt *: not done */
} LostStage;

/* Stages the same partitions once more. */
extern void split_partitions_again(const char *query, List *keys, int nnumbers,
								   const LostStage *lost, Split *split);

/* Sets the number of mini-batches of the counted blocks. */
extern void split_by_size(const BatchSize *size, Split *split);

/* Adds the boundary of a mini-batch that begins with this tuple. */
extern void split_add_boundary(Split *split, ItemPointer tid);

/* Drops a step's staging table, if it has one. */
extern void parallel_drop_stage(int64 run_id, int32 no);

/* Drops staging tables that no unfinished activity needs. */
extern void parallel_drop_orphaned_stages(void);

/*
 * parallel.c
 */

/* The query for the rows of the input that are to be staged, checked. */
extern char *parallel_input_query(ActivityCall *call);

/*
 * parallel_restage.c
 */

/*
 * If a crash has taken the staged rows of partitions, stages them again, unless
 * another worker has done so; in a transaction.  Changes *row.
 */
extern void parallel_restage(ActivityCall *call, StepRow *row);

/*
 * parallel_snapshot.c
 */

/*
 * Keeps the snapshot of the open transaction for the step that it splits; NULL
 * if that is not possible.
 */
extern bytea *parallel_keep_snapshot(int64 run_id, int32 no);

/* The snapshot of a step, in the current context; NULL if it has none. */
extern struct SnapshotData *parallel_load_snapshot(int64 run_id, int32 no);

/*
 * parallel_rewrite.c
 */

/* The one statement of the text; raises if it cannot be run on mini-batches. */
extern RawStmt *batch_statement_parse(const char *text);

/*
 * Makes it read the mini-batch from the table wherever it names the relation
 * mini_batch.  In place.
 */
extern void batch_statement_read_from(RawStmt *raw, const char *schema,
									  const char *table);

/* Makes it insert what it returns into a table. */
extern void batch_statement_append_to(RawStmt *raw, RangeVar *target);

/*
 * parallel_plan.c
 */

/* What mini_batch is read from; InvalidOid if there is no such relation. */
extern Oid parallel_batch_relation(const ParallelConfig *config,
								   const StepRow *split);

/*
 * A statement, ready to be run again and again; unsaved: of this transaction.
 * The relation is that of parallel_batch_relation().
 */
extern CachedPlanSource *batch_plan_create(const char *text, Oid relation,
										   const char *append_to, bool save);

/* The name by which a plan reads its relation. */
typedef struct InputName
{
	NameData schema;
	NameData table;
} InputName;

/*
 * The relation's name now and, as it is locked, until the end of the
 * transaction.  Empty if there is no relation.
 */
extern void batch_input_name(Oid relation, InputName *name);

/*
 * Runs it, up to its deferred constraints.  Returns the number of rows that it
 * returned or, if it returns none, affected.
 */
extern int64 batch_plan_run(CachedPlanSource *source);

/*
 * parallel_target.c
 */

/*
 * Raises what is wrong with run and with the table of append_row_to, and makes
 * that table if it is missing; as far as that can be done without init.
 */
extern void parallel_check_target(ActivityCall *call, const Split *split);

/* The same for an input without a mini-batch, so that the table is there. */
extern void parallel_make_unused_target(ActivityCall *call,
										const Split *split);

/*
 * Creates the table of append_row_to if it is missing, as the current user;
 * raises if the user may not insert into it.
 */
extern void append_target_prepare(const char *text, Oid relation,
								  const char *append_to);

/*
 * parallel_locate.c
 */

/* The text of run for the current mini-batch. */
extern char *parallel_run_text(ActivityCall *call);

/*
 * parallel_sampler.c
 */

/* Is the input still there, in the file that was split? */
extern bool batch_input_is_intact(const StepRow *split);

/* Counts the items of the current mini-batch; for when no scan has. */
extern int64 batch_count_items(const CurrentBatch *batch);

/* What came of the attempt to end a step. */
typedef enum StepEnd
{
	STEP_ENDED,
	STEP_ENDED_RUN,   /* and its run: commit synchronously */
	STEP_GONE,        /* the activity had ended before */
	STEP_TRIED_AGAIN, /* another attempt at it begins: parallel_restart() */
	STEP_UNFINISHED   /* some mini-batches have to be done still */
} StepEnd;

/*
 * parallel_end.c
 */

/*
 * Ends the activity in the open transaction, as its tables say or, if a failure
 * is given, as failed.  may_retry: a failure may lead to another attempt
 * (STEP_TRIED_AGAIN).
 */
extern StepEnd parallel_end(int64 run_id, int32 no, const Failure *failure,
							bool may_retry);

/*
 * parallel_restore.c
 */

/*
 * Lets a stopped step go on from what its tables say, when the pause before
 * its attempt is over; in a transaction after the one that wrote them.  What
 * another process has let go on already is left alone.
 */
extern void parallel_restart(int64 run_id, int32 no);

/* The output of a step: its summary. */
extern Jsonb *parallel_summary(int32 batches, const BatchTotals *totals,
							   double seconds, const char *verdict);

/* In the run's own log, where the step's document asks for that. */
extern void parallel_log_summary(int64 run_id, int32 no,
								 const ParallelConfig *config, Jsonb *summary);

#endif /* MLPIPE_PARALLEL_H */

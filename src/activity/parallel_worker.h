/*-------------------------------------------------------------------------
 *
 * parallel_worker.h
 *	  The parts of a worker of a parallel step.
 *
 * parallel_work.c is its way through the step; parallel_prepare.c comes before
 * its first mini-batch, parallel_group.c and parallel_record.c are one of its
 * transactions, parallel_locate.c what a mini-batch is, and parallel_leave.c
 * comes after the last.  parallel_watch.c is its clock, parallel_monitor.c what
 * it uses of the machine.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_WORKER_H
#define MLPIPE_PARALLEL_WORKER_H

#include "activity/parallel.h"

/*
 * parallel_watch.c
 */

/* Why the watch interrupted us. */
typedef enum WatchAlarm
{
	WATCH_NONE,
	WATCH_BATCH,    /* the mini-batch's time is over */
	WATCH_STEP,     /* the activity's time is over */
	WATCH_STALLED,  /* the step makes no progress */
	WATCH_UNSTARTED /* it has not begun with its first mini-batch in time */
} WatchAlarm;

/* What the next piece of work is bounded by; 0: not at all. */
typedef struct WatchLimits
{
	int64 batch_timeout; /* microseconds from now */
	TimestampTz step_deadline;
	int64 progress_timeout;       /* microseconds since the last progress */
	const struct StepState *step; /* where that is read */
	TimestampTz ready_at;         /* counts as progress */
} WatchLimits;

extern void watch_start(const WatchLimits *limits);
extern WatchAlarm watch_stop(void);

/* Raises an error if the watch has interrupted what is still going on. */
extern void watch_enforce(void);

/* An alarm as an error; what, and its timeout, are for WATCH_BATCH. */
extern Failure *timeout_failure(MemoryContext context, const ActivityDef *def,
								WatchAlarm alarm, const char *what,
								int64 timeout);

/* A worker's share in a step: one visit, from joining to leaving. */
typedef struct ParallelWorker
{
	MemoryContext context; /* of the visit */
	MemoryContext scratch; /* reset for each group */
	struct StepState *step;
	WorkOrder order;
	ActivityCall *call;
	const ParallelConfig *config;
	StepRow split;
	struct SnapshotData *snapshot; /* with which the table is read */
	BatchKeys *keys;               /* made on first use */
	TimestampTz ready_at;          /* since when it does mini-batches */
	TimestampTz deadline;          /* of the activity; 0: none */
	bool gone; /* the activity is not in progress any more */

	char *init_text; /* rendered; NULL: none, like the next two */
	char *shutdown_text;
	char *append_to;
	char *run_text;         /* NULL: rendered for each mini-batch */
	CachedPlanSource *plan; /* of run_text */
	InputName input_name;   /* in the plan */
	bool initialized;       /* init was run, so shutdown is due */
	bool surplus_logged;    /* "more rows than items" was said */

	/* a window of what mlpipe.step keeps of each mini-batch */
	bytea *boundaries;
	int32 first_boundary;
	int32 nboundaries;

	/* why the step fails: an error, or a threshold was exceeded */
	Failure *failure; /* in context */
	bool exceeded;
	StepEnd end; /* what became of it */
} ParallelWorker;

/*
 * parallel_work.c
 */

/* One transaction of the worker; true: it has to be on disk when committed. */
typedef bool (*WorkerTransaction)(ParallelWorker *worker);

/* Returns the error for which it was rolled back, or NULL. */
extern Failure *parallel_in_transaction(ParallelWorker *worker,
										WorkerTransaction transaction);

/*
 * parallel_prepare.c
 */

/* Reads the step; afterwards its activity may be gone. */
extern bool parallel_load(ParallelWorker *worker);

/*
 * Runs init and makes the plan of run, tried as often as a mini-batch; then
 * worker->failure is set.
 */
extern void parallel_prepare(ParallelWorker *worker);

/*
 * parallel_leave.c
 */

/* Runs shutdown, leaves the step, and ends it if this worker is the last. */
extern void parallel_leave(ParallelWorker *worker);

/* Writes what init or shutdown has logged. */
extern bool parallel_write_journal(ParallelWorker *worker);

/*
 * parallel_group.c, parallel_locate.c
 */

/*
 * Takes a group of mini-batches, does and commits them; false if there was none
 * to take.  Sets worker->failure if the step has to fail.
 */
extern bool parallel_do_group(ParallelWorker *worker);

/* Fills in what a mini-batch reads; in a transaction. */
extern void parallel_locate_batch(ParallelWorker *worker, int32 number,
								  CurrentBatch *batch);

/*
 * parallel_record.c
 */

/* One mini-batch of a group. */
typedef struct BatchResult
{
	int32 batch;
	int32 attempt;
	bool tried;
	bool succeeded;
	bool final;
	TimestampTz started_at;
	TimestampTz finished_at;
	int64 items_in; /* -1: not known */
	int64 items_out;
	Jsonb *keys;        /* of its partition */
	List *failed_items; /* of FailedItem * */
	Failure *failure;
} BatchResult;

/*
 * Writes the rows of those that were tried, in the open transaction.  Counts
 * them, once that transaction has been committed.
 */
extern void parallel_record(const ParallelWorker *worker,
							const BatchResult *results, int n);
extern void parallel_count_ends(ParallelWorker *worker,
								const BatchResult *results, int n);

/*
 * Is a threshold exceeded, with these that have not been counted yet?  Of them
 * the last one is new.
 */
extern bool parallel_exceeds(const ParallelWorker *worker,
							 const BatchResult *results, int n);

#endif /* MLPIPE_PARALLEL_WORKER_H */

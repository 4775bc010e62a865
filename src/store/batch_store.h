/*-------------------------------------------------------------------------
 *
 * batch_store.h
 *	  Every statement on mlpipe.mini_batch, and on the rows of mlpipe.failure
 *	  that belong to mini-batches.
 *
 * All of these are called in engine mode, in a transaction.  Results live in
 * the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_BATCH_STORE_H
#define MLPIPE_BATCH_STORE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* One attempt at a mini-batch that has ended. */
typedef struct BatchRow
{
	int64 run_id;
	int32 no;
	int32 batch;
	int32 attempt;
	bool succeeded; /* else failed */
	bool final;
	int executor_pid;
	TimestampTz started_at;
	TimestampTz finished_at;
	int64 items_in;     /* -1: not known */
	int64 items_out;    /* rows returned, whether kept or rolled back */
	int64 items_failed; /* that run reported */
	Jsonb *keys;        /* of its partition; NULL: none */
	const char *error;  /* NULL: none */
} BatchRow;

/* An attempt that failed, or (item) one item of a mini-batch. */
typedef struct BatchFailure
{
	int64 run_id;
	int32 no;
	int32 batch;
	int32 attempt;
	const char *sqlstate;
	const char *message;
	const char *detail; /* NULL where there is none, like the next two */
	const char *hint;
	const char *context; /* of an item: its key */
} BatchFailure;

/* A step's mini-batches, counted. */
typedef struct BatchTotals
{
	int32 succeeded;
	int32 failed;
	int32 cancelled;
	int32 retried; /* attempts that were followed by another */
	int32 highest; /* the greatest number that has a row */
	int64 items;
	int64 items_done;   /* of mini-batches that succeeded */
	int64 items_failed; /* as error_threshold counts them */
} BatchTotals;

/* A mini-batch that has to be tried, and which attempt that will be. */
typedef struct BatchAttempt
{
	int32 batch;
	int32 attempt;
} BatchAttempt;

/*
 * Attempts at mini-batches of one step, by one executor.  Fails where one of
 * them has a row already: no work is kept twice.
 */
extern void batches_insert(const BatchRow *rows, int n);
extern void batch_failure_insert(const BatchFailure *failure);

/* compare_items: rows that were not returned are failed items. */
extern void batch_totals(int64 run_id, int32 no, bool compare_items,
						 BatchTotals *totals);

/*
 * The mini-batches from 1 to up_to without a final row and not among exclude,
 * lowest first; at most limit of them.  Their attempts come after those before.
 */
extern List *batch_missing(int64 run_id, int32 no, int32 up_to, int32 before,
						   const int32 *exclude, int nexclude, int limit);

/* Gives each mini-batch that has no final row one that says cancelled. */
extern void batch_cancel_rest(int64 run_id, int32 no, int32 batches);

/* The message of the first attempt that failed for good; NULL: none. */
extern char *batch_first_error(int64 run_id, int32 no, int32 *batch);

#endif /* MLPIPE_BATCH_STORE_H */

/*-------------------------------------------------------------------------
 *
 * activity.h
 *	  What a type of activity is to the engine, and what the engine does for it.
 *
 * A new type is a new file that fills an ActivityType, and a line in
 * registry.c.  Its check() runs where pipelines are defined; its run() runs in
 * an executor, as the role of the pipeline, inside the transaction that also
 * marks the activity as done.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_ACTIVITY_H
#define MLPIPE_ACTIVITY_H

#include "datatype/timestamp.h"
#include "tcop/dest.h"
#include "utils/jsonb.h"

#include "definition/document.h"

/* What a run of an activity came to; failures are errors. */
typedef enum ActivityOutcome
{
	OUTCOME_DONE,				/* succeeded, with call->output */
	OUTCOME_PARKED,				/* succeeds by itself at call->due_at */
	OUTCOME_STEP				/* split: its mini-batches are ready work */
} ActivityOutcome;

/* One attempt at one activity, in the executor that makes it. */
typedef struct ActivityCall
{
	int64		run_id;
	int32		no;
	int32		attempt;		/* from 1 */
	Oid			role;			/* who it runs as */
	const Document *document;
	const ActivityDef *def;
	MemoryContext context;		/* lives until the attempt has ended */
	Jsonb	   *run_context;	/* built by call_context() */

	/* what run() leaves for the end of the activity */
	Jsonb	   *output;
	TimestampTz due_at;			/* of OUTCOME_PARKED */
	int64		items_in;		/* -1: not known */
	int64		items_out;
	List	   *variables;		/* of VariableChange *, in call->context */
} ActivityCall;

typedef struct VariableChange
{
	char	   *name;
	Jsonb	   *value;
} VariableChange;

typedef struct ActivityType
{
	ActivityKind kind;			/* first: name, common keys, check() */
	ActivityOutcome (*run) (ActivityCall *call);
} ActivityType;

extern const ActivityType *activity_type(const ActivityDef *def);

extern const ActivityType sql_activity;
extern const ActivityType lookup_activity;
extern const ActivityType copy_activity;
extern const ActivityType data_flow_activity;
extern const ActivityType wait_activity;
extern const ActivityType fail_activity;
extern const ActivityType parallel_activity;

/*
 * Services of the engine
 */

/* The attempt that this process is making; NULL outside one. */
extern ActivityCall *MyCall;

/* The object that ${{ }} looks into; built on first use, in call->context. */
extern Jsonb *call_context(ActivityCall *call);

/* A template's text with its values, palloc'd in the current context. */
extern char *call_render(ActivityCall *call, const Template *tmpl);

/* Keeps a copy of the output in call->context; at most 64 MB. */
extern void call_set_output(ActivityCall *call, Jsonb *output);

/* A message for mlpipe_logs, kept whether the activity succeeds or fails. */
extern void call_log(int elevel, const char *message);

/*
 * Statements of the user, run as the role of this process through portals.
 */
typedef struct StatementResult
{
	uint64		processed;		/* rows that the last statement touched */
	bool		has_rows;		/* did the last one return a relation? */
} StatementResult;

/*
 * Runs all statements of the texts (char *), in order, in the transaction that
 * is open; with own_transactions each in one of its own instead.  Before the
 * first one runs, transaction commands and COPY from stdin or to stdout are
 * refused.  The last statement's rows go to dest, the others' nowhere; dest
 * may be NULL.  The caller's dest must have been created in a context that
 * outlives the transaction where own_transactions is set.
 */
extern void statements_run(List *texts, bool own_transactions,
						   DestReceiver *dest, StatementResult *result);

/* One text, in the open transaction. */
extern void statement_run(const char *text, DestReceiver *dest,
						  StatementResult *result);

/*
 * A receiver that turns rows into the text of a JSON array of objects, kept in
 * the given context.  Past max_rows or max_bytes it raises 54000 where strict,
 * else keeps no more of them and sets truncated.
 */
typedef struct JsonReceiver
{
	DestReceiver pub;
	MemoryContext context;
	StringInfoData text;		/* "[{...}, {...}" : see json_receiver_text() */
	int64		max_rows;
	int64		max_bytes;
	bool		strict;
	int64		rows;			/* received, kept or not */
	bool		truncated;
} JsonReceiver;

extern JsonReceiver *json_receiver_create(MemoryContext context, int64 max_rows,
										  int64 max_bytes, bool strict);
/* The complete array, as jsonb in the receiver's context. */
extern Jsonb *json_receiver_value(JsonReceiver *receiver);

#endif							/* MLPIPE_ACTIVITY_H */

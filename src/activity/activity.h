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
#include "store/variable_store.h"

/* What a run of an activity came to; failures are errors. */
typedef enum ActivityOutcome
{
	OUTCOME_DONE,   /* succeeded, with call->output */
	OUTCOME_PARKED, /* waits, until call->due_at at most (0: none) */
	OUTCOME_BODY,   /* a container: call->body is to be run */
	OUTCOME_STEP    /* split: its mini-batches are ready work */
} ActivityOutcome;

/* One attempt at one activity, in the executor that makes it. */
typedef struct ActivityCall
{
	int64 run_id;
	int32 no;
	int32 attempt; /* from 1 */
	Oid role;      /* who it runs as */
	const Document *document;
	const ActivityDef *def;
	int log_floor;         /* mlpipe_log() below that level says nothing */
	MemoryContext context; /* lives until the attempt has ended */
	Jsonb *run_context;    /* built by call_context() */
	List *rows;            /* its own and those around it, when looked at */

	/* what run() leaves for the end of the activity */
	Jsonb *output;
	TimestampTz due_at;       /* of OUTCOME_PARKED */
	const ActivityList *body; /* of OUTCOME_BODY */
	Jsonb *items;             /* of a loop: an array, not empty; else NULL */
	int max_scopes;           /* of a loop: items at a time */
	int64 goes_on_from;       /* with what it had done in that run; 0: none */
	int64 items_in;           /* -1: not known */
	int64 items_out;
	List *variables; /* of VariableChange *, in call->context */
} ActivityCall;

typedef struct VariableChange
{
	VariableKey key;
	bool append; /* else set */
	Jsonb *value;
} VariableChange;

/* What happens at the due_at of a parked activity. */
typedef enum WhenDue
{
	DUE_SUCCEEDS,
	DUE_LOOKS_AGAIN, /* run() again, in the same attempt */
	DUE_TIMES_OUT
} WhenDue;

struct BodyEnd;

typedef struct ActivityType
{
	ActivityKind kind; /* first: name, common keys, check() */
	ActivityOutcome (*run)(ActivityCall *call);
	WhenDue when_due;                          /* of one that can be parked */
	void (*body_ended)(struct BodyEnd *body);  /* a container's */
	int (*max_scopes)(const ActivityDef *def); /* a loop's: items at a time */
} ActivityType;

extern const ActivityType *activity_type(const ActivityDef *def);

extern const ActivityType sql_activity;
extern const ActivityType lookup_activity;
extern const ActivityType copy_activity;
extern const ActivityType data_flow_activity;
extern const ActivityType wait_activity;
extern const ActivityType fail_activity;
extern const ActivityType parallel_activity;
extern const ActivityType set_variable_activity;
extern const ActivityType append_variable_activity;
extern const ActivityType filter_activity;
extern const ActivityType if_activity;
extern const ActivityType switch_activity;
extern const ActivityType for_each_activity;
extern const ActivityType until_activity;
extern const ActivityType validation_activity;
extern const ActivityType approval_activity;
extern const ActivityType pipeline_activity;

/*
 * Services of the engine
 */

/* The attempt that this process is making; NULL outside one. */
extern ActivityCall *MyCall;

/*
 * The object that ${{ }} looks into, with the activities that the texts of this
 * one name; built on first use, in call->context.
 */
extern Jsonb *call_context(ActivityCall *call);

/* The same with all activities that have ended, as it is now. */
extern Jsonb *call_whole_context(ActivityCall *call);

/*
 * The value of a parameter, its default where none was given; NULL where there
 * is none of that name.
 */
extern JsonbValue *call_parameter(ActivityCall *call, const char *name);

/* The path that views show. */
extern const char *call_name(ActivityCall *call);

/* When the attempt started, even if this is but one look of many. */
extern TimestampTz call_started_at(ActivityCall *call);

/* When its timeout, which it must have, ends the whole wait. */
extern TimestampTz call_deadline(ActivityCall *call);

/* The nearest variable of that name, and whose it is; NULL: there is none. */
extern const DeclaredValue *call_variable(ActivityCall *call, const char *name,
										  VariableKey *key);

/* Nobody else changes it until the attempt has ended. */
extern void call_lock_variable(ActivityCall *call, const VariableKey *key);

/*
 * Submits a run of that pipeline, as this process's role; version 0: the
 * default one, parameters NULL: none.  waits: the child's end is to end the
 * activity, which is parked.
 */
extern int64 call_submit_child(ActivityCall *call, const char *pipeline,
							   int32 version, Jsonb *parameters, bool waits);

/* A template's text with its values, palloc'd in the current context. */
extern char *call_render(ActivityCall *call, const Template *tmpl);

/* The same with another context than the call's. */
extern char *call_render_in(const Template *tmpl, Jsonb *context);

/* A text as others may see it: without the values that have been put in. */
extern const char *call_shown(const char *text);

/* The beginning of such a text, on one line, for messages. */
extern char *call_excerpt(const char *text);

/* Keeps a copy of the output in call->context; at most 64 MB. */
extern void call_set_output(ActivityCall *call, Jsonb *output);

/* A message for mlpipe_logs, kept whether the activity succeeds or fails. */
extern void call_log(int elevel, const char *message);

/*
 * Statements of the user, run as the role of this process through portals.
 */
typedef struct StatementResult
{
	uint64 processed; /* rows that the last statement touched */
} StatementResult;

/*
 * Runs all statements of the texts (char *), in order, in the transaction that
 * is open; with own_transactions each in one of its own instead.  Before the
 * first one runs, transaction commands and COPY from stdin or to stdout are
 * refused.  The last statement's rows go to dest, the others' nowhere; dest
 * may be NULL.  With own_transactions, the caller's dest must have been created
 * in a context that outlives the transaction.
 */
extern void statements_run(List *texts, bool own_transactions,
						   DestReceiver *dest, StatementResult *result);

/* One text, in the open transaction. */
extern void statement_run(const char *text, DestReceiver *dest,
						  StatementResult *result);

/* The same, but raises an error if the text is not one query. */
extern void query_run(const char *text, DestReceiver *dest);

/*
 * A receiver that turns rows into the text of a JSON array of objects, kept in
 * the given context.  Past max_rows or max_bytes it raises 54000 if strict;
 * otherwise it keeps no more rows and sets truncated.
 */
typedef struct JsonReceiver
{
	DestReceiver pub;
	MemoryContext context;
	StringInfoData text; /* "[{...}, {...}": see json_receiver_value() */
	int64 max_rows;
	int64 max_bytes;
	bool strict;
	int64 rows; /* received, kept or not */
	bool truncated;
} JsonReceiver;

extern JsonReceiver *json_receiver_create(MemoryContext context,
										  int64 max_rows, int64 max_bytes,
										  bool strict);

/* The complete array, as jsonb in the receiver's context. */
extern Jsonb *json_receiver_value(JsonReceiver *receiver);

#endif /* MLPIPE_ACTIVITY_H */

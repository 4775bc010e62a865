/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  Runs the user's SQL.
 *
 * Statements run the way a client's do, each through a portal, and not through
 * SPI: only so can VACUUM and procedures that commit be run at all.  What
 * makes the difference between transaction: single and none is whether the
 * server is told that a statement came from the top level.  With single it is
 * not, so whatever would commit on its own is refused by the server; with none
 * each statement is its own transaction and may do as it likes.
 *
 * All texts are parsed before the first statement runs.  Transaction commands
 * would run without complaint here, and take the executor's transaction away
 * from under it; COPY with a client would succeed and copy nothing.  Neither
 * can hide: where statements may be inside others (EXPLAIN, PREPARE, rules,
 * function bodies), the grammar does not allow these, and the procedural
 * languages refuse them or, in a procedure, handle them properly.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/analyze.h"
#include "pgstat.h"
#include "storage/proc.h"
#include "tcop/cmdtag.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "activity/activity.h"
#include "activity/select.h"
#include "compat.h"
#include "engine/placed.h"
#include "engine/session.h"
#include "engine/transaction_limit.h"

/* How much of a statement messages show. */
#define MAX_EXCERPT 60 /* bytes */

/* How the statements of one call are run. */
typedef struct Batch
{
	List *statements; /* of Statement * */
	bool own_transactions;
	bool has_choice;       /* could "transaction" be set on the activity? */
	bool only_query;       /* what is none is refused */
	MemoryContext context; /* parse trees */
	MemoryContext scratch; /* reset for each statement */
} Batch;

typedef struct Statement
{
	const Batch *batch;
	const char *text;  /* the whole text that it stands in */
	const char *shown; /* the same as others may see it */
	RawStmt *raw;      /* NULL while the text is being parsed */
	int number;        /* from 1, over all texts */
} Statement;

static void run_texts(Batch *batch, List *texts, DestReceiver *dest,
					  StatementResult *result);
static void parse_texts(Batch *batch, List *texts);
static void parse_text(Batch *batch, const char *text);
static void refuse_unfit(const Statement *statement);
static void refuse_no_query(const Batch *batch);
static void refuse_transaction_command(const Statement *statement);
static void refuse_client_copy(const Statement *statement);
static const char *transaction_hint(const Batch *batch);
static void run_all(const Batch *batch, DestReceiver *dest,
					StatementResult *result);
static void run_statement(const Statement *statement, DestReceiver *dest,
						  StatementResult *result);
static void run_and_commit(const Statement *statement, DestReceiver *dest,
						   StatementResult *result);
static void run_portal(const Statement *statement, DestReceiver *dest,
					   StatementResult *result);
static List *plan_statement(const Statement *statement);
static void forget_places(List *plans);
static void start_statement_timeout(void);
static void stop_statement_timeout(void);
static void statement_context(void *arg);
static void hint_at_choice(const Statement *statement);
static int error_line(const Statement *statement);
static char *statement_excerpt(const Statement *statement);
static char *make_excerpt(const char *start, int length);

void
statements_run(List *texts, bool own_transactions, DestReceiver *dest,
			   StatementResult *result)
{
	Batch batch = {.own_transactions = own_transactions,
				   .has_choice = !own_transactions};

	run_texts(&batch, texts, dest, result);
}

void
statement_run(const char *text, DestReceiver *dest, StatementResult *result)
{
	Batch batch = {0};

	run_texts(&batch, list_make1(unconstify(char *, text)), dest, result);
}

void
query_run(const char *text, DestReceiver *dest)
{
	Batch batch = {.only_query = true};
	StatementResult result;

	run_texts(&batch, list_make1(unconstify(char *, text)), dest, &result);
}

/*
 * With own_transactions no context of a transaction's may be current: parse
 * trees and what the caller goes on with have to survive the commits.
 */
static void
run_texts(Batch *batch, List *texts, DestReceiver *dest,
		  StatementResult *result)
{
	MemoryContext caller = batch->own_transactions ? WorkContext :
													 CurrentMemoryContext;

	batch->context = AllocSetContextCreate(caller, "mlpipe statements",
										   ALLOCSET_DEFAULT_SIZES);
	batch->scratch = AllocSetContextCreate(batch->context, "mlpipe statement",
										   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(batch->context);
	parse_texts(batch, texts);

	result->processed = 0;
	run_all(batch, dest ? dest : None_Receiver, result);

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(batch->context);
}

static void
parse_texts(Batch *batch, List *texts)
{
	ListCell *cell;

	foreach(cell, texts)
		parse_text(batch, lfirst(cell));
	foreach(cell, batch->statements)
		refuse_unfit(lfirst(cell));
	if (batch->only_query)
		refuse_no_query(batch);
}

static void
parse_text(Batch *batch, const char *text)
{
	Statement place = {.batch = batch,
					   .text = text,
					   .shown = placed_hide(text)};
	ErrorContextCallback callback = {.previous = error_context_stack,
									 .callback = statement_context,
									 .arg = &place};
	List *parsed;
	ListCell *cell;

	error_context_stack = &callback;
	parsed = pg_parse_query(text);
	error_context_stack = callback.previous;

	foreach(cell, parsed)
	{
		Statement *statement = palloc(sizeof(Statement));

		statement->batch = batch;
		statement->text = text;
		statement->shown = place.shown;
		statement->raw = lfirst_node(RawStmt, cell);
		batch->statements = lappend(batch->statements, statement);
		statement->number = list_length(batch->statements);
	}
}

static void
refuse_unfit(const Statement *statement)
{
	Node *node = statement->raw->stmt;

	if (IsA(node, TransactionStmt))
		refuse_transaction_command(statement);
	if (IsA(node, CopyStmt) && ((CopyStmt *) node)->filename == NULL)
		refuse_client_copy(statement);
}

static void
refuse_no_query(const Batch *batch)
{
	List *parsed = NIL;
	ListCell *cell;
	char *fault;

	foreach(cell, batch->statements)
		parsed = lappend(parsed, ((Statement *) lfirst(cell))->raw);
	fault = select_only_fault(parsed);
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR), errmsg("query %s", fault),
				 errhint(SELECT_ONLY_HINT)));
}

static void
refuse_transaction_command(const Statement *statement)
{
	CommandTag tag = CreateCommandTag(statement->raw->stmt);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
			 errmsg("%s is not allowed in an activity",
					GetCommandTagName(tag)),
			 errdetail("Statement %d is \"%s\".  None was run.",
					   statement->number, statement_excerpt(statement)),
			 errhint("%s", transaction_hint(statement->batch))));
}

static const char *
transaction_hint(const Batch *batch)
{
	if (batch->own_transactions)
		return "Each statement is its own transaction already; what shall commit between its statements can be a DO block or a procedure.";
	if (batch->has_choice)
		return "The statements are one transaction with the activity itself.  Set \"transaction\": \"none\" to make each its own, or call a procedure that commits.";
	return "The statements are one transaction with the activity itself.";
}

static void
refuse_client_copy(const Statement *statement)
{
	const CopyStmt *copy = (const CopyStmt *) statement->raw->stmt;

	ereport(
		ERROR,
		(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		 errmsg("%s is not allowed in an activity",
				copy->is_from ? "COPY FROM STDIN" : "COPY TO STDOUT"),
		 errdetail("Statement %d is \"%s\".  None was run.", statement->number,
				   statement_excerpt(statement)),
		 errhint(
			 "No client is connected to an activity; name a file of the server, or use an activity of type \"copy\".")));
}

static void
run_all(const Batch *batch, DestReceiver *dest, StatementResult *result)
{
	ListCell *cell;

	if (batch->own_transactions)
	{
		work_commit(true);
		transaction_limit_stop();
	}
	foreach(cell, batch->statements)
	{
		bool is_last = lnext(batch->statements, cell) == NULL;

		MemoryContextSwitchTo(batch->scratch);
		run_statement(lfirst(cell), is_last ? dest : None_Receiver, result);
		MemoryContextReset(batch->scratch);
	}
	if (batch->own_transactions)
		work_begin();
}

/*
 * The server's log and pg_stat_activity show the statement while it runs, and
 * statement_timeout is armed, which background workers do not do by themselves.
 */
static void
run_statement(const Statement *statement, DestReceiver *dest,
			  StatementResult *result)
{
	const char *outer_query = debug_query_string;
	ErrorContextCallback callback = {.previous = error_context_stack,
									 .callback = statement_context,
									 .arg = unconstify(Statement *,
													   statement)};

	error_context_stack = &callback;
	SetCurrentStatementStartTimestamp();
	debug_query_string = statement->shown;
	pgstat_report_activity(STATE_RUNNING, statement->shown);
	pgstat_report_query_id(0, true);
	PG_TRY();
	{
		if (statement->batch->own_transactions)
			run_and_commit(statement, dest, result);
		else
			run_portal(statement, dest, result);
	}
	PG_FINALLY();
	{
		stop_statement_timeout();
		debug_query_string = outer_query;
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
}

static void
run_and_commit(const Statement *statement, DestReceiver *dest,
			   StatementResult *result)
{
	StartTransactionCommand();
	transaction_limit_start();
	MemoryContextSwitchTo(statement->batch->scratch);
	run_portal(statement, dest, result);
	CommitTransactionCommand();
	transaction_limit_stop();
	MemoryContextSwitchTo(statement->batch->scratch);
	pgstat_report_stat(false);
}

/*
 * The portal gets no snapshot of ours: it takes one when the tables are locked.
 * The receiver is the caller's, who destroys it.
 */
static void
run_portal(const Statement *statement, DestReceiver *dest,
		   StatementResult *result)
{
	List *plans;
	Portal portal;
	QueryCompletion completion;

	start_statement_timeout();
	CHECK_FOR_INTERRUPTS();
	plans = plan_statement(statement);

	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, statement->shown,
					  CreateCommandTag(statement->raw->stmt), plans, NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	(void) portal_run(portal, statement->batch->own_transactions, dest,
					  &completion);
	result->processed = completion.nprocessed;
	PortalDrop(portal, false);

	CommandCounterIncrement();
	stop_statement_timeout();
	transaction_limit_look();
}

static List *
plan_statement(const Statement *statement)
{
	bool needs_snapshot = analyze_requires_snapshot(statement->raw);
	List *queries;
	List *plans;

	if (needs_snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	queries = pg_analyze_and_rewrite_fixedparams(statement->raw,
												 statement->text, NULL, 0,
												 NULL);
	plans = pg_plan_queries(queries, statement->text, CURSOR_OPT_PARALLEL_OK,
							NULL);
	if (statement->shown != statement->text)
		forget_places(plans);
	if (needs_snapshot)
		PopActiveSnapshot();
	CHECK_FOR_INTERRUPTS();
	return plans;
}

/* Statements are parts of the text with its values. */
static void
forget_places(List *plans)
{
	ListCell *cell;

	foreach(cell, plans)
	{
		lfirst_node(PlannedStmt, cell)->stmt_location = -1;
		lfirst_node(PlannedStmt, cell)->stmt_len = 0;
	}
}

static void
start_statement_timeout(void)
{
	if (StatementTimeout > 0)
		enable_timeout_after(STATEMENT_TIMEOUT, StatementTimeout);
}

static void
stop_statement_timeout(void)
{
	if (get_timeout_active(STATEMENT_TIMEOUT))
		disable_timeout(STATEMENT_TIMEOUT, false);
}

/*
 * Says which statement an error comes from; notices do not need it.
 */
static void
statement_context(void *arg)
{
	const Statement *statement = arg;
	int nstatements = list_length(statement->batch->statements);
	int line;

	if (geterrcode() == ERRCODE_SUCCESSFUL_COMPLETION ||
		ERRCODE_TO_CATEGORY(geterrcode()) == ERRCODE_WARNING)
		return;
	hint_at_choice(statement);

	line = error_line(statement);
	errcontext("statement%s%s: \"%s\"",
			   statement->raw != NULL && nstatements > 1 ?
				   psprintf(" %d of %d", statement->number, nstatements) :
				   "",
			   line > 1 ? psprintf(", line %d of its text", line) : "",
			   statement_excerpt(statement));
}

/* VACUUM and its like, and what commits, were refused by the server. */
static void
hint_at_choice(const Statement *statement)
{
	if (statement->batch->has_choice &&
		(geterrcode() == ERRCODE_ACTIVE_SQL_TRANSACTION ||
		 geterrcode() == ERRCODE_INVALID_TRANSACTION_TERMINATION))
		errhint(
			"Set \"transaction\": \"none\" on the activity, to make each of its statements its own transaction.");
}

/* From 1; 0 if the error has no place in the text. */
static int
error_line(const Statement *statement)
{
	const char *c = statement->text;
	int position = geterrposition();
	int line = 1;

	if (position <= 0)
		return 0;
	for (; *c != '\0' && position > 1; position--)
	{
		if (*c == '\n')
			line++;
		c += pg_mblen(c);
	}
	return line;
}

/* The beginning of the statement, or of the text, on one line. */
static char *
statement_excerpt(const Statement *statement)
{
	const char *start = statement->text;
	int length = strlen(start);

	if (statement->raw != NULL)
	{
		start += Max(statement->raw->stmt_location, 0);
		length = statement->raw->stmt_len > 0 ? statement->raw->stmt_len :
												strlen(start);
	}
	return statement->shown != statement->text ?
		call_excerpt(pnstrdup(start, length)) :
		make_excerpt(start, length);
}

char *
call_excerpt(const char *text)
{
	text = placed_hide(text);
	return make_excerpt(text, strlen(text));
}

/* On one line. */
static char *
make_excerpt(const char *start, int length)
{
	int shown;
	char *excerpt;

	for (; length > 0 && isspace((unsigned char) *start); length--)
		start++;

	shown = pg_mbcliplen(start, length, MAX_EXCERPT);
	excerpt = psprintf("%.*s%s", shown, start, shown < length ? "..." : "");
	for (char *c = excerpt; *c != '\0'; c++)
	{
		if (isspace((unsigned char) *c))
			*c = ' ';
	}
	return excerpt;
}

/*-------------------------------------------------------------------------
 *
 * journal.c
 *	  What an attempt leaves in mlpipe_logs and mlpipe_metrics.
 *
 * Two things fill the journal: mlpipe_log() and its like, and the messages
 * that the user's statements raise.  The latter come through emit_log_hook,
 * which the server calls for what goes to its own log; so log_min_messages is
 * lowered as far as mlpipe.log_min_level asks for, and the hook keeps out of
 * the server's log what its own setting would not have let in.
 *
 * The lowered setting may stay after journal_capture_stop(), or come back when
 * a transaction is rolled back; the hook therefore goes by the setting that it
 * finds, whether it is gathering or not.
 *
 * XXX Parallel workers of a statement get the lowered setting, but not the
 * hook.  What functions raise in them is gathered by way of the leader, and
 * shows up in the server's log besides.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/journal.h"
#include "mlpipe.h"
#include "store/engine_mode.h"
#include "store/journal_store.h"

/* What one attempt may leave, so that a loop cannot eat up the memory. */
#define MAX_LINES         1000
#define MAX_LINE_BYTES    ((Size) 1024 * 1024) /* of all lines */
#define MAX_MESSAGE_BYTES ((Size) 64 * 1024)
#define MAX_METRICS       100000

typedef struct JournalLine
{
	struct JournalLine *next;
	TimestampTz at;
	int elevel;
	char message[FLEXIBLE_ARRAY_MEMBER];
} JournalLine;

typedef struct JournalMetric
{
	struct JournalMetric *next;
	TimestampTz at;
	double value;
	int64 step;
	bool has_step;
	char name[FLEXIBLE_ARRAY_MEMBER];
} JournalMetric;

typedef struct Journal
{
	JournalLine *lines;
	JournalLine *last_line;
	int nlines;
	Size line_bytes;
	int64 lines_lost; /* that found no room */
	JournalMetric *metrics;
	JournalMetric *last_metric;
	int nmetrics;
	int64 metrics_lost;
} Journal;

typedef struct LevelName
{
	int elevel;
	const char *setting; /* in log_min_messages */
} LevelName;

static const LevelName level_names[] = {
	{DEBUG5, "debug5"}, {DEBUG4, "debug4"}, {DEBUG3, "debug3"},
	{DEBUG2, "debug2"}, {DEBUG1, "debug1"}, {LOG, "log"},
	{INFO, "info"},     {NOTICE, "notice"}, {WARNING, "warning"},
	{ERROR, "error"},   {FATAL, "fatal"},   {PANIC, "panic"},
};

static Journal journal;
static MemoryContext JournalContext = NULL;
static bool capturing = false;
static bool in_hook = false;
static bool hook_installed = false;
static emit_log_hook_type previous_hook = NULL;
static int lowered_to = 0;         /* what we have set log_min_messages to */
static int server_level = WARNING; /* what it is without us */

static void open_journal(void);
static void *journal_alloc(Size size);
static Size clipped_length(const char *text, Size limit);
static const char *level_word(int elevel);
static void write_lines(int64 run_id, int32 no, int32 batch);
static int add_loss(Datum *at, Datum *levels, Datum *messages, int i,
					int64 lost, const char *what);
static void write_metrics(int64 run_id, int32 no);
static void lower_log_level(void);
static bool server_logs(int elevel, int min_level);
static void capture_message(ErrorData *edata);

void
journal_log(int elevel, const char *message)
{
	Size length = clipped_length(message, MAX_MESSAGE_BYTES);
	JournalLine *line = NULL;

	if (journal.nlines < MAX_LINES &&
		journal.line_bytes + length <= MAX_LINE_BYTES)
		line = journal_alloc(offsetof(JournalLine, message) + length + 1);
	if (line == NULL)
	{
		journal.lines_lost++;
		return;
	}

	line->next = NULL;
	line->at = GetCurrentTimestamp();
	line->elevel = elevel;
	memcpy(line->message, message, length);
	line->message[length] = '\0';

	if (journal.last_line != NULL)
		journal.last_line->next = line;
	else
		journal.lines = line;
	journal.last_line = line;
	journal.nlines++;
	journal.line_bytes += length;
}

void
journal_metric(const char *name, const int64 *step, double value)
{
	Size length = strlen(name);
	JournalMetric *metric = NULL;

	if (journal.nmetrics < MAX_METRICS)
		metric = journal_alloc(offsetof(JournalMetric, name) + length + 1);
	if (metric == NULL)
	{
		journal.metrics_lost++;
		return;
	}

	metric->next = NULL;
	metric->at = GetCurrentTimestamp();
	metric->value = value;
	metric->has_step = step != NULL;
	metric->step = step == NULL ? 0 : *step;
	memcpy(metric->name, name, length + 1);

	if (journal.last_metric != NULL)
		journal.last_metric->next = metric;
	else
		journal.metrics = metric;
	journal.last_metric = metric;
	journal.nmetrics++;
}

int
journal_level_parse(const char *word)
{
	if (strcmp(word, "debug") == 0)
		return DEBUG1;
	if (strcmp(word, "info") == 0)
		return INFO;
	if (strcmp(word, "notice") == 0)
		return NOTICE;
	if (strcmp(word, "warning") == 0)
		return WARNING;
	if (strcmp(word, "error") == 0)
		return ERROR;
	return 0;
}

void
journal_write(int64 run_id, int32 no, int32 batch)
{
	EngineMode mode;

	if (journal.nlines == 0 && journal.nmetrics == 0 &&
		journal.lines_lost == 0)
		return;

	/* The user's statements may have set the transaction read-only. */
	XactReadOnly = false;
	engine_mode_enter(&mode);
	if (journal.nmetrics > 0)
		write_metrics(run_id, no);
	write_lines(run_id, no, batch);
	engine_mode_leave(&mode);
}

void
journal_reset(void)
{
	memset(&journal, 0, sizeof(journal));
	if (JournalContext != NULL)
		MemoryContextReset(JournalContext);
}

void
journal_capture_start(void)
{
	open_journal();
	if (!hook_installed)
	{
		previous_hook = emit_log_hook;
		emit_log_hook = capture_message;
		hook_installed = true;
	}
	lower_log_level();
	capturing = true;

	/* In case an error got away from a hook that we had called. */
	in_hook = false;
}

void
journal_capture_stop(void)
{
	capturing = false;
}

static void
open_journal(void)
{
	if (JournalContext == NULL)
		JournalContext = AllocSetContextCreate(TopMemoryContext,
											   "mlpipe journal",
											   ALLOCSET_DEFAULT_SIZES);
}

/* NULL rather than an error: the caller may be in the middle of one. */
static void *
journal_alloc(Size size)
{
	if (CritSectionCount > 0)
		return NULL;
	if (!in_hook)
		open_journal();
	return MemoryContextAllocExtended(JournalContext, size, MCXT_ALLOC_NO_OOM);
}

static Size
clipped_length(const char *text, Size limit)
{
	Size length = strlen(text);

	return length <= limit ? length : pg_mbcliplen(text, length, limit);
}

static const char *
level_word(int elevel)
{
	if (elevel < LOG)
		return "debug";
	if (elevel <= INFO)
		return "info";
	if (elevel == NOTICE)
		return "notice";
	return elevel < ERROR ? "warning" : "error";
}

static void
write_lines(int64 run_id, int32 no, int32 batch)
{
	int room = journal.nlines + 2;
	Datum *at = palloc(room * sizeof(Datum));
	Datum *levels = palloc(room * sizeof(Datum));
	Datum *messages = palloc(room * sizeof(Datum));
	JournalLine *line;
	int i = 0;

	for (line = journal.lines; line != NULL; line = line->next)
	{
		at[i] = TimestampTzGetDatum(line->at);
		levels[i] = CStringGetTextDatum(level_word(line->elevel));
		messages[i] = CStringGetTextDatum(line->message);
		i++;
	}
	i = add_loss(at, levels, messages, i, journal.lines_lost, "log lines");
	i = add_loss(at, levels, messages, i, journal.metrics_lost, "metrics");
	if (i > 0)
		log_insert(run_id, no, batch, i, at, levels, messages);
}

static int
add_loss(Datum *at, Datum *levels, Datum *messages, int i, int64 lost,
		 const char *what)
{
	if (lost == 0)
		return i;
	at[i] = TimestampTzGetDatum(GetCurrentTimestamp());
	levels[i] = CStringGetTextDatum(level_word(WARNING));
	messages[i] = CStringGetTextDatum(
		psprintf(INT64_FORMAT " more %s of this attempt were not kept", lost,
				 what));
	return i + 1;
}

static void
write_metrics(int64 run_id, int32 no)
{
	Datum *at = palloc(journal.nmetrics * sizeof(Datum));
	Datum *names = palloc(journal.nmetrics * sizeof(Datum));
	Datum *steps = palloc(journal.nmetrics * sizeof(Datum));
	Datum *values = palloc(journal.nmetrics * sizeof(Datum));
	bool *no_step = palloc(journal.nmetrics * sizeof(bool));
	JournalMetric *metric;
	int i = 0;

	for (metric = journal.metrics; metric != NULL; metric = metric->next)
	{
		at[i] = TimestampTzGetDatum(metric->at);
		names[i] = CStringGetTextDatum(metric->name);
		steps[i] = Int64GetDatum(metric->step);
		no_step[i] = !metric->has_step;
		values[i] = Float8GetDatum(metric->value);
		i++;
	}
	metric_insert(run_id, no, i, at, names, steps, no_step, values);
}

/*
 * The server's own setting is what RESET would bring back: as configured for
 * this server, database and role.
 */
static void
lower_log_level(void)
{
	const char *own = GetConfigOptionResetString("log_min_messages");
	const char *wanted = NULL;
	int i;

	for (i = 0; i < lengthof(level_names); i++)
	{
		if (strcmp(level_names[i].setting, own) == 0)
			server_level = level_names[i].elevel;
		if (level_names[i].elevel == mlpipe_log_min_level)
			wanted = level_names[i].setting;
	}
	if (wanted == NULL || server_logs(mlpipe_log_min_level, log_min_messages))
		return;

	lowered_to = mlpipe_log_min_level;
	(void) set_config_option("log_min_messages", wanted, PGC_SUSET,
							 PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
}

/*
 * Would the server log a message of this level with log_min_messages at
 * min_level?  For its log, LOG ranks between ERROR and FATAL.
 */
static bool
server_logs(int elevel, int min_level)
{
	if (elevel == LOG || elevel == LOG_SERVER_ONLY)
		return min_level <= ERROR;
	if (min_level == LOG)
		return elevel >= FATAL;
	return elevel >= min_level;
}

/* The hook.  It must not raise anything, and is not called for FATAL's sake. */
static void
capture_message(ErrorData *edata)
{
	int own_level = log_min_messages == lowered_to ? server_level :
													 log_min_messages;

	if (in_hook)
		return;
	in_hook = true;
	if (capturing && edata->message != NULL &&
		edata->elevel != LOG_SERVER_ONLY && edata->elevel <= ERROR &&
		edata->elevel >= mlpipe_log_min_level)
		journal_log(edata->elevel, edata->message);
	if (!server_logs(edata->elevel, own_level))
		edata->output_to_server = false;
	if (previous_hook != NULL && edata->output_to_server)
		previous_hook(edata);
	in_hook = false;
}

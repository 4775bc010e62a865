/*-------------------------------------------------------------------------
 *
 * copy.c
 *	  The activity "copy": moves rows between tables, queries and files.
 *
 *	  source \ sink   table                     file
 *	  table, query    one statement (sink.h)    COPY (query) TO
 *	  file            COPY FROM                 -
 *
 * Rows of a file that go by a key are read into a temporary table first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "activity/activity.h"
#include "activity/config.h"
#include "activity/copy_file.h"
#include "activity/output.h"
#include "activity/select.h"
#include "activity/sink.h"
#include "activity/sql_name.h"

typedef enum SourceKind
{
	SOURCE_TABLE,
	SOURCE_QUERY,
	SOURCE_FILE
} SourceKind;

static const char *const source_keys[] = {"table", "query", "file"};
static const char *const sink_keys[] = {"table", "file"};

typedef struct CopyConfig
{
	Template *source_table; /* one of these three */
	Template *source_query;
	CopyFile *source_file;
	Sink *sink; /* one of these two */
	CopyFile *sink_file;
} CopyConfig;

static void *check_copy(JsonReader *reader, ActivityDef *def,
						const TemplateScope *scope);
static void check_source(CopyConfig *config, JsonReader *reader,
						 const TemplateScope *scope);
static void check_copy_sink(CopyConfig *config, JsonReader *reader,
							const TemplateScope *scope);
static void check_both(const CopyConfig *config, JsonReader *reader);
static ActivityOutcome run_copy(ActivityCall *call);
static void render_source(ActivityCall *call, const CopyConfig *config,
						  SinkTarget *target, Select *query);
static const char *matching_columns(const char *source, SinkTarget *target);
static int place_of(const char *name, List *columns);
static void query_to_table(ActivityCall *call, const CopyConfig *config,
						   CopyCounts *counts);
static void file_to_table(ActivityCall *call, const CopyConfig *config,
						  CopyCounts *counts);
static void upsert_file(ActivityCall *call, const CopyFile *file,
						SinkTarget *target, CopyCounts *counts);
static Jsonb *make_output(const CopyCounts *counts);

static const char *const copy_words[] = {"rows_read", "rows_written", "bytes",
										 NULL};

const ActivityType copy_activity = {.kind = {.name = "copy",
											 .takes = TAKES_RETRY |
												 TAKES_REUSE,
											 .check = check_copy,
											 .output_words = copy_words},
									.run = run_copy};

static void *
check_copy(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	CopyConfig *config = palloc0(sizeof(CopyConfig));
	JsonReader *source = reader_object(reader, "source", true);
	JsonReader *sink = reader_object(reader, "sink", true);

	if (source != NULL)
		check_source(config, source, scope);
	if (sink != NULL)
		check_copy_sink(config, sink, scope);
	check_both(config, reader);
	return config;
}

static void
check_source(CopyConfig *config, JsonReader *reader,
			 const TemplateScope *scope)
{
	switch (config_one_of(reader, source_keys, lengthof(source_keys)))
	{
		case SOURCE_TABLE:
			config->source_table = config_template(reader, "table",
												   TEMPLATE_TEXT, scope, true);
			table_name_check(config->source_table, reader->problems,
							 reader_path(reader, "table"));
			break;
		case SOURCE_QUERY:
			config->source_query = config_template(reader, "query",
												   TEMPLATE_SQL, scope, true);
			select_check(config->source_query, reader->problems,
						 reader_path(reader, "query"));
			break;
		case SOURCE_FILE:
			config->source_file = copy_file_check(reader, scope);
			break;
	}
	reader_close(reader);
}

static void
check_copy_sink(CopyConfig *config, JsonReader *reader,
				const TemplateScope *scope)
{
	switch (config_one_of(reader, sink_keys, lengthof(sink_keys)))
	{
		case 0:
			config->sink = sink_check(reader, scope, NUM_COPY_MODES);
			break;
		case 1:
			config->sink_file = copy_file_check(reader, scope);
			break;
	}
	reader_close(reader);
}

static void
check_both(const CopyConfig *config, JsonReader *reader)
{
	if (config->source_file == NULL)
		return;
	if (config->sink_file != NULL)
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "sink"),
					"Copy the file to a table first.",
					"must be a table where the source is a file");
	if (config->sink != NULL && config->sink->mode == SINK_CREATE &&
		config->sink->types == NIL)
		problem_add(
			reader->problems, PROBLEM_ERROR,
			psprintf("%s.columns", reader_path(reader, "sink")),
			"For example [{\"name\": \"id\", \"type\": \"integer\"}].",
			"must say the names and types of the columns, which a file does not");
}

static ActivityOutcome
run_copy(ActivityCall *call)
{
	const CopyConfig *config = call->def->config;
	CopyCounts counts;
	Select query;

	if (config->sink_file != NULL)
	{
		render_source(call, config, NULL, &query);
		copy_file_write(call, config->sink_file, &query, &counts);
	}
	else if (config->source_file != NULL)
		file_to_table(call, config, &counts);
	else
		query_to_table(call, config, &counts);

	call->items_in = counts.rows_read;
	call->items_out = counts.rows_written;
	call_set_output(call, make_output(&counts));
	return OUTCOME_DONE;
}

static void
render_source(ActivityCall *call, const CopyConfig *config, SinkTarget *target,
			  Select *query)
{
	char *source;

	if (config->source_query != NULL)
	{
		select_parse(call_render(call, config->source_query), query);
		return;
	}
	source = table_name(call_render(call, config->source_table));
	query->text = psprintf("SELECT %s FROM %s",
						   target != NULL ? matching_columns(source, target) :
											"*",
						   source);
	query->has_offset = false;
}

/*
 * All columns of a table, except for those that the sink's table generates.  If
 * rows go in by position, each value still goes where it would without these.
 */
static const char *
matching_columns(const char *source, SinkTarget *target)
{
	Bitmapset *generated;
	Bitmapset *ignored;
	List *from;
	List *to;
	List *columns = NIL;

	if (target->columns != NIL || target->mode == SINK_CREATE)
		return "*";
	from = table_shape(source, &ignored);
	to = table_shape(target->table, &generated);
	if (bms_is_empty(generated) ||
		(target->key == NIL && list_length(from) > list_length(to)))
		return "*";
	for (int i = 0; i < list_length(from); i++)
	{
		int place = target->key == NIL ? i : place_of(list_nth(from, i), to);

		if (bms_is_member(place, generated))
			continue;
		columns = lappend(columns, list_nth(from, i));
		if (target->key == NIL)
			target->columns = lappend(target->columns, list_nth(to, i));
	}
	return columns != NIL ? column_list(columns, NULL) : "*";
}

/* A place that does not exist if no column has the name. */
static int
place_of(const char *name, List *columns)
{
	int place = 0;

	while (place < list_length(columns) &&
		   strcmp(name, list_nth(columns, place)) != 0)
		place++;
	return place;
}

/*
 * The rows that a query returned are not counted apart from those that were
 * written; the two differ if rows that are there already are left as they are.
 */
static void
query_to_table(ActivityCall *call, const CopyConfig *config,
			   CopyCounts *counts)
{
	SinkTarget *target = sink_target(call, config->sink);
	Select query;

	render_source(call, config, target, &query);
	counts->rows_written = sink_write(target, NULL, &query);
	counts->rows_read = target->keeps_existing ? -1 : counts->rows_written;
	counts->bytes = -1;
}

static void
file_to_table(ActivityCall *call, const CopyConfig *config, CopyCounts *counts)
{
	SinkTarget *target = sink_target(call, config->sink);
	const CopyFile *file = config->source_file;

	switch (target->mode)
	{
		case SINK_UPSERT:
			upsert_file(call, file, target, counts);
			return;
		case SINK_OVERWRITE:
			sink_lock(target);
			sink_delete_all(target);
			break;
		case SINK_CREATE:
			sink_create_table(target);
			break;
		case SINK_APPEND:
		case SINK_UPDATE:
		case SINK_DELETE:
			break;
	}
	copy_file_read(call, file, target->table, target->columns, counts);
}

/*
 * The temporary table has the columns that the file has, and none of the
 * target's constraints: those are for the rows that end up in the target.
 */
static void
upsert_file(ActivityCall *call, const CopyFile *file, SinkTarget *target,
			CopyCounts *counts)
{
	char *stage = psprintf("pg_temp.mlpipe_copy_" INT64_FORMAT "_%d",
						   call->run_id, call->no);
	StatementResult result;
	Select query = {0};

	if (target->columns == NIL)
		target->columns = table_columns(target->name);
	statement_run(
		psprintf(
			"CREATE TEMPORARY TABLE %s ON COMMIT DROP AS SELECT %s FROM %s WITH NO DATA",
			stage, column_list(target->columns, NULL), target->table),
		NULL, &result);
	copy_file_read(call, file, stage, target->columns, counts);

	query.text = psprintf("SELECT * FROM %s", stage);
	counts->rows_written = sink_write(target, NULL, &query);
}

static Jsonb *
make_output(const CopyCounts *counts)
{
	Output output;

	output_begin(&output);
	output_count(&output, "rows_read", counts->rows_read);
	output_count(&output, "rows_written", counts->rows_written);
	output_count(&output, "bytes", counts->bytes);
	return output_end(&output);
}

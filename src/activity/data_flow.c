/*-------------------------------------------------------------------------
 *
 * data_flow.c
 *	  The activity "data_flow": named steps, each a query over tables and
 *	  earlier steps, written to tables.
 *
 * Each sink is one statement, WITH the steps up to its own; those that it does
 * not refer to cost nothing.  The sinks are written in their order in one
 * transaction, and a later one sees what an earlier one wrote.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "activity/activity.h"
#include "activity/config.h"
#include "activity/output.h"
#include "activity/select.h"
#include "activity/sink.h"

typedef struct FlowStep
{
	char *name;
	Template *query;
} FlowStep;

typedef struct FlowSink
{
	int from; /* the step's place in the list */
	Sink *sink;
} FlowSink;

typedef struct FlowConfig
{
	List *steps; /* of FlowStep * */
	List *sinks; /* of FlowSink * */
} FlowConfig;

static void *check_data_flow(JsonReader *reader, ActivityDef *def,
							 const TemplateScope *scope);
static void check_not_empty(JsonReader *reader, const char *key);
static void check_step(FlowConfig *config, JsonReader *reader,
					   const TemplateScope *scope);
static void check_step_name(const FlowConfig *config, JsonReader *reader,
							const char *name);
static void check_flow_sink(FlowConfig *config, JsonReader *reader,
							const TemplateScope *scope);
static void report_missing_step(const FlowConfig *config, JsonReader *reader,
								const char *from);
static int find_step(const FlowConfig *config, const char *name);
static ActivityOutcome run_data_flow(ActivityCall *call);
static List *render_steps(ActivityCall *call, const FlowConfig *config);
static int64 write_sink(ActivityCall *call, const FlowSink *sink, List *steps,
						Output *output);
static char *join_steps(List *steps, int last);

const ActivityType data_flow_activity = {.kind = {.name = "data_flow",
												  .takes = TAKES_RETRY |
													  TAKES_REUSE,
												  .check = check_data_flow},
										 .run = run_data_flow};

static void *
check_data_flow(JsonReader *reader, ActivityDef *def,
				const TemplateScope *scope)
{
	FlowConfig *config = palloc0(sizeof(FlowConfig));
	ListCell *cell;

	foreach(cell, reader_objects(reader, "transformations", true))
		check_step(config, lfirst(cell), scope);
	foreach(cell, reader_objects(reader, "sinks", true))
		check_flow_sink(config, lfirst(cell), scope);
	check_not_empty(reader, "transformations");
	check_not_empty(reader, "sinks");
	return config;
}

static void
check_not_empty(JsonReader *reader, const char *key)
{
	JsonbValue *value = reader_value(reader, key);

	if (value != NULL && value->type == jbvBinary &&
		JsonContainerSize(value->val.binary.data) == 0)
		problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
					NULL, "must not be empty");
}

static void
check_step(FlowConfig *config, JsonReader *reader, const TemplateScope *scope)
{
	FlowStep *step = palloc0(sizeof(FlowStep));

	step->name = reader_text(reader, "name", true);
	step->query = config_template(reader, "query", TEMPLATE_SQL, scope, true);
	select_check(step->query, reader->problems, reader_path(reader, "query"));
	if (step->name != NULL)
	{
		check_step_name(config, reader, step->name);
		config->steps = lappend(config->steps, step);
	}
	reader_close(reader);
}

static void
check_step_name(const FlowConfig *config, JsonReader *reader, const char *name)
{
	const char *path = reader_path(reader, "name");

	if (name[0] == '\0' || strlen(name) >= NAMEDATALEN)
		problem_add(reader->problems, PROBLEM_ERROR, path, NULL,
					"must have 1 to %d bytes", NAMEDATALEN - 1);
	else if (find_step(config, name) >= 0)
		problem_add(reader->problems, PROBLEM_ERROR, path, NULL,
					"another transformation is named \"%s\"", name);
	else if (strcmp(quote_identifier(name), name) != 0)
		problem_add(reader->problems, PROBLEM_WARNING, path, NULL,
					"has to be written %s in queries", quote_identifier(name));
}

static void
check_flow_sink(FlowConfig *config, JsonReader *reader,
				const TemplateScope *scope)
{
	FlowSink *sink = palloc0(sizeof(FlowSink));
	char *from = reader_text(reader, "from", true);

	sink->sink = sink_check(reader, scope, NUM_SINK_MODES);
	if (from != NULL)
	{
		sink->from = find_step(config, from);
		if (sink->from < 0)
			report_missing_step(config, reader, from);
	}
	config->sinks = lappend(config->sinks, sink);
	reader_close(reader);
}

static void
report_missing_step(const FlowConfig *config, JsonReader *reader,
					const char *from)
{
	const char **names = palloc(sizeof(char *) *
								(list_length(config->steps) + 1));
	ListCell *cell;

	foreach(cell, config->steps)
		names[foreach_current_index(cell)] = ((FlowStep *) lfirst(cell))->name;
	problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, "from"),
				problem_nearest_hint(from, names, list_length(config->steps)),
				"no transformation is named \"%s\"", from);
}

static int
find_step(const FlowConfig *config, const char *name)
{
	ListCell *cell;

	foreach(cell, config->steps)
	{
		if (strcmp(((FlowStep *) lfirst(cell))->name, name) == 0)
			return foreach_current_index(cell);
	}
	return -1;
}

static ActivityOutcome
run_data_flow(ActivityCall *call)
{
	const FlowConfig *config = call->def->config;
	List *steps = render_steps(call, config);
	int64 rows_written = 0;
	Output output;
	ListCell *cell;

	output_begin(&output);
	output_begin_array(&output, "sinks");
	foreach(cell, config->sinks)
		rows_written += write_sink(call, lfirst(cell), steps, &output);
	output_end_array(&output);
	output_count(&output, "rows_written", rows_written);

	call->items_out = rows_written;
	call_set_output(call, output_end(&output));
	return OUTCOME_DONE;
}

/* A list of char *: name AS (query). */
static List *
render_steps(ActivityCall *call, const FlowConfig *config)
{
	List *steps = NIL;
	ListCell *cell;

	foreach(cell, config->steps)
	{
		FlowStep *step = lfirst(cell);
		Select query;

		select_parse(call_render(call, step->query), &query);
		steps = lappend(steps,
						psprintf("%s AS (\n%s\n)",
								 quote_identifier(step->name), query.text));
	}
	return steps;
}

static int64
write_sink(ActivityCall *call, const FlowSink *sink, List *steps,
		   Output *output)
{
	const FlowConfig *config = call->def->config;
	const FlowStep *from = list_nth(config->steps, sink->from);
	SinkTarget *target = sink_target(call, sink->sink);
	Select query = {0};
	int64 rows;

	query.text = psprintf("SELECT * FROM %s", quote_identifier(from->name));
	rows = sink_write(target, join_steps(steps, sink->from), &query);

	output_begin_element(output);
	output_text(output, "table", target->name);
	output_text(output, "mode", sink_mode_words[target->mode]);
	output_count(output, "rows", rows);
	output_end_element(output);
	return rows;
}

static char *
join_steps(List *steps, int last)
{
	StringInfoData with;

	initStringInfo(&with);
	for (int i = 0; i <= last; i++)
		appendStringInfo(&with, "%s%s", i > 0 ? ",\n" : "",
						 (char *) list_nth(steps, i));
	return with.data;
}

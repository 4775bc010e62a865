/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  The activity "lookup": a query whose rows other activities use.
 *
 * The query runs to its end even if only its first row is asked for, so that
 * functions are called as often as anywhere else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/activity.h"
#include "activity/config.h"
#include "activity/output.h"
#include "activity/select.h"

#define MAX_ROWS  5000
#define MAX_BYTES ((int64) 4 * 1024 * 1024)

typedef struct LookupConfig
{
	Template *query;
	bool first_row_only;
} LookupConfig;

static void *check_lookup(JsonReader *reader, ActivityDef *def,
						  const TemplateScope *scope);
static ActivityOutcome run_lookup(ActivityCall *call);
static Jsonb *first_row_output(JsonReceiver *receiver);
static Jsonb *rows_output(JsonReceiver *receiver);

static const char *const lookup_words[] = {"first_row", "row_count", "rows",
										   NULL};

const ActivityType lookup_activity = {.kind = {.name = "lookup",
											   .takes = TAKES_RETRY,
											   .check = check_lookup,
											   .output_words = lookup_words},
									  .run = run_lookup};

static void *
check_lookup(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	LookupConfig *config = palloc0(sizeof(LookupConfig));
	char *path = reader_path(reader, "query");
	List *statements;
	char *fault;

	config->query = config_template(reader, "query", TEMPLATE_SQL, scope,
									true);
	statements = config_check_statements(config->query, scope,
										 reader->problems, path);
	if (statements != NIL && (fault = select_only_fault(statements)) != NULL)
		problem_add(reader->problems, PROBLEM_ERROR, path, SELECT_ONLY_HINT,
					"%s", fault);
	config->first_row_only = reader_bool(reader, "first_row_only", true);
	return config;
}

static ActivityOutcome
run_lookup(ActivityCall *call)
{
	const LookupConfig *config = call->def->config;
	JsonReceiver *receiver;

	receiver = json_receiver_create(call->context,
									config->first_row_only ? 1 : MAX_ROWS,
									MAX_BYTES, !config->first_row_only);
	query_run(call_render(call, config->query), &receiver->pub);
	call->items_out = receiver->rows;
	call_set_output(call,
					config->first_row_only ? first_row_output(receiver) :
											 rows_output(receiver));
	return OUTCOME_DONE;
}

static Jsonb *
first_row_output(JsonReceiver *receiver)
{
	Jsonb *rows = json_receiver_value(receiver);
	JsonbValue none = {.type = jbvNull};
	JsonbValue *first = getIthJsonbValueFromContainer(&rows->root, 0);
	Output output;

	if (first == NULL && receiver->rows > 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("first row of a lookup has more than " INT64_FORMAT
						" bytes",
						MAX_BYTES)));
	output_begin(&output);
	output_json(&output, "first_row",
				JsonbValueToJsonb(first ? first : &none));
	return output_end(&output);
}

static Jsonb *
rows_output(JsonReceiver *receiver)
{
	Output output;

	output_begin(&output);
	output_count(&output, "row_count", receiver->rows);
	output_json(&output, "rows", json_receiver_value(receiver));
	return output_end(&output);
}

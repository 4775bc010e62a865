/*-------------------------------------------------------------------------
 *
 * items.c
 *	  The items of a loop or a filter: a JSON array, or the rows of a query.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/config.h"
#include "activity/items.h"
#include "activity/select.h"
#include "definition/value.h"

#define MAX_ITEMS      1000000
#define MAX_ITEM_BYTES ((int64) 128 * 1024 * 1024)

static void check_query(JsonReader *reader, const TemplateScope *scope,
						ItemsConfig *config);
static Jsonb *run_query(ActivityCall *call, const Template *query);

void
items_check(JsonReader *reader, const TemplateScope *scope,
			ItemsConfig *config)
{
	JsonbValue *value = reader_value(reader, "items");
	char *path = reader_path(reader, "items");

	if (value == NULL)
		problem_add(reader->problems, PROBLEM_ERROR, path, NULL, "is missing");
	else if (strcmp(json_type_name(value), "object") == 0)
		check_query(reader, scope, config);
	else if (strcmp(json_type_name(value), "array") == 0 ||
			 (value->type == jbvString &&
			  strstr(value_plain(value), "${{") != NULL))
	{
		template_check_json(value, scope, reader->problems, path);
		config->value = JsonbValueToJsonb(value);
	}
	else
		problem_add(
			reader->problems, PROBLEM_ERROR, path,
			"Write an array, \"${{ path }}\", or {\"query\": \"SELECT ...\"}.",
			"must be an array, a placeholder or a query, not %s",
			json_type_name(value));
}

static void
check_query(JsonReader *reader, const TemplateScope *scope,
			ItemsConfig *config)
{
	JsonReader *object = reader_object(reader, "items", true);

	config->query = config_template(object, "query", TEMPLATE_SQL, scope,
									true);
	select_check(config->query, object->problems,
				 reader_path(object, "query"));
	reader_close(object);
}

Jsonb *
items_load(ActivityCall *call, const ItemsConfig *config)
{
	Jsonb *items;

	if (config->query != NULL)
		return run_query(call, config->query);
	items = template_render_json(config->value, call_context(call));
	if (JB_ROOT_IS_SCALAR(items) || !JB_ROOT_IS_ARRAY(items))
	{
		JsonbValue value;

		value_of_jsonb(items, &value);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("items must be a JSON array, not %s",
						json_type_name(&value))));
	}
	return items;
}

static Jsonb *
run_query(ActivityCall *call, const Template *query)
{
	JsonReceiver *receiver = json_receiver_create(call->context, MAX_ITEMS,
												  MAX_ITEM_BYTES, true);
	StatementResult result;
	Select select;

	select_parse(call_render(call, query), &select);
	statement_run(select.text, &receiver->pub, &result);
	return json_receiver_value(receiver);
}

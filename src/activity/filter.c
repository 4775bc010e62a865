/*-------------------------------------------------------------------------
 *
 * filter.c
 *	  The activity "filter": the items for which a condition is true.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "activity/activity.h"
#include "activity/expression.h"
#include "activity/items.h"
#include "activity/output.h"
#include "definition/value.h"

typedef struct FilterConfig
{
	ItemsConfig items;
	Template *condition;
	bool looks_around; /* is there more in it than the item? */
} FilterConfig;

static void *check_filter(JsonReader *reader, ActivityDef *def,
						  const TemplateScope *scope);
static ActivityOutcome run_filter(ActivityCall *call);
static Jsonb *item_context(Jsonb *around, JsonbValue *item, int64 index);

static const char *const filter_words[] = {"items", "count", "total", NULL};

const ActivityType filter_activity = {.kind = {.name = "filter",
											   .takes = 0,
											   .check = check_filter,
											   .output_words = filter_words},
									  .run = run_filter};

static void *
check_filter(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	static const char *const around[] = {"parameters", "variables",
										 "activities", "run",
										 "trigger",    "loops"};
	FilterConfig *config = palloc0(sizeof(FilterConfig));
	TemplateScope with_item = *scope;

	items_check(reader, scope, &config->items);
	with_item.in_loop = true;
	config->condition = expression_check(reader, "condition", &with_item,
										 true);
	for (int i = 0; config->condition != NULL && i < lengthof(around); i++)
		config->looks_around |= template_uses_root(config->condition,
												   around[i]);
	return config;
}

static ActivityOutcome
run_filter(ActivityCall *call)
{
	const FilterConfig *config = call->def->config;
	Jsonb *items = items_load(call, &config->items);
	Jsonb *around = config->looks_around ? call_context(call) : NULL;
	MemoryContext scratch = AllocSetContextCreate(call->context,
												  "mlpipe filter",
												  ALLOCSET_DEFAULT_SIZES);
	JsonbParseState *state = NULL;
	JsonbIterator *it = JsonbIteratorInit(&items->root);
	JsonbValue item;
	int64 total = 0;
	int64 count = 0;
	Output output;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	(void) JsonbIteratorNext(&it, &item, false);
	while (JsonbIteratorNext(&it, &item, true) == WJB_ELEM)
	{
		MemoryContext previous = MemoryContextSwitchTo(scratch);
		bool kept;

		CHECK_FOR_INTERRUPTS();
		total++;
		kept = expression_is_true(call, config->condition,
								  item_context(around, &item, total));
		MemoryContextSwitchTo(previous);
		MemoryContextReset(scratch);
		if (!kept)
			continue;
		count++;
		(void) pushJsonbValue(&state, WJB_ELEM, &item);
	}
	output_begin(&output);
	output_json(&output, "items",
				JsonbValueToJsonb(
					pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
	output_count(&output, "count", count);
	output_count(&output, "total", total);
	call_set_output(call, output_end(&output));
	return OUTCOME_DONE;
}

static Jsonb *
item_context(Jsonb *around, JsonbValue *item, int64 index)
{
	Output context;

	output_begin(&context);
	output_json(&context, "item", JsonbValueToJsonb(item));
	output_count(&context, "index", index);
	if (around == NULL)
		return output_end(&context);
	return DatumGetJsonbP(
		DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(around),
							JsonbPGetDatum(output_end(&context))));
}

/*-------------------------------------------------------------------------
 *
 * output.c
 *	  Builds JSON objects: outputs of activities, and the like.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "activity/output.h"
#include "definition/value.h"

static void push_key(Output *output, const char *key);

void
output_begin(Output *output)
{
	output->state = NULL;
	pushJsonbValue(&output->state, WJB_BEGIN_OBJECT, NULL);
}

Jsonb *
output_end(Output *output)
{
	return JsonbValueToJsonb(
		pushJsonbValue(&output->state, WJB_END_OBJECT, NULL));
}

void
output_count(Output *output, const char *key, int64 number)
{
	JsonbValue value = {.type = jbvNull};

	if (number >= 0)
	{
		value.type = jbvNumeric;
		value.val.numeric = int64_to_numeric(number);
	}
	push_key(output, key);
	pushJsonbValue(&output->state, WJB_VALUE, &value);
}

void
output_numeric(Output *output, const char *key, Numeric number)
{
	JsonbValue value = {.type = jbvNumeric};

	value.val.numeric = number;
	push_key(output, key);
	pushJsonbValue(&output->state, WJB_VALUE, &value);
}

void
output_bool(Output *output, const char *key, bool value)
{
	JsonbValue pushed = {.type = jbvBool};

	pushed.val.boolean = value;
	push_key(output, key);
	pushJsonbValue(&output->state, WJB_VALUE, &pushed);
}

void
output_text(Output *output, const char *key, const char *value)
{
	JsonbValue pushed = {.type = jbvNull};

	if (value != NULL)
	{
		pushed.type = jbvString;
		pushed.val.string.val = unconstify(char *, value);
		pushed.val.string.len = strlen(value);
	}
	push_key(output, key);
	pushJsonbValue(&output->state, WJB_VALUE, &pushed);
}

void
output_json(Output *output, const char *key, Jsonb *value)
{
	JsonbValue pushed;

	value_of_jsonb(value, &pushed);
	push_key(output, key);
	pushJsonbValue(&output->state, WJB_VALUE, &pushed);
}

void
output_begin_array(Output *output, const char *key)
{
	push_key(output, key);
	pushJsonbValue(&output->state, WJB_BEGIN_ARRAY, NULL);
}

void
output_end_array(Output *output)
{
	pushJsonbValue(&output->state, WJB_END_ARRAY, NULL);
}

void
output_begin_element(Output *output)
{
	pushJsonbValue(&output->state, WJB_BEGIN_OBJECT, NULL);
}

void
output_end_element(Output *output)
{
	pushJsonbValue(&output->state, WJB_END_OBJECT, NULL);
}

static void
push_key(Output *output, const char *key)
{
	JsonbValue pushed = {.type = jbvString};

	pushed.val.string.val = unconstify(char *, key);
	pushed.val.string.len = strlen(key);
	pushJsonbValue(&output->state, WJB_KEY, &pushed);
}

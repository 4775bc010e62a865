/*-------------------------------------------------------------------------
 *
 * variable.c
 *	  Variables of a run, or of an iteration, as an activity changes them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/lsyscache.h"

#include "activity/variable.h"
#include "definition/value.h"

static void check_input(const DeclaredValue *variable, Oid type, int32 typmod,
						Jsonb *value);
static void variable_context(void *arg);
static VariableChange *find_change(const List *changes,
								   const VariableKey *key);

const DeclaredValue *
variable_find(ActivityCall *call, const char *name, VariableKey *key)
{
	const DeclaredValue *variable = call_variable(call, name, key);

	if (variable == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("variable \"%s\" does not exist", name),
				 errhint("%s",
						 declared_names_hint(document_visible_variables(
												 call->document, call->def),
											 "variables"))));
	return variable;
}

void
variable_check(const DeclaredValue *variable, Jsonb *value)
{
	check_input(variable, variable->type, variable->typmod, value);
}

void
variable_check_element(const DeclaredValue *variable, Jsonb *value)
{
	Oid element = get_element_type(getBaseType(variable->type));

	if (OidIsValid(element))
		check_input(variable, element, -1, value);
}

static void
check_input(const DeclaredValue *variable, Oid type, int32 typmod,
			Jsonb *value)
{
	ErrorContextCallback callback = {.previous = error_context_stack,
									 .callback = variable_context,
									 .arg = unconstify(DeclaredValue *,
													   variable)};
	JsonbValue json;
	Oid input;
	Oid io_param;

	value_of_jsonb(value, &json);
	if (json.type == jbvNull)
		return;
	error_context_stack = &callback;
	getTypeInputInfo(type, &input, &io_param);
	(void) OidInputFunctionCall(input, value_input_text(type, &json), io_param,
								typmod);
	error_context_stack = callback.previous;
}

static void
variable_context(void *arg)
{
	errcontext("value of variable \"%s\"", ((DeclaredValue *) arg)->name);
}

void
variable_keep(ActivityCall *call, const VariableKey *key, Jsonb *value,
			  bool append)
{
	MemoryContext previous = MemoryContextSwitchTo(call->context);
	VariableChange *change = append ? NULL : find_change(call->variables, key);

	if (change == NULL)
	{
		change = palloc(sizeof(VariableChange));
		change->key = *key;
		change->key.name = pstrdup(key->name);
		change->append = append;
		call->variables = lappend(call->variables, change);
	}
	change->value = palloc(VARSIZE(value));
	memcpy(change->value, value, VARSIZE(value));
	MemoryContextSwitchTo(previous);
}

static VariableChange *
find_change(const List *changes, const VariableKey *key)
{
	ListCell *cell;

	foreach(cell, changes)
	{
		VariableChange *change = lfirst(cell);

		if (change->key.no == key->no &&
			strcmp(change->key.name, key->name) == 0)
			return change;
	}
	return NULL;
}

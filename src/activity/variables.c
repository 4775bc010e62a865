/*-------------------------------------------------------------------------
 *
 * variables.c
 *	  The activities "set_variable" and "append_variable".
 *
 * A value is stored when the activity ends, in the same transaction.  An
 * expression may read the variable that it is for: nobody else changes that
 * between the two.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/lsyscache.h"

#include "activity/activity.h"
#include "activity/config.h"
#include "activity/expression.h"
#include "activity/output.h"
#include "activity/variable.h"
#include "definition/value.h"

typedef struct VariableConfig
{
	char *name;
	Jsonb *value; /* with placeholders; NULL: the expression */
	Template *expression;
} VariableConfig;

static void *check_set(JsonReader *reader, ActivityDef *def,
					   const TemplateScope *scope);
static void *check_append(JsonReader *reader, ActivityDef *def,
						  const TemplateScope *scope);
static void check_constant(JsonReader *reader, const TemplateScope *scope,
						   const VariableConfig *config,
						   const DeclaredValue *type);
static VariableConfig *check_common(JsonReader *reader,
									const TemplateScope *scope,
									const DeclaredValue **variable);
static void check_name(JsonReader *reader, const char *name,
					   const TemplateScope *scope,
					   const DeclaredValue **variable);
static ActivityOutcome run_set(ActivityCall *call);
static ActivityOutcome run_append(ActivityCall *call);
static Jsonb *work_out(ActivityCall *call, const VariableConfig *config);
static void keep(ActivityCall *call, const VariableKey *key, Jsonb *value,
				 bool append);

static const char *const variable_words[] = {"value", NULL};

const ActivityType set_variable_activity =
	{.kind = {.name = "set_variable",
			  .takes = 0,
			  .check = check_set,
			  .output_words = variable_words},
	 .run = run_set};

const ActivityType append_variable_activity =
	{.kind = {.name = "append_variable",
			  .takes = 0,
			  .check = check_append,
			  .output_words = variable_words},
	 .run = run_append};

static void *
check_set(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	const DeclaredValue *variable;
	VariableConfig *config = check_common(reader, scope, &variable);

	if (variable != NULL)
		check_constant(reader, scope, config, variable);
	return config;
}

static void *
check_append(JsonReader *reader, ActivityDef *def, const TemplateScope *scope)
{
	const DeclaredValue *variable;
	VariableConfig *config = check_common(reader, scope, &variable);
	Oid base = variable ? getBaseType(variable->type) : JSONBOID;

	if (base != JSONBOID && !OidIsValid(get_element_type(base)))
		problem_add(
			reader->problems, PROBLEM_ERROR, reader_path(reader, "variable"),
			NULL,
			"variable \"%s\" must be of type jsonb or an array to append to it, not %s",
			variable->name, variable->type_name);
	if (variable != NULL && OidIsValid(get_element_type(base)))
	{
		DeclaredValue element = {.type = get_element_type(base), .typmod = -1};

		check_constant(reader, scope, config, &element);
	}
	return config;
}

/* The activity will fail; perhaps it is meant to. */
static void
check_constant(JsonReader *reader, const TemplateScope *scope,
			   const VariableConfig *config, const DeclaredValue *type)
{
	JsonbValue value;
	char *message;

	if (config->value == NULL || scope->stored ||
		template_in_json(config->value))
		return;
	value_of_jsonb(config->value, &value);
	if (!value_fits(type, &value, &message))
		problem_add(reader->problems, PROBLEM_WARNING,
					reader_path(reader, "value"), NULL, "%s", message);
}

static VariableConfig *
check_common(JsonReader *reader, const TemplateScope *scope,
			 const DeclaredValue **variable)
{
	static const char *const keys[] = {"value", "expression"};
	VariableConfig *config = palloc0(sizeof(VariableConfig));
	JsonbValue *value = reader_value(reader, "value");

	config->name = reader_text(reader, "variable", true);
	*variable = NULL;
	if (config->name != NULL)
		check_name(reader, config->name, scope, variable);
	(void) config_one_of(reader, keys, lengthof(keys));
	config->expression = expression_check(reader, "expression", scope, false);
	if (value != NULL)
	{
		template_check_json(value, scope, reader->problems,
							reader_path(reader, "value"));
		config->value = JsonbValueToJsonb(value);
	}
	return config;
}

static void
check_name(JsonReader *reader, const char *name, const TemplateScope *scope,
		   const DeclaredValue **variable)
{
	int count = list_length(scope->variables);
	const char **names = palloc((count + 1) * sizeof(char *));
	ListCell *cell;

	*variable = declared_value_find(scope->variables, name);
	if (*variable != NULL)
		return;
	foreach(cell, scope->variables)
		names[foreach_current_index(cell)] = ((DeclaredValue *) lfirst(cell))
												 ->name;
	problem_add(reader->problems, PROBLEM_ERROR,
				reader_path(reader, "variable"),
				problem_nearest_hint(name, names, count),
				"no variable is named \"%s\"", name);
}

static ActivityOutcome
run_set(ActivityCall *call)
{
	const VariableConfig *config = call->def->config;
	VariableKey key;
	const DeclaredValue *variable = variable_find(call, config->name, &key);
	Jsonb *value;

	call_lock_variable(call, &key);
	value = work_out(call, config);
	variable_check(variable, value);
	keep(call, &key, value, false);
	return OUTCOME_DONE;
}

static ActivityOutcome
run_append(ActivityCall *call)
{
	const VariableConfig *config = call->def->config;
	VariableKey key;
	const DeclaredValue *variable = variable_find(call, config->name, &key);
	Jsonb *value;

	/* Appending needs no look at what is there, unless it is asked for. */
	if (config->expression != NULL)
		call_lock_variable(call, &key);
	value = work_out(call, config);
	variable_check_element(variable, value);
	keep(call, &key, value, true);
	return OUTCOME_DONE;
}

static Jsonb *
work_out(ActivityCall *call, const VariableConfig *config)
{
	if (config->expression != NULL)
		return expression_json(call, config->expression);
	return template_render_json(config->value, call_context(call));
}

static void
keep(ActivityCall *call, const VariableKey *key, Jsonb *value, bool append)
{
	Output output;

	variable_keep(call, key, value, append);
	output_begin(&output);
	output_json(&output, "value", value);
	call_set_output(call, output_end(&output));
}

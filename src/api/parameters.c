/*-------------------------------------------------------------------------
 *
 * parameters.c
 *	  The parameters of a run, checked when it is submitted.
 *
 * Types that users have made are checked in the run, as its role: their input
 * functions are code that whoever submits need not trust.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "api/parameters.h"
#include "definition/value.h"

static void check_given(const Document *document, Jsonb *given,
						ProblemList *problems);
static void check_one(const Document *document, const char *name,
					  JsonbValue *value, ProblemList *problems);
static char *unknown_hint(const Document *document, const char *name);
static void check_missing(const Document *document, Jsonb *given,
						  ProblemList *problems);
static Jsonb *with_defaults(const Document *document, Jsonb *given);
static bool is_given(Jsonb *given, const char *name);

Jsonb *
parameters_check(const Document *document, Jsonb *given)
{
	ProblemList problems = {NIL, 0};

	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameters must be a JSON object"),
				 errhint("Give them by name: %s.",
						 "{\"day\": \"2026-01-01\"}")));
	check_given(document, given, &problems);
	check_missing(document, given, &problems);
	problem_raise(&problems);
	return with_defaults(document, given);
}

static void
check_given(const Document *document, Jsonb *given, ProblemList *problems)
{
	JsonbIterator *it = JsonbIteratorInit(&given->root);
	JsonbValue key;
	JsonbValue value;

	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &value, true);
		check_one(document, pnstrdup(key.val.string.val, key.val.string.len),
				  &value, problems);
	}
}

static void
check_one(const Document *document, const char *name, JsonbValue *value,
		  ProblemList *problems)
{
	const DeclaredValue *declared = declared_value_find(document->parameters,
														name);
	char *path = psprintf("parameters.%s", name);
	char *message;

	if (declared == NULL)
		problem_add(problems, PROBLEM_ERROR, path,
					unknown_hint(document, name),
					"the pipeline has no such parameter");
	else if (!value_fits(declared, value, &message))
		problem_add(problems, PROBLEM_ERROR, path, NULL, "%s", message);
}

static char *
unknown_hint(const Document *document, const char *name)
{
	int count = list_length(document->parameters);
	const char **names = palloc((count + 1) * sizeof(char *));
	int i = 0;
	ListCell *cell;

	foreach(cell, document->parameters)
		names[i++] = ((DeclaredValue *) lfirst(cell))->name;
	return problem_nearest_hint(name, names, count);
}

static void
check_missing(const Document *document, Jsonb *given, ProblemList *problems)
{
	ListCell *cell;

	foreach(cell, document->parameters)
	{
		const DeclaredValue *declared = lfirst(cell);

		if (declared->default_value == NULL &&
			!is_given(given, declared->name))
			problem_add(problems, PROBLEM_ERROR,
						psprintf("parameters.%s", declared->name), NULL,
						"a value is required, for there is no default");
	}
}

static Jsonb *
with_defaults(const Document *document, Jsonb *given)
{
	JsonbParseState *state = NULL;
	ListCell *cell;
	Jsonb *defaults;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	foreach(cell, document->parameters)
	{
		const DeclaredValue *declared = lfirst(cell);
		JsonbValue key = {.type = jbvString};
		JsonbValue value;

		if (declared->default_value == NULL)
			continue;
		key.val.string.val = declared->name;
		key.val.string.len = strlen(declared->name);
		pushJsonbValue(&state, WJB_KEY, &key);
		value_of_jsonb(declared->default_value, &value);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	defaults = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(defaults),
											  JsonbPGetDatum(given)));
}

static bool
is_given(Jsonb *given, const char *name)
{
	JsonbValue key = {.type = jbvString};

	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	return findJsonbValueFromContainer(&given->root, JB_FOBJECT, &key) != NULL;
}

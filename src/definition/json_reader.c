/*-------------------------------------------------------------------------
 *
 * json_reader.c
 *	  Reads the keys of one JSON object, with types and ranges checked, and
 *	  reports what it does not know.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "definition/duration.h"
#include "definition/json_reader.h"

static JsonReader *reader_on(ProblemList *problems, const JsonbValue *object,
							 const char *path);
static void report_unknown_key(JsonReader *reader, const char *key);
static const char **known_keys(const JsonReader *reader);
static JsonbValue *find_key(const JsonReader *reader, const char *key);
static JsonbValue *value_or_missing(JsonReader *reader, const char *key,
									bool required);
static void report_type(JsonReader *reader, const char *key,
						const JsonbValue *value, const char *expected);
static const char *constant_hint(const JsonbValue *value);
static JsonbValue *reader_array(JsonReader *reader, const char *key,
								bool required, const char *expected);
static bool is_object(const JsonbValue *value);
static bool is_array(const JsonbValue *value);

JsonReader *
reader_open(ProblemList *problems, JsonbValue *value, const char *path)
{
	if (!is_object(value))
	{
		problem_add(problems, PROBLEM_ERROR, path, NULL,
					path[0] == '\0' ?
						"the document must be an object, not %s" :
						"must be an object, not %s",
					json_type_name(value));
		return NULL;
	}
	return reader_on(problems, value, path);
}

static JsonReader *
reader_on(ProblemList *problems, const JsonbValue *object, const char *path)
{
	JsonReader *reader = palloc0(sizeof(JsonReader));

	reader->problems = problems;
	reader->path = pstrdup(path);
	reader->object = object->val.binary.data;
	reader->length = object->val.binary.len;
	return reader;
}

void
reader_close(JsonReader *reader)
{
	JsonbIterator *it = JsonbIteratorInit(reader->object);
	JsonbIteratorToken token;
	JsonbValue value;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		char *key;
		ListCell *cell;
		bool known = false;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		foreach(cell, reader->known)
			known = known || strcmp(lfirst(cell), key) == 0;
		if (!known)
			report_unknown_key(reader, key);
	}
}

static void
report_unknown_key(JsonReader *reader, const char *key)
{
	const char **known = known_keys(reader);
	int nknown = list_length(reader->known);
	char *hint = problem_nearest_hint(key, known, nknown);

	if (hint == NULL && nknown > 0)
		hint = psprintf("Keys here are %s.",
						problem_quoted_words(known, nknown));
	problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
				hint, "there is no key \"%s\" here", key);
}

static const char **
known_keys(const JsonReader *reader)
{
	const char **keys = palloc(sizeof(char *) *
							   Max(list_length(reader->known), 1));
	ListCell *cell;
	int n = 0;

	foreach(cell, reader->known)
		keys[n++] = lfirst(cell);
	return keys;
}

char *
reader_path(const JsonReader *reader, const char *key)
{
	if (reader->path[0] == '\0')
		return pstrdup(key);
	return psprintf("%s.%s", reader->path, key);
}

bool
reader_has(JsonReader *reader, const char *key)
{
	return reader_value(reader, key) != NULL;
}

bool
reader_peek(const JsonReader *reader, const char *key)
{
	return find_key(reader, key) != NULL;
}

JsonbValue *
reader_value(JsonReader *reader, const char *key)
{
	ListCell *cell;

	foreach(cell, reader->known)
	{
		if (strcmp(lfirst(cell), key) == 0)
			break;
	}
	if (cell == NULL)
		reader->known = lappend(reader->known, pstrdup(key));
	return find_key(reader, key);
}

static JsonbValue *
find_key(const JsonReader *reader, const char *key)
{
	JsonbValue wanted;

	wanted.type = jbvString;
	wanted.val.string.val = unconstify(char *, key);
	wanted.val.string.len = strlen(key);
	return findJsonbValueFromContainer(reader->object, JB_FOBJECT, &wanted);
}

/* The value; NULL, and a problem where it is required, when it is absent. */
static JsonbValue *
value_or_missing(JsonReader *reader, const char *key, bool required)
{
	JsonbValue *value = reader_value(reader, key);

	if (value == NULL && required)
		problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
					NULL, "is missing");
	return value;
}

static void
report_type(JsonReader *reader, const char *key, const JsonbValue *value,
			const char *expected)
{
	problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
				constant_hint(value), "must be %s, not %s", expected,
				json_type_name(value));
}

/* NULL where no placeholder is meant. */
static const char *
constant_hint(const JsonbValue *value)
{
	if (value->type != jbvString ||
		strstr(pnstrdup(value->val.string.val, value->val.string.len),
			   "${{") == NULL)
		return NULL;
	return "This must be known before the run begins, so there can be no \"${{ }}\" in it.";
}

char *
reader_text(JsonReader *reader, const char *key, bool required)
{
	JsonbValue *value = value_or_missing(reader, key, required);

	if (value == NULL)
		return NULL;
	if (value->type != jbvString)
	{
		report_type(reader, key, value, "text");
		return NULL;
	}
	return pnstrdup(value->val.string.val, value->val.string.len);
}

bool
reader_bool(JsonReader *reader, const char *key, bool fallback)
{
	JsonbValue *value = reader_value(reader, key);

	if (value == NULL)
		return fallback;
	if (value->type != jbvBool)
	{
		report_type(reader, key, value, "true or false");
		return fallback;
	}
	return value->val.boolean;
}

int64
reader_integer(JsonReader *reader, const char *key, int64 fallback, int64 min,
			   int64 max)
{
	JsonbValue *value = reader_value(reader, key);
	double number;

	if (value == NULL)
		return fallback;
	if (value->type != jbvNumeric)
	{
		report_type(reader, key, value, "an integer");
		return fallback;
	}
	number = number_value(value);

	/* As a double the largest int64 is one that does not fit. */
	if (number != floor(number) || number < min || number > max ||
		!FLOAT8_FITS_IN_INT64(number))
	{
		problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
					NULL,
					"must be an integer from " INT64_FORMAT
					" to " INT64_FORMAT,
					min, max);
		return fallback;
	}
	return (int64) number;
}

int
reader_int(JsonReader *reader, const char *key, int fallback, int min, int max)
{
	return (int) reader_integer(reader, key, fallback, min, max);
}

double
reader_number(JsonReader *reader, const char *key, double fallback, double min,
			  double max)
{
	JsonbValue *value = reader_value(reader, key);
	double number;

	if (value == NULL)
		return fallback;
	if (value->type != jbvNumeric)
	{
		report_type(reader, key, value, "a number");
		return fallback;
	}
	number = number_value(value);
	if (number < min || number > max)
	{
		problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
					NULL, "must be a number from %g to %g", min, max);
		return fallback;
	}
	return number;
}

double
number_value(const JsonbValue *value)
{
	Datum number = NumericGetDatum(value->val.numeric);
	char *digits = DatumGetCString(DirectFunctionCall1(numeric_out, number));

	return strtod(digits, NULL);
}

int64
reader_duration(JsonReader *reader, const char *key, int64 fallback)
{
	JsonbValue *value = reader_value(reader, key);
	int64 microseconds;
	const char *message;

	if (value == NULL)
		return fallback;
	if (!duration_parse(value, &microseconds, &message))
	{
		problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
					constant_hint(value), "%s", message);
		return fallback;
	}
	return microseconds;
}

int
reader_choice(JsonReader *reader, const char *key, const char *const *words,
			  int nwords, int fallback)
{
	char *word = reader_text(reader, key, false);
	char *hint;

	if (word == NULL)
		return fallback;
	for (int i = 0; i < nwords; i++)
	{
		if (strcmp(word, words[i]) == 0)
			return i;
	}
	hint = problem_nearest_hint(word, words, nwords);
	problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
				hint, "must be one of %s, not \"%s\"",
				problem_quoted_words(words, nwords), word);
	return fallback;
}

List *
reader_texts(JsonReader *reader, const char *key, bool required)
{
	JsonbValue *value = value_or_missing(reader, key, required);
	List *texts = NIL;
	JsonbValue *element;

	if (value == NULL)
		return NIL;
	if (value->type == jbvString)
		return list_make1(
			pnstrdup(value->val.string.val, value->val.string.len));
	value = reader_array(reader, key, required, "text, or an array of texts");
	for (uint32 i = 0; value && i < JsonContainerSize(value->val.binary.data);
		 i++)
	{
		element = getIthJsonbValueFromContainer(value->val.binary.data, i);
		if (element->type == jbvString)
			texts = lappend(texts,
							pnstrdup(element->val.string.val,
									 element->val.string.len));
		else
			report_type(reader, psprintf("%s[%u]", key, i), element, "text");
	}
	return texts;
}

/* NULL where it is absent, or no array. */
static JsonbValue *
reader_array(JsonReader *reader, const char *key, bool required,
			 const char *expected)
{
	JsonbValue *value = value_or_missing(reader, key, required);

	if (value == NULL)
		return NULL;
	if (!is_array(value))
	{
		report_type(reader, key, value, expected);
		return NULL;
	}
	return value;
}

JsonReader *
reader_object(JsonReader *reader, const char *key, bool required)
{
	JsonbValue *value = value_or_missing(reader, key, required);

	if (value == NULL)
		return NULL;
	return reader_open(reader->problems, value, reader_path(reader, key));
}

List *
reader_objects(JsonReader *reader, const char *key, bool required)
{
	JsonbValue *array = reader_array(reader, key, required, "an array");
	List *readers = NIL;

	for (uint32 i = 0; array && i < JsonContainerSize(array->val.binary.data);
		 i++)
	{
		char *path = psprintf("%s[%u]", reader_path(reader, key), i);
		JsonbValue *element;
		JsonReader *opened;

		element = getIthJsonbValueFromContainer(array->val.binary.data, i);
		opened = reader_open(reader->problems, element, path);
		if (opened != NULL)
			readers = lappend(readers, opened);
	}
	return readers;
}

const char *
json_type_name(const JsonbValue *value)
{
	if (is_object(value))
		return "object";
	if (is_array(value))
		return "array";
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "text";
		case jbvNumeric:
			return "number";
		case jbvBool:
			return "boolean";
		default:
			return "a value of another kind";
	}
}

static bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsObject(value->val.binary.data);
}

static bool
is_array(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsArray(value->val.binary.data) &&
		!JsonContainerIsScalar(value->val.binary.data);
}

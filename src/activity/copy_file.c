/*-------------------------------------------------------------------------
 *
 * copy_file.c
 *	  Files of the server that the copy activity reads and writes.
 *
 * Options are handed on to COPY.  Their names are those of the table below, so
 * that a misspelt one is found when the pipeline is created; whether this
 * version of the server has an option, and whether it goes with the format, is
 * for the server to say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "activity/config.h"
#include "activity/copy_file.h"
#include "activity/sql_name.h"
#include "definition/value.h"

static const char *const formats[] = {"csv", "text", "binary"};

/* What kind of value an option takes. */
typedef enum OptionKind
{
	OPTION_SCALAR, /* a word, a number, true or false */
	OPTION_COLUMNS /* names of columns, or "*" */
} OptionKind;

static const struct
{
	const char *name;
	OptionKind kind;
} options[] =
	{{"header", OPTION_SCALAR},       {"delimiter", OPTION_SCALAR},
	 {"null", OPTION_SCALAR},         {"quote", OPTION_SCALAR},
	 {"escape", OPTION_SCALAR},       {"encoding", OPTION_SCALAR},
	 {"force_quote", OPTION_COLUMNS}, {"force_not_null", OPTION_COLUMNS},
	 {"force_null", OPTION_COLUMNS},  {"freeze", OPTION_SCALAR},
	 {"default", OPTION_SCALAR},      {"on_error", OPTION_SCALAR},
	 {"reject_limit", OPTION_SCALAR}, {"log_verbosity", OPTION_SCALAR}};

static Jsonb *check_options(JsonReader *reader, const TemplateScope *scope);
static void check_option(JsonReader *reader, int option);
static bool is_column_list(const JsonbValue *value);
static void append_options(StringInfo sql, ActivityCall *call,
						   const CopyFile *file);
static void append_option(StringInfo sql, int option, JsonbValue *value);
static void append_columns(StringInfo sql, JsonbValue *value);
static int64 file_size(const char *path);

CopyFile *
copy_file_check(JsonReader *reader, const TemplateScope *scope)
{
	CopyFile *file = palloc0(sizeof(CopyFile));

	file->path = config_template(reader, "file", TEMPLATE_TEXT, scope, true);
	file->format = reader_choice(reader, "format", formats, lengthof(formats),
								 0);
	file->options = check_options(reader, scope);
	return file;
}

static Jsonb *
check_options(JsonReader *reader, const TemplateScope *scope)
{
	JsonReader *inside = reader_object(reader, "options", false);
	JsonbValue *value;

	if (inside == NULL)
		return NULL;
	for (int i = 0; i < lengthof(options); i++)
		check_option(inside, i);
	reader_close(inside);

	value = reader_value(reader, "options");
	template_check_json(value, scope, reader->problems, inside->path);
	return JsonbValueToJsonb(value);
}

static void
check_option(JsonReader *reader, int option)
{
	JsonbValue *value = reader_value(reader, options[option].name);
	bool takes_columns = options[option].kind == OPTION_COLUMNS;
	bool fits;

	if (value == NULL)
		return;
	if (takes_columns)
		fits = value->type == jbvString || is_column_list(value);
	else
		fits = value->type == jbvString || value->type == jbvBool ||
			value->type == jbvNumeric;
	if (!fits)
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, options[option].name), NULL,
					"must be %s, not %s",
					takes_columns ? "an array of column names, or \"*\"" :
									"text, a number, true or false",
					json_type_name(value));
}

static bool
is_column_list(const JsonbValue *value)
{
	JsonbContainer *array;

	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
		return false;
	array = value->val.binary.data;
	for (uint32 i = 0; i < JsonContainerSize(array); i++)
	{
		if (getIthJsonbValueFromContainer(array, i)->type != jbvString)
			return false;
	}
	return JsonContainerSize(array) > 0;
}

void
copy_file_read(ActivityCall *call, const CopyFile *file, const char *table,
			   List *columns, CopyCounts *counts)
{
	char *path = call_render(call, file->path);
	StringInfoData sql;
	StatementResult result;

	initStringInfo(&sql);
	appendStringInfo(&sql, "COPY %s", table);
	if (columns != NIL)
		appendStringInfo(&sql, " (%s)", column_list(columns, NULL));
	appendStringInfo(&sql, " FROM %s", quote_literal_cstr(path));
	append_options(&sql, call, file);
	statement_run(sql.data, NULL, &result);
	counts->rows_read = result.processed;
	counts->rows_written = result.processed;
	counts->bytes = file_size(path);
}

void
copy_file_write(ActivityCall *call, const CopyFile *file, const Select *query,
				CopyCounts *counts)
{
	char *path = call_render(call, file->path);
	StringInfoData sql;
	StatementResult result;

	initStringInfo(&sql);
	appendStringInfo(&sql, "COPY (\n%s\n) TO %s", query->text,
					 quote_literal_cstr(path));
	append_options(&sql, call, file);
	statement_run(sql.data, NULL, &result);
	counts->rows_read = result.processed;
	counts->rows_written = result.processed;
	counts->bytes = file_size(path);
}

static void
append_options(StringInfo sql, ActivityCall *call, const CopyFile *file)
{
	Jsonb *rendered;

	appendStringInfo(sql, " WITH (FORMAT %s", formats[file->format]);
	if (file->options != NULL)
	{
		rendered = template_render_json(file->options, call_context(call));
		for (int i = 0; i < lengthof(options); i++)
		{
			JsonbValue name = {.type = jbvString};
			JsonbValue *value;

			name.val.string.val = unconstify(char *, options[i].name);
			name.val.string.len = strlen(options[i].name);
			value = findJsonbValueFromContainer(&rendered->root, JB_FOBJECT,
												&name);
			if (value != NULL)
				append_option(sql, i, value);
		}
	}
	appendStringInfoChar(sql, ')');
}

static void
append_option(StringInfo sql, int option, JsonbValue *value)
{
	appendStringInfo(sql, ", %s ", options[option].name);
	if (options[option].kind == OPTION_COLUMNS)
		append_columns(sql, value);
	else
		appendStringInfoString(sql, quote_literal_cstr(value_plain(value)));
}

static void
append_columns(StringInfo sql, JsonbValue *value)
{
	if (!is_column_list(value))
	{
		char *text = value_plain(value);

		if (strcmp(text, "*") == 0)
			appendStringInfoChar(sql, '*');
		else
			appendStringInfo(sql, "(%s)", quote_literal_cstr(text));
		return;
	}
	for (uint32 i = 0; i < JsonContainerSize(value->val.binary.data); i++)
	{
		JsonbValue
			*column = getIthJsonbValueFromContainer(value->val.binary.data, i);

		appendStringInfo(sql, "%s%s", i > 0 ? ", " : "(",
						 quote_literal_cstr(value_plain(column)));
	}
	appendStringInfoChar(sql, ')');
}

/*
 * The current user has just read or written the file, so this tells nothing
 * that they could not know.  -1 if it is gone by now.
 */
static int64
file_size(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return -1;
	return status.st_size;
}

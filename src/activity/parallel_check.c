/*-------------------------------------------------------------------------
 *
 * parallel_check.c
 *	  The own keys of a parallel activity: read and checked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "activity/config.h"
#include "activity/parallel.h"
#include "activity/parallel_config.h"
#include "activity/select.h"
#include "activity/sql_name.h"
#include "definition/catch.h"

#define MAX_WORKERS_PER_INSTANCE 10000
#define MAX_INSTANCES            1000
#define MAX_RETRIES              1000
#define MAX_TIMEOUT              259200 /* seconds */

#define DEFAULT_MAX_RETRIES      2
#define DEFAULT_TIMEOUT          60  /* seconds */
#define DEFAULT_OVERHEAD_TIMEOUT 600 /* seconds */
#define DEFAULT_MONITOR_INTERVAL 600 /* seconds */

/* Where texts are read: who is told of problems, and what the texts may name. */
typedef struct Place
{
	JsonReader *reader;
	const TemplateScope *scope;
} Place;

typedef struct SizeInput
{
	const char *text;
	int64 bytes;
} SizeInput;

static void read_input(ParallelConfig *config, const Place *place);
static void check_files(const Template *files, JsonReader *input);
static void read_division(ParallelConfig *config, const Place *place);
static void read_size(ParallelConfig *config, const Place *place);
static void read_keys(ParallelConfig *config, JsonReader *reader);
static List *read_columns(JsonReader *reader, const char *key);
static void read_statements(ParallelConfig *config, const Place *place);
static void check_run(const ParallelConfig *config, const Place *place);
static void parse_run(void *arg);
static void read_workers(ParallelConfig *config, JsonReader *reader);
static void read_timeouts(ParallelConfig *config, JsonReader *reader);
static void read_retry_settings(ParallelConfig *config, JsonReader *reader);
static void read_thresholds(ParallelConfig *config, JsonReader *reader);
static void read_logging(ParallelConfig *config, JsonReader *reader);
static const char *size_hint(bool of_files);
static int64 read_seconds(JsonReader *reader, const char *key, int64 fallback);
static int count_cores(void);
static bool parse_count(const char *text, const char *unit, int64 *count);
static void parse_bytes(void *arg);

void *
parallel_check(JsonReader *reader, ActivityDef *def,
			   const TemplateScope *scope)
{
	ParallelConfig *config = palloc0(sizeof(ParallelConfig));
	Place place = {reader, scope};

	read_input(config, &place);
	read_division(config, &place);
	read_statements(config, &place);
	read_workers(config, reader);
	read_timeouts(config, reader);
	read_retry_settings(config, reader);
	read_thresholds(config, reader);
	read_logging(config, reader);
	return config;
}

static void
read_input(ParallelConfig *config, const Place *place)
{
	JsonReader *input = reader_object(place->reader, "input", true);

	if (input == NULL)
		return;
	config->table = config_template(input, "table", TEMPLATE_TEXT,
									place->scope, false);
	table_name_check(config->table, input->problems,
					 reader_path(input, "table"));
	config->query = config_template(input, "query", TEMPLATE_SQL, place->scope,
									false);
	select_check(config->query, input->problems, reader_path(input, "query"));
	config->files = config_template(input, "files", TEMPLATE_TEXT,
									place->scope, false);
	check_files(config->files, input);
	if (reader_has(input, "table") + reader_has(input, "query") +
			reader_has(input, "files") !=
		1)
		problem_add(input->problems, PROBLEM_ERROR, input->path, NULL,
					"needs either \"table\", \"query\" or \"files\"");
	reader_close(input);
}

static void
check_files(const Template *files, JsonReader *input)
{
	if (files != NULL && template_is_constant(files) &&
		!is_absolute_path(template_source(files)))
		problem_add(input->problems, PROBLEM_ERROR,
					reader_path(input, "files"), NULL,
					"must be an absolute path, with wildcards");
	if (files != NULL &&
		!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		problem_add(input->problems, PROBLEM_WARNING,
					reader_path(input, "files"),
					psprintf(LIST_FILES_HINT,
							 GetUserNameFromId(GetUserId(), false)),
					"role \"%s\" may not list files of the server",
					GetUserNameFromId(GetUserId(), false));
}

static void
read_division(ParallelConfig *config, const Place *place)
{
	read_size(config, place);
	read_keys(config, place->reader);
	if (config->size != NULL && config->partition_keys != NIL)
		problem_add(place->reader->problems, PROBLEM_ERROR,
					reader_path(place->reader, "partition_keys"), NULL,
					"cannot stand beside \"mini_batch_size\"");
}

static void
read_size(ParallelConfig *config, const Place *place)
{
	JsonbValue *value = reader_value(place->reader, "mini_batch_size");
	BatchSize size;
	char *message;

	if (value != NULL && value->type == jbvNumeric)
	{
		problem_add(place->reader->problems, PROBLEM_ERROR,
					reader_path(place->reader, "mini_batch_size"),
					size_hint(config->files != NULL),
					"must be text that names a unit, not a number");
		return;
	}
	config->size = config_template(place->reader, "mini_batch_size",
								   TEMPLATE_TEXT, place->scope, false);
	if (config->size == NULL || !template_is_constant(config->size))
		return;
	if (!batch_size_parse(template_source(config->size), config->files != NULL,
						  &size, &message))
		problem_add(place->reader->problems, PROBLEM_ERROR,
					reader_path(place->reader, "mini_batch_size"),
					size_hint(config->files != NULL), "%s", message);
}

static void
read_keys(ParallelConfig *config, JsonReader *reader)
{
	config->partition_keys = read_columns(reader, "partition_keys");
	config->columns = read_columns(reader, "columns");
	if (reader_has(reader, "columns") && config->partition_keys == NIL)
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "columns"), NULL,
					"needs \"partition_keys\"");
	if (list_length(config->partition_keys) > MAX_BATCH_KEYS)
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "partition_keys"), NULL,
					"must be %d columns at most", MAX_BATCH_KEYS);
}

/* Names, each there once; NIL where there are none. */
static List *
read_columns(JsonReader *reader, const char *key)
{
	List *names = reader_texts(reader, key, false);
	ListCell *cell;
	ListCell *other;

	if (reader_has(reader, key) && names == NIL)
		problem_add(reader->problems, PROBLEM_ERROR, reader_path(reader, key),
					NULL, "must name a column");
	foreach(cell, names)
		for_each_cell(other, names, lnext(names, cell))
			if (strcmp(lfirst(cell), lfirst(other)) == 0)
				problem_add(reader->problems, PROBLEM_ERROR,
							reader_path(reader, key), NULL,
							"\"%s\" is there twice", (char *) lfirst(cell));
	return names;
}

static void
read_statements(ParallelConfig *config, const Place *place)
{
	JsonReader *reader = place->reader;
	TemplateScope in_batch = *place->scope;

	in_batch.batch = list_concat_copy(list_make2("number", "items"),
									  config->partition_keys);
	config->init = config_template(reader, "init", TEMPLATE_SQL, place->scope,
								   false);
	config->run = config_template(reader, "run", TEMPLATE_SQL, &in_batch,
								  true);
	config->shutdown = config_template(reader, "shutdown", TEMPLATE_SQL,
									   place->scope, false);
	config->append_to = config_template(reader, "append_row_to", TEMPLATE_TEXT,
										place->scope, false);
	table_name_check(config->append_to, reader->problems,
					 reader_path(reader, "append_row_to"));
	if (config->run != NULL && template_is_constant(config->run))
		check_run(config, place);
}

/* A statement with placeholders can only be parsed when it runs. */
static void
check_run(const ParallelConfig *config, const Place *place)
{
	char *message;

	if (!catch_errors(parse_run,
					  unconstify(char *, template_source(config->run)),
					  &message))
		problem_add(place->reader->problems, PROBLEM_ERROR,
					reader_path(place->reader, "run"), NULL, "%s", message);
}

static void
parse_run(void *arg)
{
	(void) batch_statement_parse(arg);
}

static void
read_workers(ParallelConfig *config, JsonReader *reader)
{
	config->max_workers = reader_int(reader, "max_concurrency_per_instance",
									 count_cores(), 1,
									 MAX_WORKERS_PER_INSTANCE);
	config->max_workers *= reader_int(reader, "instance_count", 1, 1,
									  MAX_INSTANCES);
}

static int
count_cores(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : Min(cores, MAX_WORKERS_PER_INSTANCE);
}

static void
read_timeouts(ParallelConfig *config, JsonReader *reader)
{
	config->overhead_timeout = read_seconds(reader, "task_overhead_timeout",
											DEFAULT_OVERHEAD_TIMEOUT);
	config->progress_timeout = read_seconds(reader, "progress_update_timeout",
											0);
	config->first_batch_timeout = read_seconds(reader,
											   "first_task_creation_timeout",
											   DEFAULT_OVERHEAD_TIMEOUT);
}

static void
read_retry_settings(ParallelConfig *config, JsonReader *reader)
{
	JsonReader *settings = reader_object(reader, "retry_settings", false);

	config->max_retries = DEFAULT_MAX_RETRIES;
	config->batch_timeout = DEFAULT_TIMEOUT * USECS_PER_SEC;
	if (settings == NULL)
		return;
	config->max_retries = reader_int(settings, "max_retries",
									 DEFAULT_MAX_RETRIES, 0, MAX_RETRIES);
	config->batch_timeout = read_seconds(settings, "timeout", DEFAULT_TIMEOUT);
	reader_close(settings);
}

static void
read_thresholds(ParallelConfig *config, JsonReader *reader)
{
	static const char *const words[] = {"items", "none"};

	config->thresholds.batches = reader_int(reader,
											"mini_batch_error_threshold", -1,
											-1, PG_INT32_MAX);
	config->thresholds.items = reader_integer(reader, "error_threshold", -1,
											  -1, PG_INT64_MAX);
	config->thresholds.percent = reader_int(reader, "allowed_failed_percent",
											100, 0, 100);
	config->compare_items = reader_choice(reader, "count", words,
										  lengthof(words),
										  config->partition_keys != NIL) == 0;
}

static void
read_logging(ParallelConfig *config, JsonReader *reader)
{
	static const char *const words[] = {"DEBUG", "INFO", "WARNING"};
	static const char *const levels[] = {"debug", "info", "warning"};
	int level = reader_choice(reader, "logging_level", words, lengthof(words),
							  -1);

	config->log_level = level < 0 ? NULL : levels[level];
	config->log_to_run = reader_bool(reader, "copy_logs_to_parent", false);
	config->monitor_interval = reader_integer(reader,
											  "resource_monitor_interval",
											  DEFAULT_MONITOR_INTERVAL, 0,
											  MAX_TIMEOUT) *
		USECS_PER_SEC;
}

static int64
read_seconds(JsonReader *reader, const char *key, int64 fallback)
{
	/* So that the fallback may be one that nobody can ask for. */
	if (!reader_has(reader, key))
		return fallback * USECS_PER_SEC;
	return reader_integer(reader, key, fallback, 1, MAX_TIMEOUT) *
		USECS_PER_SEC;
}

void
batch_size_of(const char *text, bool of_files, BatchSize *size)
{
	char *message;

	if (!batch_size_parse(text, of_files, size, &message))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"mini_batch_size\" %s", message),
				 errhint("%s", size_hint(of_files))));
}

static const char *
size_hint(bool of_files)
{
	if (of_files)
		return "Say a number of files (\"10 files\").";
	return "Say a number of rows (\"1000 rows\") or a size (\"10 MB\").";
}

bool
batch_size_parse(const char *text, bool of_files, BatchSize *size,
				 char **message)
{
	SizeInput input = {text, 0};
	const char *unit = of_files ? "file" : "row";

	memset(size, 0, sizeof(*size));
	if (parse_count(text, unit, &size->rows))
	{
		if (size->rows > 0 && size->rows < PG_INT64_MAX)
			return true;
		*message = size->rows > 0 ? psprintf("is too large: \"%s\"", text) :
									psprintf("must be at least one %s", unit);
		return false;
	}
	if (of_files)
	{
		*message = pstrdup("must be a number of files");
		return false;
	}

	/* A bare number may be meant as rows or as bytes. */
	if (text[strspn(text, "0123456789 \t.")] == '\0')
	{
		*message = pstrdup("must name its unit");
		return false;
	}
	if (!catch_errors(parse_bytes, &input, message))
		return false;
	size->bytes = input.bytes;
	if (size->bytes > 0)
		return true;
	*message = pstrdup("must be a positive size");
	return false;
}

/* A number and its unit, or units; 0, and false, if it is something else. */
static bool
parse_count(const char *text, const char *unit, int64 *count)
{
	char *end;
	size_t length;
	int64 number;

	*count = 0;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (end == text)
		return false;
	while (isspace((unsigned char) *end))
		end++;
	if (pg_strncasecmp(end, unit, strlen(unit)) != 0)
		return false;
	end += strlen(unit);
	length = strlen(end);
	while (length > 0 && isspace((unsigned char) end[length - 1]))
		length--;
	if (length > 1 || (length == 1 && pg_tolower((unsigned char) *end) != 's'))
		return false;
	*count = errno == ERANGE ? PG_INT64_MAX : number;
	return true;
}

static void
parse_bytes(void *arg)
{
	SizeInput *input = arg;

	PG_TRY();
	{
		input->bytes = DatumGetInt64(
			DirectFunctionCall1(pg_size_bytes,
								CStringGetTextDatum(input->text)));
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("is too large: \"%s\"", input->text)));
	}
	PG_END_TRY();
}

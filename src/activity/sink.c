/*-------------------------------------------------------------------------
 *
 * sink.c
 *	  Reads what a document says about a table to be written.
 *
 * sink_write.c writes it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "activity/config.h"
#include "activity/sink.h"
#include "activity/sql_name.h"
#include "definition/value.h"

const char *const sink_mode_words[] = {"append", "overwrite", "upsert",
									   "create", "update",    "delete"};

StaticAssertDecl(lengthof(sink_mode_words) == NUM_SINK_MODES,
				 "every mode has a word");

static void read_columns(Sink *sink, JsonReader *reader,
						 const TemplateScope *scope);
static void read_column(Sink *sink, JsonReader *reader, JsonbValue *value,
						const char *path, const TemplateScope *scope);
static void read_typed_column(Sink *sink, JsonReader *column,
							  const TemplateScope *scope);
static void check_key(const Sink *sink, JsonReader *reader);
static void check_types(const Sink *sink, JsonReader *reader);
static bool mode_has_key(SinkMode mode);
static List *resolve_types(List *names);

Sink *
sink_check(JsonReader *reader, const TemplateScope *scope, int nmodes)
{
	Sink *sink = palloc0(sizeof(Sink));

	sink->table = config_template(reader, "table", TEMPLATE_TEXT, scope, true);
	table_name_check(sink->table, reader->problems,
					 reader_path(reader, "table"));
	sink->mode = reader_choice(reader, "mode", sink_mode_words, nmodes,
							   SINK_APPEND);
	sink->key = config_templates(reader, "key", TEMPLATE_TEXT, scope, false);
	read_columns(sink, reader, scope);
	check_key(sink, reader);
	check_types(sink, reader);
	return sink;
}

static void
read_columns(Sink *sink, JsonReader *reader, const TemplateScope *scope)
{
	ListCell *cell;

	foreach(cell,
			config_elements(
				reader, "columns",
				"an array of names, or of objects with \"name\" and \"type\""))
		read_column(sink, reader, lfirst(cell),
					psprintf("%s[%d]", reader_path(reader, "columns"),
							 foreach_current_index(cell)),
					scope);
}

static void
read_column(Sink *sink, JsonReader *reader, JsonbValue *value,
			const char *path, const TemplateScope *scope)
{
	if (value->type == jbvString)
	{
		Template *name = config_value_template(reader, value, path,
											   TEMPLATE_TEXT, scope);

		if (name != NULL)
			sink->columns = lappend(sink->columns, name);
	}
	else
	{
		JsonReader *column = reader_open(reader->problems, value, path);

		if (column != NULL)
			read_typed_column(sink, column, scope);
	}
}

/* A type that does not exist yet may do so by the time the pipeline runs. */
static void
read_typed_column(Sink *sink, JsonReader *column, const TemplateScope *scope)
{
	Template *name = config_template(column, "name", TEMPLATE_TEXT, scope,
									 true);
	char *type = reader_text(column, "type", true);
	Oid type_id;
	int32 typmod;
	char *message;

	reader_close(column);
	if (name == NULL || type == NULL)
		return;
	if (!value_resolve_type(type, &type_id, &typmod, &message))
		problem_add(column->problems, PROBLEM_WARNING,
					reader_path(column, "type"), NULL, "%s", message);
	sink->columns = lappend(sink->columns, name);
	sink->types = lappend(sink->types, type);
}

static void
check_key(const Sink *sink, JsonReader *reader)
{
	if (mode_has_key(sink->mode) && !reader_has(reader, "key"))
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "key"),
					"Name the columns by which rows are recognized.",
					"is missing, and mode \"%s\" needs it",
					sink_mode_words[sink->mode]);
	if (!mode_has_key(sink->mode) && reader_has(reader, "key"))
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "key"), NULL,
					"is of no use with mode \"%s\"",
					sink_mode_words[sink->mode]);
}

static void
check_types(const Sink *sink, JsonReader *reader)
{
	if (sink->types == NIL)
		return;
	if (sink->mode != SINK_CREATE)
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "columns"),
					"Elsewhere \"columns\" is an array of names.",
					"must have types only with mode \"create\"");
	else if (list_length(sink->types) != list_length(sink->columns))
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "columns"), NULL,
					"must have a type for each column, or for none");
}

static bool
mode_has_key(SinkMode mode)
{
	return mode == SINK_UPSERT || mode == SINK_UPDATE || mode == SINK_DELETE;
}

SinkTarget *
sink_target(ActivityCall *call, const Sink *sink)
{
	SinkTarget *target = palloc0(sizeof(SinkTarget));

	target->mode = sink->mode;
	target->name = call_render(call, sink->table);
	target->table = table_name(target->name);
	target->key = config_render(call, sink->key);
	target->columns = config_render(call, sink->columns);
	target->types = resolve_types(sink->types);
	return target;
}

/* Types as the server writes them: nothing of that can be syntax. */
static List *
resolve_types(List *names)
{
	List *types = NIL;
	ListCell *cell;

	foreach(cell, names)
	{
		Oid type;
		int32 typmod;
		char *message;

		if (!value_resolve_type(lfirst(cell), &type, &typmod, &message))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("%s", message)));
		types = lappend(types,
						format_type_extended(type, typmod,
											 FORMAT_TYPE_TYPEMOD_GIVEN |
												 FORMAT_TYPE_FORCE_QUALIFY));
	}
	return types;
}

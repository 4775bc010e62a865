/*-------------------------------------------------------------------------
 *
 * document_declared.c
 *	  Parameters and variables of a pipeline document.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "definition/document_internal.h"
#include "definition/value.h"

static DeclaredValue *parse_declared(JsonReader *section, const char *name,
									 JsonbValue *json);
static void parse_type(JsonReader *reader, DeclaredValue *declared);
static void parse_default(JsonReader *reader, DeclaredValue *declared);
static List *path_of(const Document *document, int no);
static Jsonb *bind_types(Jsonb *json, List *path, List *declared);
static Jsonb *set_type(Jsonb *json, List *section,
					   const DeclaredValue *declared);

List *
document_parse_declared(JsonReader *parent, const char *key)
{
	JsonReader *section = reader_object(parent, key, false);
	List *declared = NIL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue value;
	char *name = NULL;

	if (section == NULL)
		return NIL;
	it = JsonbIteratorInit(section->object);
	(void) JsonbIteratorNext(&it, &value, true);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
			declared = lappend(declared,
							   parse_declared(section, name, &value));
	}
	return declared;
}

/*
 * One with a problem is declared all the same, as a text, so that placeholders
 * that name it are no further problems.
 */
static DeclaredValue *
parse_declared(JsonReader *section, const char *name, JsonbValue *json)
{
	DeclaredValue *declared = palloc0(sizeof(DeclaredValue));
	JsonReader *reader = reader_open(section->problems, json,
									 reader_path(section, name));

	Assert(name != NULL);
	declared->name = pstrdup(name);
	declared->type = TEXTOID;
	declared->typmod = -1;
	if (reader != NULL)
	{
		if (name[0] == '\0')
			problem_add(section->problems, PROBLEM_ERROR, reader->path, NULL,
						"a name cannot be empty");
		if (strcmp(section->path, "parameters") == 0)
			(void) reader_text(reader, "description", false);
		parse_type(reader, declared);
		parse_default(reader, declared);
		reader_close(reader);
	}
	declared->type_name = format_type_extended(declared->type,
											   declared->typmod,
											   FORMAT_TYPE_TYPEMOD_GIVEN |
												   FORMAT_TYPE_FORCE_QUALIFY);
	return declared;
}

static void
parse_type(JsonReader *reader, DeclaredValue *declared)
{
	char *name = reader_text(reader, "type", true);
	char *message;

	if (name == NULL)
		return;
	if (!value_resolve_type(name, &declared->type, &declared->typmod,
							&message))
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "type"), NULL, "%s", message);
}

static void
parse_default(JsonReader *reader, DeclaredValue *declared)
{
	JsonbValue *value = reader_value(reader, "default");
	char *message;

	if (value == NULL)
		return;
	declared->default_value = JsonbValueToJsonb(value);
	if (!value_fits(declared, value, &message))
		problem_add(reader->problems, PROBLEM_ERROR,
					reader_path(reader, "default"), NULL, "%s", message);
}

Jsonb *
document_bind_types(Jsonb *json, const Document *document)
{
	json = bind_types(json, list_make1("parameters"), document->parameters);
	json = bind_types(json, list_make1("variables"), document->variables);
	for (int no = 0; no < document->nactivities; no++)
	{
		ListCell *cell;

		foreach(cell, document->activities[no].bodies)
		{
			const ActivityList *body = lfirst(cell);

			if (body->variables != NIL)
				json = bind_types(json,
								  lappend(path_of(document, no), "variables"),
								  body->variables);
		}
	}
	return json;
}

/* The keys and places that lead to an activity; a list of char *. */
static List *
path_of(const Document *document, int no)
{
	const ActivityDef *def = &document->activities[no];
	const ActivityList *list = def->list;
	List *path = NIL;

	if (list->container >= 0)
		path = path_of(document, list->container);
	if (list->section != NULL)
		path = lappend(path, unconstify(char *, list->section));
	path = lappend(path,
				   list->container < 0 ? "activities" :
										 unconstify(char *, list->key));
	return lappend(path, psprintf("%d", def->position));
}

static Jsonb *
bind_types(Jsonb *json, List *path, List *declared)
{
	ListCell *cell;

	foreach(cell, declared)
	{
		const DeclaredValue *value = lfirst(cell);
		Oid element = get_element_type(value->type);

		if (value->type >= FirstNormalObjectId ||
			element >= FirstNormalObjectId)
			json = set_type(json, path, value);
	}
	return json;
}

static Jsonb *
set_type(Jsonb *json, List *section, const DeclaredValue *declared)
{
	JsonbValue type = {.type = jbvString};
	int count = list_length(section);
	Datum *steps = palloc((count + 2) * sizeof(Datum));
	ArrayType *path;
	ListCell *cell;

	type.val.string.val = declared->type_name;
	type.val.string.len = strlen(declared->type_name);
	foreach(cell, section)
		steps[foreach_current_index(cell)] = CStringGetTextDatum(lfirst(cell));
	steps[count] = CStringGetTextDatum(declared->name);
	steps[count + 1] = CStringGetTextDatum("type");
	path = construct_array(steps, count + 2, TEXTOID, -1, false, TYPALIGN_INT);
	return DatumGetJsonbP(
		DirectFunctionCall4(jsonb_set, JsonbPGetDatum(json),
							PointerGetDatum(path),
							JsonbPGetDatum(JsonbValueToJsonb(&type)),
							BoolGetDatum(false)));
}

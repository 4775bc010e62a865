/*-------------------------------------------------------------------------
 *
 * value.c
 *	  JSON values as values of SQL types: parameters and variables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parse_type.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "definition/catch.h"
#include "definition/document.h"
#include "definition/value.h"

typedef struct TypeSearch
{
	const char *name;
	Oid type;
	int32 typmod;
} TypeSearch;

typedef struct InputTrial
{
	const DeclaredValue *declared;
	char *text;
} InputTrial;

static void find_type(void *arg);
static bool is_json_type(Oid type);
static char *array_literal(Oid element_type, JsonbValue *array);
static void append_element(StringInfo literal, Oid element_type,
						   JsonbValue *element);
static void append_quoted(StringInfo literal, const char *value);
static char type_delimiter(Oid type);
static bool input_is_servers_own(Oid type);
static void try_input(void *arg);

bool
value_resolve_type(const char *name, Oid *type, int32 *typmod, char **message)
{
	TypeSearch search = {.name = name};

	if (strspn(name, " \t\n\r\f\v") == strlen(name))
	{
		*message = "must name a type";
		return false;
	}
	if (!catch_errors(find_type, &search, message))
		return false;
	if (get_typtype(search.type) == TYPTYPE_PSEUDO)
	{
		*message = psprintf("no value can have the type \"%s\"", name);
		return false;
	}
	*type = search.type;
	*typmod = search.typmod;
	return true;
}

static void
find_type(void *arg)
{
	TypeSearch *search = arg;
	List *parsed = raw_parser(search->name, RAW_PARSE_TYPE_NAME);
	TypeName *type_name = linitial_node(TypeName, parsed);

	/* A column's type could change under the pipeline. */
	if (type_name->setof || type_name->pct_type)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("invalid type name \"%s\"", search->name)));
	typenameTypeIdAndMod(NULL, type_name, &search->type, &search->typmod);
}

char *
value_input_text(Oid type, JsonbValue *value)
{
	Oid base = getBaseType(type);
	Oid element = get_element_type(base);

	if (value->type == jbvNull)
		return NULL;
	if (is_json_type(base))
		return value_json(value);
	if (OidIsValid(element) && value->type == jbvBinary &&
		JsonContainerIsArray(value->val.binary.data))
		return array_literal(element, value);
	return value_plain(value);
}

static bool
is_json_type(Oid type)
{
	return type == JSONOID || type == JSONBOID;
}

static char *
array_literal(Oid element_type, JsonbValue *array)
{
	JsonbContainer *container = array->val.binary.data;
	char delimiter = type_delimiter(element_type);
	StringInfoData literal;

	check_stack_depth();
	initStringInfo(&literal);
	appendStringInfoChar(&literal, '{');
	for (uint32 i = 0; i < JsonContainerSize(container); i++)
	{
		if (i > 0)
			appendStringInfoChar(&literal, delimiter);
		append_element(&literal, element_type,
					   getIthJsonbValueFromContainer(container, i));
	}
	appendStringInfoChar(&literal, '}');
	return literal.data;
}

/* An array within an array is a further dimension, but for arrays of JSON. */
static void
append_element(StringInfo literal, Oid element_type, JsonbValue *element)
{
	if (element->type == jbvNull)
		appendStringInfoString(literal, "NULL");
	else if (element->type == jbvBinary &&
			 JsonContainerIsArray(element->val.binary.data) &&
			 !is_json_type(getBaseType(element_type)))
		appendStringInfoString(literal, array_literal(element_type, element));
	else
		append_quoted(literal, value_input_text(element_type, element));
}

static void
append_quoted(StringInfo literal, const char *value)
{
	appendStringInfoChar(literal, '"');
	for (const char *c = value; *c != '\0'; c++)
	{
		if (*c == '"' || *c == '\\')
			appendStringInfoChar(literal, '\\');
		appendStringInfoChar(literal, *c);
	}
	appendStringInfoChar(literal, '"');
}

static char
type_delimiter(Oid type)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	char delimiter = ',';

	if (HeapTupleIsValid(tuple))
	{
		delimiter = ((Form_pg_type) GETSTRUCT(tuple))->typdelim;
		ReleaseSysCache(tuple);
	}
	return delimiter;
}

bool
value_fits(const DeclaredValue *declared, JsonbValue *value, char **message)
{
	InputTrial trial = {.declared = declared};

	if (value->type == jbvNull || !input_is_servers_own(declared->type))
		return true;
	trial.text = value_input_text(declared->type, value);
	return catch_errors(try_input, &trial, message);
}

/*
 * Domains run checks, composite types and arrays the input of other types, and
 * what the reg types name may be made by the run itself.
 */
static bool
input_is_servers_own(Oid type)
{
	Oid element = get_element_type(type);
	Oid scalar = OidIsValid(element) ? element : type;

	if (scalar >= FirstNormalObjectId || get_typtype(scalar) != TYPTYPE_BASE)
		return false;
	switch (scalar)
	{
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGNAMESPACEOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGROLEOID:
		case REGTYPEOID:
			return false;
		default:
			return true;
	}
}

static void
try_input(void *arg)
{
	InputTrial *trial = arg;
	Oid function;
	Oid io_param;

	getTypeInputInfo(trial->declared->type, &function, &io_param);
	(void) OidInputFunctionCall(function, trial->text, io_param,
								trial->declared->typmod);
}

void
value_of_jsonb(Jsonb *jsonb, JsonbValue *value)
{
	if (JB_ROOT_IS_SCALAR(jsonb))
	{
		JsonbExtractScalar(&jsonb->root, value);
		return;
	}
	value->type = jbvBinary;
	value->val.binary.data = &jsonb->root;
	value->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
}

char *
value_json(JsonbValue *value)
{
	Jsonb *jsonb = JsonbValueToJsonb(value);

	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

char *
value_plain(JsonbValue *value)
{
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	return value_json(value);
}

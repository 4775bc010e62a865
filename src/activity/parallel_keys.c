/*-------------------------------------------------------------------------
 *
 * parallel_keys.c
 *	  The columns by which a parallel activity partitions its input.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/typcache.h"

#include "activity/parallel_keys.h"

static void prepare_key(BatchKey *key, TupleDesc rows, const char *name);
static AttrNumber find_column(TupleDesc rows, const char *name);
static char *column_names(TupleDesc rows);
static void prepare_to_jsonb(BatchKey *key, Oid type, int32 typmod);
static void push_key(JsonbParseState **state, BatchKey *key,
					 TupleTableSlot *row);

BatchKeys *
batch_keys_create(TupleDesc rows, List *names)
{
	BatchKeys *keys = palloc0(offsetof(BatchKeys, keys) +
								  list_length(names) * sizeof(BatchKey));
	ListCell   *cell;

	foreach(cell, names)
		prepare_key(&keys->keys[keys->n++], rows, lfirst(cell));
	return keys;
}

static void
prepare_key(BatchKey *key, TupleDesc rows, const char *name)
{
	Form_pg_attribute attribute;
	TypeCacheEntry *type;

	key->name = pstrdup(name);
	key->column = find_column(rows, name);
	attribute = TupleDescAttr(rows, key->column - 1);
	key->collation = attribute->attcollation;
	key->by_value = attribute->attbyval;
	key->length = attribute->attlen;

	type = lookup_type_cache(attribute->atttypid, TYPECACHE_EQ_OPR_FINFO);
	if (!OidIsValid(type->eq_opr_finfo.fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("partition key \"%s\" is of type %s, whose values cannot be compared",
						name, format_type_be(attribute->atttypid))));
	fmgr_info_copy(&key->equal, &type->eq_opr_finfo, CurrentMemoryContext);
	prepare_to_jsonb(key, attribute->atttypid, attribute->atttypmod);
}

static AttrNumber
find_column(TupleDesc rows, const char *name)
{
	int			i;

	for (i = 0; i < rows->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(rows, i);

		if (!column->attisdropped && strcmp(NameStr(column->attname), name) == 0)
			return column->attnum;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("partition key \"%s\" is no column of the input", name),
			 errhint("Its columns are: %s.", column_names(rows))));
}

static char *
column_names(TupleDesc rows)
{
	StringInfoData names;
	int			i;

	initStringInfo(&names);
	for (i = 0; i < rows->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(rows, i);

		if (!column->attisdropped)
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
							 NameStr(column->attname));
	}
	return names.data;
}

/* The function learns the type of its argument from an expression. */
static void
prepare_to_jsonb(BatchKey *key, Oid type, int32 typmod)
{
	Const	   *argument = makeConst(type, typmod, key->collation, key->length,
									 (Datum) 0, true, key->by_value);
	FuncExpr   *call = makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
									InvalidOid, key->collation,
									COERCE_EXPLICIT_CALL);

	fmgr_info(F_TO_JSONB, &key->to_jsonb);
	fmgr_info_set_expr((Node *) call, &key->to_jsonb);
}

bool
batch_key_equal(BatchKey *key, Datum a, bool a_is_null, Datum b,
					bool b_is_null)
{
	if (a_is_null || b_is_null)
		return a_is_null && b_is_null;
	return DatumGetBool(FunctionCall2Coll(&key->equal, key->collation, a, b));
}

Jsonb *
batch_keys_jsonb(BatchKeys *keys, TupleTableSlot *row)
{
	JsonbParseState *state = NULL;
	int			i;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < keys->n; i++)
		push_key(&state, &keys->keys[i], row);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
push_key(JsonbParseState **state, BatchKey *key, TupleTableSlot *row)
{
	JsonbValue	name;
	JsonbValue	value;
	Jsonb	   *jsonb;
	bool		is_null;
	Datum		datum = slot_getattr(row, key->column, &is_null);

	name.type = jbvString;
	name.val.string.val = unconstify(char *, key->name);
	name.val.string.len = strlen(key->name);
	pushJsonbValue(state, WJB_KEY, &name);

	value.type = jbvNull;
	if (!is_null)
	{
		jsonb = DatumGetJsonbP(FunctionCall1(&key->to_jsonb, datum));
		if (!JsonbExtractScalar(&jsonb->root, &value))
		{
			value.type = jbvBinary;
			value.val.binary.data = &jsonb->root;
			value.val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
		}
	}
	pushJsonbValue(state, WJB_VALUE, &value);
}

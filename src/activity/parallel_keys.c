/*-------------------------------------------------------------------------
 *
 * parallel_keys.c
 *	  The columns by which a parallel activity partitions its input.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

#include "activity/parallel_keys.h"

static void prepare_key(BatchKey *key, TupleDesc rows, const char *name);
static bool equal_by_image(const TypeCacheEntry *type, Oid collation);
static bool is_same_json(const BatchKey *key, Oid type);
static AttrNumber find_column(TupleDesc rows, const char *name);
static void prepare_to_jsonb(BatchKey *key, Oid type, int32 typmod);
static uint64 hash_key(BatchKey *key, Datum value);
static uint64 mix(uint64 bits);
static uint64 bits_of(const BatchKey *key, Datum value);
static bool same_image(Datum a, Datum b);
static void push_key(JsonbParseState **state, BatchKey *key,
					 TupleTableSlot *row);
static void push_name(JsonbParseState **state, const char *name);
static void push_sample(JsonbParseState **state, Oid type);

BatchKeys *
batch_keys_create(TupleDesc rows, List *names)
{
	BatchKeys *keys = palloc0(offsetof(BatchKeys, keys) +
							  list_length(names) * sizeof(BatchKey));
	ListCell *cell;

	keys->can_hash = true;
	keys->same_json = true;
	foreach(cell, names)
	{
		BatchKey *key = &keys->keys[keys->n++];

		prepare_key(key, rows, lfirst(cell));
		keys->same_json &=
			is_same_json(key, TupleDescAttr(rows, key->column - 1)->atttypid);
		keys->can_hash &= key->by_image || OidIsValid(key->hash.fn_oid);
	}
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

	type = lookup_type_cache(attribute->atttypid,
							 TYPECACHE_EQ_OPR_FINFO |
								 TYPECACHE_HASH_EXTENDED_PROC_FINFO |
								 TYPECACHE_BTREE_OPFAMILY);
	if (!OidIsValid(type->eq_opr_finfo.fn_oid))
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg(
				 "partition key \"%s\" is of type %s, whose values cannot be compared",
				 name, format_type_be(attribute->atttypid))));
	fmgr_info_copy(&key->equal, &type->eq_opr_finfo, CurrentMemoryContext);
	if (OidIsValid(type->hash_extended_proc_finfo.fn_oid))
		fmgr_info_copy(&key->hash, &type->hash_extended_proc_finfo,
					   CurrentMemoryContext);
	key->by_image = (key->by_value || key->length == -1) &&
		equal_by_image(type, key->collation);
	prepare_to_jsonb(key, attribute->atttypid, attribute->atttypmod);
}

/*
 * Types whose equal values an index may keep only once can be hashed and
 * compared by their bytes, without a call.  Many releases of the server count
 * bpchar among them, whose trailing blanks are not compared.
 */
static bool
equal_by_image(const TypeCacheEntry *type, Oid collation)
{
	Oid proc;

	if (!OidIsValid(type->btree_opf) || type->btree_opintype == BPCHAROID)
		return false;
	proc = get_opfamily_proc(type->btree_opf, type->btree_opintype,
							 type->btree_opintype, BTEQUALIMAGE_PROC);
	return OidIsValid(proc) &&
		DatumGetBool(
			   OidFunctionCall1Coll(proc, collation,
									ObjectIdGetDatum(type->btree_opintype)));
}

/*
 * Are values equal exactly if their JSON is?  Not text with a nondeterministic
 * collation, for one, nor JSON, which has its own null; nor timestamps with
 * time zone, which depend on the session's.
 */
static bool
is_same_json(const BatchKey *key, Oid type)
{
	switch (getBaseType(type))
	{
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
			return true;
		case BPCHAROID:
		case TIMESTAMPTZOID:
			return false;
		default:
			return key->by_image;
	}
}

static AttrNumber
find_column(TupleDesc rows, const char *name)
{
	int i;

	for (i = 0; i < rows->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(rows, i);

		if (!column->attisdropped &&
			strcmp(NameStr(column->attname), name) == 0)
			return column->attnum;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("partition key \"%s\" is no column of the input", name),
			 errhint("Its columns are: %s.", batch_column_names(rows))));
}

char *
batch_column_names(TupleDesc rows)
{
	StringInfoData names;
	int i;

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
	Const *argument = makeConst(type, typmod, key->collation, key->length,
								(Datum) 0, true, key->by_value);
	FuncExpr *call = makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
								  InvalidOid, key->collation,
								  COERCE_EXPLICIT_CALL);

	fmgr_info(F_TO_JSONB, &key->to_jsonb);
	fmgr_info_set_expr((Node *) call, &key->to_jsonb);
}

void
batch_keys_of_row(const BatchKeys *keys, TupleTableSlot *row, Datum *values,
				  bool *nulls)
{
	int i;

	for (i = 0; i < keys->n; i++)
		values[i] = slot_getattr(row, keys->keys[i].column, &nulls[i]);
}

void
batch_keys_of_tuple(const BatchKeys *keys, HeapTuple tuple, TupleDesc columns,
					Datum *values, bool *nulls)
{
	int i;

	for (i = 0; i < keys->n; i++)
		values[i] = heap_getattr(tuple, keys->keys[i].column, columns,
								 &nulls[i]);
}

uint64
batch_keys_hash(BatchKeys *keys, const Datum *values, const bool *nulls)
{
	uint64 hash = 0;
	int i;

	for (i = 0; i < keys->n; i++)
		hash = mix(hash_combine64(hash,
								  nulls[i] ?
									  0 :
									  hash_key(&keys->keys[i], values[i])));
	return hash;
}

static uint64
hash_key(BatchKey *key, Datum value)
{
	struct varlena *text;
	uint64 hash;

	if (!key->by_image)
		return DatumGetUInt64(FunctionCall2Coll(&key->hash, key->collation,
												value, Int64GetDatum(0)));
	if (key->by_value)
		return bits_of(key, value);
	text = PG_DETOAST_DATUM_PACKED(value);
	hash = hash_bytes_extended((unsigned char *) VARDATA_ANY(text),
							   VARSIZE_ANY_EXHDR(text), 0);
	if ((Pointer) text != DatumGetPointer(value))
		pfree(text);
	return hash;
}

/* Spreads a difference in a few bits over all of them. */
static uint64
mix(uint64 bits)
{
	bits ^= bits >> 33;
	bits *= UINT64CONST(0xff51afd7ed558ccd);
	bits ^= bits >> 33;
	bits *= UINT64CONST(0xc4ceb9fe1a85ec53);
	bits ^= bits >> 33;
	return bits;
}

/* The bits of a datum that its type uses. */
static uint64
bits_of(const BatchKey *key, Datum value)
{
	switch (key->length)
	{
		case 1:
			return (uint8) value;
		case 2:
			return (uint16) value;
		case 4:
			return (uint32) value;
		default:
			return (uint64) value;
	}
}

bool
batch_key_equal(BatchKey *key, Datum a, bool a_is_null, Datum b,
				bool b_is_null)
{
	if (a_is_null || b_is_null)
		return a_is_null && b_is_null;
	if (key->by_image)
		return key->by_value ? bits_of(key, a) == bits_of(key, b) :
							   same_image(a, b);
	return DatumGetBool(FunctionCall2Coll(&key->equal, key->collation, a, b));
}

static bool
same_image(Datum a, Datum b)
{
	struct varlena *first = PG_DETOAST_DATUM_PACKED(a);
	struct varlena *second = PG_DETOAST_DATUM_PACKED(b);
	Size length = VARSIZE_ANY_EXHDR(first);
	bool same = length == VARSIZE_ANY_EXHDR(second) &&
		memcmp(VARDATA_ANY(first), VARDATA_ANY(second), length) == 0;

	if ((Pointer) first != DatumGetPointer(a))
		pfree(first);
	if ((Pointer) second != DatumGetPointer(b))
		pfree(second);
	return same;
}

Jsonb *
batch_keys_jsonb(BatchKeys *keys, TupleTableSlot *row)
{
	JsonbParseState *state = NULL;
	int i;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < keys->n; i++)
		push_key(&state, &keys->keys[i], row);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
push_key(JsonbParseState **state, BatchKey *key, TupleTableSlot *row)
{
	JsonbValue value;
	Jsonb *jsonb;
	bool is_null;
	Datum datum;

	/* As with DROP TYPE ... CASCADE, between two mini-batches. */
	if (TupleDescAttr(row->tts_tupleDescriptor, key->column - 1)->attisdropped)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("partition key \"%s\" was dropped", key->name)));
	datum = slot_getattr(row, key->column, &is_null);
	push_name(state, key->name);
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

static void
push_name(JsonbParseState **state, const char *name)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, name);
	value.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &value);
}

Jsonb *
batch_keys_sample(TupleDesc rows, List *names)
{
	JsonbParseState *state = NULL;
	ListCell *cell;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	foreach(cell, names)
	{
		AttrNumber column = find_column(rows, lfirst(cell));

		push_name(&state, lfirst(cell));
		push_sample(&state, TupleDescAttr(rows, column - 1)->atttypid);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
push_sample(JsonbParseState **state, Oid type)
{
	JsonbValue value;

	value.type = jbvNull;
	switch (getBaseType(type))
	{
		case BOOLOID:
			value.type = jbvBool;
			value.val.boolean = false;
			break;
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			value.type = jbvNumeric;
			value.val.numeric = int64_to_numeric(0);
			break;
	}
	pushJsonbValue(state, WJB_VALUE, &value);
}

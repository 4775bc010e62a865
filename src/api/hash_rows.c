/*-------------------------------------------------------------------------
 *
 * hash_rows.c
 *	  The aggregate that recognizes the content of a table.
 *
 * Each row is hashed as it is stored, without compression, and the hashes of
 * all rows are added up: so their order does not matter, nor who reads which
 * of them in a parallel query, and a row that is there twice counts twice.  Two
 * values that are equal and look different, such as 1.0 and 1.00, differ.
 *
 * The hash keeps accidents out, not attackers: whoever can choose rows so that
 * two contents have the same hash can only fool his own pipelines.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Odd numbers without a pattern. */
#define FACTOR_WORD UINT64CONST(0x9E3779B97F4A7C15)
#define FACTOR_LOW  UINT64CONST(0xC2B2AE3D27D4EB4F)
#define FACTOR_HIGH UINT64CONST(0xD6E8FEB86659FD93)
#define SEED_LOW    UINT64CONST(0x243F6A8885A308D3)
#define SEED_HIGH   UINT64CONST(0x13198A2E03707344)
#define NULL_WORD   UINT64CONST(0xA4093822299F31D0)

/* Of a row while it is hashed, or of all rows. */
typedef struct Hash
{
	uint64 low;
	uint64 high;
} Hash;

typedef struct HashState
{
	uint64 rows;
	Hash sum;
} HashState;

/* How a column's values are stored. */
typedef struct HashColumn
{
	int16 length;
	bool by_value;
	bool composite;
} HashColumn;

static HashState *state_of(FunctionCallInfo fcinfo);
static const HashColumn *columns_of(FunctionCallInfo fcinfo);
static bool is_composite(Oid type);
static void hash_value(Hash *hash, const HashColumn *column, Datum value);
static void hash_varlena(Hash *hash, const HashColumn *column, Datum value);
static void hash_bytes_of(Hash *hash, const char *data, Size length);
static inline void hash_word(Hash *hash, uint64 word);
static inline uint64 rotate(uint64 word, int bits);
static inline uint64 scatter(uint64 word);

PG_FUNCTION_INFO_V1(mlpipe_hash_rows_add);
Datum
mlpipe_hash_rows_add(PG_FUNCTION_ARGS)
{
	HashState *state = state_of(fcinfo);
	const HashColumn *columns = columns_of(fcinfo);
	Hash hash = {SEED_LOW, SEED_HIGH};

	for (int i = 1; i < PG_NARGS(); i++)
	{
		if (PG_ARGISNULL(i))
			hash_word(&hash, NULL_WORD);
		else
			hash_value(&hash, &columns[i], PG_GETARG_DATUM(i));
	}
	state->rows++;
	state->sum.low += scatter(hash.low);
	state->sum.high += scatter(hash.high ^ hash.low);
	PG_RETURN_POINTER(state);
}

static HashState *
state_of(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!PG_ARGISNULL(0))
		return (HashState *) PG_GETARG_POINTER(0);
	if (!AggCheckCallContext(fcinfo, &context))
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg(
				 "this function can only be called by the aggregate mlpipe.hash_rows")));
	return MemoryContextAllocZero(context, sizeof(HashState));
}

/* Looked up once in a statement. */
static const HashColumn *
columns_of(FunctionCallInfo fcinfo)
{
	HashColumn *columns = fcinfo->flinfo->fn_extra;

	if (columns != NULL)
		return columns;
	columns = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt,
								 PG_NARGS() * sizeof(HashColumn));
	for (int i = 1; i < PG_NARGS(); i++)
	{
		Oid type = get_fn_expr_argtype(fcinfo->flinfo, i);

		if (!OidIsValid(type))
			elog(ERROR, "could not determine the type of an argument");
		get_typlenbyval(type, &columns[i].length, &columns[i].by_value);
		columns[i].composite = is_composite(type);
	}
	fcinfo->flinfo->fn_extra = columns;
	return columns;
}

static bool
is_composite(Oid type)
{
	Oid base = getBaseType(type);

	return base == RECORDOID || get_typtype(base) == TYPTYPE_COMPOSITE;
}

static void
hash_value(Hash *hash, const HashColumn *column, Datum value)
{
	if (column->by_value)
		hash_word(hash, (uint64) value);
	else if (column->length == -1)
		hash_varlena(hash, column, value);
	else if (column->length == -2)
		hash_bytes_of(hash, DatumGetCString(value),
					  strlen(DatumGetCString(value)));
	else
		hash_bytes_of(hash, DatumGetPointer(value), column->length);
}

/* What stands before the columns of a row value depends on the session. */
static void
hash_varlena(Hash *hash, const HashColumn *column, Datum value)
{
	struct varlena *plain = PG_DETOAST_DATUM_PACKED(value);

	if (column->composite)
	{
		HeapTupleHeader row = DatumGetHeapTupleHeader(value);
		Size start = SizeofHeapTupleHeader;

		hash_word(hash, HeapTupleHeaderGetNatts(row));
		hash_bytes_of(hash, (char *) row + start,
					  HeapTupleHeaderGetDatumLength(row) - start);
	}
	else
		hash_bytes_of(hash, VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
	if ((Pointer) plain != DatumGetPointer(value))
		pfree(plain);
}

/* The length comes first, so that where one value ends cannot be mistaken. */
static void
hash_bytes_of(Hash *hash, const char *data, Size length)
{
	uint64 word;

	hash_word(hash, length);
	for (; length >= sizeof(word); length -= sizeof(word))
	{
		memcpy(&word, data, sizeof(word));
		hash_word(hash, word);
		data += sizeof(word);
	}
	if (length > 0)
	{
		word = 0;
		memcpy(&word, data, length);
		hash_word(hash, word);
	}
}

/* Two lanes, which one multiplication keeps apart from the word itself. */
static inline void
hash_word(Hash *hash, uint64 word)
{
	uint64 mixed = word * FACTOR_WORD;

	mixed ^= mixed >> 32;
	hash->low = (rotate(hash->low, 27) ^ mixed) * FACTOR_LOW;
	hash->high = (rotate(hash->high, 31) + (mixed ^ rotate(word, 17))) *
		FACTOR_HIGH;
}

static inline uint64
rotate(uint64 word, int bits)
{
	return (word << bits) | (word >> (64 - bits));
}

/* Each bit comes to depend on all: sums of alike rows must not cancel out. */
static inline uint64
scatter(uint64 word)
{
	word ^= word >> 32;
	word *= FACTOR_WORD;
	word ^= word >> 29;
	word *= FACTOR_LOW;
	word ^= word >> 32;
	return word;
}

PG_FUNCTION_INFO_V1(mlpipe_hash_rows_combine);
Datum
mlpipe_hash_rows_combine(PG_FUNCTION_ARGS)
{
	HashState *state = state_of(fcinfo);

	if (!PG_ARGISNULL(1))
	{
		const HashState *more = (HashState *) PG_GETARG_POINTER(1);

		state->rows += more->rows;
		state->sum.low += more->sum.low;
		state->sum.high += more->sum.high;
	}
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(mlpipe_hash_rows_serialize);
Datum
mlpipe_hash_rows_serialize(PG_FUNCTION_ARGS)
{
	bytea *serialized = palloc(VARHDRSZ + sizeof(HashState));

	SET_VARSIZE(serialized, VARHDRSZ + sizeof(HashState));
	memcpy(VARDATA(serialized), PG_GETARG_POINTER(0), sizeof(HashState));
	PG_RETURN_BYTEA_P(serialized);
}

PG_FUNCTION_INFO_V1(mlpipe_hash_rows_deserialize);
Datum
mlpipe_hash_rows_deserialize(PG_FUNCTION_ARGS)
{
	bytea *serialized = PG_GETARG_BYTEA_PP(0);
	HashState *state = palloc(sizeof(HashState));

	if (VARSIZE_ANY_EXHDR(serialized) != sizeof(HashState))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid state of the aggregate mlpipe.hash_rows")));
	memcpy(state, VARDATA_ANY(serialized), sizeof(HashState));
	PG_RETURN_POINTER(state);
}

/* The number of rows, and the two sums; where there are no rows, zeros. */
PG_FUNCTION_INFO_V1(mlpipe_hash_rows_finish);
Datum
mlpipe_hash_rows_finish(PG_FUNCTION_ARGS)
{
	HashState none = {0};
	const HashState *state = PG_ARGISNULL(0) ?
		&none :
		(HashState *) PG_GETARG_POINTER(0);
	bytea *result = palloc(VARHDRSZ + sizeof(HashState));

	SET_VARSIZE(result, VARHDRSZ + sizeof(HashState));
	memcpy(VARDATA(result), state, sizeof(HashState));
	PG_RETURN_BYTEA_P(result);
}

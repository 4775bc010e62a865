/*-------------------------------------------------------------------------
 *
 * pack.c
 *	  Columns of numbers as buffers that NumPy reads in place, and back.
 *
 * A buffer is what numpy.ndarray.tobytes() makes of float64 values: eight
 * bytes each, little-endian, nothing else.  NULL is NaN.
 *
 * The aggregate keeps its state as the result that it will be: a bytea with
 * room to grow.  Serialized for a parallel leader it is that same bytea.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"

#define FEW_VALUES 64

typedef struct PackState
{
	bytea *buffer; /* its size word is not set */
	Size length;   /* of the data, in bytes */
	Size room;     /* for data */
} PackState;

static PackState *state_create(FunctionCallInfo fcinfo, Size room);
static void state_reserve(PackState *state, Size more);
static bytea *state_copy(const PackState *state);
static uint64 number_to_bits(double number);
static double bits_to_number(const char *data);

PG_FUNCTION_INFO_V1(mlpipe_pack_add);
Datum
mlpipe_pack_add(PG_FUNCTION_ARGS)
{
	PackState *state;
	uint64 bits;

	state = PG_ARGISNULL(0) ? state_create(fcinfo, FEW_VALUES * sizeof(bits)) :
							  (PackState *) PG_GETARG_POINTER(0);
	bits = number_to_bits(PG_ARGISNULL(1) ? get_float8_nan() :
											PG_GETARG_FLOAT8(1));
	if (state->room - state->length < sizeof(bits))
		state_reserve(state, sizeof(bits));
	memcpy(VARDATA(state->buffer) + state->length, &bits, sizeof(bits));
	state->length += sizeof(bits);
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(mlpipe_pack_combine);
Datum
mlpipe_pack_combine(PG_FUNCTION_ARGS)
{
	PackState *state;
	const PackState *more;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_POINTER(PG_GETARG_POINTER(0));
	}
	more = (PackState *) PG_GETARG_POINTER(1);
	state = PG_ARGISNULL(0) ? state_create(fcinfo, more->length) :
							  (PackState *) PG_GETARG_POINTER(0);
	state_reserve(state, more->length);
	memcpy(VARDATA(state->buffer) + state->length, VARDATA(more->buffer),
		   more->length);
	state->length += more->length;
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(mlpipe_pack_serialize);
Datum
mlpipe_pack_serialize(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(state_copy((PackState *) PG_GETARG_POINTER(0)));
}

PG_FUNCTION_INFO_V1(mlpipe_pack_deserialize);
Datum
mlpipe_pack_deserialize(PG_FUNCTION_ARGS)
{
	bytea *serialized = PG_GETARG_BYTEA_PP(0);
	Size length = VARSIZE_ANY_EXHDR(serialized);
	PackState *state = palloc(sizeof(PackState));

	/* Short-lived: the combine function copies it. */
	state->buffer = palloc(VARHDRSZ + length);
	memcpy(VARDATA(state->buffer), VARDATA_ANY(serialized), length);
	state->length = length;
	state->room = length;
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(mlpipe_pack_finish);
Datum
mlpipe_pack_finish(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(state_copy((PackState *) PG_GETARG_POINTER(0)));
}

PG_FUNCTION_INFO_V1(mlpipe_unpack);
Datum
mlpipe_unpack(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	bytea *buffer;
	double number;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext previous;

		call = SRF_FIRSTCALL_INIT();
		previous = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		buffer = PG_GETARG_BYTEA_P_COPY(0);
		if ((VARSIZE(buffer) - VARHDRSZ) % sizeof(double) != 0)
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(
					 "a packed column of %zu bytes holds no whole number of values",
					 (size_t) (VARSIZE(buffer) - VARHDRSZ)),
				 errhint(
					 "It has eight bytes, a little-endian float64, for each value.")));
		call->user_fctx = buffer;
		call->max_calls = (VARSIZE(buffer) - VARHDRSZ) / sizeof(double);
		MemoryContextSwitchTo(previous);
	}

	call = SRF_PERCALL_SETUP();
	buffer = call->user_fctx;
	if (call->call_cntr >= call->max_calls)
		SRF_RETURN_DONE(call);

	/* Read here, for the macro counts up before it looks at its argument. */
	number = bits_to_number(VARDATA(buffer) +
							call->call_cntr * sizeof(double));
	SRF_RETURN_NEXT(call, Float8GetDatum(number));
}

static PackState *
state_create(FunctionCallInfo fcinfo, Size room)
{
	MemoryContext context;
	PackState *state;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg(
				 "this function can only be called by the aggregate mlpipe_pack")));
	state = MemoryContextAlloc(context, sizeof(PackState));
	state->buffer = MemoryContextAlloc(context, VARHDRSZ + room);
	state->length = 0;
	state->room = room;
	return state;
}

/* Doubles the room, up to the size that a value can have. */
static void
state_reserve(PackState *state, Size more)
{
	Size most = MaxAllocSize - VARHDRSZ;
	Size wanted = state->length + more;

	if (wanted <= state->room)
		return;
	if (wanted > most)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("cannot pack more than %zu values into one value",
						(size_t) (most / sizeof(double)))));
	state->room = Min(Max(wanted, 2 * state->room), most);
	state->buffer = repalloc(state->buffer, VARHDRSZ + state->room);
}

static bytea *
state_copy(const PackState *state)
{
	bytea *copy = palloc(VARHDRSZ + state->length);

	SET_VARSIZE(copy, VARHDRSZ + state->length);
	memcpy(VARDATA(copy), VARDATA(state->buffer), state->length);
	return copy;
}

static uint64
number_to_bits(double number)
{
	uint64 bits;

	memcpy(&bits, &number, sizeof(bits));
#ifdef WORDS_BIGENDIAN
	bits = pg_bswap64(bits);
#endif
	return bits;
}

static double
bits_to_number(const char *data)
{
	uint64 bits;
	double number;

	memcpy(&bits, data, sizeof(bits));
#ifdef WORDS_BIGENDIAN
	bits = pg_bswap64(bits);
#endif
	memcpy(&number, &bits, sizeof(number));
	return number;
}

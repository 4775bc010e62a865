/*-------------------------------------------------------------------------
 *
 * parallel_keys.h
 *	  The columns by which a parallel activity partitions its input.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_KEYS_H
#define MLPIPE_PARALLEL_KEYS_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"

#define MAX_BATCH_KEYS 32

/* One of these columns. */
typedef struct BatchKey
{
	const char *name;
	AttrNumber column;
	Oid collation;
	bool by_value;
	int16 length;
	bool by_image; /* equal values are the same bytes */
	FmgrInfo hash; /* its fn_oid is invalid: there is none */
	FmgrInfo equal;
	FmgrInfo to_jsonb;
} BatchKey;

typedef struct BatchKeys
{
	int n;
	bool can_hash;  /* can all of them be hashed? */
	bool same_json; /* do equal values, and only those, look alike in JSON? */
	BatchKey keys[FLEXIBLE_ARRAY_MEMBER];
} BatchKeys;

/*
 * The columns of these names, char *; raises if the rows have no such column,
 * or its values cannot be compared.  In the current memory context.
 */
extern BatchKeys *batch_keys_create(TupleDesc rows, List *names);

/* For hints. */
extern char *batch_column_names(TupleDesc rows);

/* Reads the values of a row's keys. */
extern void batch_keys_of_row(const BatchKeys *keys, TupleTableSlot *row,
							  Datum *values, bool *nulls);
extern void batch_keys_of_tuple(const BatchKeys *keys, HeapTuple tuple,
								TupleDesc columns, Datum *values, bool *nulls);

/* Hashes such values; only if can_hash. */
extern uint64 batch_keys_hash(BatchKeys *keys, const Datum *values,
							  const bool *nulls);

/* NULL equals NULL here, and nothing else. */
extern bool batch_key_equal(BatchKey *key, Datum a, bool a_is_null, Datum b,
							bool b_is_null);

/* The keys of a row: {name: value}, values as to_jsonb() makes them. */
extern Jsonb *batch_keys_jsonb(BatchKeys *keys, TupleTableSlot *row);

/*
 * Keys of no row, to analyse a statement that names them: values whose literals
 * have the types that the columns' values would have.
 */
extern Jsonb *batch_keys_sample(TupleDesc rows, List *names);

#endif /* MLPIPE_PARALLEL_KEYS_H */

/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  What the functions of store/ share: plans, parameters and columns.
 *
 * A store function is called in engine mode (engine_mode.h), opens SPI with
 * store_begin(), runs kept plans, reads columns, and closes with store_end();
 * or, where there is nothing to read, does it all with store_execute().
 * What the column functions return by pointer has been copied into the memory
 * context that was current at store_begin(), so it outlives store_end().
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PLAN_H
#define MLPIPE_PLAN_H

#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "utils/jsonb.h"

/* SPI_connect and SPI_finish, with their return codes checked. */
extern void store_begin(void);
extern void store_end(void);

/* Lists in the memory context that was current at store_begin(). */
extern List *store_append(List *list, void *row);
extern List *store_append_int(List *list, int number);
extern List *store_append_oid(List *list, Oid oid);

/*
 * The plan in *slot, a static variable of the caller; prepared and kept for
 * the life of the process on first use.  It is planned once, without looking
 * at values: write statements whose best plan does not depend on them.
 */
extern SPIPlanPtr plan_keep(SPIPlanPtr *slot, const char *sql, int nargs,
							const Oid *argtypes);

/*
 * Runs a plan to its end and returns the number of rows that it returned or
 * changed.  expected is the SPI_OK_* code; anything else is raised.  nulls as
 * in SPI_execute_plan: NULL, or 'n' for each null value and ' ' otherwise.
 * With read_only the statement sees what the caller's statement sees, without
 * it everything that is committed, or done by this transaction, by now.
 */
extern uint64 plan_execute(SPIPlanPtr plan, Datum *values, const char *nulls,
						   bool read_only, int expected);

/*
 * All of that for one statement whose rows nobody reads, from store_begin() to
 * store_end().  Returns how many rows it changed or found.
 */
extern uint64 store_execute(SPIPlanPtr *slot, const char *sql, int nargs,
							const Oid *argtypes, Datum *values,
							const char *nulls);

/* Columns of the rows of the last statement; rows from 0, columns from 1. */
extern bool column_is_null(uint64 row, int column);
extern bool column_bool(uint64 row, int column);     /* null: false */
extern int32 column_int32(uint64 row, int column);   /* null: 0 */
extern int64 column_int64(uint64 row, int column);   /* null: 0 */
extern double column_double(uint64 row, int column); /* null: 0 */
extern Oid column_oid(uint64 row, int column);       /* null: InvalidOid */
extern TimestampTz column_timestamp(uint64 row, int column); /* null: 0 */
extern char *column_text(uint64 row, int column);   /* text; null: NULL */
extern Jsonb *column_jsonb(uint64 row, int column); /* null: NULL */
extern bytea *column_bytea(uint64 row, int column); /* null: NULL */

/* Any column, still in the memory of SPI; null: 0. */
extern Datum column_datum(uint64 row, int column);

/* Values of statements: a text, arrays of integers and of texts. */
extern Datum store_text(const char *text); /* NULL: 0 */
extern Datum store_integers(const int32 *numbers, int count);
extern Datum store_integer_list(const List *numbers); /* of int */
extern Datum store_texts(const Datum *values, int count);

/* For the nulls of plan_execute(). */
#define NULL_IF(condition) ((condition) ? 'n' : ' ')

#endif /* MLPIPE_PLAN_H */

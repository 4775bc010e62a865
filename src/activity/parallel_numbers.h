/*-------------------------------------------------------------------------
 *
 * parallel_numbers.h
 *	  Many rows of numbers in one tuple of the staged table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_NUMBERS_H
#define MLPIPE_PARALLEL_NUMBERS_H

#include "access/htup.h"
#include "access/tupdesc.h"

#include "activity/stage_pages.h"

/* A tuple that is being filled. */
typedef struct NumberTuple
{
	StagePages *pages;
	TupleDesc columns; /* of the staged table */
	int row_size;      /* bytes of the numbers of a row */
	bytea *value;
	int rows; /* in it */
	int room; /* for so many */
} NumberTuple;

/*
 * The columns of the staged table: the keys, with which the given rows begin,
 * and the numbers.  The names are not the keys' own.
 */
extern TupleDesc numbers_columns(TupleDesc rows, int nkeys);

/* Raises if a row has more numbers than fit into a tuple. */
extern NumberTuple *numbers_begin(StagePages *pages, int nnumbers);

/* Adds a row; false if the tuple is full. */
static inline bool
numbers_add(NumberTuple *tuple, const double *numbers)
{
	if (tuple->rows == tuple->room)
		return false;
	memcpy(VARDATA(tuple->value) + (Size) tuple->rows * tuple->row_size,
		   numbers, tuple->row_size);
	tuple->rows++;
	return true;
}

/* Writes the tuple, if it has rows, and begins another.  Returns its rows. */
extern int numbers_write(NumberTuple *tuple, ItemPointer tid);

/* Are the tuples of a staged table such ones?  nkeys: columns before. */
extern bool numbers_are_in(TupleDesc columns, int nkeys);

/* The numbers of a tuple, row by row, not aligned; *size: in bytes. */
extern const char *numbers_read(HeapTuple tuple, TupleDesc columns, int nkeys,
								Size *size);

#endif /* MLPIPE_PARALLEL_NUMBERS_H */

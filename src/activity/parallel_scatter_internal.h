/*-------------------------------------------------------------------------
 *
 * parallel_scatter_internal.h
 *	  What parallel_scatter.c and parallel_place.c share: rows in buckets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_SCATTER_INTERNAL_H
#define MLPIPE_PARALLEL_SCATTER_INTERNAL_H

#include "access/htup_details.h"
#include "storage/fd.h"

#include "activity/parallel_key_table.h"
#include "activity/parallel_keys.h"
#include "activity/parallel_numbers.h"
#include "activity/parallel_partition.h"
#include "activity/parallel_scatter.h"
#include "activity/stage_pages.h"

/*
 * Buckets are as many as one can write to in turn without waiting for memory.
 * What is given to the kernel in larger chunks costs less; the staged table is
 * written in chunks of the same size, so that the memory that a file here has
 * had serves for it.
 */
#define NBUCKETS    256
#define BUCKET_BITS 8
#define CHUNK_SIZE  STAGE_RUN_SIZE

/* So many buckets share a file, which is removed when they are placed. */
#define BUCKETS_PER_FILE 16

/*
 * A row in a bucket: a tuple, whose header has only what does not depend on its
 * place.  Rows are MAXALIGNed, and the tuple begins where it would if the rest
 * of its header were there.
 */
typedef struct RowHeader
{
	uint32 length;   /* of the tuple */
	uint32 hash;     /* of its keys */
	uint16 expected; /* no row: an ExpectedKeys ends it */
} RowHeader;

/* Ends a tuple that has the keys of a partition that was known before. */
typedef struct ExpectedKeys
{
	int32 index; /* in the list of partitions */
	int32 unused;
} ExpectedKeys;

#define AFTER_CTID       offsetof(HeapTupleHeaderData, t_infomask2)
#define ROW_HEADER_SIZE  (offsetof(RowHeader, expected) + sizeof(uint16))
#define ROW_SIZE(length) MAXALIGN(ROW_HEADER_SIZE + (length) -AFTER_CTID)
#define ROW_TUPLE(row) \
	((HeapTupleHeader) ((char *) (row) + ROW_HEADER_SIZE - AFTER_CTID))

/* The tuple only has the keys then, and its numbers are at the end. */
#define ROW_NUMBERS(row, nnumbers) \
	((double *) ((char *) ROW_TUPLE(row) + (row)->length) - (nnumbers))

StaticAssertDecl((AFTER_CTID - ROW_HEADER_SIZE) % MAXIMUM_ALIGNOF == 0,
				 "rows of a bucket are not aligned");

/*
 * Has the processor fetch a row's place from memory, to read or write it soon:
 * the two cache lines of a row of the usual length.
 */
#ifdef __GNUC__
#define prefetch_row(row)     \
	(__builtin_prefetch(row), \
	 __builtin_prefetch((char *) (row) + PG_CACHE_LINE_SIZE / 2))
#else
#define prefetch_row(row) ((void) 0)
#endif

/* Rows of one bucket, one after the other. */
typedef struct Chunk
{
	uint32 used; /* of the chunk, with this; set when it is full */
	uint32 unused;
	char rows[CHUNK_SIZE - 2 * sizeof(uint32)];
} Chunk;

#define for_each_row(row, chunk)                            \
	for ((row) = (RowHeader *) (chunk)->rows;               \
		 (char *) (row) < (char *) (chunk) + (chunk)->used; \
		 (row) = (RowHeader *) ((char *) (row) + ROW_SIZE((row)->length)))

typedef struct Bucket
{
	char *next;    /* room in the chunk */
	Chunk *chunk;  /* the last one; NULL: no row has come */
	int64 rows;    /* in all chunks */
	List *written; /* numbers in the file of those before it */
} Bucket;

/* A file with the chunks of some buckets, written from beginning to end. */
typedef struct ChunkFile
{
	File file;
	int nchunks; /* 0: there is no file */
} ChunkFile;

struct Scatter
{
	Relation relation;
	BatchKeys *keys;
	KeyTable *key_table; /* NULL: the partitions are known before */
	PartitionList *partitions;
	StagePages pages;
	TupleDesc columns;    /* of the tuples in buckets */
	int nnumbers;         /* after each of them; 0: they are staged */
	NumberTuple *numbers; /* NULL if there are none */
	Size memory;          /* for the rows of a bucket */
	MemoryContext context;
	MemoryContext row_context; /* reset for each row, or bucket */
	TupleDesc compared;        /* has been compared with the table's */
	bool same_layout;          /* and is laid out like that */
	ChunkFile files[NBUCKETS / BUCKETS_PER_FILE];
	Bucket buckets[NBUCKETS];
};

/* parallel_place.c: puts a bucket's rows into the staged table, and frees it. */
extern void scatter_place_bucket(Scatter *scatter, Bucket *bucket,
								 ChunkFile *file);

/*
 * parallel_group_table.c
 */

/* The rows of one partition, in a bucket or a part of it. */
typedef struct Group
{
	uint32 hash;
	int64 rows;
	Size size;   /* of these rows, in a large bucket */
	int64 next;  /* while they are put in order */
	int32 index; /* in the list of partitions; -1: not yet */
	int pass;
} Group;

typedef struct GroupTable
{
	Scatter *scatter;
	bool copies; /* keeps keys of its own: rows do not stay */
	Group *groups;
	int n;
	int room;
	Datum *values; /* of each group's keys */
	bool *nulls;
	int *slots; /* numbers of groups by hash; -1: free */
	uint32 mask;
} GroupTable;

/* In the current memory context. */
extern void group_table_begin(GroupTable *table, Scatter *scatter,
							  bool copies);

/* The group of the row, found or made; valid until the next call. */
extern Group *group_of(GroupTable *table, const RowHeader *row);

#endif /* MLPIPE_PARALLEL_SCATTER_INTERNAL_H */

/*-------------------------------------------------------------------------
 *
 * parallel_scatter.c
 *	  Brings the rows of a query together by partition keys, without sorting
 *	  them.
 *
 * Sorting costs several times as much as copying.  Here each row is copied
 * twice: as it comes, behind others into one of some hundred buckets, temporary
 * files, by a hash of its keys; then bucket by bucket, each of which fits into
 * memory, to its place in the staged table (stage_pages.c).  In a bucket the
 * rows of each partition are counted, which gives their places, so that a
 * partition is one range of tuples in the end; small ones share pages.
 *
 * A bucket may be too large for the memory, as is that of a key which many rows
 * have.  Such a bucket is read several times, for some of its partitions each
 * time; a partition that is too large by itself is copied as it is read.
 *
 * Values that do not fit into a page, or lie outside of the row, are put into
 * the staged table's toast table when the row comes, so that a row in a bucket
 * is one of the staged table as it will be.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/table.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/wait_event.h"

#include "activity/parallel_scatter.h"
#include "mlpipe.h"

#define NBUCKETS    256
#define BUCKET_BITS 8
#define CHUNK_SIZE  16384

/*
 * A row in a bucket: of its tuple's header only what does not depend on where
 * the tuple is.  Rows are MAXALIGNed, and the tuple that one stands for begins
 * as if the rest of its header were there.
 */
typedef struct RowHeader
{
	uint32 length;   /* of the tuple */
	uint32 hash;     /* of its keys */
	uint16 expected; /* no row: an ExpectedKeys ends it */
} RowHeader;

/* The keys in such a tuple are those of a partition that was known before. */
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

StaticAssertDecl((AFTER_CTID - ROW_HEADER_SIZE) % MAXIMUM_ALIGNOF == 0,
				 "rows of a bucket are not aligned");

/* Rows of one bucket, one behind the other. */
typedef struct Chunk
{
	uint32 used; /* of the chunk, with this */
	uint32 unused;
	char rows[CHUNK_SIZE - 2 * sizeof(uint32)];
} Chunk;

#define for_each_row(row, chunk)                            \
	for ((row) = (RowHeader *) (chunk)->rows;               \
		 (char *) (row) < (char *) (chunk) + (chunk)->used; \
		 (row) = (RowHeader *) ((char *) (row) + ROW_SIZE((row)->length)))

typedef struct Bucket
{
	Chunk *chunk;  /* the last one; NULL: no row has come */
	List *written; /* numbers in the file of those before it */
	int64 rows;
} Bucket;

#ifdef __GNUC__
#define prefetch_for_write(place) __builtin_prefetch((place), 1)
#else
#define prefetch_for_write(place)
#endif

struct Scatter
{
	Relation relation;
	BatchKeys *keys;
	KeyTable *key_table; /* NULL: the partitions are known before */
	PartitionList *partitions;
	StagePages pages;
	Size memory; /* for the rows of a bucket */
	MemoryContext context;
	MemoryContext row_context; /* reset for each row, or bucket */
	TupleDesc compared;        /* has been compared with the table's */
	bool same_layout;          /* and is laid out like that */
	File file;                 /* of the buckets' chunks; -1: none yet */
	int nchunks;               /* in it */
	Bucket buckets[NBUCKETS];
};

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

static Bucket *bucket_of(Scatter *scatter, uint64 hash);
static void add_heap_tuple(Scatter *scatter, Bucket *bucket, uint32 hash,
						   HeapTuple tuple);
static bool is_plain_tuple(Scatter *scatter, TupleTableSlot *row,
						   HeapTuple *tuple);
static bool is_same_layout(TupleDesc a, TupleDesc b);
static void add_values(Scatter *scatter, Bucket *bucket, uint32 hash,
					   TupleTableSlot *row);
static void add_toasted(Scatter *scatter, Bucket *bucket, uint32 hash,
						TupleTableSlot *row);
static RowHeader *reserve(Scatter *scatter, Bucket *bucket, uint32 hash,
						  uint32 length);
static void write_chunk(Scatter *scatter, Bucket *bucket);
static void empty_bucket(Scatter *scatter, Bucket *bucket);
static List *read_bucket(Scatter *scatter, const Bucket *bucket);
static void read_chunk(Scatter *scatter, int number, Chunk *chunk);
static void place_rows(Scatter *scatter, List *chunks, int64 nrows);
static void place_large_bucket(Scatter *scatter, const Bucket *bucket);
static void measure_groups(Scatter *scatter, const Bucket *bucket,
						   GroupTable *table);
static int plan_passes(Scatter *scatter, GroupTable *table);
static void make_pass(Scatter *scatter, const Bucket *bucket,
					  GroupTable *table, int pass);
static int large_group(Scatter *scatter, const GroupTable *table, int pass);
static List *keep_row(List *chunks, const RowHeader *row);
static void note_row(Group *group, const RowHeader *row);
static Partition *partition_of(Scatter *scatter, GroupTable *table, int g);
static void add_to_partition(Scatter *scatter, Partition *partition,
							 const RowHeader *row);
static void group_table_begin(GroupTable *table, Scatter *scatter,
							  bool copies);
static void group_table_grow(GroupTable *table);
static void group_table_rehash(GroupTable *table, uint32 size);
static Group *group_of(GroupTable *table, const RowHeader *row);
static Group *add_group(GroupTable *table, const RowHeader *row, Datum *values,
						bool *nulls);

Scatter *
scatter_begin(Relation relation, BatchKeys *keys, KeyTable *key_table,
			  PartitionList *partitions)
{
	Scatter *scatter = palloc0(sizeof(Scatter));

	scatter->relation = relation;
	scatter->keys = keys;
	scatter->key_table = key_table;
	scatter->partitions = partitions;
	scatter->file = -1;
	scatter->memory = (Size) mlpipe_pack_mem * 1024;
	scatter->context = CurrentMemoryContext;
	scatter->row_context = AllocSetContextCreate(CurrentMemoryContext,
												 "mlpipe scattered rows",
												 ALLOCSET_DEFAULT_SIZES);
	stage_pages_begin(&scatter->pages, relation);
	return scatter;
}

void
scatter_expect(Scatter *scatter, int32 index, Datum *values, bool *nulls)
{
	MemoryContext previous = MemoryContextSwitchTo(scatter->row_context);
	TupleDesc columns = RelationGetDescr(scatter->relation);
	TupleTableSlot *row = MakeSingleTupleTableSlot(columns, &TTSOpsVirtual);
	ExpectedKeys expected = {index, 0};
	RowHeader *header;
	HeapTuple tuple;
	uint64 hash;
	Size length;
	int k;

	ExecStoreAllNullTuple(row);
	for (k = 0; k < scatter->keys->n; k++)
	{
		AttrNumber column = scatter->keys->keys[k].column;

		row->tts_values[column - 1] = values[k];
		row->tts_isnull[column - 1] = nulls[k];
	}
	hash = batch_keys_hash(scatter->keys, row);
	tuple = stage_toast(scatter->relation,
						heap_form_tuple(columns, row->tts_values,
										row->tts_isnull));

	length = MAXALIGN(tuple->t_len);
	header = reserve(scatter, bucket_of(scatter, hash), (uint32) hash,
					 length + sizeof(expected));
	header->expected = true;
	memcpy((char *) ROW_TUPLE(header) + AFTER_CTID,
		   (char *) tuple->t_data + AFTER_CTID, tuple->t_len - AFTER_CTID);
	memcpy((char *) ROW_TUPLE(header) + length, &expected, sizeof(expected));
	ExecDropSingleTupleTableSlot(row);
	MemoryContextSwitchTo(previous);
	MemoryContextReset(scatter->row_context);
}

static Bucket *
bucket_of(Scatter *scatter, uint64 hash)
{
	return &scatter->buckets[hash >> (64 - BUCKET_BITS)];
}

void
scatter_add(Scatter *scatter, TupleTableSlot *row)
{
	MemoryContext previous = MemoryContextSwitchTo(scatter->row_context);
	uint64 hash = batch_keys_hash(scatter->keys, row);
	Bucket *bucket = bucket_of(scatter, hash);
	HeapTuple tuple;

	if (is_plain_tuple(scatter, row, &tuple))
		add_heap_tuple(scatter, bucket, (uint32) hash, tuple);
	else
		add_values(scatter, bucket, (uint32) hash, row);
	MemoryContextSwitchTo(previous);
	MemoryContextReset(scatter->row_context);
}

static void
add_heap_tuple(Scatter *scatter, Bucket *bucket, uint32 hash, HeapTuple tuple)
{
	RowHeader *row = reserve(scatter, bucket, hash, tuple->t_len);

	memcpy((char *) ROW_TUPLE(row) + AFTER_CTID,
		   (char *) tuple->t_data + AFTER_CTID, tuple->t_len - AFTER_CTID);
}

/*
 * Can the tuple in the slot be copied as it is?  Not where it lacks columns
 * that were added to its table later, or has any that were dropped.
 */
static bool
is_plain_tuple(Scatter *scatter, TupleTableSlot *row, HeapTuple *tuple)
{
	if (!TTS_IS_BUFFERTUPLE(row) && !TTS_IS_HEAPTUPLE(row))
		return false;
	if (scatter->compared != row->tts_tupleDescriptor)
	{
		scatter->compared = row->tts_tupleDescriptor;
		scatter->same_layout = is_same_layout(row->tts_tupleDescriptor,
											  RelationGetDescr(
												  scatter->relation));
	}
	*tuple = ((HeapTupleTableSlot *) row)->tuple;
	return scatter->same_layout && *tuple != NULL &&
		HeapTupleHeaderGetNatts((*tuple)->t_data) ==
		RelationGetDescr(scatter->relation)->natts &&
		!HeapTupleHasExternal(*tuple) &&
		(*tuple)->t_len <= TOAST_TUPLE_THRESHOLD;
}

static bool
is_same_layout(TupleDesc a, TupleDesc b)
{
	int i;

	if (a->natts != b->natts)
		return false;
	for (i = 0; i < a->natts; i++)
	{
		Form_pg_attribute of_a = TupleDescAttr(a, i);
		Form_pg_attribute of_b = TupleDescAttr(b, i);

		if (of_a->attisdropped || of_a->atttypid != of_b->atttypid ||
			of_a->attlen != of_b->attlen || of_a->attbyval != of_b->attbyval ||
			of_a->attalign != of_b->attalign)
			return false;
	}
	return true;
}

/* As heap_form_tuple() would, but in its place at once. */
static void
add_values(Scatter *scatter, Bucket *bucket, uint32 hash, TupleTableSlot *row)
{
	TupleDesc columns = RelationGetDescr(scatter->relation);
	HeapTupleHeader tuple;
	bool has_nulls = false;
	Size offset = SizeofHeapTupleHeader;
	Size length;
	int i;

	slot_getallattrs(row);
	for (i = 0; i < columns->natts; i++)
		has_nulls |= row->tts_isnull[i];
	if (has_nulls)
		offset += BITMAPLEN(columns->natts);
	offset = MAXALIGN(offset);
	length = heap_compute_data_size(columns, row->tts_values, row->tts_isnull);
	if (offset + length > TOAST_TUPLE_THRESHOLD)
	{
		add_toasted(scatter, bucket, hash, row);
		return;
	}

	tuple = ROW_TUPLE(reserve(scatter, bucket, hash, offset + length));
	memset((char *) tuple + AFTER_CTID, 0, offset - AFTER_CTID);
	HeapTupleHeaderSetNatts(tuple, columns->natts);
	tuple->t_hoff = offset;
	heap_fill_tuple(columns, row->tts_values, row->tts_isnull,
					(char *) tuple + offset, length, &tuple->t_infomask,
					has_nulls ? tuple->t_bits : NULL);
	if (tuple->t_infomask & HEAP_HASEXTERNAL)
	{
		/* Takes the place of what has been put there. */
		bucket->chunk->used -= ROW_SIZE(offset + length);
		bucket->rows--;
		add_toasted(scatter, bucket, hash, row);
	}
}

static void
add_toasted(Scatter *scatter, Bucket *bucket, uint32 hash, TupleTableSlot *row)
{
	HeapTuple tuple = heap_form_tuple(RelationGetDescr(scatter->relation),
									  row->tts_values, row->tts_isnull);

	tuple = stage_toast(scatter->relation, tuple);
	add_heap_tuple(scatter, bucket, hash, tuple);
}

/*
 * Room for a tuple at the end of the bucket.  By the time of the next one rows
 * of many others have come, so that the processor would have to wait for its
 * place in memory.
 */
static RowHeader *
reserve(Scatter *scatter, Bucket *bucket, uint32 hash, uint32 length)
{
	RowHeader *row;

	if (bucket->chunk == NULL)
	{
		bucket->chunk = MemoryContextAlloc(scatter->context, CHUNK_SIZE);
		bucket->chunk->used = offsetof(Chunk, rows);
	}
	if (bucket->chunk->used + ROW_SIZE(length) > CHUNK_SIZE)
		write_chunk(scatter, bucket);
	row = (RowHeader *) ((char *) bucket->chunk + bucket->chunk->used);
	row->length = length;
	row->hash = hash;
	row->expected = false;
	bucket->chunk->used += ROW_SIZE(length);
	bucket->rows++;
	prefetch_for_write((char *) bucket->chunk + bucket->chunk->used);
	return row;
}

/* All chunks share one file, so that it is written from its begin to its end. */
static void
write_chunk(Scatter *scatter, Bucket *bucket)
{
	MemoryContext previous = MemoryContextSwitchTo(scatter->context);
	int number = scatter->nchunks++;

	if (scatter->file < 0)
		scatter->file = OpenTemporaryFile(false);
	errno = 0;
	if (FileWrite(scatter->file, (char *) bucket->chunk, CHUNK_SIZE,
				  (off_t) number * CHUNK_SIZE,
				  WAIT_EVENT_BUFFILE_WRITE) != CHUNK_SIZE)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write to a temporary file: %m")));
	}
	bucket->written = lappend_int(bucket->written, number);
	bucket->chunk->used = offsetof(Chunk, rows);
	MemoryContextSwitchTo(previous);
}

int64
scatter_end(Scatter *scatter)
{
	int64 rows = 0;
	int i;

	for (i = 0; i < NBUCKETS; i++)
		if (scatter->buckets[i].chunk != NULL)
			empty_bucket(scatter, &scatter->buckets[i]);
	stage_pages_end(&scatter->pages);
	for (i = 0; i < scatter->partitions->n; i++)
		rows += scatter->partitions->partitions[i].items;
	if (scatter->file >= 0)
		FileClose(scatter->file);
	MemoryContextDelete(scatter->row_context);
	pfree(scatter);
	return rows;
}

static void
empty_bucket(Scatter *scatter, Bucket *bucket)
{
	MemoryContext previous = MemoryContextSwitchTo(scatter->row_context);

	if ((Size) list_length(bucket->written) * CHUNK_SIZE <= scatter->memory)
		place_rows(scatter, read_bucket(scatter, bucket), bucket->rows);
	else
		place_large_bucket(scatter, bucket);
	list_free(bucket->written);
	pfree(bucket->chunk);
	MemoryContextSwitchTo(previous);
	MemoryContextReset(scatter->row_context);
}

/* Its chunks, in memory. */
static List *
read_bucket(Scatter *scatter, const Bucket *bucket)
{
	List *chunks = NIL;
	ListCell *cell;

	foreach(cell, bucket->written)
	{
		Chunk *chunk = palloc(CHUNK_SIZE);

		read_chunk(scatter, lfirst_int(cell), chunk);
		chunks = lappend(chunks, chunk);
	}
	return lappend(chunks, bucket->chunk);
}

static void
read_chunk(Scatter *scatter, int number, Chunk *chunk)
{
	CHECK_FOR_INTERRUPTS();
	if (FileRead(scatter->file, (char *) chunk, CHUNK_SIZE,
				 (off_t) number * CHUNK_SIZE,
				 WAIT_EVENT_BUFFILE_READ) != CHUNK_SIZE)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from a temporary file: %m")));
}

/* A counting sort: where a row goes follows from the rows of each group. */
static void
place_rows(Scatter *scatter, List *chunks, int64 nrows)
{
	RowHeader **rows = MemoryContextAllocHuge(CurrentMemoryContext,
											  nrows * sizeof(RowHeader *));
	int *numbers = MemoryContextAllocHuge(CurrentMemoryContext,
										  nrows * sizeof(int));
	GroupTable table;
	RowHeader *row;
	ListCell *cell;
	int64 i = 0;
	int64 next = 0;
	int g;

	group_table_begin(&table, scatter, false);
	foreach(cell, chunks)
		for_each_row(row, (Chunk *) lfirst(cell))
		{
			Group *group = group_of(&table, row);

			note_row(group, row);
			numbers[i++] = row->expected ? -1 : (int) (group - table.groups);
		}

	for (g = 0; g < table.n; g++)
	{
		table.groups[g].next = next;
		next += table.groups[g].rows;
	}
	i = 0;
	foreach(cell, chunks)
		for_each_row(row, (Chunk *) lfirst(cell))
		{
			int number = numbers[i++];

			if (number >= 0)
				rows[table.groups[number].next++] = row;
		}

	i = 0;
	for (g = 0; g < table.n; g++)
	{
		Partition *partition = partition_of(scatter, &table, g);

		for (; i < table.groups[g].next; i++)
			if (partition != NULL)
				add_to_partition(scatter, partition, rows[i]);
	}
}

static void
place_large_bucket(Scatter *scatter, const Bucket *bucket)
{
	GroupTable table;
	int npasses;
	int i;

	group_table_begin(&table, scatter, true);
	measure_groups(scatter, bucket, &table);
	npasses = plan_passes(scatter, &table);
	for (i = 0; i < npasses; i++)
		make_pass(scatter, bucket, &table, i);
}

static void
measure_groups(Scatter *scatter, const Bucket *bucket, GroupTable *table)
{
	Chunk *buffer = palloc(CHUNK_SIZE);
	RowHeader *row;
	ListCell *cell;

	foreach(cell, bucket->written)
	{
		read_chunk(scatter, lfirst_int(cell), buffer);
		for_each_row(row, buffer) note_row(group_of(table, row), row);
	}
	for_each_row(row, bucket->chunk) note_row(group_of(table, row), row);
	pfree(buffer);
}

static void
note_row(Group *group, const RowHeader *row)
{
	group->size += ROW_SIZE(row->length);
	if (row->expected)
		group->index = ((ExpectedKeys *) ((char *) ROW_TUPLE(row) +
										  row->length))[-1]
						   .index;
	else
		group->rows++;
}

/* As many groups in a pass as fit into memory, or one that does not. */
static int
plan_passes(Scatter *scatter, GroupTable *table)
{
	int npasses = 1;
	Size size = 0;
	int i;

	for (i = 0; i < table->n; i++)
	{
		Group *group = &table->groups[i];

		if (size > 0 && size + group->size > scatter->memory)
		{
			npasses++;
			size = 0;
		}
		group->pass = npasses - 1;
		size += group->size;
	}
	return npasses;
}

static void
make_pass(Scatter *scatter, const Bucket *bucket, GroupTable *table, int pass)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "mlpipe large bucket",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	int large = large_group(scatter, table, pass);
	Partition *partition = large < 0 ? NULL :
									   partition_of(scatter, table, large);
	Chunk *buffer = palloc(CHUNK_SIZE);
	List *chunks = NIL;
	int64 nrows = 0;
	int i;

	for (i = 0; i <= list_length(bucket->written); i++)
	{
		Chunk *chunk = bucket->chunk;
		RowHeader *row;

		if (i < list_length(bucket->written))
		{
			chunk = buffer;
			read_chunk(scatter, list_nth_int(bucket->written, i), chunk);
		}
		for_each_row(row, chunk)
		{
			if (group_of(table, row)->pass != pass)
				continue;
			if (large < 0)
				chunks = keep_row(chunks, row);
			else if (partition != NULL && !row->expected)
				add_to_partition(scatter, partition, row);
			nrows++;
		}
	}
	if (large < 0)
		place_rows(scatter, chunks, nrows);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}

/* The one that is too large for the memory, alone in its pass; or -1. */
static int
large_group(Scatter *scatter, const GroupTable *table, int pass)
{
	int i;

	for (i = 0; i < table->n; i++)
		if (table->groups[i].pass == pass &&
			table->groups[i].size > scatter->memory)
			return i;
	return -1;
}

static List *
keep_row(List *chunks, const RowHeader *row)
{
	Chunk *chunk = chunks == NIL ? NULL : llast(chunks);

	if (chunk == NULL || chunk->used + ROW_SIZE(row->length) > CHUNK_SIZE)
	{
		chunk = palloc(CHUNK_SIZE);
		chunk->used = offsetof(Chunk, rows);
		chunks = lappend(chunks, chunk);
	}
	memcpy((char *) chunk + chunk->used, row, ROW_SIZE(row->length));
	chunk->used += ROW_SIZE(row->length);
	return chunks;
}

/* Valid until the next one.  NULL where it is none that is expected. */
static Partition *
partition_of(Scatter *scatter, GroupTable *table, int g)
{
	Group *group = &table->groups[g];
	Size first = (Size) g * scatter->keys->n;
	Partition *partition;
	MemoryContext previous;

	if (group->index >= 0)
		return &scatter->partitions->partitions[group->index];
	if (scatter->key_table == NULL)
		return NULL;

	previous = MemoryContextSwitchTo(scatter->context);
	group->index = scatter->partitions->n;
	partition = partition_add(scatter->partitions);
	memset(partition, 0, sizeof(*partition));
	MemoryContextSwitchTo(previous);
	key_table_add(scatter->key_table, &table->values[first],
				  &table->nulls[first], &partition->keys);
	return partition;
}

static void
add_to_partition(Scatter *scatter, Partition *partition, const RowHeader *row)
{
	ItemPointerData tid;

	stage_pages_add(&scatter->pages, ROW_TUPLE(row), row->length, &tid);
	if (partition->items == 0)
		partition->begin = tid;
	ItemPointerSet(&partition->end, ItemPointerGetBlockNumber(&tid),
				   ItemPointerGetOffsetNumber(&tid) + 1);
	partition->items++;
}

/*
 * Groups by their keys: a hash table with open addressing, for a partition or
 * a million.
 */

static void
group_table_begin(GroupTable *table, Scatter *scatter, bool copies)
{
	memset(table, 0, sizeof(*table));
	table->scatter = scatter;
	table->copies = copies;
	group_table_grow(table);
	group_table_rehash(table, 256);
}

static void
group_table_grow(GroupTable *table)
{
	int nkeys = table->scatter->keys->n;

	if (table->room == 0)
	{
		table->room = 64;
		table->groups = palloc(table->room * sizeof(Group));
		table->values = palloc((Size) table->room * nkeys * sizeof(Datum));
		table->nulls = palloc((Size) table->room * nkeys * sizeof(bool));
		return;
	}
	table->room *= 2;
	table->groups = repalloc_huge(table->groups,
								  (Size) table->room * sizeof(Group));
	table->values = repalloc_huge(table->values,
								  (Size) table->room * nkeys * sizeof(Datum));
	table->nulls = repalloc_huge(table->nulls,
								 (Size) table->room * nkeys * sizeof(bool));
}

static void
group_table_rehash(GroupTable *table, uint32 size)
{
	uint32 i;
	int g;

	if (table->slots != NULL)
		pfree(table->slots);
	table->slots = MemoryContextAllocHuge(GetMemoryChunkContext(table->groups),
										  size * sizeof(int));
	table->mask = size - 1;
	for (i = 0; i < size; i++)
		table->slots[i] = -1;
	for (g = 0; g < table->n; g++)
	{
		i = table->groups[g].hash & table->mask;
		while (table->slots[i] >= 0)
			i = (i + 1) & table->mask;
		table->slots[i] = g;
	}
}

/* Found or made. */
static Group *
group_of(GroupTable *table, const RowHeader *row)
{
	Scatter *scatter = table->scatter;
	TupleDesc columns = RelationGetDescr(scatter->relation);
	BatchKeys *keys = scatter->keys;
	HeapTupleData tuple;
	Datum values[MAX_BATCH_KEYS];
	bool nulls[MAX_BATCH_KEYS];
	uint32 i;
	int k;

	tuple.t_data = ROW_TUPLE(row);
	tuple.t_len = row->length;
	for (k = 0; k < keys->n; k++)
		values[k] = heap_getattr(&tuple, keys->keys[k].column, columns,
								 &nulls[k]);

	for (i = row->hash & table->mask; table->slots[i] >= 0;
		 i = (i + 1) & table->mask)
	{
		int g = table->slots[i];
		Group *group = &table->groups[g];

		if (group->hash != row->hash)
			continue;
		for (k = 0; k < keys->n; k++)
			if (!batch_key_equal(&keys->keys[k], values[k], nulls[k],
								 table->values[g * keys->n + k],
								 table->nulls[g * keys->n + k]))
				break;
		if (k == keys->n)
			return group;
	}

	table->slots[i] = table->n;
	return add_group(table, row, values, nulls);
}

static Group *
add_group(GroupTable *table, const RowHeader *row, Datum *values, bool *nulls)
{
	BatchKeys *keys = table->scatter->keys;
	MemoryContext context = GetMemoryChunkContext(table->groups);
	Group *group;
	int k;

	if (table->n == table->room)
		group_table_grow(table);
	for (k = 0; k < keys->n; k++)
	{
		BatchKey *key = &keys->keys[k];
		Datum *value = &table->values[table->n * keys->n + k];
		MemoryContext previous = MemoryContextSwitchTo(context);

		*value = table->copies && !nulls[k] ?
			datumCopy(values[k], key->by_value, key->length) :
			values[k];
		table->nulls[table->n * keys->n + k] = nulls[k];
		MemoryContextSwitchTo(previous);
	}
	group = &table->groups[table->n++];
	memset(group, 0, sizeof(*group));
	group->hash = row->hash;
	group->index = -1;
	if (table->n > table->mask / 2)
	{
		group_table_rehash(table, (table->mask + 1) * 2);
		group = &table->groups[table->n - 1];
	}
	return group;
}

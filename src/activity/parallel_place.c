/*-------------------------------------------------------------------------
 *
 * parallel_place.c
 *	  Puts the rows of a bucket in their places in the staged table.
 *
 * The rows of each partition are counted, and then go to the staged table's
 * pages (stage_pages.c) partition by partition.
 *
 * A bucket may be too large for the memory, if many rows have the same key,
 * say.  Such a bucket is read several times, for some of its partitions each
 * time; a partition that is too large by itself is copied as it is read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "activity/parallel_scatter_internal.h"

/* A row is copied while so many after it are on their way from memory. */
#define PREFETCHED_ROWS 12

static List *read_bucket(const Bucket *bucket, ChunkFile *file);
static void read_chunk(ChunkFile *file, int number, Chunk *chunk);
static void place_rows(Scatter *scatter, List *chunks, int64 nrows);
static void place_group(Scatter *scatter, Partition *partition,
						RowHeader **row, RowHeader **end, int64 n);
static void place_large_bucket(Scatter *scatter, const Bucket *bucket,
							   ChunkFile *file);
static void measure_groups(const Bucket *bucket, ChunkFile *file,
						   GroupTable *table);
static void note_row(Group *group, const RowHeader *row);
static int plan_passes(Scatter *scatter, GroupTable *table);
static void make_pass(Scatter *scatter, const Bucket *bucket, ChunkFile *file,
					  GroupTable *table, int pass);
static int large_group(Scatter *scatter, const GroupTable *table, int pass);
static List *keep_row(List *chunks, const RowHeader *row);
static Partition *partition_of(Scatter *scatter, GroupTable *table, int g);
static inline void add_to_partition(Scatter *scatter, Partition *partition,
									const RowHeader *row);
static void add_numbers(Scatter *scatter, Partition *partition,
						const RowHeader *row);
static void finish_partition(Scatter *scatter, Partition *partition);
static inline void extend_partition(Partition *partition, ItemPointer tid,
									int rows);

void
scatter_place_bucket(Scatter *scatter, Bucket *bucket, ChunkFile *file)
{
	MemoryContext previous = MemoryContextSwitchTo(scatter->row_context);

	bucket->chunk->used = bucket->next - (char *) bucket->chunk;
	if ((Size) list_length(bucket->written) * CHUNK_SIZE <= scatter->memory)
		place_rows(scatter, read_bucket(bucket, file), bucket->rows);
	else
		place_large_bucket(scatter, bucket, file);
	list_free(bucket->written);
	pfree(bucket->chunk);
	MemoryContextSwitchTo(previous);
	MemoryContextReset(scatter->row_context);
}

/* Its chunks, in memory. */
static List *
read_bucket(const Bucket *bucket, ChunkFile *file)
{
	List *chunks = NIL;
	ListCell *cell;

	foreach(cell, bucket->written)
	{
		Chunk *chunk = palloc(CHUNK_SIZE);

		read_chunk(file, lfirst_int(cell), chunk);
		chunks = lappend(chunks, chunk);
	}
	return lappend(chunks, bucket->chunk);
}

static void
read_chunk(ChunkFile *file, int number, Chunk *chunk)
{
	CHECK_FOR_INTERRUPTS();
	if (FileRead(file->file, (char *) chunk, CHUNK_SIZE,
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

		if (partition != NULL)
			place_group(scatter, partition, rows + i, rows + nrows,
						table.groups[g].next - i);
		i = table.groups[g].next;
	}
}

/*
 * The rows of a partition are anywhere in the bucket, so that the processor has
 * to be told early which come next.  end: of the rows of all partitions.
 */
static void
place_group(Scatter *scatter, Partition *partition, RowHeader **row,
			RowHeader **end, int64 n)
{
	int64 i;

	for (i = 0; i < n; i++, row++)
	{
		if (row + PREFETCHED_ROWS < end)
			prefetch_row(row[PREFETCHED_ROWS]);
		add_to_partition(scatter, partition, *row);
	}
	finish_partition(scatter, partition);
}

static void
place_large_bucket(Scatter *scatter, const Bucket *bucket, ChunkFile *file)
{
	GroupTable table;
	int npasses;
	int i;

	group_table_begin(&table, scatter, true);
	measure_groups(bucket, file, &table);
	npasses = plan_passes(scatter, &table);
	for (i = 0; i < npasses; i++)
		make_pass(scatter, bucket, file, &table, i);
}

static void
measure_groups(const Bucket *bucket, ChunkFile *file, GroupTable *table)
{
	Chunk *buffer = palloc(CHUNK_SIZE);
	RowHeader *row;
	ListCell *cell;

	foreach(cell, bucket->written)
	{
		read_chunk(file, lfirst_int(cell), buffer);
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
make_pass(Scatter *scatter, const Bucket *bucket, ChunkFile *file,
		  GroupTable *table, int pass)
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
			read_chunk(file, list_nth_int(bucket->written, i), chunk);
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
	else if (partition != NULL)
		finish_partition(scatter, partition);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}

/* The group that is too large for the memory, alone in its pass; or -1. */
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

/* Valid until the next one.  NULL if no such partition is expected. */
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

static inline void
add_to_partition(Scatter *scatter, Partition *partition, const RowHeader *row)
{
	ItemPointerData tid;

	if (scatter->numbers != NULL)
	{
		add_numbers(scatter, partition, row);
		return;
	}
	stage_pages_add(&scatter->pages, ROW_TUPLE(row), row->length, &tid);
	extend_partition(partition, &tid, 1);
}

static void
add_numbers(Scatter *scatter, Partition *partition, const RowHeader *row)
{
	while (!numbers_add(scatter->numbers, ROW_NUMBERS(row, scatter->nnumbers)))
		finish_partition(scatter, partition);
}

/* Writes what has been added to it so far. */
static void
finish_partition(Scatter *scatter, Partition *partition)
{
	ItemPointerData tid;
	int rows;

	if (scatter->numbers == NULL)
		return;
	rows = numbers_write(scatter->numbers, &tid);
	if (rows > 0)
		extend_partition(partition, &tid, rows);
}

/* A tuple of so many of its rows was put there. */
static inline void
extend_partition(Partition *partition, ItemPointer tid, int rows)
{
	if (partition->items == 0)
		partition->begin = *tid;
	ItemPointerSet(&partition->end, ItemPointerGetBlockNumber(tid),
				   ItemPointerGetOffsetNumber(tid) + 1);
	partition->items += rows;
}

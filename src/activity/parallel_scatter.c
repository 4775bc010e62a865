/*-------------------------------------------------------------------------
 *
 * parallel_scatter.c
 *	  Brings the rows of a query together by partition keys, without sorting
 *	  them.
 *
 * Sorting costs several times as much as copying.  Here each row is copied
 * twice: as it comes, to the end of one of some hundred buckets, which are
 * temporary files, by a hash of its keys; then, bucket by bucket, each of
 * which fits into memory, to its place in the staged table (parallel_place.c).
 * A file is removed when its buckets are placed.  The rows of each partition
 * in a bucket are counted, which gives their places, so that a partition ends
 * up as one range of tuples; small ones share pages.
 *
 * Values that do not fit into a page, or are stored outside the row, are put
 * into the staged table's toast table when the row comes, so that a row in a
 * bucket already is as it will be in the staged table.
 *
 * If only numbers are wanted of the rows, a row in a bucket has its keys, and
 * the numbers behind them; to the staged table go the numbers
 * (parallel_numbers.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/table.h"
#include "commands/tablespace.h"
#include "executor/tuptable.h"
#include "storage/fd.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/wait_event.h"

#include "activity/parallel_scatter_internal.h"
#include "mlpipe.h"

static Bucket *bucket_of(Scatter *scatter, uint64 hash);
static RowHeader *add_heap_tuple(Scatter *scatter, Bucket *bucket, uint32 hash,
								 HeapTuple tuple);
static bool is_heap_slot(TupleTableSlot *row);
static bool has_same_layout(Scatter *scatter, TupleDesc columns);
static bool is_plain_tuple(Scatter *scatter, HeapTuple tuple);
static bool is_same_layout(TupleDesc a, TupleDesc b);
static RowHeader *add_values(Scatter *scatter, Bucket *bucket, uint32 hash,
							 TupleTableSlot *row);
static RowHeader *add_toasted(Scatter *scatter, Bucket *bucket, uint32 hash,
							  TupleTableSlot *row);
static void put_numbers(Scatter *scatter, RowHeader *header,
						TupleTableSlot *row);
static uint32 row_length(const Scatter *scatter, Size length);
static RowHeader *reserve(Scatter *scatter, Bucket *bucket, uint32 hash,
						  uint32 length);
static void start_chunk(Scatter *scatter, Bucket *bucket);
static ChunkFile *file_of(Scatter *scatter, const Bucket *bucket);
static void write_chunk(Scatter *scatter, Bucket *bucket);

Scatter *
scatter_begin(Relation relation, BatchKeys *keys, KeyTable *key_table,
			  PartitionList *partitions, int nnumbers)
{
	TupleDesc columns = RelationGetDescr(relation);
	Scatter *scatter = palloc0(sizeof(Scatter));

	scatter->relation = relation;
	scatter->keys = keys;
	scatter->key_table = key_table;
	scatter->partitions = partitions;
	scatter->memory = (Size) mlpipe_pack_mem * 1024;
	scatter->context = CurrentMemoryContext;
	scatter->row_context = AllocSetContextCreate(CurrentMemoryContext,
												 "mlpipe scattered rows",
												 ALLOCSET_DEFAULT_SIZES);
	stage_pages_begin(&scatter->pages, relation);
	scatter->columns = columns;
	if (nnumbers > 0)
	{
		scatter->columns = key_table_columns(columns, keys);
		scatter->nnumbers = nnumbers;
		scatter->numbers = numbers_begin(&scatter->pages, nnumbers);
	}
	return scatter;
}

void
scatter_expect(Scatter *scatter, int32 index, Datum *values, bool *nulls)
{
	MemoryContext previous = MemoryContextSwitchTo(scatter->row_context);
	TupleDesc columns = scatter->columns;
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
	hash = batch_keys_hash(scatter->keys, values, nulls);
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
	Datum values[MAX_BATCH_KEYS];
	bool nulls[MAX_BATCH_KEYS];
	Bucket *bucket;
	uint64 hash;

	batch_keys_of_row(scatter->keys, row, values, nulls);
	hash = batch_keys_hash(scatter->keys, values, nulls);
	bucket = bucket_of(scatter, hash);
	if (is_heap_slot(row) &&
		has_same_layout(scatter, row->tts_tupleDescriptor) &&
		is_plain_tuple(scatter, ((HeapTupleTableSlot *) row)->tuple))
		(void) add_heap_tuple(scatter, bucket, (uint32) hash,
							  ((HeapTupleTableSlot *) row)->tuple);
	else
		put_numbers(scatter, add_values(scatter, bucket, (uint32) hash, row),
					row);
	MemoryContextSwitchTo(previous);
	MemoryContextReset(scatter->row_context);
}

void
scatter_add_tuple(Scatter *scatter, HeapTuple tuple, TupleTableSlot *spare)
{
	TupleDesc columns = spare->tts_tupleDescriptor;
	MemoryContext previous;
	Datum values[MAX_BATCH_KEYS];
	bool nulls[MAX_BATCH_KEYS];
	uint64 hash;

	if (!has_same_layout(scatter, columns) || !is_plain_tuple(scatter, tuple))
	{
		ExecStoreHeapTuple(tuple, spare, false);
		scatter_add(scatter, spare);
		ExecClearTuple(spare);
		return;
	}
	previous = MemoryContextSwitchTo(scatter->row_context);
	batch_keys_of_tuple(scatter->keys, tuple, columns, values, nulls);
	hash = batch_keys_hash(scatter->keys, values, nulls);
	(void) add_heap_tuple(scatter, bucket_of(scatter, hash), (uint32) hash,
						  tuple);
	MemoryContextSwitchTo(previous);
}

static RowHeader *
add_heap_tuple(Scatter *scatter, Bucket *bucket, uint32 hash, HeapTuple tuple)
{
	RowHeader *row = reserve(scatter, bucket, hash,
							 row_length(scatter, tuple->t_len));

	memcpy((char *) ROW_TUPLE(row) + AFTER_CTID,
		   (char *) tuple->t_data + AFTER_CTID, tuple->t_len - AFTER_CTID);
	return row;
}

static bool
is_heap_slot(TupleTableSlot *row)
{
	return (TTS_IS_BUFFERTUPLE(row) || TTS_IS_HEAPTUPLE(row)) &&
		((HeapTupleTableSlot *) row)->tuple != NULL;
}

/* Never where the table has numbers of many rows. */
static bool
has_same_layout(Scatter *scatter, TupleDesc columns)
{
	if (scatter->compared != columns)
	{
		scatter->compared = columns;
		scatter->same_layout = is_same_layout(columns,
											  RelationGetDescr(
												  scatter->relation));
	}
	return scatter->same_layout;
}

/*
 * Can a tuple of the same layout be copied as it is?  Not if it lacks columns
 * that were added to its table later.
 */
static bool
is_plain_tuple(Scatter *scatter, HeapTuple tuple)
{
	return HeapTupleHeaderGetNatts(tuple->t_data) ==
		RelationGetDescr(scatter->relation)->natts &&
		!HeapTupleHasExternal(tuple) && tuple->t_len <= TOAST_TUPLE_THRESHOLD;
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

/* Forms it as heap_form_tuple() would, but right in its place. */
static RowHeader *
add_values(Scatter *scatter, Bucket *bucket, uint32 hash, TupleTableSlot *row)
{
	TupleDesc columns = scatter->columns;
	RowHeader *header;
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
		return add_toasted(scatter, bucket, hash, row);

	/* All of it zeroed: a value's length may be where padding is looked for. */
	header = reserve(scatter, bucket, hash,
					 row_length(scatter, offset + length));
	tuple = ROW_TUPLE(header);
	memset((char *) tuple + AFTER_CTID, 0, offset + length - AFTER_CTID);
	HeapTupleHeaderSetNatts(tuple, columns->natts);
	tuple->t_hoff = offset;
	heap_fill_tuple(columns, row->tts_values, row->tts_isnull,
					(char *) tuple + offset, length, &tuple->t_infomask,
					has_nulls ? tuple->t_bits : NULL);
	if (tuple->t_infomask & HEAP_HASEXTERNAL)
	{
		/* Takes the place of what has been put there. */
		bucket->next = (char *) header;
		bucket->rows--;
		header = add_toasted(scatter, bucket, hash, row);
	}
	return header;
}

static RowHeader *
add_toasted(Scatter *scatter, Bucket *bucket, uint32 hash, TupleTableSlot *row)
{
	HeapTuple tuple = heap_form_tuple(scatter->columns, row->tts_values,
									  row->tts_isnull);

	tuple = stage_toast(scatter->relation, tuple);
	return add_heap_tuple(scatter, bucket, hash, tuple);
}

static void
put_numbers(Scatter *scatter, RowHeader *header, TupleTableSlot *row)
{
	double *numbers = ROW_NUMBERS(header, scatter->nnumbers);
	const Datum *values = row->tts_values + scatter->columns->natts;
	const bool *nulls = row->tts_isnull + scatter->columns->natts;
	int i;

	for (i = 0; i < scatter->nnumbers; i++)
		numbers[i] = nulls[i] ? get_float8_nan() : DatumGetFloat8(values[i]);
}

/* In a bucket, with its numbers. */
static uint32
row_length(const Scatter *scatter, Size length)
{
	return scatter->nnumbers == 0 ?
		length :
		MAXALIGN(length) + scatter->nnumbers * sizeof(double);
}

/*
 * Room for a tuple at the end of the bucket.  Before the bucket's next tuple,
 * rows of many other buckets come, so that the processor would have to wait for
 * its place in memory.
 */
static RowHeader *
reserve(Scatter *scatter, Bucket *bucket, uint32 hash, uint32 length)
{
	RowHeader *row;

	if (bucket->chunk == NULL ||
		bucket->next + ROW_SIZE(length) > (char *) bucket->chunk + CHUNK_SIZE)
		start_chunk(scatter, bucket);
	row = (RowHeader *) bucket->next;
	row->length = length;
	row->hash = hash;
	row->expected = false;
	bucket->next += ROW_SIZE(length);
	bucket->rows++;
	prefetch_row(bucket->next);
	return row;
}

static void
start_chunk(Scatter *scatter, Bucket *bucket)
{
	if (bucket->chunk == NULL)
		bucket->chunk = MemoryContextAlloc(scatter->context, CHUNK_SIZE);
	else
		write_chunk(scatter, bucket);
	bucket->next = bucket->chunk->rows;
}

static ChunkFile *
file_of(Scatter *scatter, const Bucket *bucket)
{
	return &scatter->files[(bucket - scatter->buckets) / BUCKETS_PER_FILE];
}

static void
write_chunk(Scatter *scatter, Bucket *bucket)
{
	MemoryContext previous = MemoryContextSwitchTo(scatter->context);
	ChunkFile *file = file_of(scatter, bucket);
	int number = file->nchunks++;

	if (number == 0)
	{
		PrepareTempTablespaces();
		file->file = OpenTemporaryFile(false);
	}
	bucket->chunk->used = bucket->next - (char *) bucket->chunk;
	errno = 0;
	if (FileWrite(file->file, (char *) bucket->chunk, CHUNK_SIZE,
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
	MemoryContextSwitchTo(previous);
}

int64
scatter_end(Scatter *scatter)
{
	int64 rows = 0;
	int i;

	for (i = 0; i < NBUCKETS; i++)
	{
		Bucket *bucket = &scatter->buckets[i];
		ChunkFile *file = file_of(scatter, bucket);

		if (bucket->chunk != NULL)
			scatter_place_bucket(scatter, bucket, file);
		if ((i + 1) % BUCKETS_PER_FILE == 0 && file->nchunks > 0)
			FileClose(file->file);
	}
	stage_pages_end(&scatter->pages);
	for (i = 0; i < scatter->partitions->n; i++)
		rows += scatter->partitions->partitions[i].items;
	MemoryContextDelete(scatter->row_context);
	pfree(scatter);
	return rows;
}

/*-------------------------------------------------------------------------
 *
 * parallel_partition.c
 *	  Where the partitions of a staged table lie, and which comes first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"

#include "activity/parallel_partition.h"
#include "store/step_store.h"

#define FIRST_ROOM 1024

static int compare_partitions(const void *a, const void *b);

Partition *
partition_add(PartitionList *list)
{
	if (list->n == list->room)
	{
		if (list->room == 0)
			list->partitions = palloc(FIRST_ROOM * sizeof(Partition));
		else
			list->partitions = repalloc_huge(list->partitions,
											 (Size) list->room * 2 *
												 sizeof(Partition));
		list->room = list->room == 0 ? FIRST_ROOM : list->room * 2;
	}
	return &list->partitions[list->n++];
}

void
partitions_sort(PartitionList *list)
{
	if (list->n > 0)
		qsort(list->partitions, list->n, sizeof(Partition),
			  compare_partitions);
}

/* Partitions of the same size are in physical order. */
static int
compare_partitions(const void *a, const void *b)
{
	const Partition *first = a;
	const Partition *second = b;

	if (first->items != second->items)
		return first->items > second->items ? -1 : 1;
	return ItemPointerCompare(unconstify(ItemPointerData *, &first->begin),
							  unconstify(ItemPointerData *, &second->begin));
}

void
partitions_write(const PartitionList *list, StringInfo boundaries)
{
	int32 i;

	if (list->n > MaxAllocSize / 2 / PARTITION_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the input has %d partitions, and may have %d",
						list->n, (int) (MaxAllocSize / 2 / PARTITION_SIZE))));
	enlargeStringInfo(boundaries, list->n * PARTITION_SIZE);
	for (i = 0; i < list->n; i++)
	{
		boundary_append(boundaries, &list->partitions[i].begin);
		boundary_append(boundaries, &list->partitions[i].end);
		pq_sendint64(boundaries, list->partitions[i].items);
		boundary_append(boundaries, &list->partitions[i].keys);
	}
}

void
partition_read(const char *entry, Partition *partition)
{
	uint64 items;

	boundary_read(entry, &partition->begin);
	entry += BOUNDARY_SIZE;
	boundary_read(entry, &partition->end);
	entry += BOUNDARY_SIZE;
	memcpy(&items, entry, sizeof(items));
	partition->items = (int64) pg_ntoh64(items);
	entry += sizeof(items);
	boundary_read(entry, &partition->keys);
}

void
boundary_append(StringInfo boundaries, ItemPointer tid)
{
	pq_sendint32(boundaries, ItemPointerGetBlockNumberNoCheck(tid));
	pq_sendint16(boundaries, ItemPointerGetOffsetNumberNoCheck(tid));
}

void
boundary_read(const char *entry, ItemPointer tid)
{
	uint32 block;
	uint16 offset;

	memcpy(&block, entry, sizeof(block));
	memcpy(&offset, entry + sizeof(block), sizeof(offset));
	ItemPointerSet(tid, pg_ntoh32(block), pg_ntoh16(offset));
}

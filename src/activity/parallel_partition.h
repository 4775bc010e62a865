/*-------------------------------------------------------------------------
 *
 * parallel_partition.h
 *	  Where the partitions of a staged table lie, and which comes first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_PARTITION_H
#define MLPIPE_PARALLEL_PARTITION_H

#include "lib/stringinfo.h"
#include "storage/itemptr.h"

/* A range of tuples of the staged table. */
typedef struct Partition
{
	ItemPointerData begin;
	ItemPointerData end; /* behind the last one */
	int64 items;
	ItemPointerData keys; /* in the key table; invalid: see its first row */
} Partition;

/* A growing array of partitions; all zeros: empty. */
typedef struct PartitionList
{
	Partition *partitions;
	int32 n;
	int32 room;
} PartitionList;

/* A new one, in the context of the first; the caller fills it in. */
extern Partition *partition_add(PartitionList *list);

/*
 * Sorts them, the largest first: in that order they are numbered and handed
 * out, so that no large one is left for the end.
 */
extern void partitions_sort(PartitionList *list);

/* Appends what mlpipe.step keeps of them. */
extern void partitions_write(const PartitionList *list, StringInfo boundaries);

/* Reads one of these entries. */
extern void partition_read(const char *entry, Partition *partition);

/* Appends, or reads, a tuple's place: six bytes that sort as the tuples do. */
extern void boundary_append(StringInfo boundaries, ItemPointer tid);
extern void boundary_read(const char *entry, ItemPointer tid);

#endif /* MLPIPE_PARALLEL_PARTITION_H */

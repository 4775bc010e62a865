/*-------------------------------------------------------------------------
 *
 * parallel_group_table.c
 *	  The partitions of a bucket's rows: a hash table with open addressing, for
 *	  a partition or a million.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "activity/parallel_scatter_internal.h"

static void group_table_grow(GroupTable *table);
static void group_table_rehash(GroupTable *table, uint32 size);
static Group *add_group(GroupTable *table, const RowHeader *row, Datum *values,
						bool *nulls);

void
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

Group *
group_of(GroupTable *table, const RowHeader *row)
{
	Scatter *scatter = table->scatter;
	BatchKeys *keys = scatter->keys;
	HeapTupleData tuple;
	Datum values[MAX_BATCH_KEYS];
	bool nulls[MAX_BATCH_KEYS];
	uint32 i;
	int k;

	tuple.t_data = ROW_TUPLE(row);
	tuple.t_len = row->length;
	batch_keys_of_tuple(keys, &tuple, scatter->columns, values, nulls);

	for (i = row->hash & table->mask; table->slots[i] >= 0;
		 i = (i + 1) & table->mask)
	{
		int g = table->slots[i];
		Group *group = &table->groups[g];
		Size first = (Size) g * keys->n;

		if (group->hash != row->hash)
			continue;
		for (k = 0; k < keys->n; k++)
			if (!batch_key_equal(&keys->keys[k], values[k], nulls[k],
								 table->values[first + k],
								 table->nulls[first + k]))
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
	Size first = (Size) table->n * keys->n;
	Group *group;
	int k;

	if (table->n == table->room)
		group_table_grow(table);
	for (k = 0; k < keys->n; k++)
	{
		BatchKey *key = &keys->keys[k];
		Datum *value = &table->values[first + k];
		MemoryContext previous = MemoryContextSwitchTo(context);

		*value = table->copies && !nulls[k] ?
			datumCopy(values[k], key->by_value, key->length) :
			values[k];
		table->nulls[first + k] = nulls[k];
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

/*-------------------------------------------------------------------------
 *
 * parallel_split.c
 *	  Splits a table into mini-batches where it is, without a copy.
 *
 * By size, a mini-batch is a range of blocks, and no row has to be looked at.
 * By rows, it is a range of tuples with as many rows as asked for: one pass
 * over the table finds the first tuple of each, and keeps six bytes for it.
 * The pass counts what this transaction sees.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "activity/parallel.h"
#include "activity/parallel_partition.h"

static void check_may_read(Relation relation);
static double share_of_blocks(const Split *split);
static void split_by_rows(Relation relation, int64 rows_per_batch,
						  Split *split);

bool
split_table(Oid relation_id, const BatchSize *size, Split *split)
{
	Relation relation = table_open(relation_id, AccessShareLock);
	bool stands = split_can_stand(relation);

	if (stands)
	{
		check_may_read(relation);
		memset(split, 0, sizeof(*split));
		initStringInfo(&split->boundaries);
		split->row.relation = relation_id;
		split->row.filenode = relation->rd_rel->relfilenode;
		split->row.blocks = RelationGetNumberOfBlocks(relation);
		split->row.items = -1;
		if (size->rows > 0)
			split_by_rows(relation, size->rows, split);
		else
			split_by_size(size, split);
	}
	table_close(relation, NoLock);
	return stands;
}

bool
split_can_stand(Relation relation)
{
	char kind = relation->rd_rel->relkind;

	return (kind == RELKIND_RELATION || kind == RELKIND_MATVIEW) &&
		relation->rd_tableam == GetHeapamTableAmRoutine() &&
		relation->rd_rel->relpersistence != RELPERSISTENCE_TEMP &&
		find_inheritance_children(RelationGetRelid(relation),
								  AccessShareLock) == NIL &&
		check_enable_rls(RelationGetRelid(relation), InvalidOid, true) !=
		RLS_ENABLED;
}

/* The columns that run reads are checked when it runs. */
static void
check_may_read(Relation relation)
{
	Oid id = RelationGetRelid(relation);

	if (pg_class_aclcheck(id, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(id, GetUserId(), ACL_SELECT, ACLMASK_ANY) !=
			ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV,
					   get_relkind_objtype(relation->rd_rel->relkind),
					   RelationGetRelationName(relation));
	if (!RelationIsPopulated(relation))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("materialized view \"%s\" has not been populated",
						RelationGetRelationName(relation)),
				 errhint("Use the REFRESH MATERIALIZED VIEW command.")));
}

void
split_by_size(const BatchSize *size, Split *split)
{
	double share = share_of_blocks(split);
	int64 blocks = Max((int64) ((double) size->bytes / BLCKSZ * share), 1);

	split->row.blocks_per_batch = (int32) Min(blocks, PG_INT32_MAX);
	blocks = (split->row.blocks + split->row.blocks_per_batch - 1) /
		split->row.blocks_per_batch;
	if (blocks >= PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the input would make " INT64_FORMAT " mini-batches",
						blocks),
				 errhint("Make \"mini_batch_size\" larger.")));
	split->row.batches = (int32) blocks;
}

/*
 * How much of the table's size is in its own blocks.  The rest are long values,
 * which are read along with the blocks and assumed to be spread evenly.
 */
static double
share_of_blocks(const Split *split)
{
	Relation relation = table_open(split->row.relation, NoLock);
	Oid toast_id = relation->rd_rel->reltoastrelid;
	double blocks = split->row.blocks;
	double elsewhere = 0;

	if (OidIsValid(toast_id))
	{
		Relation toast = table_open(toast_id, AccessShareLock);

		elsewhere = RelationGetNumberOfBlocks(toast);
		table_close(toast, NoLock);
	}
	table_close(relation, NoLock);
	return elsewhere > 0 ? blocks / (blocks + elsewhere) : 1;
}

/*
 * Not a query: the order must be that of the blocks, from the first one on,
 * whatever the planner or a scan already going on would prefer.
 */
static void
split_by_rows(Relation relation, int64 rows_per_batch, Split *split)
{
	TableScanDesc scan = table_beginscan_strat(relation, GetActiveSnapshot(),
											   0, NULL, true, false);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	int64 rows = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (rows % rows_per_batch == 0)
			split_add_boundary(split, &slot->tts_tid);
		rows++;
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	split->row.items = rows;
	split->row.rows_per_batch = rows_per_batch;
}

void
split_add_boundary(Split *split, ItemPointer tid)
{
	boundary_append(&split->boundaries, tid);
	split->row.batches++;
}

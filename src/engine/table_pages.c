/*-------------------------------------------------------------------------
 *
 * table_pages.c
 *	  What the pages of a table tell without reading its rows.
 *
 * Pages are read through the small ring of buffers of bulk reads.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"

#include "engine/table_pages.h"

static void add_to_stamp(ContentStamp *stamp, uint64 value);
static void add_text_to_stamp(ContentStamp *stamp, const char *text);
static void stamp_columns(Relation table, ContentStamp *stamp);
static bool stamp_pages(Relation table, ContentStamp *stamp);
static bool count_added_on(Page page, Snapshot snapshot, int64 *added);
static bool is_later(TransactionId xid, Snapshot snapshot);

bool
table_stamp(Relation table, ContentStamp *stamp)
{
	add_to_stamp(stamp, RelationGetRelid(table));
	stamp_columns(table, stamp);
	if (table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		return true;
	if (!RelationNeedsWAL(table))
		return false;
	add_to_stamp(stamp, table->rd_rel->relfilenode);
	return stamp_pages(table, stamp);
}

static void
add_to_stamp(ContentStamp *stamp, uint64 value)
{
	stamp->digest = DatumGetUInt64(hash_any_extended((unsigned char *) &value,
													 sizeof(value),
													 stamp->digest));
}

/*
 * A column can be added, with a value for all rows, or dropped without changing
 * any page.
 */
static void
stamp_columns(Relation table, ContentStamp *stamp)
{
	TupleDesc columns = RelationGetDescr(table);
	int i;

	for (i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (column->attisdropped)
			continue;
		add_to_stamp(stamp, column->attnum);
		stamp_add_column(stamp, columns, i);
	}
}

void
stamp_add_column(ContentStamp *stamp, TupleDesc columns, int index)
{
	Form_pg_attribute column = TupleDescAttr(columns, index);
	const TupleConstr *constraints = columns->constr;

	add_to_stamp(stamp, column->atttypid);
	add_to_stamp(stamp, column->atttypmod);
	add_text_to_stamp(stamp, NameStr(column->attname));
	for (int i = 0; constraints != NULL && i < constraints->num_defval; i++)
	{
		if (constraints->defval[i].adnum == column->attnum)
			add_text_to_stamp(stamp, constraints->defval[i].adbin);
	}
}

static void
add_text_to_stamp(ContentStamp *stamp, const char *text)
{
	add_to_stamp(stamp, hash_bytes((unsigned char *) text, strlen(text)));
}

static bool
stamp_pages(Relation table, ContentStamp *stamp)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	BlockNumber nblocks = RelationGetNumberOfBlocks(table);
	BlockNumber block;
	bool logged = true;

	add_to_stamp(stamp, nblocks);
	for (block = 0; block < nblocks && logged; block++)
	{
		Buffer buffer = ReadBufferExtended(table, MAIN_FORKNUM, block,
										   RBM_NORMAL, strategy);
		XLogRecPtr lsn = BufferGetLSNAtomic(buffer);

		CHECK_FOR_INTERRUPTS();
		logged = lsn != InvalidXLogRecPtr || PageIsNew(BufferGetPage(buffer));
		stamp->lsn = Max(stamp->lsn, lsn);
		ReleaseBuffer(buffer);
	}
	FreeAccessStrategy(strategy);
	return logged;
}

bool
table_count_added(Relation table, Snapshot snapshot, int64 *added)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	BlockNumber nblocks = RelationGetNumberOfBlocks(table);
	BlockNumber block;
	bool only_added = true;

	for (block = 0; block < nblocks && only_added; block++)
	{
		Buffer buffer = ReadBufferExtended(table, MAIN_FORKNUM, block,
										   RBM_NORMAL, strategy);

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		only_added = count_added_on(BufferGetPage(buffer), snapshot, added);
		UnlockReleaseBuffer(buffer);
	}
	FreeAccessStrategy(strategy);
	return only_added;
}

static bool
count_added_on(Page page, Snapshot snapshot, int64 *added)
{
	OffsetNumber last;
	OffsetNumber offset;

	if (PageIsNew(page))
		return true;
	last = PageGetMaxOffsetNumber(page);
	for (offset = FirstOffsetNumber; offset <= last; offset++)
	{
		ItemId item = PageGetItemId(page, offset);
		HeapTupleHeader tuple;

		if (!ItemIdIsNormal(item))
			continue;
		tuple = (HeapTupleHeader) PageGetItem(page, item);
		if (HeapTupleHeaderXminInvalid(tuple))
			continue;
		if (!HeapTupleHeaderXminFrozen(tuple) &&
			is_later(HeapTupleHeaderGetRawXmin(tuple), snapshot))
			(*added)++;
		if (!(tuple->t_infomask & HEAP_XMAX_INVALID) &&
			!HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask) &&
			is_later(HeapTupleHeaderGetUpdateXid(tuple), snapshot))
			return false;
	}
	return true;
}

static bool
is_later(TransactionId xid, Snapshot snapshot)
{
	return TransactionIdIsNormal(xid) &&
		!TransactionIdIsCurrentTransactionId(xid) &&
		XidInMVCCSnapshot(xid, snapshot) && !TransactionIdDidAbort(xid);
}

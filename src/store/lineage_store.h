/*-------------------------------------------------------------------------
 *
 * lineage_store.h
 *	  Every statement on mlpipe.lineage.
 *
 * All of these are called in engine mode, in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_LINEAGE_STORE_H
#define MLPIPE_LINEAGE_STORE_H

typedef struct LineageRow
{
	int64 run_id;
	int32 no;
	Oid relation;
	bool written; /* else read */
	int64 rows;
	const char *name;
} LineageRow;

/* Adds the rows to those that there are of the activity and the relation. */
extern void lineage_add(const LineageRow *row);

#endif /* MLPIPE_LINEAGE_STORE_H */

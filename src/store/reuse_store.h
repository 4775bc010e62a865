/*-------------------------------------------------------------------------
 *
 * reuse_store.h
 *	  Every statement on mlpipe.reuse, mlpipe.reuse_table and
 *	  mlpipe.table_hash.
 *
 * All of these are called in engine mode, in a transaction.  Results live in
 * the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_REUSE_STORE_H
#define MLPIPE_REUSE_STORE_H

#include "access/xlogdefs.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "definition/document.h"

/* All rows of a table, as mlpipe.hash_rows() makes it. */
typedef struct ContentHash
{
	uint64 rows;
	uint64 low;
	uint64 high;
} ContentHash;

/* A state of a table's files. */
typedef struct ContentStamp
{
	XLogRecPtr lsn; /* the greatest one of a page */
	uint64 digest;  /* of all else */
} ContentStamp;

/* False where nothing is remembered of that state. */
extern bool table_hash_find(Oid relation, TransactionId xid,
							const ContentStamp *stamp, ContentHash *hash);

/* What is remembered of other states of the table is forgotten. */
extern void table_hash_keep(Oid relation, TransactionId xid,
							const ContentStamp *stamp,
							const ContentHash *hash);

/* What a success is recognized by, but for its tables. */
typedef struct ReuseRow
{
	int64 run_id;
	int32 no;
	Datum key;   /* bytea: role, name, and all that is said below */
	Datum place; /* bytea: role and name */
	char *definition;
	Jsonb *parameters;
	Jsonb *upstream;
	Jsonb *asked;        /* parameters that functions asked for */
	const char *problem; /* why it cannot be used again; NULL: it can */
	int64 origin_run_id; /* where the work was done */
	int32 origin_no;
	int64 compared_run_id; /* with what it was compared; 0: nothing */
	int32 compared_no;
	XLogRecPtr start_lsn;  /* of a parallel step: when it was split */
	bytea *start_snapshot; /* NULL: it is none */

	/* of its activity; not written */
	Jsonb *output;
	int64 items_in;
	int64 items_out;
} ReuseRow;

typedef enum TableUse
{
	TABLE_INPUT = 'i',
	TABLE_OUTPUT = 'o',
	TABLE_FOUND = 'f', /* an earlier output, before the activity ran */
	TABLE_VIEW = 'v',  /* what was read through: its definition */
	TABLE_FUNCTION = 'p'
} TableUse;

typedef struct ReuseTable
{
	TableUse use;
	Oid relation;
	char *name;
	bool visible;        /* found without its schema's name */
	TransactionId xid;   /* only rows that it inserted; invalid: all */
	const char *problem; /* why it cannot be told; NULL: it can */
	ContentHash hash;
} ReuseTable;

extern void reuse_insert(const ReuseRow *row);
extern void reuse_table_insert(int64 run_id, int32 no,
							   const ReuseTable *table);

/*
 * A worker of a step has seen the table: rows are added to those that others
 * have seen, and the first problem stays.
 */
extern void reuse_table_add(int64 run_id, int32 no, const ReuseTable *table);
extern void reuse_asked_add(int64 run_id, int32 no, Jsonb *asked);

/* What has become of it at the end of the step. */
extern void reuse_table_update(int64 run_id, int32 no,
							   const ReuseTable *table);
extern void reuse_set_problem(int64 run_id, int32 no, const char *problem);

/*
 * Successes of other runs with that key that can be used again, latest first;
 * ReuseRow *.
 */
extern List *reuse_candidates(Datum key, int64 run_id, int limit);

/* The latest success in that place before the run; NULL: none. */
extern ReuseRow *reuse_nearest(Datum place, int64 run_id);

extern List *reuse_tables(int64 run_id, int32 no); /* of ReuseTable * */

/* NULL where the activity has left none. */
extern ReuseRow *reuse_load(int64 run_id, int32 no);

/* A part of what an activity is recognized by, here and in the earlier run. */
typedef struct ReusePart
{
	char *part;
	char *this_run; /* NULL: there is no such part */
	char *earlier_run;
	bool same;
	bool looked; /* else same is not known */
} ReusePart;

extern List *reuse_parts(int64 run_id, int32 no); /* of ReusePart * */

/*
 * How an activity of the run ended, as far as those that depend on it are
 * concerned: where its work was done, or what it returned.
 */
extern char *reuse_end_of(int64 run_id, int32 no, bool by_origin);

/* The same for all work with "reuse" that was done inside of a container. */
extern char *reuse_ends_inside(int64 run_id, int32 no,
							   const Document *document);

/* Its work was done in an earlier run. */
extern void activity_set_reused(int64 run_id, int32 no, int64 reused_from);

/* What is remembered of tables that are gone. */
extern void table_hashes_clean(void);

#endif /* MLPIPE_REUSE_STORE_H */

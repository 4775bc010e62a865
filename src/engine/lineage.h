/*-------------------------------------------------------------------------
 *
 * lineage.h
 *	  Which tables the work of an attempt reads and writes.
 *
 * What is seen is gathered in memory, one list a process, and written along
 * with the end of the activity; by a worker of a parallel step when it leaves
 * the step.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_LINEAGE_H
#define MLPIPE_LINEAGE_H

#include "nodes/pg_list.h"

/* A table that was read or written. */
typedef struct LineageEntry
{
	Oid relation;
	bool written; /* else read */
	int64 rows;
	char *name; /* schema-qualified, as it was when first seen */

	/* for reuse */
	bool own; /* this transaction had made its file when it was first read */
	bool by_others; /* read with the rights of another role */
	bool replaces;  /* not only added to */
} LineageEntry;

/* A view or a function: its definition is a part of what was read. */
typedef struct LineageSource
{
	Oid class_id; /* pg_class or pg_proc */
	Oid object_id;
} LineageSource;

/* Once, when the library is loaded. */
extern void lineage_install_hooks(void);

/*
 * Between these two what the session's statements read and write is gathered.
 * Neither can fail.
 */
extern void lineage_start(void);
extern void lineage_stop(void);
extern bool lineage_is_watching(void);

/* Forgets all of it. */
extern void lineage_reset(void);

/*
 * Notes that so many rows of a table were read or written.  NULL, and nothing
 * noted, if it is not a user's table but a catalog, a temporary table, a view
 * or our own.
 */
extern LineageEntry *lineage_note(Oid relation, bool written, int64 rows);

/* Notes a view or a function that takes part. */
extern void lineage_note_source(Oid class_id, Oid object_id);

/* Notes why what was read, or written, cannot be told. */
extern void lineage_note_problem(bool written, const char *problem);

/* More rows of what has been noted; nothing where it has not. */
extern void lineage_add_rows(Oid relation, bool written, int64 rows);

/* How many rows there are so far, to go back to where work is rolled back. */
typedef struct LineageMark
{
	int count;
	int64 *rows;
} LineageMark;

extern LineageMark lineage_mark(void);
extern void lineage_go_back(const LineageMark *mark);

/* Of LineageEntry *; the list is nobody's to change. */
extern List *lineage_entries(void);
extern List *lineage_sources(void); /* of LineageSource * */

/* The first that was noted; NULL: none. */
extern const char *lineage_problem(bool written);

/* The qualified name of a user's table; else NULL. */
extern char *lineage_name(Oid relation);

/* Was it made or emptied in this transaction, so that all in it is its work? */
extern bool lineage_has_new_file(Oid relation);

/*
 * Writes all that was gathered, in the open transaction, added to what is there
 * for the activity; it stays gathered until lineage_reset().  Enters engine
 * mode itself.
 */
extern void lineage_write(int64 run_id, int32 no);

#endif /* MLPIPE_LINEAGE_H */

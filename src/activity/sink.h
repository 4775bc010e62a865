/*-------------------------------------------------------------------------
 *
 * sink.h
 *	  Tables that activities write rows to.
 *
 * By default rows go into a table by position, as with INSERT, and "columns"
 * says into which of its columns.  In the modes with a key they go by the names
 * of the query's columns, so that what it leaves out is left alone; there
 * "columns" renames them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_SINK_H
#define MLPIPE_SINK_H

#include "activity/activity.h"
#include "activity/select.h"

typedef enum SinkMode
{
	SINK_APPEND,
	SINK_OVERWRITE,
	SINK_UPSERT,
	SINK_CREATE,
	SINK_UPDATE,
	SINK_DELETE
} SinkMode;

#define NUM_COPY_MODES (SINK_CREATE + 1)
#define NUM_SINK_MODES (SINK_DELETE + 1)

/* The words of SinkMode, by its values. */
extern const char *const sink_mode_words[];

/* A sink as the document has it. */
typedef struct Sink
{
	Template *table;
	SinkMode mode;
	List *key;     /* of Template * */
	List *columns; /* of Template *; NIL: not said */
	List *types;   /* of char *, one for each column; or NIL */
} Sink;

/* A sink in one attempt. */
typedef struct SinkTarget
{
	SinkMode mode;
	char *name;    /* of the table, as it was written */
	char *table;   /* the same, ready for a statement */
	List *key;     /* of char * */
	List *columns; /* of char *; NIL: not said */
	List *types;   /* of char *, ready for a statement; or NIL */

	/* set by sink_write(): were rows left alone whose key was there? */
	bool keeps_existing;
} SinkTarget;

/*
 * Reads the keys table, mode, key and columns, which the reader's object may
 * have beside others; the first nmodes modes are allowed.
 */
extern Sink *sink_check(JsonReader *reader, const TemplateScope *scope,
						int nmodes);

extern SinkTarget *sink_target(ActivityCall *call, const Sink *sink);

/*
 * Writes what the query returns, as the current user, and returns the number
 * of rows written.  with: named queries that it may refer to, "a AS (...)"; or
 * NULL.  One statement, so it may also read the table that it writes.
 */
extern int64 sink_write(SinkTarget *target, const char *with,
						const Select *query);

/* The parts of that for rows that do not come from a query. */
extern void sink_lock(const SinkTarget *target);
extern void sink_create_table(const SinkTarget *target);
extern void sink_delete_all(const SinkTarget *target);

#endif /* MLPIPE_SINK_H */

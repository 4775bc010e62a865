/*-------------------------------------------------------------------------
 *
 * copy_file.h
 *	  Files of the server that the copy activity reads and writes.
 *
 * PostgreSQL's own COPY does the work, and checks the rights: reading takes a
 * member of pg_read_server_files, writing one of pg_write_server_files.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_COPY_FILE_H
#define MLPIPE_COPY_FILE_H

#include "activity/activity.h"
#include "activity/select.h"

typedef struct CopyFile
{
	Template *path;
	int format;
	Jsonb *options; /* object, of templates; NULL: none */
} CopyFile;

/* What a transfer moved. */
typedef struct CopyCounts
{
	int64 rows_read; /* -1: not known */
	int64 rows_written;
	int64 bytes; /* of the file; -1: there is none */
} CopyCounts;

/* Reads the keys file, format and options. */
extern CopyFile *copy_file_check(JsonReader *reader,
								 const TemplateScope *scope);

/* table is ready for a statement; columns of char *, or NIL for all. */
extern void copy_file_read(ActivityCall *call, const CopyFile *file,
						   const char *table, List *columns,
						   CopyCounts *counts);
extern void copy_file_write(ActivityCall *call, const CopyFile *file,
							const Select *query, CopyCounts *counts);

#endif /* MLPIPE_COPY_FILE_H */

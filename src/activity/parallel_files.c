/*-------------------------------------------------------------------------
 *
 * parallel_files.c
 *	  Files of the server as the input of a parallel activity.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <glob.h>
#include <sys/stat.h>

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "activity/parallel_config.h"

/* The first directory that could not be read, while glob() works. */
static char unreadable[MAXPGPATH];
static int unreadable_error;

static void check_may_list(const char *pattern);
static List *find_files(const char *pattern);
static int note_unreadable(const char *path, int error);
static void warn_of_unreadable(void);
static int compare_paths(const ListCell *a, const ListCell *b);
static void add_file(ReturnSetInfo *result, const char *path);

/*
 * The regular files that match, in the byte order of their names.  A symbolic
 * link to a file is one, under the name of the link: whoever may call this may
 * read any file by its own name.
 */
PG_FUNCTION_INFO_V1(mlpipe_list_files);
Datum
mlpipe_list_files(PG_FUNCTION_ARGS)
{
	char *pattern = text_to_cstring(PG_GETARG_TEXT_PP(0));
	List *paths;
	ListCell *cell;

	check_may_list(pattern);
	InitMaterializedSRF(fcinfo, 0);
	paths = find_files(pattern);
	foreach(cell, paths)
	{
		CHECK_FOR_INTERRUPTS();
		add_file((ReturnSetInfo *) fcinfo->resultinfo, lfirst(cell));
	}
	return (Datum) 0;
}

static void
check_may_list(const char *pattern)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to list files of the server"),
			 errdetail(
				 "Only roles with privileges of the \"%s\" role may do that.",
				 "pg_read_server_files"),
			 errhint(LIST_FILES_HINT, GetUserNameFromId(GetUserId(), false))));
	if (!is_absolute_path(pattern))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("path of \"files\" is not absolute: \"%s\"",
						pattern)));
}

static List *
find_files(const char *pattern)
{
	glob_t found = {0};
	List *volatile paths = NIL;
	int failed;
	size_t i;

	unreadable_error = 0;
	failed = glob(pattern, GLOB_NOSORT, note_unreadable, &found);
	if (failed == GLOB_NOSPACE)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));

	/* glob() allocates with malloc(): an error before globfree() would leak. */
	PG_TRY();
	{
		for (i = 0; failed == 0 && i < found.gl_pathc; i++)
			paths = lappend(paths, pstrdup(found.gl_pathv[i]));
	}
	PG_FINALLY();
	{
		globfree(&found);
	}
	PG_END_TRY();
	warn_of_unreadable();
	list_sort(paths, compare_paths);
	return paths;
}

/* Called by glob(); a directory that does not exist just has no files. */
static int
note_unreadable(const char *path, int error)
{
	if (unreadable_error == 0 && error != ENOENT && error != ENOTDIR)
	{
		unreadable_error = error;
		strlcpy(unreadable, path, sizeof(unreadable));
	}
	return 0;
}

/* A directory that cannot be read would look just like an empty one. */
static void
warn_of_unreadable(void)
{
	errno = unreadable_error;
	if (errno != 0)
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not open directory \"%s\": %m", unreadable)));
}

static int
compare_paths(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

static void
add_file(ReturnSetInfo *result, const char *path)
{
	struct stat file;
	Datum values[3];
	bool nulls[3] = {false};

	/* It may have gone since. */
	if (stat(path, &file) != 0 || !S_ISREG(file.st_mode))
		return;
	pg_verifymbstr(path, strlen(path), false);
	values[0] = CStringGetTextDatum(path);
	values[1] = Int64GetDatum((int64) file.st_size);
	values[2] = TimestampTzGetDatum(time_t_to_timestamptz(file.st_mtime));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

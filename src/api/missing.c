/*-------------------------------------------------------------------------
 *
 * missing.c
 *	  Errors about what is not there, or not to be seen: 42704 alike.
 *
 * That there is a run which others may see is none of a user's business.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/missing.h"

void
missing_run(int64 run_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("run " INT64_FORMAT " does not exist", run_id)));
}

void
missing_pipeline(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("pipeline \"%s\" does not exist", name)));
}

void
missing_version(const char *pipeline, int32 version)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("version %d of pipeline \"%s\" does not exist", version,
					pipeline)));
}

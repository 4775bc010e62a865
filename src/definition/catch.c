/*-------------------------------------------------------------------------
 *
 * catch.c
 *	  Calls the server's parsers without letting their errors get away.
 *
 * Checking a document means asking the server's own parsers (of types, values,
 * jsonpath and SQL), which raise what they dislike, and going on with the rest
 * of the document.  Each call gets a subtransaction: a type's input function
 * may hold locks, cache references and open relations when it raises, and only
 * that gives them back on all versions.  Where nothing is written it costs a
 * microsecond or two.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "definition/catch.h"

static bool is_about_input(int sqlerrcode);

bool
catch_errors(void (*function)(void *), void *arg, char **message)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		function(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error == NULL)
		return true;
	if (!is_about_input(error->sqlerrcode))
		ReThrowError(error);
	*message = error->message;
	return false;
}

static bool
is_about_input(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
		default:
			return true;
	}
}

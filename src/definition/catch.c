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
#include "parser/parser.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "definition/catch.h"

typedef struct Parse
{
	const char *sql;
	List *parsed;
} Parse;

static bool is_about_input(int sqlerrcode);
static void parse(void *arg);

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

bool
catch_parse(const char *sql, List **parsed, char **message)
{
	Parse work = {.sql = sql};
	bool good = catch_errors(parse, &work, message);

	*parsed = work.parsed;
	return good;
}

static void
parse(void *arg)
{
	Parse *work = arg;

	work->parsed = raw_parser(work->sql, RAW_PARSE_DEFAULT);
}

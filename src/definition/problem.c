/*-------------------------------------------------------------------------
 *
 * problem.c
 *	  What is wrong with a pipeline document, gathered rather than raised.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/varlena.h"

#include "definition/problem.h"

/* More edits than this, and two words are not spellings of each other. */
#define MAX_EDITS 3

/* Longer words are not mistyped, and the distance costs their square. */
#define MAX_WORD 100

static char *problem_text(const Problem *problem);
static int edits_allowed(int length);

void
problem_add(ProblemList *list, ProblemSeverity severity, const char *path,
			const char *hint, const char *message, ...)
{
	Problem *problem = palloc(sizeof(Problem));
	StringInfoData text;
	va_list args;
	int needed;

	initStringInfo(&text);
	for (;;)
	{
		va_start(args, message);
		needed = appendStringInfoVA(&text, message, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}

	problem->severity = severity;
	problem->path = pstrdup(path);
	problem->message = text.data;
	problem->hint = hint ? pstrdup(hint) : NULL;
	list->problems = lappend(list->problems, problem);
	if (severity == PROBLEM_ERROR)
		list->nerrors++;
}

void
problem_raise(const ProblemList *list)
{
	const Problem *first = NULL;
	StringInfoData detail;
	ListCell *cell;

	if (list->nerrors == 0)
		return;

	initStringInfo(&detail);
	foreach(cell, list->problems)
	{
		const Problem *problem = lfirst(cell);

		if (problem->severity != PROBLEM_ERROR)
			continue;
		if (first == NULL)
			first = problem;
		else
			appendStringInfoChar(&detail, '\n');
		appendStringInfoString(&detail, problem_text(problem));
	}

	Assert(first != NULL);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", problem_text(first)), errdetail("%s", detail.data),
			 first->hint ? errhint("%s", first->hint) : 0));
}

static char *
problem_text(const Problem *problem)
{
	if (problem->path[0] == '\0')
		return problem->message;
	return psprintf("%s: %s", problem->path, problem->message);
}

char *
problem_nearest_hint(const char *word, const char *const *candidates,
					 int ncandidates)
{
	int length = strlen(word);
	int best = MAX_EDITS + 1;
	const char *nearest = NULL;

	if (length > MAX_WORD)
		return NULL;
	for (int i = 0; i < ncandidates && best > 0; i++)
	{
		int candidate_length = strlen(candidates[i]);
		int allowed = Min(best - 1,
						  edits_allowed(Min(length, candidate_length)));
		int edits;

		if (candidate_length > MAX_WORD ||
			abs(candidate_length - length) > allowed)
			continue;
		edits = pg_strcasecmp(word, candidates[i]) == 0 ?
			0 :
			varstr_levenshtein_less_equal(word, length, candidates[i],
										  candidate_length, 1, 1, 1, allowed,
										  true);
		if (edits <= allowed)
		{
			best = edits;
			nearest = candidates[i];
		}
	}
	return nearest ? psprintf("Perhaps you meant \"%s\".", nearest) : NULL;
}

/*
 * Half of the shorter word, as "query" does not mean "retry"; but at least two
 * edits, as when two letters of a short word have changed places, and never all
 * of it: everything is that near to "x".
 */
static int
edits_allowed(int length)
{
	return Max(Min(Min(Max(length / 2, 2), length - 1), MAX_EDITS), 0);
}

char *
problem_quoted_words(const char *const *words, int nwords)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < nwords; i++)
		appendStringInfo(&list, "%s\"%s\"", i > 0 ? ", " : "", words[i]);
	return list.data;
}

/*-------------------------------------------------------------------------
 *
 * placed.c
 *	  Values in the texts of statements, and the same texts without them.
 *
 * A parameter or the output of an activity may be nobody else's business, but
 * as a literal it is in the text of a statement: in pg_stat_activity for all
 * members of the role that runs it, in the server's log, in what other
 * extensions gather.  So these are shown the text with ${{ }} instead, as it is
 * in the document.
 *
 * Where a text is run, it is not known what it was made of: queries are put
 * into larger statements.  So the literals are remembered and looked for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "engine/placed.h"

typedef struct PlacedValue
{
	const char *path;
	char *literal; /* with the spaces around it */
} PlacedValue;

/* The longest first: a value may have another one's in it. */
static List *placed = NIL;
static MemoryContext PlacedContext = NULL;

static void forget(const char *path);
static int compare_lengths(const ListCell *a, const ListCell *b);
static char *replace_all(const char *text, const PlacedValue *value);

void
placed_begin(MemoryContext context)
{
	placed = NIL;
	PlacedContext = context;
}

/* A path has one value at a time; a mini-batch's replaces the one before. */
void
placed_note(const char *path, const char *literal, int length)
{
	MemoryContext previous;
	PlacedValue *value;

	if (PlacedContext == NULL)
		return;
	forget(path);
	previous = MemoryContextSwitchTo(PlacedContext);
	value = palloc(sizeof(PlacedValue));
	value->path = pstrdup(path);
	value->literal = pnstrdup(literal, length);
	placed = lappend(placed, value);
	list_sort(placed, compare_lengths);
	MemoryContextSwitchTo(previous);
}

static void
forget(const char *path)
{
	ListCell *cell;

	foreach(cell, placed)
	{
		PlacedValue *value = lfirst(cell);

		if (strcmp(value->path, path) != 0)
			continue;
		placed = foreach_delete_current(placed, cell);
		pfree(value->literal);
		pfree(unconstify(char *, value->path));
		pfree(value);
	}
}

static int
compare_lengths(const ListCell *a, const ListCell *b)
{
	Size left = strlen(((PlacedValue *) lfirst(a))->literal);
	Size right = strlen(((PlacedValue *) lfirst(b))->literal);

	return left > right ? -1 : left < right;
}

const char *
placed_hide(const char *text)
{
	ListCell *cell;

	foreach(cell, placed)
	{
		const PlacedValue *value = lfirst(cell);

		if (strstr(text, value->literal) != NULL)
			text = replace_all(text, value);
	}
	return text;
}

static char *
replace_all(const char *text, const PlacedValue *value)
{
	Size length = strlen(value->literal);
	StringInfoData hidden;
	const char *found;

	initStringInfo(&hidden);
	while ((found = strstr(text, value->literal)) != NULL)
	{
		appendBinaryStringInfo(&hidden, text, found - text);
		appendStringInfo(&hidden, "${{ %s }}", value->path);
		text = found + length;
	}
	appendStringInfoString(&hidden, text);
	return hidden.data;
}

/*-------------------------------------------------------------------------
 *
 * document_internal.h
 *	  What the files that parse a document share.
 *
 * document.c			the document's own keys, and the order of it all
 * document_list.c		lists of activities, the document's and containers'
 * document_declared.c	parameters and variables
 * document_graph.c		names and dependencies of the activities
 * document_activity.c	the common keys of one activity, and its type
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_DOCUMENT_INTERNAL_H
#define MLPIPE_DOCUMENT_INTERNAL_H

#include "definition/document.h"
#include "definition/upstream.h"

typedef struct DocumentParse
{
	Document *document;
	ProblemList *problems;
	const ActivityKind *const *kinds;
	JsonReader *root;
	int max_activities; /* room in document->activities */
	bool stored;        /* it was checked when it was stored */
} DocumentParse;

/* A list of activities that is being read. */
typedef struct ListParse
{
	DocumentParse *parse;
	ProblemList *problems;
	ActivityList *list;
	const ActivityKind *check; /* of its internal activity; NULL: none */

	/* of the activities, by their position in the document */
	int nactivities;
	JsonReader **readers;
	char **names; /* NULL where there is none to speak of */
	int *places;  /* in topological order */
	bool ordered; /* false: a cycle; places are positions */

	TemplateScope scope; /* of the activity that is being read */
} ListParse;

/*
 * Parses a list whose readers are given; check_reader is that of its container,
 * for the internal activity.
 */
extern void document_parse_list(ListParse *parse, List *readers,
								JsonReader *check_reader);

/* Fills places, and the list's graph and names. */
extern void document_parse_graph(ListParse *parse);

/* Fills the activity's def; its number and the scope are set. */
extern void document_parse_activity(ListParse *parse, JsonReader *reader,
									ActivityDef *def);

#endif /* MLPIPE_DOCUMENT_INTERNAL_H */

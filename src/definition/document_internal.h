/*-------------------------------------------------------------------------
 *
 * document_internal.h
 *	  What the files that parse a document share.
 *
 * document.c			the document's own keys, and the order of it all
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
	Document   *document;
	ProblemList *problems;
	const ActivityKind *const *kinds;
	JsonReader *root;

	/* of the activities, by their position in the document */
	int			nactivities;
	JsonReader **readers;
	char	  **names;			/* NULL where there is none to speak of */
	int		   *numbers;		/* document.h tells how they are numbered */
	bool		ordered;		/* false: a cycle; numbers are positions */

	TemplateScope scope;		/* of the activity that is being read */
} DocumentParse;

extern List *declared_values_parse(DocumentParse *parse, const char *key);

/* Fills numbers, and the document's graph, names and nleaves. */
extern void document_parse_graph(DocumentParse *parse);

/* Fills the activity's def; its number and the scope are set. */
extern void document_parse_activity(DocumentParse *parse, int position,
									ActivityDef *def);

#endif							/* MLPIPE_DOCUMENT_INTERNAL_H */

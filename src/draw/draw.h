/*-------------------------------------------------------------------------
 *
 * draw.h
 *	  A document's graph as a picture, or as text that becomes one.
 *
 * Pure: from a checked document, and how its activities stand in a run.
 * Results are palloc'd.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_DRAW_H
#define MLPIPE_DRAW_H

#include "definition/document.h"
#include "store/types.h"

typedef struct Drawing
{
	const char *title;
	const Document *document;
	const int *statuses; /* ActivityStatus by number, < 0: none yet; NULL: this
						  * is not of a run */
} Drawing;

extern char *draw_mermaid(const Drawing *drawing);
extern char *draw_dot(const Drawing *drawing);
extern char *draw_svg(const Drawing *drawing);

/* For all three: the word for an activity's status, or NULL. */
extern const char *draw_status(const Drawing *drawing, int no);

/* The colours of a status. */
extern const char *draw_fill(ActivityStatus status);
extern const char *draw_line(ActivityStatus status);

/* What an edge asks for, where that is not success; else NULL. */
extern const char *draw_condition(int conditions);

/* A byte of a text as it is shown: a space for a control character. */
extern char draw_char(char c);

#endif /* MLPIPE_DRAW_H */

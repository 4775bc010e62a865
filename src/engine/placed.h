/*-------------------------------------------------------------------------
 *
 * placed.h
 *	  Values in the texts of statements, and the same texts without them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PLACED_H
#define MLPIPE_PLACED_H

#include "definition/template.h"

/* Forgets all values, and keeps those to come in this context. */
extern void placed_begin(MemoryContext context);

/* A TemplateNote: this value has been put into a text. */
extern void placed_note(const char *path, const char *literal, int length);

/*
 * The text as others may see it: with ${{ path }} in the place of each value.
 * The same pointer if there is no value in it, else palloc'd.
 */
extern const char *placed_hide(const char *text);

#endif /* MLPIPE_PLACED_H */

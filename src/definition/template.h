/*-------------------------------------------------------------------------
 *
 * template.h
 *	  Text with ${{ path }} in it.
 *
 * In SQL a value becomes a literal and can never become syntax: where each
 * placeholder stands is found with the server's own lexer, both when the
 * pipeline is created and again when it runs (standard_conforming_strings may
 * differ), and a placeholder inside a string, a quoted name or a comment is
 * refused.  Elsewhere a value becomes text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_TEMPLATE_H
#define MLPIPE_TEMPLATE_H

#include "utils/jsonb.h"
#include "problem.h"

typedef enum TemplateUse
{
	TEMPLATE_SQL, /* values become literals */
	TEMPLATE_TEXT /* values become text */
} TemplateUse;

/*
 * Which activities the paths of one activity look at: for its own list, and
 * each list around that from the inside out, a Bitmapset * of places.
 */
typedef struct ContextNeeds
{
	List *places;
	bool all_upstream; /* a path does not say which */
} ContextNeeds;

/* What a path may name at one place of a document. */
typedef struct TemplateScope
{
	struct DocumentParse *parse; /* the document; for lists of activities */
	const struct TemplateScope *outer; /* around the container; or NULL */
	List *parameters;                  /* of DeclaredValue * (document.h) */
	List *variables;               /* of DeclaredValue *, inner ones first */
	struct UpstreamSearch *search; /* activities */
	ContextNeeds *needs;           /* where what paths look at is noted */
	List *batch;  /* of char *: what "batch" has; NIL: it is not there */
	bool in_loop; /* are "item", "index" and "loops" there? */
	List *loops;  /* of char *: names of the loops around */
	bool stored;  /* was all that can be looked at once, when it was stored? */
} TemplateScope;

typedef struct Template Template;

/*
 * Parses a text and reports what is wrong with it: an unclosed placeholder, a
 * bad path, a root or name that cannot exist there, a place where no value can
 * stand.  NULL after a problem.  The result lives in the current context.
 */
extern Template *template_parse(const char *text, TemplateUse use,
								const TemplateScope *scope,
								ProblemList *problems, const char *path);

/* Without placeholders: the text is what template_render would give. */
extern bool template_is_constant(const Template *tmpl);

/* The text as it was written. */
extern const char *template_source(const Template *tmpl);

/* Does any placeholder begin with this root ("batch", "activities", ...)? */
extern bool template_uses_root(const Template *tmpl, const char *root);

/*
 * The text with its values.  context is the object that paths look into; NULL
 * will do for a constant template.  A path that finds nothing raises 22023 and
 * lists what there is.
 */
extern char *template_render(const Template *tmpl, Jsonb *context);

/* The same; calls note with each literal that a value has become. */
typedef void (*TemplateNote)(const char *path, const char *literal,
							 int length);
extern char *template_render_noting(const Template *tmpl, Jsonb *context,
									TemplateNote note);

/*
 * For texts that may be any JSON value: a lone placeholder keeps the type of
 * what it finds, other text becomes a JSON string.
 */
extern Jsonb *template_render_value(const Template *tmpl, Jsonb *context);

/*
 * The raw parse trees of its statements, which run-time values do not change;
 * of an expression, which is no statement by itself, with what is put around
 * it.  NIL where the grammar refuses them, and then *fault says why, or where
 * there are none, or where that depends on the values: then it is NULL.
 */
extern List *template_statements(const Template *tmpl, const char *before,
								 const char *after, char **fault);

/*
 * A JSON value any of whose texts may hold placeholders (parameters of a child
 * run, output of a run): checked once, rendered at run time.
 */
extern void template_check_json(JsonbValue *value, const TemplateScope *scope,
								ProblemList *problems, const char *path);
extern Jsonb *template_render_json(Jsonb *value, Jsonb *context);

/* Is there a placeholder in any of its texts? */
extern bool template_in_json(Jsonb *value);

/*
 * All that the placeholders of such a value find, by their text: an object.
 * Those that look into the mini-batch are left out.
 */
extern Jsonb *template_values(Jsonb *value, Jsonb *context);

#endif /* MLPIPE_TEMPLATE_H */

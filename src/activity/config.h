/*-------------------------------------------------------------------------
 *
 * config.h
 *	  Templates among an activity's own keys.
 *
 * For the check() of a type: problems are reported, and what a problem left
 * without a value is NULL or missing from the list.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_CONFIG_H
#define MLPIPE_CONFIG_H

#include "definition/json_reader.h"
#include "definition/template.h"

struct ActivityCall;

/* NULL if the key is absent. */
extern Template *config_template(JsonReader *reader, const char *key,
								 TemplateUse use, const TemplateScope *scope,
								 bool required);

/* A list of Template *, from an array of texts or one text alone. */
extern List *config_templates(JsonReader *reader, const char *key,
							  TemplateUse use, const TemplateScope *scope,
							  bool required);

/* The template of a JSON value found at path, which must be text. */
extern Template *config_value_template(JsonReader *reader,
									   const JsonbValue *value,
									   const char *path, TemplateUse use,
									   const TemplateScope *scope);

/* Their texts, a list of char * in the current context. */
extern List *config_render(struct ActivityCall *call, List *templates);

/* The elements of an array; a problem, and NIL, if it is no array. */
extern List *config_elements(JsonReader *reader, const char *key,
							 const char *expected);

/*
 * Reports a problem unless exactly one of the keys is there.  Returns the index
 * of the first that is, or -1.
 */
extern int config_one_of(JsonReader *reader, const char *const *keys,
						 int nkeys);

/*
 * Warns if statements cannot be parsed: their activity would fail.  What they
 * name may not exist yet, so that is not checked.  Returns a list of RawStmt;
 * NIL if they are not known.
 */
extern List *config_check_statements(const Template *tmpl,
									 const TemplateScope *scope,
									 ProblemList *problems, const char *path);

#endif /* MLPIPE_CONFIG_H */

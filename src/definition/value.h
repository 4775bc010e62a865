/*-------------------------------------------------------------------------
 *
 * value.h
 *	  JSON values as values of SQL types: parameters and variables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_VALUE_H
#define MLPIPE_VALUE_H

#include "utils/jsonb.h"

struct DeclaredValue;

/*
 * Looks up a type by its SQL name, with the current search_path.  False, and
 * a message, where there is none or no value can have it.
 */
extern bool value_resolve_type(const char *name, Oid *type, int32 *typmod,
							   char **message);

/*
 * What the type's input function takes: of a JSON text its content, of a JSON
 * array for an SQL array type an array literal, for json and jsonb the JSON
 * text.  NULL for a JSON null.
 */
extern char *value_input_text(Oid type, JsonbValue *value);

/*
 * Does the value fit the declared type?  Asks the type's input function, but
 * only where that is the server's own: a user's code runs in runs, as their
 * role, and nowhere else.  False, and a message, where it does not fit.
 */
extern bool value_fits(const struct DeclaredValue *declared, JsonbValue *value,
					   char **message);

/* The whole of a Jsonb as a JsonbValue; scalars are taken out of it. */
extern void value_of_jsonb(Jsonb *jsonb, JsonbValue *value);

/* As JSON; and as plain text, where a JSON text is just its content. */
extern char *value_json(JsonbValue *value);
extern char *value_plain(JsonbValue *value);

#endif /* MLPIPE_VALUE_H */

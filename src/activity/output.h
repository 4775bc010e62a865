/*-------------------------------------------------------------------------
 *
 * output.h
 *	  Builds JSON objects: outputs of activities, and the like.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_OUTPUT_H
#define MLPIPE_OUTPUT_H

#include "utils/jsonb.h"
#include "utils/numeric.h"

/* An object, or an array of objects, that is being built. */
typedef struct Output
{
	JsonbParseState *state;
} Output;

extern void output_begin(Output *output);
extern Jsonb *output_end(Output *output);

/* A value of the object under a key; a number below 0, no text: null. */
extern void output_count(Output *output, const char *key, int64 number);
extern void output_numeric(Output *output, const char *key, Numeric number);
extern void output_bool(Output *output, const char *key, bool value);
extern void output_text(Output *output, const char *key, const char *value);
extern void output_json(Output *output, const char *key, Jsonb *value);

/* An array of objects under a key, and each of the objects. */
extern void output_begin_array(Output *output, const char *key);
extern void output_end_array(Output *output);
extern void output_begin_element(Output *output);
extern void output_end_element(Output *output);

#endif /* MLPIPE_OUTPUT_H */

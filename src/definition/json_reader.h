/*-------------------------------------------------------------------------
 *
 * json_reader.h
 *	  Reads the keys of one JSON object, with types and ranges checked, and
 *	  reports what it does not know.
 *
 * Open a reader on an object, ask for each key it may have, close it: closing
 * reports each key that nobody asked for.  Every function reports to the
 * ProblemList and returns the default on a problem, so that checking goes on.
 * Results live in the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_JSON_READER_H
#define MLPIPE_JSON_READER_H

#include "utils/jsonb.h"
#include "problem.h"

typedef struct JsonReader
{
	ProblemList *problems;
	char *path; /* "" for the document itself */
	JsonbContainer *object;
	int length;  /* bytes of the object */
	List *known; /* of char *: keys that were asked for */
} JsonReader;

/* NULL, and a problem, where the value is no object. */
extern JsonReader *reader_open(ProblemList *problems, JsonbValue *value,
							   const char *path);

/* Reports the keys that nobody asked for. */
extern void reader_close(JsonReader *reader);

/* The path of a key below this reader's object: "activities[2].sql". */
extern char *reader_path(const JsonReader *reader, const char *key);

/* Is the key there (whatever its value)?  Marks it as known. */
extern bool reader_has(JsonReader *reader, const char *key);

/* The same without marking it: for keys that no hint should offer. */
extern bool reader_peek(const JsonReader *reader, const char *key);

/* The raw value, or NULL where the key is absent. */
extern JsonbValue *reader_value(JsonReader *reader, const char *key);

/* NULL where absent; a problem where that is required, or is no text. */
extern char *reader_text(JsonReader *reader, const char *key, bool required);
extern bool reader_bool(JsonReader *reader, const char *key, bool fallback);
extern int64 reader_integer(JsonReader *reader, const char *key,
							int64 fallback, int64 min, int64 max);
extern int reader_int(JsonReader *reader, const char *key, int fallback,
					  int min, int max);
extern double reader_number(JsonReader *reader, const char *key,
							double fallback, double min, double max);

/*
 * A duration: an SQL interval as text, or a number of seconds.  Microseconds;
 * a month counts 30 days.  Negative durations are problems.
 */
extern int64 reader_duration(JsonReader *reader, const char *key,
							 int64 fallback);

/* The index of the text among the words; fallback where it is absent. */
extern int reader_choice(JsonReader *reader, const char *key,
						 const char *const *words, int nwords, int fallback);

/* A list of char *, from an array of texts (or one text alone). */
extern List *reader_texts(JsonReader *reader, const char *key, bool required);

/* A reader of the object below a key; NULL where absent. */
extern JsonReader *reader_object(JsonReader *reader, const char *key,
								 bool required);

/* A list of JsonReader *, from an array of objects. */
extern List *reader_objects(JsonReader *reader, const char *key,
							bool required);

/* "text", "number", "array", ... for messages. */
extern const char *json_type_name(const JsonbValue *value);

/* A JSON number as a double; infinite where it is too large for one. */
extern double number_value(const JsonbValue *value);

#endif /* MLPIPE_JSON_READER_H */

/*-------------------------------------------------------------------------
 *
 * duration.h
 *	  Durations of a pipeline document, as microseconds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_DURATION_H
#define MLPIPE_DURATION_H

#include "utils/jsonb.h"

/*
 * An SQL interval as text, or a number of seconds; a month counts 30 days.
 * False, and a message that begins with "must be", where it is none, negative,
 * or longer than a thousand years.
 */
extern bool duration_parse(const JsonbValue *value, int64 *microseconds,
						   const char **message);

#endif /* MLPIPE_DURATION_H */

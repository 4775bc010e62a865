/*-------------------------------------------------------------------------
 *
 * duration.c
 *	  Durations of a pipeline document, as microseconds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "datatype/timestamp.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "definition/catch.h"
#include "definition/duration.h"
#include "definition/json_reader.h"

/* Added to any time near ours, this still makes a timestamp. */
#define MAX_DAYS (1000 * 365)

typedef struct IntervalInput
{
	char *text;
	Interval *interval;
} IntervalInput;

static bool parse_seconds(const JsonbValue *value, double *days);
static bool parse_interval(const JsonbValue *value, double *days);
static void read_interval(void *arg);

bool
duration_parse(const JsonbValue *value, int64 *microseconds,
			   const char **message)
{
	double days;

	if (!(value->type == jbvNumeric ? parse_seconds(value, &days) :
									  parse_interval(value, &days)))
	{
		*message = "must be an interval, or a number of seconds";
		return false;
	}
	if (days < 0)
	{
		*message = "must be a duration that is not negative";
		return false;
	}
	if (days > MAX_DAYS)
	{
		*message = "must be a duration of at most 1000 years";
		return false;
	}
	*microseconds = (int64) rint(days * USECS_PER_DAY);
	return true;
}

static bool
parse_seconds(const JsonbValue *value, double *days)
{
	*days = number_value(value) / SECS_PER_DAY;
	return true;
}

/* As days, since no duration overflows a double. */
static bool
parse_interval(const JsonbValue *value, double *days)
{
	IntervalInput input;
	char *message;

	if (value->type != jbvString)
		return false;
	input.text = pnstrdup(value->val.string.val, value->val.string.len);
	if (!catch_errors(read_interval, &input, &message))
		return false;
	*days = input.interval->month * (double) DAYS_PER_MONTH +
		input.interval->day + input.interval->time / (double) USECS_PER_DAY;
	return true;
}

static void
read_interval(void *arg)
{
	IntervalInput *input = arg;

	input->interval = DatumGetIntervalP(
		DirectFunctionCall3(interval_in, CStringGetDatum(input->text),
							ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

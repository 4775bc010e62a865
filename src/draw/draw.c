/*-------------------------------------------------------------------------
 *
 * draw.c
 *	  What pictures of graphs have in common: words and colours.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "draw/draw.h"

const char *
draw_status(const Drawing *drawing, int no)
{
	if (drawing->statuses == NULL || drawing->statuses[no] < 0)
		return NULL;
	return activity_status_name((ActivityStatus) drawing->statuses[no]);
}

const char *
draw_fill(ActivityStatus status)
{
	switch (status)
	{
		case ACTIVITY_SUCCEEDED:
			return "#d9f2e0";
		case ACTIVITY_FAILED:
			return "#fbdad7";
		case ACTIVITY_IN_PROGRESS:
			return "#d6e8fb";
		case ACTIVITY_QUEUED:
			return "#fdf1cf";
		case ACTIVITY_CANCELLED:
			return "#eadcf5";
		case ACTIVITY_WAITING:
		case ACTIVITY_SKIPPED:
		case ACTIVITY_INACTIVE:
			return "#f0f0f0";
	}
	return "#ffffff";
}

const char *
draw_line(ActivityStatus status)
{
	switch (status)
	{
		case ACTIVITY_SUCCEEDED:
			return "#2e8b57";
		case ACTIVITY_FAILED:
			return "#c0392b";
		case ACTIVITY_IN_PROGRESS:
			return "#2471a3";
		case ACTIVITY_QUEUED:
			return "#b7950b";
		case ACTIVITY_CANCELLED:
			return "#7d3c98";
		case ACTIVITY_WAITING:
		case ACTIVITY_SKIPPED:
		case ACTIVITY_INACTIVE:
			return "#909090";
	}
	return "#606060";
}

char
draw_char(char c)
{
	return ((unsigned char) c < ' ' || c == '\x7f') ? ' ' : c;
}

const char *
draw_condition(int conditions)
{
	StringInfoData words;

	if (conditions == CONDITION_SUCCEEDED)
		return NULL;
	initStringInfo(&words);
	if ((conditions & CONDITION_COMPLETED) == CONDITION_COMPLETED)
		appendStringInfoString(&words, "completed");
	else if (conditions & CONDITION_SUCCEEDED)
		appendStringInfoString(&words, "succeeded");
	else if (conditions & CONDITION_FAILED)
		appendStringInfoString(&words, "failed");
	if (conditions & CONDITION_SKIPPED)
		appendStringInfo(&words, "%sskipped", words.len > 0 ? " or " : "");
	return words.data;
}

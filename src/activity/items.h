/*-------------------------------------------------------------------------
 *
 * items.h
 *	  The items of a loop or a filter: a JSON array, or the rows of a query.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_ITEMS_H
#define MLPIPE_ITEMS_H

#include "activity/activity.h"

typedef struct ItemsConfig
{
	Jsonb *value; /* with placeholders; NULL: the query */
	Template *query;
} ItemsConfig;

/* From the key "items". */
extern void items_check(JsonReader *reader, const TemplateScope *scope,
						ItemsConfig *config);

/* A JSON array. */
extern Jsonb *items_load(ActivityCall *call, const ItemsConfig *config);

#endif /* MLPIPE_ITEMS_H */

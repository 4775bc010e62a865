/*-------------------------------------------------------------------------
 *
 * inside.c
 *	  The part of a statement that finds what is inside of a container.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/inside.h"
#include "store/plan.h"

Datum
inside_sizes(const Document *document)
{
	int32 *sizes = palloc0(document->nactivities * sizeof(int32));

	for (int no = 0; no < document->nactivities; no++)
	{
		ListCell *cell;

		foreach(cell, document->activities[no].bodies)
		{
			const ActivityList *body = lfirst(cell);

			sizes[no] = Max(sizes[no], body->count);
		}
	}
	return store_integers(sizes, document->nactivities);
}

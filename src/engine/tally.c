/*-------------------------------------------------------------------------
 *
 * tally.c
 *	  Counting the ends that a join of very many activities, or a list with very
 *	  many leaves, waits for.
 *
 * A row that two thousand ends count down is written two thousand times.  While
 * anybody holds an old snapshot, as whoever waits for the run does, none of its
 * versions goes away, and every look at it passes them all.  And each end waits
 * for the commit of the one before.
 *
 * So such a count is split into parts with a row each.  Ends of activities that
 * are neighbours, which come at about the same time, fall into different parts.
 * Only a part that is complete is taken off the row that waits.  The parts are
 * locked in ascending order, right before that row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "definition/document.h"
#include "engine/tally.h"
#include "store/tally_store.h"

#define PART_SIZE 32

struct Tally
{
	int64 run_id;
	int32 no;
	int32 iteration;
	int size;
	int nparts;
	int32 *ended; /* by part */
	int32 *unmet;
};

static int part_size(const Tally *tally, int part);

Tally *
tally_begin(int64 run_id, int32 no, int32 iteration, int size)
{
	Tally *tally;

	if (size < SPREAD_FROM)
		return NULL;
	tally = palloc(sizeof(Tally));
	tally->run_id = run_id;
	tally->no = no;
	tally->iteration = iteration;
	tally->size = size;
	tally->nparts = (size + PART_SIZE - 1) / PART_SIZE;
	tally->ended = palloc0(tally->nparts * sizeof(int32));
	tally->unmet = palloc0(tally->nparts * sizeof(int32));
	return tally;
}

void
tally_note(Tally *tally, int place, bool met)
{
	int part = place % tally->nparts;

	tally->ended[part]++;
	if (!met)
		tally->unmet[part]++;
}

int
tally_finish(Tally *tally, int *unmet)
{
	int ended = 0;

	*unmet = 0;
	for (int part = 0; part < tally->nparts; part++)
	{
		int32 total = tally->ended[part];
		int32 total_unmet = tally->unmet[part];

		if (total == 0)
			continue;

		/* All at once need no row. */
		if (total < part_size(tally, part))
			total = tally_add(tally->run_id, tally->no, tally->iteration, part,
							  total, &total_unmet);
		if (total < part_size(tally, part))
			continue;
		ended += total;
		*unmet += total_unmet;
	}
	return ended;
}

/* The first parts have one more if it does not come out even. */
static int
part_size(const Tally *tally, int part)
{
	return tally->size / tally->nparts +
		(part < tally->size % tally->nparts ? 1 : 0);
}

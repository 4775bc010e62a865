/*-------------------------------------------------------------------------
 *
 * postpone.c
 *	  Runs that the scheduler leaves alone for a while.
 *
 * What it does for a run may fail each time, mostly because a user's open
 * transaction has locked the run for as long as the user likes.  Thousands of
 * such runs, each tried again whenever there is something to do, would leave no
 * time for other runs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "engine/postpone.h"
#include "engine/scheduler.h"

#define FIRST_PAUSE_MS 500
#define MAX_PAUSE_MS   8000
/* In one round of the scheduler: each may have waited for a lock. */
#define MAX_FAILED_AGAIN 20

typedef struct Postponed
{
	int64 run_id;
	int pause; /* milliseconds */
	TimestampTz until;
} Postponed;

static HTAB *postponed = NULL;
static int failed_again = 0;

static Postponed *find(int64 run_id, HASHACTION action, bool *found);

void
run_postpone(int64 run_id)
{
	bool found;
	Postponed *run = find(run_id, HASH_ENTER, &found);

	failed_again += found ? 1 : 0;
	run->pause = found ? Min(2 * run->pause, MAX_PAUSE_MS) : FIRST_PAUSE_MS;
	run->until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
											 run->pause);
}

bool
run_is_postponed(int64 run_id)
{
	Postponed *run = find(run_id, HASH_FIND, NULL);

	if (run == NULL ||
		(run->until <= GetCurrentTimestamp() &&
		 failed_again < MAX_FAILED_AGAIN))
		return false;
	look_again_after_pause();
	return true;
}

void
run_postpone_end(int64 run_id)
{
	(void) find(run_id, HASH_REMOVE, NULL);
}

void
postponed_next_round(void)
{
	TimestampTz long_ago = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   INT64CONST(-2) *
														   MAX_PAUSE_MS);
	HASH_SEQ_STATUS all;
	Postponed *run;

	failed_again = 0;
	if (postponed == NULL || hash_get_num_entries(postponed) == 0)
		return;
	hash_seq_init(&all, postponed);
	while ((run = hash_seq_search(&all)) != NULL)
		if (run->until < long_ago)
			run_postpone_end(run->run_id);
}

static Postponed *
find(int64 run_id, HASHACTION action, bool *found)
{
	if (postponed == NULL)
	{
		HASHCTL info = {.keysize = sizeof(int64),
						.entrysize = sizeof(Postponed)};

		postponed = hash_create("mlpipe postponed runs", 64, &info,
								HASH_ELEM | HASH_BLOBS);
	}
	return hash_search(postponed, &run_id, action, found);
}

/*-------------------------------------------------------------------------
 *
 * claim_store.c
 *	  Every statement on mlpipe.batch_claim: what workers of a step have in
 *	  hand, for after a crash of the server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "store/claim_store.h"
#include "store/plan.h"

static const Oid key_types[] = {INT8OID, INT4OID};

void
claim_write(const BatchClaim *claim)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID,      INT4OID,     INT4OID,
								BOOLOID, INT4ARRAYOID, INT4ARRAYOID};
	Datum values[] = {Int64GetDatum(claim->run_id),
					  Int32GetDatum(claim->no),
					  Int32GetDatum(claim->slot),
					  Int32GetDatum(claim->executor_pid),
					  BoolGetDatum(claim->alone),
					  store_integers(claim->batches, claim->nbatches),
					  store_integers(claim->attempts, claim->nbatches)};

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.batch_claim (run_id, no, slot, executor_pid,"
		" alone, batches, attempts, claimed_at)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())"
		" ON CONFLICT (run_id, no, slot) DO UPDATE"
		" SET executor_pid = excluded.executor_pid,"
		" alone = excluded.alone, batches = excluded.batches,"
		" attempts = excluded.attempts,"
		" claimed_at = excluded.claimed_at",
		lengthof(types), types, values, NULL);
}

void
claims_left(int64 run_id, int32 no, ClaimsLeft *left)
{
	static SPIPlanPtr plan = NULL;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	memset(left, 0, sizeof(*left));
	store_begin();
	plan_keep(&plan,
			  "SELECT (SELECT max(batch) FROM mlpipe.batch_claim a,"
			  " unnest(a.batches) batch WHERE a.run_id = $1 AND a.no = $2),"
			  " c.alone AND NOT EXISTS (SELECT FROM mlpipe.mini_batch b"
			  " WHERE b.run_id = $1 AND b.no = $2 AND b.batch = c.batches[1]"
			  " AND b.attempt >= c.attempts[1]),"
			  " c.batches[1], c.attempts[1], c.executor_pid, c.claimed_at"
			  " FROM mlpipe.batch_claim c WHERE c.run_id = $1 AND c.no = $2"
			  " ORDER BY c.claimed_at DESC LIMIT 1",
			  lengthof(key_types), key_types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
	{
		left->highest = column_int32(0, 1);
		left->alone = column_bool(0, 2);
		left->batch = column_int32(0, 3);
		left->attempt = column_int32(0, 4);
		left->executor_pid = column_int32(0, 5);
		left->claimed_at = column_timestamp(0, 6);
	}
	store_end();
}

void
claims_forget(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};

	(void) store_execute(
		&plan, "DELETE FROM mlpipe.batch_claim WHERE run_id = $1 AND no = $2",
		lengthof(key_types), key_types, values, NULL);
}

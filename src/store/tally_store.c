/*-------------------------------------------------------------------------
 *
 * tally_store.c
 *	  Every statement on mlpipe.tally: counts that are kept in parts, for many
 *	  transactions add to them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "store/plan.h"
#include "store/tally_store.h"

int32
tally_add(int64 run_id, int32 no, int32 iteration, int32 part, int32 ended,
		  int32 *unmet)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID,
								INT4OID, INT4OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id),    Int32GetDatum(no),
					  Int32GetDatum(iteration), Int32GetDatum(part),
					  Int32GetDatum(ended),     Int32GetDatum(*unmet)};
	int32 total;

	store_begin();
	plan_keep(
		&plan,
		"INSERT INTO mlpipe.tally AS t (run_id, no, iteration, part, ended, unmet)"
		" VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (run_id, no, iteration, part)"
		" DO UPDATE SET ended = t.ended + $5, unmet = t.unmet + $6 RETURNING t.ended, t.unmet",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_INSERT_RETURNING);
	total = column_int32(0, 1);
	*unmet = column_int32(0, 2);
	store_end();
	return total;
}

void
tally_clear(int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(run_id)};

	(void) store_execute(&plan, "DELETE FROM mlpipe.tally WHERE run_id = $1",
						 lengthof(types), types, values, NULL);
}

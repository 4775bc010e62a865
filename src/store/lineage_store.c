/*-------------------------------------------------------------------------
 *
 * lineage_store.c
 *	  Every statement on mlpipe.lineage.
 *
 * A row for each table that an activity has read, and one for each that it has
 * written.  Workers of a parallel step add to them, each once when it leaves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "store/lineage_store.h"
#include "store/plan.h"

void
lineage_add(const LineageRow *row)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, OIDOID,
								BOOLOID, INT8OID, TEXTOID};
	Datum values[] = {Int64GetDatum(row->run_id),
					  Int32GetDatum(row->no),
					  ObjectIdGetDatum(row->relation),
					  BoolGetDatum(row->written),
					  Int64GetDatum(row->rows),
					  CStringGetTextDatum(row->name)};

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.lineage AS l (run_id, no, relation, written, rows, name)"
		" VALUES ($1, $2, $3, $4, $5, $6)"
		" ON CONFLICT (run_id, no, relation, written) DO UPDATE SET rows = l.rows + excluded.rows",
		lengthof(types), types, values, NULL);
}

/*-------------------------------------------------------------------------
 *
 * variable_store.c
 *	  Every statement on mlpipe.run_variable, and the changes of variables.
 *
 * Variables of runs and of iterations are rows alike.  Each change is kept as
 * well, with the activity that made it: a rerun makes the values of what it
 * takes over from those.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "store/plan.h"
#include "store/variable_store.h"

#define VARIABLE_KEY "run_id = $1 AND no = $2 AND iteration = $3 AND name = $4"

static const Oid variable_types[] = {INT8OID, INT4OID, INT4OID, TEXTOID,
									 JSONBOID};

static void
variable_values(const VariableKey *key, Jsonb *value, Datum *values)
{
	values[0] = Int64GetDatum(key->run_id);
	values[1] = Int32GetDatum(key->no);
	values[2] = Int32GetDatum(key->iteration);
	values[3] = CStringGetTextDatum(key->name);
	values[4] = JsonbPGetDatum(value);
}

void
run_variable_insert(const VariableKey *key, Jsonb *value)
{
	static SPIPlanPtr plan = NULL;
	Datum values[lengthof(variable_types)];

	variable_values(key, value, values);
	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.run_variable (run_id, no, iteration, name, value) VALUES ($1, $2, $3, $4, $5)",
		lengthof(variable_types), variable_types, values, NULL);
}

void
run_variable_set(const VariableKey *key, Jsonb *value)
{
	static SPIPlanPtr plan = NULL;
	Datum values[lengthof(variable_types)];

	variable_values(key, value, values);
	(void) store_execute(
		&plan, "UPDATE mlpipe.run_variable SET value = $5 WHERE " VARIABLE_KEY,
		lengthof(variable_types), variable_types, values, NULL);
}

void
run_variable_append(const VariableKey *key, Jsonb *value)
{
	static SPIPlanPtr plan = NULL;
	Datum values[lengthof(variable_types)];
	bool appended;

	variable_values(key, value, values);
	store_begin();
	plan_keep(
		&plan,
		"UPDATE mlpipe.run_variable SET value ="
		" CASE jsonb_typeof(value) WHEN 'null' THEN '[]' ELSE value END || jsonb_build_array($5)"
		" WHERE " VARIABLE_KEY " AND jsonb_typeof(value) IN ('null', 'array')",
		lengthof(variable_types), variable_types);
	appended = plan_execute(plan, values, NULL, false, SPI_OK_UPDATE) > 0;
	store_end();
	if (!appended)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("variable \"%s\" does not hold an array", key->name)));
}

void
variable_change_insert(int32 no, const VariableKey *key, bool append,
					   Jsonb *value)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID,  INT4OID, INT4OID, TEXTOID,
								JSONBOID, INT4OID, BOOLOID};
	Datum values[lengthof(types)];

	variable_values(key, value, values);
	values[5] = Int32GetDatum(no);
	values[6] = BoolGetDatum(append);
	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.variable_change (run_id, variable_no, iteration, name, value, no, append)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)",
		lengthof(types), types, values, NULL);
}

void
run_variable_lock(const VariableKey *key)
{
	static SPIPlanPtr plan = NULL;
	Datum values[lengthof(variable_types)];

	variable_values(key, NULL, values);
	(void) store_execute(&plan,
						 "SELECT FROM mlpipe.run_variable WHERE " VARIABLE_KEY
						 " FOR NO KEY UPDATE",
						 lengthof(variable_types) - 1, variable_types, values,
						 NULL);
}

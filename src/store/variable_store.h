/*-------------------------------------------------------------------------
 *
 * variable_store.h
 *	  Every statement on mlpipe.run_variable, and the changes of variables.
 *
 * All of these are called in engine mode, in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_VARIABLE_STORE_H
#define MLPIPE_VARIABLE_STORE_H

#include "utils/jsonb.h"

/* Whose variable it is: the run's (no -1, iteration 0), or an iteration's. */
typedef struct VariableKey
{
	int64 run_id;
	int32 no; /* the loop */
	int32 iteration;
	const char *name;
} VariableKey;

extern void run_variable_insert(const VariableKey *key, Jsonb *value);
extern void run_variable_set(const VariableKey *key, Jsonb *value);

/* At the end of its array, NULL being an empty one; raises 22023 where none. */
extern void run_variable_append(const VariableKey *key, Jsonb *value);

/* An activity has just done that. */
extern void variable_change_insert(int32 no, const VariableKey *key,
								   bool append, Jsonb *value);

/* Until the end of the transaction nobody else changes it. */
extern void run_variable_lock(const VariableKey *key);

#endif /* MLPIPE_VARIABLE_STORE_H */

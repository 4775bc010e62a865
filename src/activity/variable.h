/*-------------------------------------------------------------------------
 *
 * variable.h
 *	  Variables of a run, or of an iteration, as an activity changes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_VARIABLE_H
#define MLPIPE_VARIABLE_H

#include "activity/activity.h"

/* The nearest of that name; raises 42704, naming those that there are. */
extern const DeclaredValue *variable_find(ActivityCall *call, const char *name,
										  VariableKey *key);

/* Raises what the type's input function says; as the pipeline's role. */
extern void variable_check(const DeclaredValue *variable, Jsonb *value);

/* The same for one element of an array variable. */
extern void variable_check_element(const DeclaredValue *variable,
								   Jsonb *value);

/* To be stored when the activity succeeds. */
extern void variable_keep(ActivityCall *call, const VariableKey *key,
						  Jsonb *value, bool append);

#endif /* MLPIPE_VARIABLE_H */

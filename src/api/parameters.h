/*-------------------------------------------------------------------------
 *
 * parameters.h
 *	  The parameters of a run, checked when it is submitted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARAMETERS_H
#define MLPIPE_PARAMETERS_H

#include "definition/document.h"

/*
 * The given parameters, an object, completed with the defaults.  Raises 22023
 * and lists all that are unknown, missing or do not fit their type.
 */
extern Jsonb *parameters_check(const Document *document, Jsonb *given);

#endif /* MLPIPE_PARAMETERS_H */

/*-------------------------------------------------------------------------
 *
 * loop.h
 *	  The expressions that loops look at after an iteration or a round.
 *
 * They are internal activities of the body, with all others of it upstream.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_LOOP_H
#define MLPIPE_LOOP_H

#include "engine/container.h"

extern const ActivityType until_check; /* "condition" */
extern const ActivityType break_check; /* "break" */

/* It has succeeded: was the expression true? */
extern bool loop_check_was_true(const BodyEnd *body);

#endif /* MLPIPE_LOOP_H */

/*-------------------------------------------------------------------------
 *
 * approval.h
 *	  The activity "approval", for mlpipe_approve().
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_APPROVAL_H
#define MLPIPE_APPROVAL_H

#include "activity/activity.h"

/* Names of roles whose members may answer; NIL: whoever may use the run. */
extern List *approval_approvers(const ActivityDef *def); /* of char * */

#endif /* MLPIPE_APPROVAL_H */

/*-------------------------------------------------------------------------
 *
 * types.h
 *	  The status words of the tables, as C enums.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_TYPES_H
#define MLPIPE_TYPES_H

typedef enum RunStatus
{
	RUN_QUEUED,
	RUN_IN_PROGRESS,
	RUN_CANCELLING,
	RUN_SUCCEEDED,
	RUN_FAILED,
	RUN_CANCELLED,
	RUN_SUSPENDED,
	RUN_SKIPPED
} RunStatus;

typedef enum ActivityStatus
{
	ACTIVITY_WAITING,
	ACTIVITY_QUEUED,
	ACTIVITY_IN_PROGRESS,
	ACTIVITY_SUCCEEDED,
	ACTIVITY_FAILED,
	ACTIVITY_SKIPPED,
	ACTIVITY_CANCELLED,
	ACTIVITY_INACTIVE
} ActivityStatus;

/* As in the tables; parsing another word is an internal error. */
extern const char *run_status_name(RunStatus status);
extern RunStatus run_status_parse(const char *name);
extern bool run_status_is_final(RunStatus status);
extern const char *activity_status_name(ActivityStatus status);
extern ActivityStatus activity_status_parse(const char *name);

#endif /* MLPIPE_TYPES_H */

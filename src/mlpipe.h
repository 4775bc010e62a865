/*-------------------------------------------------------------------------
 *
 * mlpipe.h
 *	  Settings and names that the whole extension shares.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_H
#define MLPIPE_H

/* The default_version of mlpipe.control: the tables that this library knows. */
#define MLPIPE_VERSION   "1.0"

#define EXTENSION_NAME   "mlpipe"
#define EXTENSION_SCHEMA "mlpipe"
#define LIBRARY_NAME     "mlpipe"

/* Settings; each is explained where mlpipe.c defines it. */
extern bool mlpipe_enabled;
extern int mlpipe_max_executors;
extern int mlpipe_executor_idle_timeout; /* seconds */
extern int mlpipe_durability;            /* a Durability of document.h */
extern int mlpipe_retention;             /* seconds; 0: keep */
extern int mlpipe_pack_mem;              /* kilobytes */
extern bool mlpipe_notify;
extern int mlpipe_log_min_level; /* an elog level */

/* The types of activity that this library can run: activity/registry.c. */
struct ActivityKind;
extern const struct ActivityKind *const *activity_kinds(void);

#endif /* MLPIPE_H */

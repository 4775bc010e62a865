/*-------------------------------------------------------------------------
 *
 * parallel_config.h
 *	  The own keys of a parallel activity, checked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PARALLEL_CONFIG_H
#define MLPIPE_PARALLEL_CONFIG_H

#include "definition/document.h"

/* Its argument is the name of a role. */
#define LIST_FILES_HINT \
	"Grant \"pg_read_server_files\" to role \"%s\", or let the pipeline run as a role that has it."

/* How large a mini-batch is; one of the two is 0.  Files are rows. */
typedef struct BatchSize
{
	int64 rows;
	int64 bytes;
} BatchSize;

/* What a step tolerates; -1: any number. */
typedef struct Thresholds
{
	int64 batches; /* mini_batch_error_threshold */
	int64 items;   /* error_threshold */
	int percent;   /* allowed_failed_percent; 100: any */
} Thresholds;

typedef struct ParallelConfig
{
	Template *table; /* all but one of these three are NULL */
	Template *query;
	Template *files;      /* a pattern */
	Template *size;       /* as text; NULL: the default */
	List *partition_keys; /* of char *, instead of a size; or NIL */
	List *columns;        /* of char *, to be packed; or NIL */
	Template *init;       /* NULL where there is none, like the next */
	Template *shutdown;
	Template *run;
	Template *append_to; /* append_row_to, or NULL */
	int max_workers;
	int max_retries;        /* of a mini-batch, and of init */
	int64 batch_timeout;    /* these are all in microseconds */
	int64 overhead_timeout; /* of init and of preparing run */
	int64 progress_timeout; /* 0: the other timeouts are enough */
	int64 first_batch_timeout;
	Thresholds thresholds;
	bool compare_items;     /* count: items */
	const char *log_level;  /* of mlpipe.log_min_level; NULL: leave it */
	bool log_to_run;        /* copy_logs_to_parent */
	int64 monitor_interval; /* microseconds; 0: no samples */
} ParallelConfig;

/* The check() of the type. */
extern void *parallel_check(JsonReader *reader, ActivityDef *def,
							const TemplateScope *scope);

/*
 * Reads "1000 rows" or "10 MB" or, if the input is files, "10 files"; else
 * false and what is wrong with it.
 */
extern bool batch_size_parse(const char *text, bool of_files, BatchSize *size,
							 char **message);

/* Reads config->size, when a step is split.  Raises 22023. */
extern void batch_size_of(const char *text, bool of_files, BatchSize *size);

#endif /* MLPIPE_PARALLEL_CONFIG_H */

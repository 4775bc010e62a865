/*-------------------------------------------------------------------------
 *
 * pipeline_store.h
 *	  The tables pipeline, pipeline_version, activity, activity_dependency and
 *	  pipeline_grant.
 *
 * Every function is called in engine mode (engine_mode.h).  Results live in
 * the memory context that is current at the call.  None of them checks rights.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_PIPELINE_STORE_H
#define MLPIPE_PIPELINE_STORE_H

#include "definition/document.h"

typedef struct PipelineRow
{
	int32 pipeline_id;
	char *name;
	Oid owner;
	Oid run_as;
	Oid run_as_by; /* who set it */
	int32 default_version;
	bool enabled;
} PipelineRow;

typedef enum VersionStatus
{
	VERSION_ACTIVE,
	VERSION_DEPRECATED,
	VERSION_DISABLED
} VersionStatus;

typedef struct VersionRow
{
	int64 version_id;
	int32 version;
	VersionStatus status;
} VersionRow;

/* NULL where there is no pipeline of that name, or it has been dropped. */
extern PipelineRow *pipeline_by_name(const char *name);

/* The same, with its row locked until the end of the transaction. */
extern PipelineRow *pipeline_lock(const char *name);

/* Dropped ones too; NULL where there never was one. Fit for parallel queries. */
extern PipelineRow *pipeline_by_id(int32 pipeline_id);

/*
 * A new pipeline, without a version yet, locked; 0 where another session has
 * just made one of that name (and committed: it is there to be locked).
 */
extern int32 pipeline_insert(const char *name, Oid owner);

/* Writes all but the name. */
extern void pipeline_update(const PipelineRow *pipeline);
extern void pipeline_mark_dropped(int32 pipeline_id);

/* How many there are. */
extern int64 pipeline_unfinished_runs(int32 pipeline_id);

/* These are NULL where there is none. */
extern VersionRow *version_find(int32 pipeline_id, int32 version);
extern VersionRow *version_newest(int32 pipeline_id);
extern Jsonb *version_definition(int64 version_id);

/* False where there is no such version. */
extern bool version_set_status(int32 pipeline_id, int32 version,
							   VersionStatus status);

/* False where the word is none of those for a VersionStatus. */
extern bool version_status_parse(const char *word, VersionStatus *status);

/*
 * Stores a version with its activities and returns its version_id.
 * pipeline_id 0: of a document that was submitted without a name.
 */
extern int64 pipeline_version_store(int32 pipeline_id, int32 version,
									Jsonb *definition,
									const Document *document, Oid created_by);

/* Roles that were granted the use of a pipeline; a list of Oid. */
extern List *pipeline_grantees(int32 pipeline_id);
extern void pipeline_grant_add(int32 pipeline_id, Oid grantee);
extern void pipeline_grant_remove(int32 pipeline_id, Oid grantee);

#endif /* MLPIPE_PIPELINE_STORE_H */

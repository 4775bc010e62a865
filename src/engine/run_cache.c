/*-------------------------------------------------------------------------
 *
 * run_cache.c
 *	  Runs and parsed documents that this process has lately worked with.
 *
 * Versions are immutable, and what RunInfo knows of a run does not change, so
 * nothing here has to be invalidated, unless the extension is dropped and
 * another one created, whose versions and runs have the same numbers.  But it
 * is bounded.  When one of the two tables is full, both are thrown away and
 * filled again as needed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "activity/activity.h"
#include "engine/run_cache.h"
#include "mlpipe.h"
#include "store/engine_mode.h"
#include "store/pipeline_store.h"
#include "store/run_store.h"

#define MAX_CACHED_RUNS      1024
#define MAX_CACHED_DOCUMENTS 64
#define MAX_CACHED_BYTES     ((Size) 128 * 1024 * 1024) /* but for one alone */

typedef struct CachedDocument
{
	int64 version_id;
	const Document *document;
} CachedDocument;

static MemoryContext cache_context = NULL;
static HTAB *runs = NULL;
static HTAB *documents = NULL;
static bool stale = false;

static bool holds_too_much(void);
static void create_cache(void);
static void watch_schemas(void);
static void at_schema_change(Datum arg, int cache, uint32 hash);
static HTAB *create_table(const char *name, Size entry_size, int size);
static void load_run(RunInfo *info);
static const Document *parse_version(int64 version_id);

const RunInfo *
run_info(int64 run_id)
{
	RunInfo *info;
	RunInfo loaded = {.run_id = run_id};

	if (cache_context == NULL)
		create_cache();
	info = hash_search(runs, &run_id, HASH_FIND, NULL);
	if (info != NULL)
		return info;

	load_run(&loaded);
	info = hash_search(runs, &run_id, HASH_ENTER, NULL);
	*info = loaded;
	return info;
}

void
run_note_started(const RunInfo *run)
{
	RunInfo *info = hash_search(runs, &run->run_id, HASH_FIND, NULL);

	info->started = true;
}

static void
load_run(RunInfo *info)
{
	EngineMode mode;
	RunRow *row;

	engine_mode_enter(&mode);
	row = run_load(info->run_id, false);
	engine_mode_leave(&mode);
	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("run " INT64_FORMAT " does not exist", info->run_id)));
	info->priority = row->priority;
	info->run_as = row->run_as;
	info->version_id = row->version_id;
	info->rerun_of = row->rerun_of;
	info->rerun_from = row->rerun_from;
	info->rerun_all = row->rerun_all;
	info->document = version_document(row->version_id);
}

const Document *
version_document(int64 version_id)
{
	CachedDocument *entry;
	const Document *document;

	if (cache_context == NULL)
		create_cache();
	entry = hash_search(documents, &version_id, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->document;

	document = parse_version(version_id);
	entry = hash_search(documents, &version_id, HASH_ENTER, NULL);
	entry->document = document;
	return document;
}

/*
 * There always is one, whatever has become of what it refers to: its runs have
 * to be ended all the same.
 */
static const Document *
parse_version(int64 version_id)
{
	EngineMode mode;
	Jsonb *definition;
	const Document *document;
	MemoryContext context;
	MemoryContext caller = CurrentMemoryContext;

	engine_mode_enter(&mode);
	definition = version_definition(version_id);
	engine_mode_leave(&mode);
	if (definition == NULL)
		elog(ERROR, "version " INT64_FORMAT " does not exist", version_id);

	context = AllocSetContextCreate(caller, "mlpipe document",
									ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(context);
	document = document_parse_stored(definition, activity_kinds());
	MemoryContextSwitchTo(caller);
	MemoryContextSetParent(context, cache_context);
	return document;
}

void
run_cache_trim(void)
{
	if (cache_context == NULL || MyCall != NULL ||
		(!stale && hash_get_num_entries(runs) < MAX_CACHED_RUNS &&
		 hash_get_num_entries(documents) < MAX_CACHED_DOCUMENTS &&
		 !holds_too_much()))
		return;
	MemoryContextDelete(cache_context);
	cache_context = NULL;
}

static bool
holds_too_much(void)
{
	return hash_get_num_entries(documents) > 1 &&
		MemoryContextMemAllocated(cache_context, true) > MAX_CACHED_BYTES;
}

static void
create_cache(void)
{
	watch_schemas();
	stale = false;
	cache_context = AllocSetContextCreate(TopMemoryContext, "mlpipe run cache",
										  ALLOCSET_DEFAULT_SIZES);
	runs = create_table("mlpipe runs", sizeof(RunInfo), MAX_CACHED_RUNS);
	documents = create_table("mlpipe documents", sizeof(CachedDocument),
							 MAX_CACHED_DOCUMENTS);
}

/* The extension's schema goes with it; other schemas seldom come or go. */
static void
watch_schemas(void)
{
	static bool registered = false;

	if (!registered)
		CacheRegisterSyscacheCallback(NAMESPACEOID, at_schema_change,
									  (Datum) 0);
	registered = true;
}

static void
at_schema_change(Datum arg, int cache, uint32 hash)
{
	stale = true;
}

static HTAB *
create_table(const char *name, Size entry_size, int size)
{
	HASHCTL info = {.keysize = sizeof(int64),
					.entrysize = entry_size,
					.hcxt = cache_context};

	return hash_create(name, size, &info,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*-------------------------------------------------------------------------
 *
 * mlpipe.c
 *	  What happens when the library is loaded: settings, shared memory, hooks
 *	  and the launcher.
 *
 * Without shared_preload_libraries pipelines can be defined and looked at, but
 * nothing runs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/guc.h"

#include "definition/document.h"
#include "engine/hooks.h"
#include "engine/horizon_gate.h"
#include "engine/lineage.h"
#include "engine/shmem.h"
#include "mlpipe.h"

PG_MODULE_MAGIC;

bool mlpipe_enabled = true;
int mlpipe_max_executors = 8;
int mlpipe_executor_idle_timeout = 60;
int mlpipe_durability = DURABILITY_RUN;
int mlpipe_retention = 0;
int mlpipe_pack_mem = 512 * 1024;
bool mlpipe_notify = false;
int mlpipe_log_min_level = INFO;

static const struct config_enum_entry durability_options[] =
	{{"run", DURABILITY_RUN, false},
	 {"activity", DURABILITY_ACTIVITY, false},
	 {NULL, 0, false}};

static const struct config_enum_entry log_level_options[] =
	{{"debug", DEBUG1, false},  {"info", INFO, false},
	 {"notice", NOTICE, false}, {"warning", WARNING, false},
	 {"error", ERROR, false},   {NULL, 0, false}};

void _PG_init(void);

static GucContext start_context(void);
static void define_settings(void);
static void define_log_settings(void);
static void register_launcher(void);

void
_PG_init(void)
{
	define_settings();
	define_log_settings();
	MarkGUCPrefixReserved("mlpipe");
	hooks_install();

	/* pg_upgrade wants no workers, but the settings. */
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	lineage_install_hooks();
	horizon_gate_install_hooks();
	shmem_install_hooks();
	register_launcher();
}

/*
 * A library that is loaded after the start may define no setting that only a
 * start can change; nothing uses that one then.
 */
static GucContext
start_context(void)
{
	return process_shared_preload_libraries_in_progress ? PGC_POSTMASTER :
														  PGC_SIGHUP;
}

static void
define_settings(void)
{
	DefineCustomBoolVariable(
		"mlpipe.enabled", "Starts runs and activities.",
		"When off, nothing new starts; what runs goes on.", &mlpipe_enabled,
		true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"mlpipe.max_executors",
		"Sets the maximum number of executors at once in the whole server.",
		"It is also bounded by \"max_worker_processes\".",
		&mlpipe_max_executors, 8, 1, 1024, start_context(), 0, NULL, NULL,
		NULL);
	DefineCustomIntVariable("mlpipe.executor_idle_timeout",
							"Sets how long an idle executor lives.", NULL,
							&mlpipe_executor_idle_timeout, 60, 1,
							INT_MAX / 1000, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL,
							NULL);
	DefineCustomEnumVariable(
		"mlpipe.durability",
		"Sets what is flushed to disk at once: the end of each run, or of each activity.",
		NULL, &mlpipe_durability, DURABILITY_RUN, durability_options,
		PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("mlpipe.retention",
							"Deletes finished runs that are older than this.",
							"Zero keeps them.", &mlpipe_retention, 0, 0,
							INT_MAX, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"mlpipe.pack_mem",
		"Sets the memory for the rows of an input while they are brought together by partition keys.",
		NULL, &mlpipe_pack_mem, 512 * 1024, 1024, MAX_KILOBYTES, PGC_USERSET,
		GUC_UNIT_KB, NULL, NULL, NULL);
}

static void
define_log_settings(void)
{
	DefineCustomBoolVariable(
		"mlpipe.notify",
		"Sends a notification on channel \"mlpipe\" when a run ends.", NULL,
		&mlpipe_notify, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable(
		"mlpipe.log_min_level",
		"Sets which messages of activities are kept in mlpipe_logs.", NULL,
		&mlpipe_log_min_level, INFO, log_level_options, PGC_USERSET, 0, NULL,
		NULL, NULL);
}

static void
register_launcher(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, LIBRARY_NAME,
			sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "mlpipe_launcher_main",
			sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "mlpipe launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "mlpipe launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}

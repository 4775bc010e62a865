/*-------------------------------------------------------------------------
 *
 * change.c
 *	  mlpipe_submit_on_change(): a table's trigger that submits a pipeline.
 *
 * In the writer's transaction it does what can fail for a reason that its
 * author should know: it finds the pipeline and checks rights and parameters.
 * Then it leaves one row for the scheduler, which makes the run when the
 * writer has committed.  A transaction leaves one row a trigger, however many
 * statements and rows it changes.
 *
 * Whose right counts is a question, for a trigger fires as whoever writes to
 * the table.  It is that of the table's owner: that role has put the trigger
 * there, or has let somebody do so by granting TRIGGER; it is also who the run
 * is submitted by.  A writer needs no right on the pipeline.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "activity/activity.h"
#include "api/missing.h"
#include "api/parameters.h"
#include "api/rights.h"
#include "definition/value.h"
#include "engine/role.h"
#include "engine/run_cache.h"
#include "engine/wakeup.h"
#include "store/change_store.h"
#include "store/engine_mode.h"
#include "store/pipeline_store.h"

/* The trigger as it was created, and its table. */
typedef struct Source
{
	Oid trigger;
	char *trigger_name;
	Oid table;
	char *table_name;
	Oid owner;
} Source;

/* What stands behind the pipeline's name in CREATE TRIGGER. */
typedef struct Options
{
	int64 debounce;    /* microseconds */
	Jsonb *parameters; /* an object */
} Options;

/* A trigger that has left its row, and the subtransaction that did it. */
typedef struct NotedTrigger
{
	Oid trigger;
	SubTransactionId subtransaction;
} NotedTrigger;

static NotedTrigger *noted = NULL;
static int nnoted = 0;
static int max_noted = 0;

static TriggerData *require_after_trigger(FunctionCallInfo fcinfo);
static Source find_source(const TriggerData *data);
static void climb_to_root(Source *source);
static Oid table_owner(Oid table);
static bool is_noted(Oid trigger);
static void note_trigger(Oid trigger);
static void watch_transactions(void);
static void at_transaction_end(XactEvent event, void *arg);
static void at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
								  SubTransactionId parent, void *arg);
static void leave_change_in_context(const TriggerData *data, Source *source);
static void trigger_context(void *arg);
static void leave_change(const TriggerData *data, const Source *source);
static PipelineRow *find_pipeline(const char *name, const Source *source,
								  VersionRow **version);
static void require_owners_right(const PipelineRow *pipeline,
								 const Source *source);
static bool is_submittable(const PipelineRow *pipeline,
						   const VersionRow *version, const Source *source);
static Options parse_options(const Trigger *trigger);
static Jsonb *parse_parameters(JsonReader *reader);
static const char *operation_name(TriggerEvent event);
static char *qualified_name(Oid table);

PG_FUNCTION_INFO_V1(mlpipe_submit_on_change);
Datum
mlpipe_submit_on_change(PG_FUNCTION_ARGS)
{
	TriggerData *data = require_after_trigger(fcinfo);
	Source source;

	if (!is_noted(data->tg_trigger->tgoid))
	{
		source = find_source(data);
		if (!is_noted(source.trigger))
		{
			leave_change_in_context(data, &source);
			note_trigger(source.trigger);
		}
		if (source.trigger != data->tg_trigger->tgoid)
			note_trigger(data->tg_trigger->tgoid);
	}
	return PointerGetDatum(NULL);
}

static TriggerData *
require_after_trigger(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(
			ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg(
				 "mlpipe_submit_on_change() can only be called as a trigger")));
	if (!TRIGGER_FIRED_AFTER(data->tg_event))
		ereport(
			ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("trigger \"%s\" must be an AFTER trigger",
					data->tg_trigger->tgname),
			 errhint(
				 "Before the change it is not known whether it will be made.")));
	if (data->tg_trigger->tgnargs < 1 || data->tg_trigger->tgnargs > 2)
		ereport(
			ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg(
				 "trigger \"%s\" has %d arguments, but mlpipe_submit_on_change() takes one or two",
				 data->tg_trigger->tgname, data->tg_trigger->tgnargs),
			 errhint(
				 "They are the pipeline's name and a JSON object with \"debounce\" and \"parameters\".")));
	return data;
}

/* A row trigger of a partitioned table is one trigger, not one a partition. */
static Source
find_source(const TriggerData *data)
{
	Source source = {.trigger = data->tg_trigger->tgoid,
					 .trigger_name = data->tg_trigger->tgname,
					 .table = RelationGetRelid(data->tg_relation)};

	if (data->tg_trigger->tgisclone)
		climb_to_root(&source);
	source.table_name = qualified_name(source.table);
	source.owner = table_owner(source.table);
	return source;
}

static void
climb_to_root(Source *source)
{
	Relation triggers = table_open(TriggerRelationId, AccessShareLock);
	Oid next = source->trigger;

	while (OidIsValid(next))
	{
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple tuple;

		ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(next));
		scan = systable_beginscan(triggers, TriggerOidIndexId, true, NULL, 1,
								  &key);
		tuple = systable_getnext(scan);
		next = InvalidOid;
		if (HeapTupleIsValid(tuple))
		{
			Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);

			source->trigger = form->oid;
			source->trigger_name = pstrdup(NameStr(form->tgname));
			source->table = form->tgrelid;
			next = form->tgparentid;
		}
		systable_endscan(scan);
	}
	table_close(triggers, AccessShareLock);
}

static Oid
table_owner(Oid table)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static bool
is_noted(Oid trigger)
{
	for (int i = 0; i < nnoted; i++)
	{
		if (noted[i].trigger == trigger)
			return true;
	}
	return false;
}

static void
note_trigger(Oid trigger)
{
	watch_transactions();
	if (nnoted == max_noted)
	{
		int room = Max(16, 2 * max_noted);

		noted = noted == NULL ?
			MemoryContextAlloc(TopMemoryContext, room * sizeof(*noted)) :
			repalloc(noted, room * sizeof(*noted));
		max_noted = room;
	}
	noted[nnoted].trigger = trigger;
	noted[nnoted].subtransaction = GetCurrentSubTransactionId();
	nnoted++;
}

static void
watch_transactions(void)
{
	static bool watching = false;

	if (watching)
		return;
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	watching = true;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		nnoted = 0;
}

/* What a subtransaction left is gone when it is rolled back. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	int kept = 0;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	for (int i = 0; i < nnoted; i++)
	{
		if (noted[i].subtransaction == mine)
		{
			if (event == SUBXACT_EVENT_ABORT_SUB)
				continue;
			noted[i].subtransaction = parent;
		}
		noted[kept++] = noted[i];
	}
	nnoted = kept;
}

/* The writer may know nothing of the trigger. */
static void
leave_change_in_context(const TriggerData *data, Source *source)
{
	ErrorContextCallback callback = {.previous = error_context_stack,
									 .callback = trigger_context,
									 .arg = source};

	error_context_stack = &callback;
	leave_change(data, source);
	error_context_stack = callback.previous;
}

static void
trigger_context(void *arg)
{
	const Source *source = arg;

	errcontext("trigger \"%s\" of table %s", source->trigger_name,
			   source->table_name);
}

static void
leave_change(const TriggerData *data, const Source *source)
{
	Options options = parse_options(data->tg_trigger);
	VersionRow *version;
	PipelineRow *pipeline = find_pipeline(data->tg_trigger->tgargs[0], source,
										  &version);
	SourceChange change = {.pipeline_id = pipeline->pipeline_id,
						   .trigger_oid = source->trigger,
						   .trigger_name = source->trigger_name,
						   .table = source->table_name,
						   .operation = operation_name(data->tg_event),
						   .debounce = options.debounce,
						   .submitted_by = source->owner};
	EngineMode mode;

	if (!is_submittable(pipeline, version, source))
		return;

	/* An activity that writes to the table has its own document in there. */
	if (MyCall == NULL)
		run_cache_trim();
	change.version_id = version->version_id;
	change.parameters = parameters_check(version_document(version->version_id),
										 options.parameters);
	engine_mode_enter(&mode);
	change_insert(&change);
	engine_mode_leave(&mode);
	wakeup_scheduler(ERRAND_CHANGES);
}

static PipelineRow *
find_pipeline(const char *name, const Source *source, VersionRow **version)
{
	PipelineRow *pipeline;
	EngineMode mode;

	engine_mode_enter(&mode);
	pipeline = pipeline_by_name(name);
	*version = pipeline == NULL ?
		NULL :
		version_find(pipeline->pipeline_id, pipeline->default_version);
	engine_mode_leave(&mode);

	if (pipeline == NULL || *version == NULL)
		missing_pipeline(name);
	require_owners_right(pipeline, source);
	return pipeline;
}

static void
require_owners_right(const PipelineRow *pipeline, const Source *source)
{
	Oid user;
	int sec_context;
	bool may;

	GetUserIdAndSecContext(&user, &sec_context);
	SetUserIdAndSecContext(source->owner,
						   sec_context | SECURITY_LOCAL_USERID_CHANGE);
	may = pipeline_may_use(pipeline->pipeline_id, pipeline->owner);
	SetUserIdAndSecContext(user, sec_context);
	if (!may)
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for pipeline \"%s\"", pipeline->name),
			 errdetail(
				 "The trigger submits it with the rights of the table's owner, \"%s\".",
				 GetUserNameFromId(source->owner, false)),
			 errhint(
				 "The owner of the pipeline can grant its use with mlpipe_grant().")));
}

/*
 * Disabling a pipeline is to stop its runs, not those who write to its source
 * tables; but they are told.
 */
static bool
is_submittable(const PipelineRow *pipeline, const VersionRow *version,
			   const Source *source)
{
	if (!role_is_lent(pipeline->run_as, pipeline->owner, pipeline->run_as_by))
	{
		ereport(
			NOTICE,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg(
				 "pipeline \"%s\" may not run as its role any more: no run is submitted for the change of table %s",
				 pipeline->name, source->table_name)));
		return false;
	}
	if (pipeline->enabled && version->status != VERSION_DISABLED)
		return true;
	ereport(
		NOTICE,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg(
			 "pipeline \"%s\" is disabled: no run is submitted for the change of table %s",
			 pipeline->name, source->table_name)));
	return false;
}

static Options
parse_options(const Trigger *trigger)
{
	const char *text = trigger->tgnargs > 1 ? trigger->tgargs[1] : "{}";
	Jsonb *json = DatumGetJsonbP(
		DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	ProblemList problems = {NIL, 0};
	Options options = {0, NULL};
	JsonbValue value;
	JsonReader *reader;

	value_of_jsonb(json, &value);
	reader = reader_open(&problems, &value, "options");
	if (reader != NULL)
	{
		options.debounce = reader_duration(reader, "debounce", 0);
		options.parameters = parse_parameters(reader);
		reader_close(reader);
	}
	problem_raise(&problems);
	return options;
}

static Jsonb *
parse_parameters(JsonReader *reader)
{
	JsonbValue *value = reader_value(reader, "parameters");

	/* Only to have it checked that this is an object. */
	if (value != NULL)
		(void) reader_object(reader, "parameters", false);
	return value != NULL ?
		JsonbValueToJsonb(value) :
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}

static const char *
operation_name(TriggerEvent event)
{
	if (TRIGGER_FIRED_BY_INSERT(event))
		return "INSERT";
	if (TRIGGER_FIRED_BY_UPDATE(event))
		return "UPDATE";
	if (TRIGGER_FIRED_BY_DELETE(event))
		return "DELETE";
	return "TRUNCATE";
}

static char *
qualified_name(Oid table)
{
	return quote_qualified_identifier(get_namespace_name(
										  get_rel_namespace(table)),
									  get_rel_name(table));
}

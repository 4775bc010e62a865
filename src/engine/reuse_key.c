/*-------------------------------------------------------------------------
 *
 * reuse_key.c
 *	  What a success is recognized by, besides the contents of its tables.
 *
 * The definition is the activity's object in the document, without what says
 * when and how often it is tried, and with the types that were declared for
 * parameters and variables.  The values are those that its placeholders find.
 *
 * For each activity that this one depends on, if that may be reused too, the
 * key has where its work was done: when it is done again, this one is.  For the
 * others it has how they ended and what they returned, and the same for what
 * they in turn depend on, up to the next that may be reused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/hashfn.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "rewrite/rewriteSupport.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "engine/lineage.h"
#include "engine/reuse.h"
#include "engine/reuse_key.h"
#include "mlpipe.h"
#include "store/activity_store.h"
#include "store/engine_mode.h"

/* Keys that do not change what an activity does. */
static const char *const ignored_keys[] = {"active",      "depends_on",
										   "description", "join",
										   "on_inactive", "on_rerun",
										   "priority",    "retry",
										   "reuse",       "tags",
										   "timeout",     "secure_output",
										   "compute"};

/* The activities around this one, or around a container of it. */
typedef struct UpstreamWalk
{
	ActivityCall *call;
	const ActivityDef *def;
	int32 first_row; /* of the list's first activity */
	const char *prefix;
	bool *seen; /* by place */
	JsonbParseState **state;
} UpstreamWalk;

/* What functions have asked for; names in the context of the attempt. */
static List *asked_names = NIL;
static bool asked_context = false;

static Jsonb *plain_definition(const ActivityDef *def);
static void append_types(StringInfo text, List *declared);
static Jsonb *upstream_ends(ActivityCall *call);
static void walk_upstream(UpstreamWalk *walk, int place, bool direct);
static void push_end(UpstreamWalk *walk, const ActivityDef *def, int32 no);
static bool has_reuse_inside(const Document *document, const ActivityDef *def);
static void push_text(JsonbParseState **state, JsonbIteratorToken token,
					  const char *text);
static Datum digest(const char *text);
static char *json_text(const Jsonb *json);
static void hash_datum(int cache, HeapTuple tuple, int attribute,
					   ContentHash *hash);
static void hash_settings(HeapTuple tuple, ContentHash *hash);
static void hash_text(const char *source, ContentHash *hash);

void
reuse_key_make(ActivityCall *call, ReuseRow *row)
{
	Jsonb *definition = plain_definition(call->def);
	StringInfoData text;
	char *place = psprintf("%u %s", call->role, call_name(call));

	initStringInfo(&text);
	appendStringInfoString(&text, json_text(definition));
	append_types(&text, call->document->parameters);
	append_types(&text, call->document->variables);
	row->definition = text.data;
	row->parameters = template_values(definition, call_context(call));
	row->upstream = upstream_ends(call);
	row->place = digest(place);
	row->key = digest(psprintf("%s\n%s\n%s\n%s", place, row->definition,
							   json_text(row->parameters),
							   json_text(row->upstream)));
}

static Jsonb *
plain_definition(const ActivityDef *def)
{
	Datum keys[lengthof(ignored_keys)];
	int i;

	for (i = 0; i < lengthof(ignored_keys); i++)
		keys[i] = CStringGetTextDatum(ignored_keys[i]);
	return DatumGetJsonbP(
		DirectFunctionCall2(jsonb_delete_array,
							JsonbPGetDatum(def->definition),
							PointerGetDatum(
								construct_array(keys, lengthof(keys), TEXTOID,
												-1, false, TYPALIGN_INT))));
}

/* A literal has the type that its value was declared with. */
static void
append_types(StringInfo text, List *declared)
{
	ListCell *cell;

	foreach(cell, declared)
	{
		const DeclaredValue *value = lfirst(cell);

		appendStringInfo(text, "\n%s %s", value->name, value->type_name);
	}
}

static Jsonb *
upstream_ends(ActivityCall *call)
{
	JsonbParseState *state = NULL;
	const ActivityDef *def = call->def;
	const char *prefix = "";
	List *rows;
	ListCell *cell;
	EngineMode mode;

	engine_mode_enter(&mode);
	rows = activity_ancestry(call->run_id, call->no);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	foreach(cell, rows)
	{
		const ActivityRow *row = lfirst(cell);
		UpstreamWalk walk = {.call = call,
							 .def = def,
							 .first_row = row->no - activity_place(def),
							 .prefix = prefix,
							 .seen = palloc0(def->list->count + 1),
							 .state = &state};

		walk_upstream(&walk, activity_place(def), true);
		if (def->list->container < 0)
			break;
		def = &call->document->activities[def->list->container];
		prefix = psprintf("../%s", prefix);
	}
	engine_mode_leave(&mode);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
walk_upstream(UpstreamWalk *walk, int place, bool direct)
{
	const Graph *graph = walk->def->list->graph;
	int i;

	check_stack_depth();
	for (i = graph->first_in[place]; i < graph->first_in[place + 1]; i++)
	{
		int from = graph->edges[graph->in_edges[i]].from;
		const ActivityDef *def = list_activity(walk->call->document,
											   walk->def->list, from);

		if (walk->seen[from])
			continue;
		walk->seen[from] = true;
		if (direct || def->reuse ||
			has_reuse_inside(walk->call->document, def))
			push_end(walk, def, walk->first_row + from);
		if (!def->reuse)
			walk_upstream(walk, from, false);
	}
}

static void
push_end(UpstreamWalk *walk, const ActivityDef *def, int32 no)
{
	const ActivityCall *call = walk->call;
	char *end = reuse_end_of(call->run_id, no, def->reuse);

	if (end != NULL && has_reuse_inside(call->document, def))
		end = psprintf("%s, inside %s", end,
					   reuse_ends_inside(call->run_id, no, call->document));
	push_text(walk->state, WJB_KEY, psprintf("%s%s", walk->prefix, def->name));
	push_text(walk->state, WJB_VALUE, end == NULL ? "" : end);
}

static bool
has_reuse_inside(const Document *document, const ActivityDef *def)
{
	ListCell *cell;
	int i;

	foreach(cell, def->bodies)
	{
		const ActivityList *list = lfirst(cell);

		for (i = 0; i < list->count; i++)
		{
			const ActivityDef *inside = list_activity(document, list, i);

			if (inside->reuse || has_reuse_inside(document, inside))
				return true;
		}
	}
	return false;
}

static void
push_text(JsonbParseState **state, JsonbIteratorToken token, const char *text)
{
	JsonbValue value = {.type = jbvString};

	value.val.string.val = pstrdup(text);
	value.val.string.len = strlen(text);
	pushJsonbValue(state, token, &value);
}

static Datum
digest(const char *text)
{
	bytea *result = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);

	SET_VARSIZE(result, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	if (pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (const uint8 *) text, strlen(text)) <
			0 ||
		pg_cryptohash_final(context, (uint8 *) VARDATA(result),
							PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute a hash: %s",
			 pg_cryptohash_error(context));
	pg_cryptohash_free(context);
	return PointerGetDatum(result);
}

static char *
json_text(const Jsonb *json)
{
	return JsonbToCString(NULL, unconstify(JsonbContainer *, &json->root),
						  VARSIZE(json));
}

void
reuse_note_parameter(const char *name)
{
	MemoryContext previous;
	ListCell *cell;

	if (MyCall == NULL || !MyCall->def->reuse)
		return;
	foreach(cell, asked_names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return;
	}
	previous = MemoryContextSwitchTo(MyCall->context);
	asked_names = lappend(asked_names, pstrdup(name));
	MemoryContextSwitchTo(previous);
}

void
reuse_forget_asked(void)
{
	asked_names = NIL;
	asked_context = false;
}

void
reuse_note_context(void)
{
	asked_context = true;
}

bool
reuse_asked_for_context(void)
{
	return asked_context;
}

Jsonb *
reuse_asked(void)
{
	JsonbParseState *state = NULL;
	ListCell *cell;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	foreach(cell, asked_names)
	{
		JsonbValue *value = call_parameter(MyCall, lfirst(cell));

		push_text(&state, WJB_KEY, lfirst(cell));
		if (value == NULL)
			push_text(&state, WJB_VALUE, "");
		else
			pushJsonbValue(&state, WJB_VALUE, value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

bool
reuse_asked_same(ActivityCall *call, const Jsonb *asked)
{
	JsonbIterator *it = JsonbIteratorInit(
		unconstify(JsonbContainer *, &asked->root));
	JsonbIteratorToken token;
	JsonbValue item;
	char *name = "";

	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		JsonbValue *now;

		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		if (token != WJB_VALUE)
			continue;
		now = call_parameter(call, name);
		if (now == NULL ||
			strcmp(json_text(JsonbValueToJsonb(now)),
				   json_text(JsonbValueToJsonb(&item))) != 0)
			return false;
	}
	return true;
}

bool
reuse_name_stands(const ReuseTable *table)
{
	char *name = lineage_name(table->relation);

	return name != NULL && strcmp(name, table->name) == 0 &&
		RelationIsVisible(table->relation) == table->visible;
}

bool
reuse_source_hash(const ReuseTable *source, ContentHash *hash)
{
	HeapTuple tuple;

	memset(hash, 0, sizeof(*hash));
	if (source->use == TABLE_VIEW)
	{
		tuple = SearchSysCache2(RULERELNAME,
								ObjectIdGetDatum(source->relation),
								CStringGetDatum(ViewSelectRuleName));
		if (!HeapTupleIsValid(tuple))
			return false;
		hash_datum(RULERELNAME, tuple, Anum_pg_rewrite_ev_action, hash);
	}
	else
	{
		/* What stands behind mini_batch is nothing that users can change. */
		if (get_func_namespace(source->relation) ==
			get_namespace_oid(EXTENSION_SCHEMA, true))
			return false;
		tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(source->relation));
		if (!HeapTupleIsValid(tuple))
			return false;
		hash_datum(PROCOID, tuple, Anum_pg_proc_prosrc, hash);
		hash_datum(PROCOID, tuple, Anum_pg_proc_probin, hash);
		hash_datum(PROCOID, tuple, Anum_pg_proc_prosqlbody, hash);
		hash_datum(PROCOID, tuple, Anum_pg_proc_proargdefaults, hash);
		hash_settings(tuple, hash);
	}
	ReleaseSysCache(tuple);
	return true;
}

static void
hash_datum(int cache, HeapTuple tuple, int attribute, ContentHash *hash)
{
	bool isnull;
	Datum value = SysCacheGetAttr(cache, tuple, attribute, &isnull);

	hash_text(isnull ? "" : TextDatumGetCString(value), hash);
}

/* What it sets while it runs, and as whom it runs. */
static void
hash_settings(HeapTuple tuple, ContentHash *hash)
{
	Form_pg_proc function = (Form_pg_proc) GETSTRUCT(tuple);
	bool isnull;
	Datum value = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proconfig,
								  &isnull);

	hash_text(isnull ? "" : OidOutputFunctionCall(F_ARRAY_OUT, value), hash);
	hash_text(function->prosecdef ? psprintf("%u", function->proowner) : "",
			  hash);
}

static void
hash_text(const char *source, ContentHash *hash)
{
	hash->low = DatumGetUInt64(hash_any_extended((unsigned char *) source,
												 strlen(source), hash->low));
	hash->high = DatumGetUInt64(hash_any_extended((unsigned char *) source,
												  strlen(source),
												  ~hash->high ^ hash->low));
}

char *
reuse_source_name(const ReuseTable *source)
{
	if (source->use == TABLE_FUNCTION)
		return format_procedure_qualified(source->relation);
	return quote_qualified_identifier(get_namespace_name(
										  get_rel_namespace(source->relation)),
									  get_rel_name(source->relation));
}

bool
reuse_has_row_security(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	bool has = HeapTupleIsValid(tuple) &&
		((Form_pg_class) GETSTRUCT(tuple))->relrowsecurity;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return has;
}

bool
reuse_has_new_file(Oid relation)
{
	bool found = false;
	ListCell *cell;

	foreach(cell, find_all_inheritors(relation, AccessShareLock, NULL))
		found = found || lineage_has_new_file(lfirst_oid(cell));
	return found;
}

Oid
reuse_find_table(const char *name)
{
	List *names = textToQualifiedNameList(cstring_to_text(name));

	return RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, true);
}

/* Whether it may be read is checked when it is read. */
Oid
reuse_table_named(const char *qualified)
{
	List *names = textToQualifiedNameList(cstring_to_text(qualified));
	Oid schema = InvalidOid;

	if (list_length(names) == 2)
		schema = get_namespace_oid(strVal(linitial(names)), true);
	return OidIsValid(schema) ?
		get_relname_relid(strVal(lsecond(names)), schema) :
		InvalidOid;
}

int
reuse_pin_names(void)
{
	int level = NewGUCNestLevel();

	(void) set_config_option("search_path",
							 GetConfigOptionResetString("search_path"),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);
	return level;
}

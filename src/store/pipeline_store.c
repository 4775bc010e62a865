/*-------------------------------------------------------------------------
 *
 * pipeline_store.c
 *	  The tables pipeline, pipeline_version, activity, activity_dependency and
 *	  pipeline_grant.
 *
 * The row of a pipeline is what its definers queue at: who adds a version,
 * alters or drops it, locks it first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "store/pipeline_store.h"
#include "store/plan.h"

#define PIPELINE_COLUMNS                          \
	"pipeline_id, name, owner::oid, run_as::oid," \
	" default_version, enabled, run_as_by::oid"

#define VERSION_COLUMNS "version_id, version, status"

/* By the values of VersionStatus. */
static const char *const version_status_words[] = {"active", "deprecated",
												   "disabled"};

static PipelineRow *fetch_pipeline(SPIPlanPtr plan, Datum key, bool read_only);
static PipelineRow *read_pipeline(void);
static VersionRow *fetch_version(SPIPlanPtr plan, Datum *values);
static int64 insert_version(int32 pipeline_id, int32 version,
							Jsonb *definition, Oid created_by);
static void insert_activities(int64 version_id, const Document *document);
static void insert_dependencies(int64 version_id, const Document *document);
static void insert_edges(int64 version_id, const ActivityList *list);
static Datum conditions_array(int conditions);

PipelineRow *
pipeline_by_name(const char *name)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {TEXTOID};
	PipelineRow *row;

	store_begin();
	plan_keep(&plan,
			  "SELECT " PIPELINE_COLUMNS " FROM mlpipe.pipeline"
			  " WHERE name = $1 AND dropped_at IS NULL",
			  lengthof(types), types);
	row = fetch_pipeline(plan, CStringGetTextDatum(name), false);
	store_end();
	return row;
}

PipelineRow *
pipeline_lock(const char *name)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {TEXTOID};
	PipelineRow *row;

	store_begin();
	plan_keep(&plan,
			  "SELECT " PIPELINE_COLUMNS " FROM mlpipe.pipeline"
			  " WHERE name = $1 AND dropped_at IS NULL"
			  " FOR NO KEY UPDATE",
			  lengthof(types), types);
	row = fetch_pipeline(plan, CStringGetTextDatum(name), false);
	store_end();
	return row;
}

PipelineRow *
pipeline_by_id(int32 pipeline_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID};
	PipelineRow *row;

	store_begin();
	plan_keep(&plan,
			  "SELECT " PIPELINE_COLUMNS " FROM mlpipe.pipeline"
			  " WHERE pipeline_id = $1",
			  lengthof(types), types);
	row = fetch_pipeline(plan, Int32GetDatum(pipeline_id), true);
	store_end();
	return row;
}

static PipelineRow *
fetch_pipeline(SPIPlanPtr plan, Datum key, bool read_only)
{
	if (plan_execute(plan, &key, NULL, read_only, SPI_OK_SELECT) == 0)
		return NULL;
	return read_pipeline();
}

static PipelineRow *
read_pipeline(void)
{
	PipelineRow *row = SPI_palloc(sizeof(PipelineRow));

	row->pipeline_id = column_int32(0, 1);
	row->name = column_text(0, 2);
	row->owner = column_oid(0, 3);
	row->run_as = column_oid(0, 4);
	row->default_version = column_int32(0, 5);
	row->enabled = column_bool(0, 6);
	row->run_as_by = column_oid(0, 7);
	return row;
}

int32
pipeline_insert(const char *name, Oid owner)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {TEXTOID, OIDOID};
	Datum values[] = {CStringGetTextDatum(name), ObjectIdGetDatum(owner)};
	int32 pipeline_id = 0;

	store_begin();
	plan_keep(
		&plan,
		"INSERT INTO mlpipe.pipeline (name, owner, run_as, run_as_by, default_version)"
		" VALUES ($1, $2, $2, $2, 1)"
		" ON CONFLICT (name) WHERE dropped_at IS NULL DO NOTHING"
		" RETURNING pipeline_id",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_INSERT_RETURNING) > 0)
		pipeline_id = column_int32(0, 1);
	store_end();
	return pipeline_id;
}

void
pipeline_update(const PipelineRow *pipeline)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, OIDOID, INT4OID,
								BOOLOID, OIDOID, OIDOID};
	Datum values[] = {Int32GetDatum(pipeline->pipeline_id),
					  ObjectIdGetDatum(pipeline->run_as),
					  Int32GetDatum(pipeline->default_version),
					  BoolGetDatum(pipeline->enabled),
					  ObjectIdGetDatum(pipeline->owner),
					  ObjectIdGetDatum(pipeline->run_as_by)};

	(void)
		store_execute(&plan,
					  "UPDATE mlpipe.pipeline"
					  " SET run_as = $2, default_version = $3, enabled = $4,"
					  " owner = $5, run_as_by = $6"
					  " WHERE pipeline_id = $1",
					  lengthof(types), types, values, NULL);
}

void
pipeline_mark_dropped(int32 pipeline_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(pipeline_id)};

	(void) store_execute(&plan,
						 "UPDATE mlpipe.pipeline SET dropped_at = now()"
						 " WHERE pipeline_id = $1",
						 lengthof(types), types, values, NULL);
}

int64
pipeline_unfinished_runs(int32 pipeline_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(pipeline_id)};
	int64 count;

	store_begin();
	plan_keep(&plan,
			  "SELECT count(*) FROM mlpipe.run"
			  " WHERE pipeline_id = $1"
			  " AND finished_at IS NULL",
			  lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	count = column_int64(0, 1);
	store_end();
	return count;
}

VersionRow *
version_find(int32 pipeline_id, int32 version)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT4OID};
	Datum values[] = {Int32GetDatum(pipeline_id), Int32GetDatum(version)};
	VersionRow *row;

	store_begin();
	plan_keep(&plan,
			  "SELECT " VERSION_COLUMNS " FROM mlpipe.pipeline_version"
			  " WHERE pipeline_id = $1"
			  " AND version = $2",
			  lengthof(types), types);
	row = fetch_version(plan, values);
	store_end();
	return row;
}

VersionRow *
version_newest(int32 pipeline_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(pipeline_id)};
	VersionRow *row;

	store_begin();
	plan_keep(&plan,
			  "SELECT " VERSION_COLUMNS " FROM mlpipe.pipeline_version"
			  " WHERE pipeline_id = $1"
			  " ORDER BY version DESC LIMIT 1",
			  lengthof(types), types);
	row = fetch_version(plan, values);
	store_end();
	return row;
}

static VersionRow *
fetch_version(SPIPlanPtr plan, Datum *values)
{
	VersionRow *row;

	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) == 0)
		return NULL;
	row = SPI_palloc(sizeof(VersionRow));
	row->version_id = column_int64(0, 1);
	row->version = column_int32(0, 2);
	if (!version_status_parse(column_text(0, 3), &row->status))
		elog(ERROR, "unexpected version status \"%s\"", column_text(0, 3));
	return row;
}

bool
version_status_parse(const char *word, VersionStatus *status)
{
	for (int i = 0; i < lengthof(version_status_words); i++)
	{
		if (strcmp(word, version_status_words[i]) == 0)
		{
			*status = (VersionStatus) i;
			return true;
		}
	}
	return false;
}

Jsonb *
version_definition(int64 version_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(version_id)};
	Jsonb *definition = NULL;

	store_begin();
	plan_keep(&plan,
			  "SELECT definition FROM mlpipe.pipeline_version"
			  " WHERE version_id = $1",
			  lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		definition = column_jsonb(0, 1);
	store_end();
	return definition;
}

bool
version_set_status(int32 pipeline_id, int32 version, VersionStatus status)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(pipeline_id), Int32GetDatum(version),
					  CStringGetTextDatum(version_status_words[status])};

	return store_execute(&plan,
						 "UPDATE mlpipe.pipeline_version SET status = $3"
						 " WHERE pipeline_id = $1"
						 " AND version = $2",
						 lengthof(types), types, values, NULL) > 0;
}

int64
pipeline_version_store(int32 pipeline_id, int32 version, Jsonb *definition,
					   const Document *document, Oid created_by)
{
	int64 version_id;

	store_begin();
	version_id = insert_version(pipeline_id, version,
								document_bind_types(definition, document),
								created_by);
	insert_activities(version_id, document);
	insert_dependencies(version_id, document);
	store_end();
	return version_id;
}

static int64
insert_version(int32 pipeline_id, int32 version, Jsonb *definition,
			   Oid created_by)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT4OID, JSONBOID, OIDOID};
	Datum values[] = {Int32GetDatum(pipeline_id), Int32GetDatum(version),
					  JsonbPGetDatum(definition),
					  ObjectIdGetDatum(created_by)};
	char nulls[] = "    ";

	if (pipeline_id == 0)
		nulls[0] = 'n';
	plan_keep(&plan,
			  "INSERT INTO mlpipe.pipeline_version"
			  " (pipeline_id, version, definition, created_by)"
			  " VALUES ($1, $2, $3, $4) RETURNING version_id",
			  lengthof(types), types);
	(void) plan_execute(plan, values, nulls, false, SPI_OK_INSERT_RETURNING);
	return column_int64(0, 1);
}

/*
 * What is inside of a container has rows of its own; with it in each container
 * around, a document of deep nesting would be stored as often as it is deep.
 */
#define BODY_KEYS "'{then,else,cases,default,activities}'::text[]"

static void
insert_activities(int64 version_id, const Document *document)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, TEXTOID, TEXTOID, JSONBOID,
								INT4OID, TEXTOID, BOOLOID, BOOLOID};

	plan_keep(
		&plan,
		"INSERT INTO mlpipe.activity"
		" (version_id, no, name, type, definition, parent_no, branch, secure_output)"
		" VALUES ($1, $2, $3, $4, CASE WHEN $9 THEN $5 - " BODY_KEYS
		" ELSE $5 END, $6, $7, $8)",
		lengthof(types), types);
	for (int no = 0; no < document->nactivities; no++)
	{
		const ActivityDef *def = &document->activities[no];
		const ActivityList *list = def->list;
		Datum values[] = {Int64GetDatum(version_id),
						  Int32GetDatum(no),
						  CStringGetTextDatum(def->name),
						  CStringGetTextDatum(def->kind->name),
						  JsonbPGetDatum(def->definition),
						  Int32GetDatum(list->container),
						  list->label ? CStringGetTextDatum(list->label) :
										(Datum) 0,
						  BoolGetDatum(def->secure_output),
						  BoolGetDatum(def->bodies != NIL)};
		char nulls[] = {' ',
						' ',
						' ',
						' ',
						' ',
						NULL_IF(list->container < 0),
						NULL_IF(list->label == NULL),
						' ',
						' ',
						'\0'};

		(void) plan_execute(plan, values, nulls, false, SPI_OK_INSERT);
	}
}

static void
insert_dependencies(int64 version_id, const Document *document)
{
	insert_edges(version_id, document->list);
	for (int no = 0; no < document->nactivities; no++)
	{
		ListCell *cell;

		foreach(cell, document->activities[no].bodies)
			insert_edges(version_id, lfirst(cell));
	}
}

static void
insert_edges(int64 version_id, const ActivityList *list)
{
	const Graph *graph = list->graph;
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4OID, TEXTARRAYOID};

	plan_keep(&plan,
			  "INSERT INTO mlpipe.activity_dependency"
			  " (version_id, no, depends_on, conditions)"
			  " VALUES ($1, $2, $3, $4)",
			  lengthof(types), types);
	for (int i = 0; i < graph->nedges; i++)
	{
		const GraphEdge *edge = &graph->edges[i];
		Datum values[] = {Int64GetDatum(version_id),
						  Int32GetDatum(list->first + edge->to),
						  Int32GetDatum(list->first + edge->from),
						  conditions_array(edge->conditions)};

		(void) plan_execute(plan, values, NULL, false, SPI_OK_INSERT);
	}
}

static Datum
conditions_array(int conditions)
{
	Datum words[3];
	int n = 0;

	if ((conditions & CONDITION_COMPLETED) == CONDITION_COMPLETED)
		words[n++] = CStringGetTextDatum("completed");
	else if (conditions & CONDITION_SUCCEEDED)
		words[n++] = CStringGetTextDatum("succeeded");
	else if (conditions & CONDITION_FAILED)
		words[n++] = CStringGetTextDatum("failed");
	if (conditions & CONDITION_SKIPPED)
		words[n++] = CStringGetTextDatum("skipped");
	return store_texts(words, n);
}

List *
pipeline_grantees(int32 pipeline_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(pipeline_id)};
	List *grantees = NIL;
	uint64 rows;

	store_begin();
	plan_keep(&plan,
			  "SELECT grantee::oid FROM mlpipe.pipeline_grant"
			  " WHERE pipeline_id = $1",
			  lengthof(types), types);
	rows = plan_execute(plan, values, NULL, true, SPI_OK_SELECT);
	for (uint64 row = 0; row < rows; row++)
		grantees = store_append_oid(grantees, column_oid(row, 1));
	store_end();
	return grantees;
}

void
pipeline_grant_add(int32 pipeline_id, Oid grantee)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, OIDOID};
	Datum values[] = {Int32GetDatum(pipeline_id), ObjectIdGetDatum(grantee)};

	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.pipeline_grant (pipeline_id, grantee)"
		" VALUES ($1, $2) ON CONFLICT DO NOTHING",
		lengthof(types), types, values, NULL);
}

void
pipeline_grant_remove(int32 pipeline_id, Oid grantee)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, OIDOID};
	Datum values[] = {Int32GetDatum(pipeline_id), ObjectIdGetDatum(grantee)};

	(void) store_execute(&plan,
						 "DELETE FROM mlpipe.pipeline_grant"
						 " WHERE pipeline_id = $1"
						 " AND grantee = $2",
						 lengthof(types), types, values, NULL);
}

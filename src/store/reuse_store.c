/*-------------------------------------------------------------------------
 *
 * reuse_store.c
 *	  Every statement on mlpipe.reuse, mlpipe.reuse_table and
 *	  mlpipe.table_hash.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"

#include "store/inside.h"
#include "store/plan.h"
#include "store/reuse_store.h"

static void write_table(SPIPlanPtr *plan, const char *sql, int64 run_id,
						int32 no, const ReuseTable *table);
static Datum reusable(const Document *document);
static Datum bytes_datum(const void *data, Size size);
static void read_bytes(uint64 row, int column, void *data, Size size);
static ReuseRow *read_reuse(uint64 row);

bool
table_hash_find(Oid relation, TransactionId xid, const ContentStamp *stamp,
				ContentHash *hash)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {OIDOID, INT8OID, BYTEAOID};
	Datum values[] = {ObjectIdGetDatum(relation), Int64GetDatum(xid),
					  bytes_datum(stamp, sizeof(*stamp))};
	bool found;

	store_begin();
	plan_keep(
		&plan,
		"SELECT hash FROM mlpipe.table_hash WHERE relation = $1 AND xid = $2 AND stamp = $3",
		lengthof(types), types);
	found = plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0;
	if (found)
		read_bytes(0, 1, hash, sizeof(*hash));
	store_end();
	return found;
}

void
table_hash_keep(Oid relation, TransactionId xid, const ContentStamp *stamp,
				const ContentHash *hash)
{
	static SPIPlanPtr forget = NULL;
	static SPIPlanPtr keep = NULL;
	static const Oid types[] = {OIDOID, BYTEAOID, INT8OID, BYTEAOID};
	Datum values[] = {ObjectIdGetDatum(relation),
					  bytes_datum(stamp, sizeof(*stamp)), Int64GetDatum(xid),
					  bytes_datum(hash, sizeof(*hash))};

	store_begin();
	plan_keep(&forget,
			  "DELETE FROM mlpipe.table_hash WHERE relation = $1"
			  " AND stamp <> $2",
			  2, types);
	(void) plan_execute(forget, values, NULL, false, SPI_OK_DELETE);
	plan_keep(
		&keep,
		"INSERT INTO mlpipe.table_hash (relation, stamp, xid, hash) VALUES ($1, $2, $3, $4)"
		" ON CONFLICT (relation, xid) DO UPDATE SET stamp = excluded.stamp, hash = excluded.hash",
		lengthof(types), types);
	(void) plan_execute(keep, values, NULL, false, SPI_OK_INSERT);
	store_end();
}

void
table_hashes_clean(void)
{
	static SPIPlanPtr plan = NULL;

	(void) store_execute(&plan,
						 "DELETE FROM mlpipe.table_hash h WHERE NOT EXISTS"
						 " (SELECT FROM pg_class c WHERE c.oid = h.relation)",
						 0, NULL, NULL, NULL);
}

void
reuse_insert(const ReuseRow *row)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID,   BYTEAOID, BYTEAOID,
								TEXTOID, JSONBOID,  JSONBOID, JSONBOID,
								TEXTOID, INT8OID,   INT4OID,  INT8OID,
								INT4OID, PG_LSNOID, BYTEAOID};
	Datum values[] = {Int64GetDatum(row->run_id),
					  Int32GetDatum(row->no),
					  row->key,
					  row->place,
					  CStringGetTextDatum(row->definition),
					  JsonbPGetDatum(row->parameters),
					  JsonbPGetDatum(row->upstream),
					  JsonbPGetDatum(row->asked),
					  store_text(row->problem),
					  Int64GetDatum(row->origin_run_id),
					  Int32GetDatum(row->origin_no),
					  Int64GetDatum(row->compared_run_id),
					  Int32GetDatum(row->compared_no),
					  LSNGetDatum(row->start_lsn),
					  PointerGetDatum(row->start_snapshot)};
	char nulls[] = "               ";

	/* A step may be split again, when its first split was lost. */
	nulls[8] = NULL_IF(row->problem == NULL);
	nulls[13] = nulls[14] = NULL_IF(row->start_snapshot == NULL);
	nulls[11] = nulls[12] = NULL_IF(row->compared_run_id == 0);
	(void) store_execute(
		&plan,
		"INSERT INTO mlpipe.reuse (run_id, no, key, place, definition, parameters, upstream, asked,"
		" problem, origin_run_id, origin_no, compared_run_id, compared_no, start_lsn, start_snapshot)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
		" ON CONFLICT (run_id, no) DO NOTHING",
		lengthof(types), types, values, nulls);
}

#define TABLE_COLUMNS                                                      \
	"(run_id, no, use, relation, name, visible, xid, problem, rows, hash)" \
	" VALUES ($1, $2, $3::\"char\", $4, $5, $6, $7, $8, $9, $10)"

void
reuse_table_insert(int64 run_id, int32 no, const ReuseTable *table)
{
	static SPIPlanPtr plan = NULL;

	write_table(&plan, "INSERT INTO mlpipe.reuse_table " TABLE_COLUMNS, run_id,
				no, table);
}

void
reuse_table_add(int64 run_id, int32 no, const ReuseTable *table)
{
	static SPIPlanPtr plan = NULL;

	write_table(
		&plan,
		"INSERT INTO mlpipe.reuse_table AS t " TABLE_COLUMNS
		" ON CONFLICT (run_id, no, use, relation) DO UPDATE SET"
		" rows = t.rows + excluded.rows, problem = coalesce(t.problem, excluded.problem)",
		run_id, no, table);
}

void
reuse_table_update(int64 run_id, int32 no, const ReuseTable *table)
{
	static SPIPlanPtr plan = NULL;

	write_table(
		&plan,
		"INSERT INTO mlpipe.reuse_table AS t " TABLE_COLUMNS
		" ON CONFLICT (run_id, no, use, relation) DO UPDATE SET visible = excluded.visible,"
		" rows = excluded.rows, hash = excluded.hash, problem = excluded.problem",
		run_id, no, table);
}

static void
write_table(SPIPlanPtr *plan, const char *sql, int64 run_id, int32 no,
			const ReuseTable *table)
{
	static const Oid types[] = {INT8OID, INT4OID, TEXTOID, OIDOID,  TEXTOID,
								BOOLOID, INT8OID, TEXTOID, INT8OID, BYTEAOID};
	char use[] = {table->use, '\0'};
	Datum values[] = {Int64GetDatum(run_id),
					  Int32GetDatum(no),
					  CStringGetTextDatum(use),
					  ObjectIdGetDatum(table->relation),
					  CStringGetTextDatum(table->name),
					  BoolGetDatum(table->visible),
					  Int64GetDatum(table->xid),
					  store_text(table->problem),
					  Int64GetDatum(table->hash.rows),
					  bytes_datum(&table->hash, sizeof(table->hash))};
	char nulls[] = "          ";

	nulls[7] = NULL_IF(table->problem == NULL);
	nulls[8] = nulls[9] = NULL_IF(table->problem != NULL);
	store_begin();
	plan_keep(plan, sql, lengthof(types), types);
	(void) plan_execute(*plan, values, nulls, false, SPI_OK_INSERT);
	store_end();
}

void
reuse_asked_add(int64 run_id, int32 no, Jsonb *asked)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, JSONBOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  JsonbPGetDatum(asked)};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.reuse SET asked = asked || $3 WHERE run_id = $1 AND no = $2",
		lengthof(types), types, values, NULL);
}

void
reuse_set_problem(int64 run_id, int32 no, const char *problem)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, TEXTOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  store_text(problem)};
	char nulls[] = {' ', ' ', NULL_IF(problem == NULL), '\0'};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.reuse SET problem = $3 WHERE run_id = $1 AND no = $2",
		lengthof(types), types, values, nulls);
}

#define REUSE_COLUMNS                                                                  \
	"u.run_id, u.no, u.key, u.place, u.definition, u.parameters, u.upstream, u.asked," \
	" u.problem, u.origin_run_id, u.origin_no, u.compared_run_id, u.compared_no,"      \
	" a.output, coalesce(a.items_in, -1), coalesce(a.items_out, -1), u.start_lsn,"     \
	" u.start_snapshot"                                                                \
	" FROM mlpipe.reuse u JOIN mlpipe.activity_run a USING (run_id, no)"

List *
reuse_candidates(Datum key, int64 run_id, int limit)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {BYTEAOID, INT8OID, INT8OID};
	Datum values[] = {key, Int64GetDatum(run_id), Int64GetDatum(limit)};
	List *list = NIL;
	uint64 rows;

	store_begin();
	plan_keep(
		&plan,
		"SELECT " REUSE_COLUMNS
		" WHERE u.key = $1 AND u.run_id <> $2 AND u.problem IS NULL AND a.status = 'succeeded'"
		" ORDER BY u.key DESC, u.run_id DESC, u.no DESC LIMIT $3",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
		list = store_append(list, read_reuse(i));
	store_end();
	return list;
}

ReuseRow *
reuse_nearest(Datum place, int64 run_id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {BYTEAOID, INT8OID};
	Datum values[] = {place, Int64GetDatum(run_id)};
	ReuseRow *row = NULL;

	store_begin();
	plan_keep(
		&plan,
		"SELECT " REUSE_COLUMNS
		" WHERE u.place = $1 AND u.run_id < $2 AND a.status = 'succeeded'"
		" ORDER BY u.place DESC, u.run_id DESC, u.no DESC LIMIT 1",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		row = read_reuse(0);
	store_end();
	return row;
}

ReuseRow *
reuse_load(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	ReuseRow *row = NULL;

	store_begin();
	plan_keep(&plan,
			  "SELECT " REUSE_COLUMNS " WHERE u.run_id = $1 AND u.no = $2",
			  lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		row = read_reuse(0);
	store_end();
	return row;
}

static ReuseRow *
read_reuse(uint64 row)
{
	ReuseRow *reuse = SPI_palloc(sizeof(ReuseRow));

	reuse->run_id = column_int64(row, 1);
	reuse->no = column_int32(row, 2);
	reuse->key = PointerGetDatum(column_bytea(row, 3));
	reuse->place = PointerGetDatum(column_bytea(row, 4));
	reuse->definition = column_text(row, 5);
	reuse->parameters = column_jsonb(row, 6);
	reuse->upstream = column_jsonb(row, 7);
	reuse->asked = column_jsonb(row, 8);
	reuse->problem = column_text(row, 9);
	reuse->origin_run_id = column_int64(row, 10);
	reuse->origin_no = column_int32(row, 11);
	reuse->compared_run_id = column_int64(row, 12);
	reuse->compared_no = column_int32(row, 13);
	reuse->output = column_jsonb(row, 14);
	reuse->items_in = column_int64(row, 15);
	reuse->items_out = column_int64(row, 16);
	reuse->start_lsn = (XLogRecPtr) column_int64(row, 17);
	reuse->start_snapshot = column_bytea(row, 18);
	return reuse;
}

List *
reuse_tables(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	List *list = NIL;
	uint64 rows;

	store_begin();
	plan_keep(
		&plan,
		"SELECT use::text, relation, name, visible, xid, problem, hash, rows FROM mlpipe.reuse_table"
		" WHERE run_id = $1 AND no = $2 ORDER BY run_id, no, use, relation",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
	{
		ReuseTable *table = SPI_palloc(sizeof(ReuseTable));

		memset(table, 0, sizeof(*table));
		table->use = (unsigned char) column_text(i, 1)[0];
		table->relation = column_oid(i, 2);
		table->name = column_text(i, 3);
		table->visible = column_bool(i, 4);
		table->xid = (TransactionId) column_int64(i, 5);
		table->problem = column_text(i, 6);
		if (table->problem == NULL)
			read_bytes(i, 7, &table->hash, sizeof(table->hash));

		/* While a step goes on its workers add to these. */
		table->hash.rows = column_int64(i, 8);
		list = store_append(list, table);
	}
	store_end();
	return list;
}

/* Of outputs, what this run has found of those that the other has left. */
#define PART_OF_TABLE                                                \
	"CASE use WHEN 'i' THEN 'input ' WHEN 'v' THEN 'view '"          \
	" WHEN 'p' THEN 'function ' ELSE 'output ' END || name AS part," \
	" coalesce(problem, CASE WHEN use IN ('v', 'p') THEN ''"         \
	" ELSE format('%s rows, ', rows) END || left(md5(hash), 12)) AS value"

/*
 * Where there is a "secure_output", nothing is shown that may come from it: of
 * values only parameters, which mlpipe_runs shows as well, and no digests.
 */
#define PART_SHOWN(value)                                                  \
	"CASE WHEN NOT secret.is_there THEN " value                            \
	" WHEN place = 1 AND part !~ '^parameter parameters[.][[:alnum:]_]+$'" \
	" AND NOT coalesce((SELECT asked ? substr(part, 11) FROM t), false)"   \
	" THEN CASE WHEN " value " IS NOT NULL THEN '(secret)' END"            \
	" WHEN place = 2 THEN regexp_replace(" value                           \
	", '(output|inside) [0-9a-f]{32}', '\\1 (secret)', 'g') ELSE " value   \
	" END"

#define SHOWN_HERE    PART_SHOWN("this.value")
#define SHOWN_EARLIER PART_SHOWN("earlier.value")

List *
reuse_parts(int64 run_id, int32 no)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no)};
	List *list = NIL;
	uint64 rows;

	store_begin();
	plan_keep(
		&plan,
		"WITH t AS MATERIALIZED (SELECT * FROM mlpipe.reuse WHERE run_id = $1 AND no = $2),"
		" e AS MATERIALIZED (SELECT u.* FROM t JOIN mlpipe.reuse u ON u.run_id = t.compared_run_id AND u.no = t.compared_no),"
		" secret AS (SELECT EXISTS (SELECT FROM mlpipe.run r JOIN mlpipe.activity a USING (version_id)"
		" WHERE r.run_id IN (SELECT run_id FROM t UNION ALL SELECT run_id FROM e) AND a.secure_output) AS is_there),"
		" this AS (SELECT 0 AS place, 'definition' AS part, left(md5(definition), 12) AS value FROM t"
		" UNION ALL SELECT 1, 'parameter ' || j.key, j.value FROM t, jsonb_each_text(parameters || asked) j"
		" UNION ALL SELECT 2, 'upstream ' || j.key, j.value FROM t, jsonb_each_text(upstream) j"
		" UNION ALL SELECT 3, " PART_OF_TABLE
		" FROM mlpipe.reuse_table WHERE run_id = $1 AND no = $2 AND use <> 'o'"
		" UNION ALL SELECT 4, 'problem', problem FROM t WHERE problem IS NOT NULL),"
		" earlier AS (SELECT 0 AS place, 'definition' AS part, left(md5(definition), 12) AS value FROM e"
		" UNION ALL SELECT 1, 'parameter ' || j.key, j.value FROM e, jsonb_each_text(parameters || asked) j"
		" UNION ALL SELECT 2, 'upstream ' || j.key, j.value FROM e, jsonb_each_text(upstream) j"
		" UNION ALL SELECT 3, " PART_OF_TABLE
		" FROM mlpipe.reuse_table WHERE (run_id, no) = (SELECT run_id, no FROM e) AND use <> 'f'"
		" UNION ALL SELECT 4, 'problem', e.problem FROM e WHERE e.problem IS NOT NULL)"
		" SELECT part, " SHOWN_HERE ", " SHOWN_EARLIER ","
		" part <> 'problem' AND this.value IS NOT DISTINCT FROM earlier.value,"
		" NOT (starts_with(part, 'output ') AND this.value IS NULL)"
		" FROM this FULL JOIN earlier USING (place, part) CROSS JOIN secret ORDER BY place, part COLLATE \"C\"",
		lengthof(types), types);
	rows = plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < rows; i++)
	{
		ReusePart *part = SPI_palloc(sizeof(ReusePart));

		part->part = column_text(i, 1);
		part->this_run = column_text(i, 2);
		part->earlier_run = column_text(i, 3);
		part->same = column_bool(i, 4);
		part->looked = column_bool(i, 5);
		list = store_append(list, part);
	}
	store_end();
	return list;
}

char *
reuse_end_of(int64 run_id, int32 no, bool by_origin)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, BOOLOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  BoolGetDatum(by_origin)};
	char *end = NULL;

	store_begin();

	/* A rerun takes over what was done without a record of ours. */
	plan_keep(
		&plan,
		"SELECT a.status::text || CASE"
		" WHEN $3 AND a.status = 'succeeded' THEN format(' in run %s, activity %s',"
		" coalesce(u.origin_run_id, a.reused_from, a.run_id), coalesce(u.origin_no, a.no))"
		" ELSE coalesce(', output ' || md5(a.output::text), '') END"
		" FROM mlpipe.activity_run a LEFT JOIN mlpipe.reuse u USING (run_id, no)"
		" WHERE a.run_id = $1 AND a.no = $2",
		lengthof(types), types);
	if (plan_execute(plan, values, NULL, false, SPI_OK_SELECT) > 0)
		end = column_text(0, 1);
	store_end();
	return end;
}

/*
 * By name and not by number, for a rerun gives other numbers to what it does
 * again than a run from the beginning would.
 */
char *
reuse_ends_inside(int64 run_id, int32 no, const Document *document)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT4ARRAYOID, INT4ARRAYOID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  inside_sizes(document), reusable(document)};
	char *ends;

	store_begin();
	plan_keep(
		&plan,
		"WITH " INSIDE
		" SELECT coalesce(md5(string_agg(format('%s %s', coalesce(u.origin_run_id, d.reused_from, $1),"
		" coalesce(u.origin_no, d.no)), ',' ORDER BY d.name COLLATE \"C\")), '')"
		" FROM inside i CROSS JOIN LATERAL (SELECT a.no, a.name, a.reused_from FROM mlpipe.activity_run a"
		" WHERE a.run_id = $1 AND " IS_OF_SCOPE
		" AND a.status = 'succeeded' AND a.activity_no = ANY ($4) OFFSET 0) d"
		" LEFT JOIN mlpipe.reuse u ON u.run_id = $1 AND u.no = d.no",
		lengthof(types), types);
	(void) plan_execute(plan, values, NULL, false, SPI_OK_SELECT);
	ends = column_text(0, 1);
	store_end();
	return ends;
}

/* Activities with "reuse", by their numbers. */
static Datum
reusable(const Document *document)
{
	int32 *numbers = palloc(document->nactivities * sizeof(int32));
	int count = 0;

	for (int no = 0; no < document->nactivities; no++)
	{
		if (document->activities[no].reuse)
			numbers[count++] = no;
	}
	return store_integers(numbers, count);
}

void
activity_set_reused(int64 run_id, int32 no, int64 reused_from)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT8OID, INT4OID, INT8OID};
	Datum values[] = {Int64GetDatum(run_id), Int32GetDatum(no),
					  Int64GetDatum(reused_from)};

	(void) store_execute(
		&plan,
		"UPDATE mlpipe.activity_run SET reused_from = $3 WHERE run_id = $1 AND no = $2",
		lengthof(types), types, values, NULL);
}

static Datum
bytes_datum(const void *data, Size size)
{
	bytea *bytes = palloc(VARHDRSZ + size);

	SET_VARSIZE(bytes, VARHDRSZ + size);
	memcpy(VARDATA(bytes), data, size);
	return PointerGetDatum(bytes);
}

static void
read_bytes(uint64 row, int column, void *data, Size size)
{
	bytea *bytes = DatumGetByteaPP(column_datum(row, column));

	if (VARSIZE_ANY_EXHDR(bytes) != size)
		elog(ERROR, "unexpected size of a stored hash");
	memcpy(data, VARDATA_ANY(bytes), size);
}

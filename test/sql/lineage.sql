-- Lineage: which tables activities read and wrote, however they did it.

-- Runs activities, one after the other, and shows what was seen.
CREATE PROCEDURE lineage_of(VARIADIC activities text[])
LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
	line record;
	list jsonb := '[]';
BEGIN
	FOR i IN 1 .. cardinality(activities) LOOP
		list := list || jsonb_build_array(jsonb_build_object('name', 'a' || i,
			'depends_on', CASE WHEN i > 1 THEN jsonb_build_array('a' || i - 1) ELSE '[]' END) || activities[i]::jsonb);
	END LOOP;
	run := mlpipe_submit(jsonb_build_object('activities', list));
	COMMIT;
	PERFORM mlpipe_wait(run, '1 min');
	COMMIT;
	FOR line IN SELECT * FROM mlpipe_errors WHERE run_id = run LOOP
		RAISE NOTICE '% failed: %', line.activity, line.message;
	END LOOP;
	FOR line IN SELECT * FROM mlpipe_lineage WHERE run_id = run
		ORDER BY activity COLLATE "C", direction COLLATE "C", relation COLLATE "C" LOOP
		RAISE NOTICE '% % % %', line.activity, line.direction, line.relation, line.rows;
	END LOOP;
END $$;

CREATE FUNCTION sql_text(VARIADIC statements text[]) RETURNS text LANGUAGE sql AS
	$$ SELECT jsonb_build_object('type', 'sql', 'sql', to_jsonb(statements))::text $$;

CREATE SCHEMA lin;
SET search_path = public, lin;
CREATE TABLE lin.source (id integer PRIMARY KEY, v integer);
INSERT INTO lin.source SELECT i, i % 10 FROM generate_series(1, 1000) i;
CREATE TABLE lin.target (id integer PRIMARY KEY, v integer);
CREATE TABLE lin."Odd name" (id integer);
CREATE VIEW lin.some AS SELECT id FROM lin.source WHERE v < 3;
CREATE TABLE lin.part (id integer, v integer) PARTITION BY RANGE (id);
CREATE TABLE lin.part_1 PARTITION OF lin.part FOR VALUES FROM (0) TO (500);
CREATE TABLE lin.part_2 PARTITION OF lin.part FOR VALUES FROM (500) TO (2000);
ANALYZE lin.source;

-- Reading and writing, each kind of statement; a statement that only counts is read too
CALL lineage_of(
	sql_text('INSERT INTO lin.target SELECT * FROM lin.source WHERE v = 1', 'UPDATE lin.target SET v = 2 WHERE id < 100',
		'DELETE FROM lin.target WHERE id < 50'),
	sql_text('SELECT count(*) FROM lin.source', 'SELECT * FROM lin.source WHERE id = 5'),
	sql_text('DELETE FROM lin.target'),
	sql_text('INSERT INTO lin."Odd name" SELECT id FROM lin.source UNION ALL SELECT id FROM lin.target'));
-- nothing of a user's, nothing to tell
CALL lineage_of(sql_text('SELECT 1', 'SELECT count(*) > 0 FROM pg_class', 'SELECT count(*) > 0 FROM mlpipe_runs',
	'CREATE TEMP TABLE lin_temp AS SELECT 1 AS a', 'SELECT * FROM lin_temp', 'EXPLAIN SELECT * FROM lin.source'));
-- what stands below a view; the partitioned table, not its partitions; one partition by its name
CALL lineage_of(sql_text('SELECT count(*) FROM lin.some'),
	sql_text('INSERT INTO lin.part SELECT * FROM lin.source'),
	sql_text('SELECT count(*) FROM lin.part', 'UPDATE lin.part SET v = 0 WHERE id < 10'),
	sql_text('SELECT count(*) FROM lin.part_2'));
-- several tables in one statement, and in WITH
CALL lineage_of(sql_text('WITH moved AS (DELETE FROM lin.part WHERE v = 1 RETURNING *) INSERT INTO lin.target SELECT * FROM moved'),
	sql_text('WITH one AS (INSERT INTO lin."Odd name" SELECT id FROM lin.source WHERE v = 5) SELECT 1'),
	sql_text('MERGE INTO lin.target t USING lin.source s ON s.id = t.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED AND s.id < 3 THEN INSERT VALUES (s.id, 0)'),
	sql_text('TRUNCATE lin.target', 'INSERT INTO lin.target VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET v = excluded.v'));
-- what INSERT gives back is nothing that it has read
CALL lineage_of(sql_text('WITH one AS (INSERT INTO lin."Odd name" SELECT id FROM lin.source WHERE v = 5 RETURNING id) SELECT count(*) FROM one'));
-- what is not a plan: COPY, TRUNCATE, CREATE TABLE AS, REFRESH
SELECT current_setting('data_directory') || '/regress_mlpipe_lineage' AS file \gset
SELECT sql_text(format('COPY lin.source TO %L', :'file'), format('COPY (SELECT * FROM lin.part) TO %L', :'file' || '2')) AS copy_out,
	sql_text('TRUNCATE lin.target', format('COPY lin.target FROM %L', :'file')) AS copy_in \gset
CALL lineage_of(:'copy_out', :'copy_in',
	sql_text('CREATE TABLE lin.made AS SELECT id FROM lin.some', 'CREATE TABLE IF NOT EXISTS lin.made AS SELECT 1 AS one', 'SELECT id INTO lin.made2 FROM lin.made'),
	sql_text('CREATE MATERIALIZED VIEW lin.mat AS SELECT id FROM lin.made', 'REFRESH MATERIALIZED VIEW lin.mat', 'SELECT count(*) FROM lin.mat'));
-- inside of functions, of DO, of triggers, also where an error was caught
CREATE FUNCTION lin.reads() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM 1 / (SELECT count(*) - count(*) FROM lin."Odd name");
	EXCEPTION WHEN division_by_zero THEN NULL;
	END;
	RETURN (SELECT count(*) FROM lin.source WHERE v = 4);
END $$;
CREATE FUNCTION lin.inlined() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT max(id) FROM lin.made';
CREATE FUNCTION lin.on_insert() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN EXECUTE 'INSERT INTO lin.made2 SELECT 1'; RETURN NULL; END $$;
CREATE TRIGGER t AFTER INSERT ON lin.made FOR EACH STATEMENT EXECUTE FUNCTION lin.on_insert();
CALL lineage_of(sql_text('SELECT lin.reads()'), sql_text('SELECT lin.inlined()'),
	sql_text('DO $x$ BEGIN EXECUTE ''DELETE FROM lin.target WHERE id < 10''; END $x$'),
	sql_text('INSERT INTO lin.made VALUES (1)'));
-- a check of a foreign key reads nothing for the user; what cascades is written
CREATE TABLE lin.child (id integer REFERENCES lin.source ON DELETE CASCADE);
CALL lineage_of(sql_text('INSERT INTO lin.child VALUES (1), (2)'), sql_text('DELETE FROM lin.source WHERE id = 1'),
	sql_text('TRUNCATE lin.source CASCADE'));
INSERT INTO lin.source SELECT i, i % 10 FROM generate_series(1, 1000) i;
-- in several transactions; what an attempt rolls back did not happen
CALL lineage_of('{"type": "sql", "transaction": "none", "sql": ["DELETE FROM lin.target WHERE id < 20", "VACUUM lin.target", "SELECT count(*) FROM lin.child"]}',
	'{"type": "sql", "sql": "INSERT INTO lin.child SELECT id FROM lin.source WHERE 1 / (id - 5) > 1"}');
-- the other types; a loop's query is its own
CALL lineage_of('{"type": "copy", "source": {"query": "SELECT * FROM lin.source WHERE v = 1"}, "sink": {"table": "lin.target", "mode": "overwrite"}}',
	'{"type": "copy", "source": {"table": "lin.source"}, "sink": {"table": "lin.target", "mode": "upsert", "key": ["id"]}}',
	'{"type": "data_flow", "transformations": [{"name": "few", "query": "SELECT id FROM lin.source WHERE v = 2"}], "sinks": [{"from": "few", "table": "lin.\"Odd name\""}]}',
	'{"type": "lookup", "query": "SELECT count(*) FROM lin.child"}',
	'{"type": "for_each", "items": {"query": "SELECT id FROM lin.source WHERE id < 3"}, "activities": [{"name": "in", "type": "sql", "sql": "INSERT INTO lin.child VALUES (${{ item.id }})"}]}');
-- mini-batches add up to their step: a row for each table, whatever they are
CREATE TABLE lin.done (id integer);
CALL lineage_of('{"type": "parallel", "input": {"table": "lin.source"}, "mini_batch_size": "7 rows", "run": "SELECT id FROM mini_batch", "append_row_to": "lin.done"}',
	'{"type": "parallel", "input": {"query": "SELECT * FROM lin.source WHERE v < 5"}, "mini_batch_size": "100 rows", "init": "SELECT count(*) FROM lin.mat WHERE id < 0",
		"run": "INSERT INTO lin.done SELECT id FROM mini_batch", "count": "none"}',
	'{"type": "parallel", "input": {"table": "lin.source"}, "partition_keys": ["v"], "run": "SELECT max(id) FROM mini_batch", "append_row_to": "lin.done"}');
-- each time that a row is read counts: the scan begins again, with and without a condition, or stops early
CALL lineage_of('{"type": "parallel", "input": {"table": "lin.source"}, "mini_batch_size": "100 rows", "count": "none",
		"run": "SELECT count(*) FROM generate_series(1, 3) o(i), LATERAL (SELECT v FROM mini_batch WHERE v >= o.i OFFSET 0) m"}',
	'{"type": "parallel", "input": {"table": "lin.source"}, "mini_batch_size": "100 rows", "count": "none", "init": "SET enable_material = off",
		"run": "SELECT count(m.id) FROM generate_series(1, 3) o(i) LEFT JOIN mini_batch m ON m.v < 10 + o.i"}',
	'{"type": "parallel", "input": {"table": "lin.source"}, "mini_batch_size": "100 rows", "count": "none", "run": "SELECT id FROM mini_batch LIMIT 2"}');
-- of mini-batches that fail nothing is left
CALL lineage_of('{"type": "parallel", "input": {"table": "lin.source"}, "mini_batch_size": "100 rows", "retry_settings": {"max_retries": 0, "timeout": 60},
	"run": "INSERT INTO lin.done SELECT id FROM mini_batch WHERE 1 / (id - 950) < 10 RETURNING id"}');
-- parallel queries
CALL lineage_of(sql_text('SET parallel_setup_cost = 0', 'SET parallel_tuple_cost = 0', 'SET min_parallel_table_scan_size = 0', 'SELECT count(*) FROM lin.source'));

-- A dropped table keeps its name there, and strangers see nothing
CREATE ROLE regress_mlpipe_lineage LOGIN;
DROP TABLE lin.done;
SELECT count(*) > 0 AS seen FROM mlpipe_lineage WHERE relation = 'lin.done';
SET ROLE regress_mlpipe_lineage;
SELECT count(*) FROM mlpipe_lineage;
RESET ROLE;
-- purging takes it along
SELECT mlpipe_purge('0') > 0 AS purged;
SELECT count(*) FROM mlpipe_lineage;
SELECT count(*) FROM mlpipe.lineage;

\set ON_ERROR_STOP off
SET client_min_messages = warning;
DROP SCHEMA lin CASCADE;
DROP ROLE regress_mlpipe_lineage;
DROP PROCEDURE lineage_of;
DROP FUNCTION sql_text;

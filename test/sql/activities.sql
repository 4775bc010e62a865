-- What each type of activity does: its output, the rows it leaves, and how it
-- fails.  (parallel has a test of its own.)

CREATE ROLE regress_mlpipe_plain LOGIN;
GRANT CREATE ON SCHEMA public TO regress_mlpipe_plain;
SELECT current_setting('data_directory') || '/regress_mlpipe' AS file \gset

-- Runs one activity and tells how it ended.
CREATE PROCEDURE act(activity jsonb, parameters jsonb DEFAULT '{}')
LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
	ended record;
BEGIN
	run := mlpipe_submit(jsonb_build_object(
		'parameters', (SELECT coalesce(jsonb_object_agg(key, '{"type": "text"}'::jsonb), '{}') FROM jsonb_object_keys(parameters) key),
		'activities', jsonb_build_array('{"name": "a"}' || activity)), parameters);
	COMMIT;
	PERFORM mlpipe_wait(run, '1 min');
	COMMIT;
	SELECT status, output INTO ended FROM mlpipe_activities WHERE run_id = run;
	RAISE NOTICE '% %', ended.status, coalesce(ended.output::text, '-');
	FOR ended IN SELECT * FROM mlpipe_errors WHERE run_id = run ORDER BY attempt LOOP
		RAISE NOTICE '%: %', ended.sqlstate, ended.message;
		IF ended.detail IS NOT NULL THEN RAISE NOTICE '  detail: %', ended.detail; END IF;
		IF ended.hint IS NOT NULL THEN RAISE NOTICE '  hint: %', ended.hint; END IF;
	END LOOP;
END $$;

-- What is wrong with one activity's document.
CREATE FUNCTION problems(activity jsonb)
RETURNS TABLE (path text, severity text, message text, hint text)
LANGUAGE sql AS $$
	SELECT * FROM mlpipe_validate(jsonb_build_object('activities', jsonb_build_array('{"name": "a"}' || activity)))
$$;

--
-- sql
--
CREATE TABLE act_t (id integer PRIMARY KEY, v text);
CALL act('{"type": "sql", "sql": "SELECT 1 AS one, NULL AS nothing, ''a\"b'' AS text"}');
CALL act('{"type": "sql", "sql": "INSERT INTO act_t VALUES (1, ''a''), (2, ''b'')"}');
CALL act('{"type": "sql", "sql": ["SELECT 1; DELETE FROM act_t", "INSERT INTO act_t SELECT i FROM generate_series(1, 3) i RETURNING id"]}');
CALL act('{"type": "sql", "sql": ""}');
CALL act('{"type": "sql", "sql": " -- nothing\n;;"}');
-- the columns' names are the statement's, also where a table's row is passed on
CALL act('{"type": "sql", "sql": "SELECT id AS number, v AS letter FROM act_t WHERE id = 1"}');
-- a column twice: the last one stays
CALL act('{"type": "sql", "sql": "SELECT 1 AS c, 2 AS c"}');
CALL act('{"type": "sql", "sql": "SHOW search_path"}');
-- kept rows are limited
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT i FROM generate_series(1, 1500) i"},
	{"name": "b", "type": "sql", "sql": "SELECT repeat(''x'', 100000) FROM generate_series(1, 20)"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run);
SELECT activity, output -> 'row_count' AS row_count, jsonb_array_length(output -> 'rows') AS kept, output -> 'truncated' AS truncated
	FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;
-- mlpipe_set_output() wins
CALL act('{"type": "sql", "sql": "SELECT mlpipe_set_output(''{\"mine\": 1}'')"}');
-- an error undoes all, and says where it was
TRUNCATE act_t;
CALL act('{"type": "sql", "sql": ["INSERT INTO act_t VALUES (1)", "SELECT 1;\nSELECT *\nFROM missing"]}');
SELECT context FROM mlpipe_errors ORDER BY run_id DESC LIMIT 1 \gset
SELECT split_part(:'context', E'\n', 1) AS context;
SELECT count(*) FROM act_t;
CALL act('{"type": "sql", "sql": ["INSERT INTO act_t VALUES (1)", "SELEC 1"]}');
-- values are literals
CALL act('{"type": "sql", "sql": "SELECT ${{ parameters.p }} AS p"}', '{"p": "x''; DROP TABLE act_t; --"}');
-- statement_timeout is each statement's
CALL act('{"type": "sql", "sql": ["SET statement_timeout = ''200ms''", "SELECT 1", "SELECT pg_sleep(60)"]}');
CALL act('{"type": "sql", "sql": "SHOW statement_timeout"}');

--
-- Statements that are refused
--
CALL act('{"type": "sql", "sql": "INSERT INTO act_t VALUES (1); BEGIN"}');
CALL act('{"type": "sql", "sql": ["INSERT INTO act_t VALUES (1)", "COMMIT"]}');
CALL act('{"type": "sql", "sql": ["INSERT INTO act_t VALUES (1)", "  rollback"]}');
CALL act('{"type": "sql", "sql": "SAVEPOINT s"}');
CALL act('{"type": "sql", "sql": "PREPARE TRANSACTION ''x''"}');
CALL act('{"type": "sql", "sql": "INSERT INTO act_t VALUES (1); COMMIT", "transaction": "none"}');
CALL act('{"type": "sql", "sql": "INSERT INTO act_t VALUES (1); COPY act_t FROM STDIN"}');
CALL act('{"type": "sql", "sql": "COPY act_t TO STDOUT"}');
CALL act('{"type": "sql", "sql": "INSERT INTO act_t VALUES (1); DO $$ BEGIN COMMIT; END $$"}');
CALL act('{"type": "sql", "sql": "INSERT INTO act_t VALUES (1); VACUUM act_t"}');
CALL act('{"type": "sql", "sql": "INSERT INTO act_t VALUES (1); LISTEN x"}');
SELECT count(*) FROM act_t;

--
-- transaction: none
--
CREATE PROCEDURE act_commit() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO act_t VALUES (10);
	COMMIT;
	INSERT INTO act_t VALUES (11);
	ROLLBACK;
	INSERT INTO act_t VALUES (12);
END $$;
CALL act('{"type": "sql", "sql": "CALL act_commit()"}');
CALL act('{"type": "sql", "sql": "CALL act_commit()", "transaction": "none"}');
-- (mlpipe_watch() holds no snapshot that the index would have to wait for)
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "transaction": "none",
	"sql": ["VACUUM act_t", "CREATE INDEX CONCURRENTLY act_t_v ON act_t (v)", "SELECT id FROM act_t ORDER BY id"]}]}'::jsonb) AS run \gset
SET client_min_messages = warning;
CALL mlpipe_watch(:run);
RESET client_min_messages;
SELECT status, output FROM mlpipe_activities WHERE run_id = :run;
-- what went before the error stays
CALL act('{"type": "sql", "transaction": "none", "sql": ["INSERT INTO act_t VALUES (20)", "SELECT 1/0", "INSERT INTO act_t VALUES (21)"]}');
SELECT id FROM act_t ORDER BY id;

--
-- lookup
--
CALL act('{"type": "lookup", "query": "SELECT id, v FROM act_t ORDER BY id"}');
CALL act('{"type": "lookup", "query": "SELECT id FROM act_t WHERE false"}');
CALL act('{"type": "lookup", "query": "SELECT id FROM act_t ORDER BY id", "first_row_only": false}');
CALL act('{"type": "lookup", "query": "SELECT 1 WHERE false", "first_row_only": false}');
CALL act('{"type": "lookup", "query": "WITH w AS (SELECT id FROM act_t) SELECT count(*) FROM w"}');
-- it is a query
SELECT * FROM problems('{"type": "lookup", "query": "UPDATE act_t SET v = ${{ run.id }} WHERE id = 10 RETURNING id, v"}');
SELECT * FROM problems('{"type": "lookup", "query": "WITH w AS (UPDATE act_t SET v = ''w'' WHERE id = 10 RETURNING id) SELECT id FROM w UNION ALL SELECT 1"}');
-- also where that is not known before it runs
CALL act('{"type": "lookup", "query": "UPDATE act_t SET v = ''x'' WHERE v IS ${{ run.pipeline }} RETURNING id"}');
CALL act('{"type": "lookup", "query": "WITH w AS (DELETE FROM act_t WHERE v IS ${{ run.pipeline }} RETURNING id) SELECT id FROM w"}');
CALL act('{"type": "lookup", "query": "SELECT id INTO act_new FROM act_t WHERE v IS ${{ run.pipeline }}"}');
CALL act('{"type": "lookup", "query": "SELECT id FROM act_t WHERE v IS ${{ run.pipeline }} ORDER BY id"}');
SELECT v FROM act_t WHERE id = 10;
CALL act('{"type": "lookup", "query": "SELECT generate_series(1, 5001)", "first_row_only": false}');
CALL act('{"type": "lookup", "query": "SELECT repeat(''x'', 1000000) FROM generate_series(1, 5)", "first_row_only": false}');
CALL act('{"type": "lookup", "query": "SELECT repeat(''x'', 5000000)"}');
SELECT * FROM problems('{"type": "lookup", "first_row_only": 1}');

--
-- wait
--
CALL act('{"type": "wait", "duration": 0}');
CALL act('{"type": "wait", "duration": "10 milliseconds"}');
CALL act('{"type": "wait", "duration": 0.01}');
CALL act('{"type": "wait", "duration": "${{ parameters.d }}"}', '{"d": "0.01"}');
CALL act('{"type": "wait", "duration": "${{ parameters.d }}"}', '{"d": "soon"}');
CALL act('{"type": "wait", "duration": "${{ parameters.d }}"}', '{"d": "-1 s"}');
SELECT * FROM problems('{"type": "wait"}');
SELECT * FROM problems('{"type": "wait", "duration": "soon"}');
SELECT * FROM problems('{"type": "wait", "duration": -1, "retry": {"max_retries": 1}}');

--
-- fail
--
CALL act('{"type": "fail", "message": "no rows for ${{ parameters.day }}"}', '{"day": "2026-01-01"}');
CALL act('{"type": "fail", "message": "50% gone", "error_code": "AB123"}');
CALL act('{"type": "fail", "message": "m", "error_code": "E-17"}');
CALL act('{"type": "fail", "message": "m", "error_code": "00000"}');
SELECT * FROM problems('{"type": "fail"}');

--
-- copy: tables and queries to tables
--
CREATE TABLE src (id integer, v text);
INSERT INTO src SELECT i, 'v' || i FROM generate_series(1, 3) i;
CREATE TABLE dst (id integer PRIMARY KEY, v text, n integer DEFAULT 7);

CALL act('{"type": "copy", "source": {"table": "src"}, "sink": {"table": "dst"}}');
CALL act('{"type": "copy", "source": {"query": "SELECT 4, ''v4''; -- the last"}, "sink": {"table": "public.dst", "mode": "append"}}');
CALL act('{"type": "copy", "source": {"query": "VALUES (''x'', 5), (''y'', 6)"}, "sink": {"table": "dst", "columns": ["v", "id"]}}');
TABLE dst ORDER BY id;
CALL act('{"type": "copy", "source": {"table": "src"}, "sink": {"table": "dst"}}');
-- overwrite
CALL act('{"type": "copy", "source": {"table": "src"}, "sink": {"table": "dst", "mode": "overwrite"}}');
TABLE dst ORDER BY id;
-- over itself: the query sees the old rows
CALL act('{"type": "copy", "source": {"query": "SELECT id, v || ''!'', n FROM dst ORDER BY id LIMIT 2"}, "sink": {"table": "dst", "mode": "overwrite"}}');
TABLE dst ORDER BY id;
CALL act('{"type": "copy", "source": {"query": "SELECT id, v || ''!'', n FROM dst ORDER BY id OFFSET 1"}, "sink": {"table": "dst", "mode": "overwrite"}}');
TABLE dst ORDER BY id;
-- and so do a volatile function of it and rows to be locked
CREATE FUNCTION act_rows() RETURNS SETOF dst LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY TABLE dst; END $$;
CALL act('{"type": "copy", "source": {"query": "SELECT * FROM act_rows()"}, "sink": {"table": "dst", "mode": "overwrite"}}');
CALL act('{"type": "copy", "source": {"query": "SELECT * FROM (SELECT * FROM dst FOR UPDATE) d"}, "sink": {"table": "dst", "mode": "overwrite"}}');
DROP FUNCTION act_rows();
TABLE dst ORDER BY id;
-- untyped literals take the columns' types, as with INSERT
CREATE TABLE dated (d date PRIMARY KEY);
CALL act('{"type": "copy", "source": {"query": "SELECT ''2026-01-01''"}, "sink": {"table": "dated", "mode": "overwrite"}}');
CALL act('{"type": "copy", "source": {"query": "SELECT ''2026-01-01''"}, "sink": {"table": "dated", "mode": "overwrite"}}');
TABLE dated;
-- an error leaves the old rows
CALL act('{"type": "copy", "source": {"query": "SELECT id / 0, v FROM src"}, "sink": {"table": "dst", "mode": "overwrite"}}');
SELECT count(*) FROM dst;
-- upsert: by the names of the query's columns, the others are left alone
TRUNCATE dst;
INSERT INTO dst VALUES (1, 'old', 1), (9, 'old', 9);
CALL act('{"type": "copy", "source": {"query": "SELECT v, id FROM src"}, "sink": {"table": "dst", "mode": "upsert", "key": ["id"]}}');
TABLE dst ORDER BY id;
CALL act('{"type": "copy", "source": {"query": "SELECT 9, 90"}, "sink": {"table": "dst", "mode": "upsert", "key": "id", "columns": ["id", "n"]}}');
CALL act('{"type": "copy", "source": {"query": "SELECT id FROM generate_series(8, 9) id"}, "sink": {"table": "dst", "mode": "upsert", "key": "id"}}');
TABLE dst ORDER BY id;
CALL act('{"type": "copy", "source": {"table": "src"}, "sink": {"table": "dst", "mode": "upsert", "key": ["v"]}}');
CALL act('{"type": "copy", "source": {"query": "SELECT 1 AS x"}, "sink": {"table": "dst", "mode": "upsert", "key": ["id"]}}');
CALL act('{"type": "copy", "source": {"query": "SELECT 1, 2"}, "sink": {"table": "dst", "mode": "upsert", "key": ["id"], "columns": ["id"]}}');
CALL act('{"type": "copy", "source": {"query": "SELECT missing FROM src"}, "sink": {"table": "dst", "mode": "upsert", "key": ["id"]}}');
-- create
CALL act('{"type": "copy", "source": {"table": "src"}, "sink": {"table": "made", "mode": "create"}}');
CALL act('{"type": "copy", "source": {"table": "src"}, "sink": {"table": "made", "mode": "create"}}');
CALL act('{"type": "copy", "source": {"table": "src"}, "sink": {"table": "\"Made 2\"", "mode": "create", "columns": ["number", "Letter"]}}');
CALL act('{"type": "copy", "source": {"table": "src"}, "sink": {"table": "made3", "mode": "create", "columns": [{"name": "b", "type": "numeric(5,1)"}, {"name": "a", "type": "text[]"}]}}');
CALL act('{"type": "copy", "source": {"query": "SELECT 1.25, ARRAY[''x'']"}, "sink": {"table": "made3", "mode": "create", "columns": [{"name": "b", "type": "numeric(5,1)"}, {"name": "a", "type": "text[]"}]}}');
SELECT * FROM made, "Made 2" WHERE id = number ORDER BY id;
TABLE made3;
-- names with values in them
CALL act('{"type": "copy", "source": {"table": "${{ parameters.t }}"}, "sink": {"table": "to_${{ parameters.t }}", "mode": "create", "columns": ["${{ parameters.c }}", "v"]}}', '{"t": "src", "c": "a\"b c"}');
TABLE to_src ORDER BY 1;
CALL act('{"type": "copy", "source": {"table": "${{ parameters.t }}"}, "sink": {"table": "dst"}}', '{"t": "src; DROP TABLE src"}');
CALL act('{"type": "copy", "source": {"table": "${{ parameters.t }}"}, "sink": {"table": "dst"}}', '{"t": "src UNION SELECT"}');
-- a query cannot reach out of its place
CALL act('{"type": "copy", "source": {"query": "SELECT ${{ parameters.p }}::int) ON CONFLICT DO NOTHING --"}, "sink": {"table": "dst"}}', '{"p": "1"}');
CALL act('{"type": "copy", "source": {"query": "SELECT ${{ parameters.p }}; DELETE FROM dst"}, "sink": {"table": "dst"}}', '{"p": "1"}');
CALL act('{"type": "copy", "source": {"query": "DELETE FROM dst WHERE v = ${{ parameters.p }} RETURNING *"}, "sink": {"table": "dst"}}', '{"p": "1"}');
CALL act('{"type": "copy", "source": {"query": "SELECT 100 /* a ''comment'' */ -- another"}, "sink": {"table": "dst"}}');

--
-- copy: files
--
CALL act('{"type": "copy", "source": {"table": "src"}, "sink": {"file": "${{ parameters.f }}.csv", "options": {"header": true, "delimiter": ";", "force_quote": ["v"]}}}', jsonb_build_object('f', :'file'));
CALL act('{"type": "copy", "source": {"query": "SELECT * FROM src WHERE id > 1"}, "sink": {"file": "${{ parameters.f }}.txt", "format": "text"}}', jsonb_build_object('f', :'file'));
CALL act('{"type": "copy", "source": {"query": "SELECT id, v FROM src ORDER BY id"}, "sink": {"file": "${{ parameters.f }}.bin", "format": "binary"}}', jsonb_build_object('f', :'file'));
SELECT pg_read_file(:'file' || '.csv');
SELECT pg_read_file(:'file' || '.txt');

TRUNCATE dst;
CALL act('{"type": "copy", "source": {"file": "${{ parameters.f }}.csv", "options": {"header": "match", "delimiter": ";"}}, "sink": {"table": "dst", "columns": ["id", "v"]}}', jsonb_build_object('f', :'file'));
CALL act('{"type": "copy", "source": {"file": "${{ parameters.f }}.txt", "format": "text"}, "sink": {"table": "dst", "mode": "overwrite", "columns": ["id", "v"]}}', jsonb_build_object('f', :'file'));
TABLE dst ORDER BY id;
UPDATE dst SET v = 'old', n = 1;
CALL act('{"type": "copy", "source": {"file": "${{ parameters.f }}.bin", "format": "binary"}, "sink": {"table": "dst", "mode": "upsert", "key": ["id"], "columns": ["id", "v"]}}', jsonb_build_object('f', :'file'));
TABLE dst ORDER BY id;
-- all columns of the target but generated ones
CREATE TABLE generated (id integer PRIMARY KEY, twice integer GENERATED ALWAYS AS (id * 2) STORED, v text);
CALL act('{"type": "copy", "source": {"file": "${{ parameters.f }}.csv", "options": {"header": true, "delimiter": ";"}}, "sink": {"table": "generated", "mode": "upsert", "key": ["id"]}}', jsonb_build_object('f', :'file'));
TABLE generated ORDER BY id;
CALL act('{"type": "copy", "source": {"file": "${{ parameters.f }}.bin", "format": "binary"}, "sink": {"table": "from_file", "mode": "create", "columns": [{"name": "id", "type": "int"}, {"name": "v", "type": "varchar(10)"}]}}', jsonb_build_object('f', :'file'));
TABLE from_file ORDER BY id;
CALL act('{"type": "copy", "source": {"file": "missing.csv"}, "sink": {"table": "dst"}}');
CALL act('{"type": "copy", "source": {"table": "src"}, "sink": {"file": "relative.csv"}}');
CALL act('{"type": "copy", "source": {"table": "src"}, "sink": {"file": "${{ parameters.f }}.bin", "format": "binary", "options": {"header": true}}}', jsonb_build_object('f', :'file'));
-- as the server allows it
SET ROLE regress_mlpipe_plain;
SELECT mlpipe_submit('{"activities": [{"name": "out", "type": "copy", "source": {"query": "SELECT 1"}, "sink": {"file": "/tmp/regress_mlpipe.csv"}},
	{"name": "in", "type": "copy", "source": {"file": "postgresql.conf"}, "sink": {"table": "stolen", "mode": "create", "columns": [{"name": "line", "type": "text"}]}},
	{"name": "own", "type": "copy", "source": {"query": "SELECT current_user AS who"}, "sink": {"table": "plain", "mode": "create"}},
	{"name": "not_own", "type": "copy", "source": {"table": "src"}, "sink": {"table": "plain2", "mode": "create"}}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run);
TABLE plain;
RESET ROLE;
-- The server's words for the first of these have changed with its versions.
SELECT activity, status, substring(error from 'COPY (?:from|to) a file|permission denied for table src') AS error
FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;

-- problems
SELECT * FROM problems('{"type": "copy"}');
SELECT * FROM problems('{"type": "copy", "source": {}, "sink": {"table": "a", "file": "b"}}');
SELECT * FROM problems('{"type": "copy", "source": {"table": "a b"}, "sink": {"table": "", "mode": "upsret"}}');
SELECT * FROM problems('{"type": "copy", "source": {"table": "a", "format": "csv"}, "sink": {"table": "b", "mode": "update"}}');
SELECT * FROM problems('{"type": "copy", "source": {"query": "DELETE FROM x RETURNING *"}, "sink": {"table": "b", "key": "id"}}');
SELECT * FROM problems('{"type": "copy", "source": {"query": "SELECT 1; SELECT 2"}, "sink": {"table": "b", "mode": "upsert"}}');
SELECT * FROM problems('{"type": "copy", "source": {"query": "SELECT 1 INTO x UNION SELECT 2"}, "sink": {"table": "b"}}');
SELECT * FROM problems('{"type": "copy", "source": {"query": "SELEC 1"}, "sink": {"table": "b"}}');
SELECT * FROM problems('{"type": "copy", "source": {"query": "SELECT ''${{ run.id }}''"}, "sink": {"table": "b"}}');
SELECT * FROM problems('{"type": "copy", "source": {"file": "a", "format": "cvs", "options": {"headr": true, "delimiter": [1], "force_null": true}}, "sink": {"file": "b"}}');
SELECT * FROM problems('{"type": "copy", "source": {"file": "a"}, "sink": {"table": "b", "mode": "create"}}');
SELECT * FROM problems('{"type": "copy", "source": {"table": "a"}, "sink": {"table": "b", "mode": "create", "columns": {"id": "integer"}}}');
SELECT * FROM problems('{"type": "copy", "source": {"table": "a"}, "sink": {"table": "b", "mode": "create", "columns": [{"name": "id", "type": "integr"}, "x", 1]}}');
SELECT * FROM problems('{"type": "copy", "source": {"table": "a"}, "sink": {"table": "b", "columns": [{"name": "id", "type": "integer"}]}}');

--
-- data_flow
--
TRUNCATE dst;
INSERT INTO dst VALUES (1, 'old', 1), (2, 'old', 2), (3, 'old', 3);
CREATE TABLE flow_log (id integer, v text);
CREATE TABLE flow_all (LIKE dst);
CALL act('{"type": "data_flow",
	"transformations": [
		{"name": "fresh", "query": "SELECT id, v FROM src WHERE id <= ${{ parameters.max }}::int"},
		{"name": "marked", "query": "SELECT id, upper(v) AS v FROM fresh -- of the first"},
		{"name": "gone", "query": "SELECT 3 AS id"}],
	"sinks": [
		{"from": "marked", "table": "dst", "mode": "update", "key": "id"},
		{"from": "gone", "table": "dst", "mode": "delete", "key": ["id"]},
		{"from": "fresh", "table": "flow_log"},
		{"from": "fresh", "table": "flow_made", "mode": "create"},
		{"from": "marked", "table": "flow_log", "mode": "overwrite"},
		{"from": "fresh", "table": "dst", "mode": "upsert", "key": "id"}]}', '{"max": "2"}');
TABLE dst ORDER BY id;
TABLE flow_log ORDER BY id;
TABLE flow_made ORDER BY id;
-- a later sink sees what an earlier one wrote
CALL act('{"type": "data_flow",
	"transformations": [{"name": "one", "query": "SELECT 50 AS id"}, {"name": "everything", "query": "SELECT id, v, n FROM dst"}],
	"sinks": [{"from": "one", "table": "dst"}, {"from": "everything", "table": "flow_all"}]}');
SELECT count(*) FROM flow_all WHERE id = 50;
-- a step may be named as the table that it reads, and that is written
CALL act('{"type": "data_flow", "transformations": [{"name": "dst", "query": "SELECT id, ''over'' AS v FROM dst"}],
	"sinks": [{"from": "dst", "table": "dst", "mode": "overwrite"}]}');
SELECT DISTINCT v FROM dst;
-- all or nothing
CALL act('{"type": "data_flow", "transformations": [{"name": "n", "query": "SELECT 60 AS id"}],
	"sinks": [{"from": "n", "table": "dst"}, {"from": "n", "table": "missing"}]}');
CALL act('{"type": "data_flow", "transformations": [{"name": "n", "query": "SELECT 60 AS id"}],
	"sinks": [{"from": "n", "table": "dst", "mode": "update", "key": "id"}]}');
SELECT count(*) FROM dst WHERE id = 60;
SELECT * FROM problems('{"type": "data_flow"}');
SELECT * FROM problems('{"type": "data_flow", "transformations": [], "sinks": []}');
SELECT * FROM problems('{"type": "data_flow", "transformations": [{"name": "clean", "query": "SELECT 1"}, {"name": "clean", "query": "SELECT"}, {"name": "Odd", "query": "UPDATE t SET a = 1"}, {"query": "SELECT 1", "sql": ""}],
	"sinks": [{"from": "claen", "table": "t", "mode": "udpate"}, {"from": "clean", "table": "t", "mode": "delete"}, {"table": "t"}]}');

SELECT count(*) AS leftover_stages FROM pg_class WHERE relname LIKE 'mlpipe_copy_%';
COPY (SELECT) TO PROGRAM 'cat >/dev/null; rm -f regress_mlpipe.csv regress_mlpipe.txt regress_mlpipe.bin';
DROP TABLE act_t, src, dst, dated, made, "Made 2", made3, to_src, generated, from_file, plain, flow_log, flow_all, flow_made;
DROP PROCEDURE act(jsonb, jsonb);
DROP PROCEDURE act_commit();
DROP FUNCTION problems(jsonb);
REVOKE CREATE ON SCHEMA public FROM regress_mlpipe_plain;
DROP ROLE regress_mlpipe_plain;

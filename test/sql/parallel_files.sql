-- Parallel activities over files of the server: a mini-batch is a relation of
-- paths.

CREATE ROLE regress_mlpipe_files LOGIN;
CREATE SCHEMA files_test AUTHORIZATION regress_mlpipe_files;
ALTER ROLE regress_mlpipe_files SET search_path = files_test, public;
SET client_min_messages = warning;

-- Twenty-three files, a folder and a link.
SELECT current_setting('data_directory') || '/mlpipe_test_files' AS folder \gset
COPY (SELECT) TO PROGRAM 'rm -rf mlpipe_test_files; mkdir -p mlpipe_test_files/f_99; mkdir -m 000 mlpipe_test_files/closed; ln -s f_01 mlpipe_test_files/f_link; ln -s nothing mlpipe_test_files/f_dangling; touch mlpipe_test_files/other';
SELECT set_config('test.folder', :'folder', false) \g /dev/null
DO $$
BEGIN
	FOR i IN 1 .. 23 LOOP
		EXECUTE format('COPY (SELECT j FROM generate_series(1, %s) j) TO %L', i, current_setting('test.folder') || format('/f_%s', lpad(i::text, 2, '0')));
	END LOOP;
END $$;

SET ROLE regress_mlpipe_files;
SET search_path = files_test, public;
CREATE PROCEDURE step(activity jsonb) LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
BEGIN
	run := mlpipe_submit(jsonb_build_object('parameters', jsonb_build_object('folder', jsonb_build_object('type', 'text', 'default', current_setting('test.folder'))),
		'activities', jsonb_build_array('{"name": "p", "type": "parallel", "max_concurrency_per_instance": 2, "retry_settings": {"max_retries": 0}}' || activity)));
	COMMIT;
	PERFORM mlpipe_wait(run, '1 min');
END $$;
CREATE VIEW ended AS
	SELECT a.status, a.error, a.output->'batches' AS batches, a.output->'items' AS items, a.output->'items_done' AS done
	FROM mlpipe_activities a WHERE a.run_id = (SELECT max(run_id) FROM mlpipe_runs);
CREATE TABLE read (path text, bytes bigint, modified timestamptz, batch integer);

-- For members of pg_read_server_files
CALL step('{"input": {"files": "${{ parameters.folder }}/f_*"}, "run": "SELECT path FROM mini_batch"}');
SELECT * FROM ended;
SELECT hint FROM mlpipe_errors ORDER BY run_id DESC LIMIT 1;
SELECT path, severity, message, hint FROM mlpipe_validate('{"activities": [{"name": "p", "type": "parallel", "input": {"files": "/a/*"}, "run": "SELECT 1"}]}');
RESET ROLE;
GRANT pg_read_server_files TO regress_mlpipe_files;
SET ROLE regress_mlpipe_files;

-- Ten at once, in order of their names
CALL step('{"input": {"files": "${{ parameters.folder }}/f_*"}, "run": "SELECT path, bytes, modified, (mlpipe_batch()->>''number'')::integer FROM mini_batch", "append_row_to": "read"}');
SELECT * FROM ended;
SELECT batch, count(*), right(min(path), 6) AS first, right(max(path), 6) AS last, sum(bytes) AS bytes, bool_and(modified > now() - interval '1 hour') AS fresh
FROM read GROUP BY batch ORDER BY batch;

-- As many as asked for
CALL step('{"input": {"files": "${{ parameters.folder }}/f_2?"}, "mini_batch_size": "1 file", "run": "SELECT 1 FROM mini_batch"}');
SELECT * FROM ended;
CALL step('{"input": {"files": "${{ parameters.folder }}/f_[01]?"}, "mini_batch_size": "7 files", "run": "SELECT path FROM mini_batch"}');
SELECT * FROM ended;
CALL step('{"input": {"files": "${{ parameters.folder }}/no*"}, "run": "SELECT path FROM mini_batch"}');
SELECT * FROM ended;
SELECT count(*) FROM pg_class WHERE relname LIKE 'stage\_%';
-- A folder that may not be read is told from an empty one
CALL step('{"input": {"files": "${{ parameters.folder }}/closed/*"}, "run": "SELECT path FROM mini_batch"}');
SELECT * FROM ended;
SELECT level, replace(message, current_setting('test.folder'), 'FOLDER') AS message FROM mlpipe_logs WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs);

SELECT path, message, hint FROM mlpipe_validate('{"activities": [{"name": "p", "type": "parallel", "input": {"files": "a/*"}, "run": "SELECT 1", "mini_batch_size": "1000 rows"}]}');
SELECT path, message, hint FROM mlpipe_validate('{"activities": [{"name": "p", "type": "parallel", "input": {"files": "/a/*", "table": "t"}, "run": "SELECT 1", "mini_batch_size": "0 files"}]}');
SELECT path, message, hint FROM mlpipe_validate('{"activities": [{"name": "p", "type": "parallel", "input": {"table": "t"}, "run": "SELECT 1", "mini_batch_size": "10 files"}]}');
SELECT * FROM mlpipe.list_files('relative');

RESET ROLE;
COPY (SELECT) TO PROGRAM 'chmod 700 mlpipe_test_files/closed; rm -rf mlpipe_test_files';
\o /dev/null
SELECT mlpipe_purge('0');
\o
DROP SCHEMA files_test CASCADE;
DROP OWNED BY regress_mlpipe_files;
REVOKE pg_read_server_files FROM regress_mlpipe_files;
DROP ROLE regress_mlpipe_files;

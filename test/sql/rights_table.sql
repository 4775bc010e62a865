-- Who may do what: the table in README.md, cell by cell, and that the tables of
-- schema mlpipe show no more than the views do.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_rt_job LOGIN;
CREATE ROLE regress_rt_owner LOGIN IN ROLE regress_rt_job;
CREATE ROLE regress_rt_member LOGIN IN ROLE regress_rt_owner;
CREATE ROLE regress_rt_granted LOGIN;
CREATE ROLE regress_rt_group NOLOGIN;
CREATE ROLE regress_rt_in_group LOGIN IN ROLE regress_rt_group;
CREATE ROLE regress_rt_submitter LOGIN;
CREATE ROLE regress_rt_approver LOGIN;
CREATE ROLE regress_rt_monitor LOGIN IN ROLE pg_monitor;
CREATE ROLE regress_rt_reader LOGIN IN ROLE pg_read_all_data;
CREATE ROLE regress_rt_stranger LOGIN;
CREATE ROLE regress_rt_super LOGIN SUPERUSER;

CREATE TABLE rt_items AS SELECT n AS id FROM generate_series(1, 4) n;
GRANT SELECT ON rt_items TO regress_rt_job;
CREATE FUNCTION rt_until(condition text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	done boolean;
BEGIN
	FOR i IN 1 .. 3000 LOOP
		EXECUTE 'SELECT ' || condition INTO done;
		IF done THEN RETURN true; END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN false;
END $$;

-- A pipeline that leaves something in every table and every view, and waits.
SET ROLE regress_rt_owner;
SELECT pg_advisory_lock(4712);
SELECT mlpipe_create_pipeline('rt_p', '{
	"parameters": {"word": {"type": "text", "default": "none"}},
	"variables": {"v": {"type": "text", "default": "variable-secret"}},
	"activities": [
		{"name": "step", "type": "parallel", "input": {"table": "rt_items"}, "mini_batch_size": "2 rows", "run": "SELECT id FROM mini_batch"},
		{"name": "key", "type": "sql", "secure_output": true, "sql": "SELECT ''output-secret'' AS key, mlpipe_log(''a line''), mlpipe_log_metric(''m'', 1)"},
		{"name": "loop", "type": "for_each", "items": ["item-secret"], "activities": [{"name": "in", "type": "sql", "sql": "SELECT length(${{ item }})"}]},
		{"name": "bad", "type": "sql", "sql": "SELECT 1/0"},
		{"name": "hold", "type": "sql", "sql": ["SELECT mlpipe_progress(1, 2)", "SELECT pg_advisory_xact_lock(4712)"]},
		{"name": "ask", "type": "approval", "depends_on": ["step", "key", "loop", {"activity": "bad", "conditions": ["failed"]}]},
		{"name": "sign", "type": "approval", "approvers": ["regress_rt_approver"], "depends_on": ["step", "key", "loop", {"activity": "bad", "conditions": ["failed"]}]}]}');
SELECT mlpipe_alter_pipeline('rt_p', run_as => 'regress_rt_job');
SELECT mlpipe_grant('rt_p', 'regress_rt_granted'), mlpipe_grant('rt_p', 'regress_rt_group'), mlpipe_grant('rt_p', 'regress_rt_submitter');
SET ROLE regress_rt_submitter;
SELECT mlpipe_submit('rt_p', '{"word": "parameter-secret"}', idempotency_key => 'key-secret') AS run \gset
SELECT mlpipe_submit('rt_p', not_before => '2999-01-01') AS later \gset
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'::jsonb) AS document \gset
SET ROLE regress_rt_owner;
SELECT mlpipe_suspend(:later);
SELECT mlpipe_revoke('rt_p', 'regress_rt_submitter');
RESET ROLE;
SELECT rt_until(format('count(*) = 2 FROM mlpipe_activities WHERE run_id = %s AND type = ''approval'' AND status = ''in_progress'' AND wait_reason IS NOT NULL', :run)),
	rt_until(format('count(*) = 1 FROM mlpipe.work_of_run(%s)', :run)),
	mlpipe_wait(:document, '30 s');
SELECT mlpipe_create_pipeline('rt_old', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}');
SELECT mlpipe_alter_pipeline('rt_old', owner => 'regress_rt_owner');
SELECT mlpipe_submit('rt_old') AS old \gset
SELECT mlpipe_wait(:old, '30 s');

-- One cell: does a role get what it asks for?  Whatever it does is undone.
CREATE FUNCTION rt_cell(role name, question text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	EXECUTE question INTO answer;
	RAISE EXCEPTION SQLSTATE 'RT000' USING MESSAGE = CASE WHEN answer IN ('f', 'false', '0') THEN '-' ELSE 'yes' END;
EXCEPTION
	WHEN SQLSTATE 'RT000' THEN RETURN SQLERRM;
	WHEN insufficient_privilege THEN RETURN 'denied';
	WHEN undefined_object THEN RETURN 'unknown';
	WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
CREATE TABLE rt_question (no integer GENERATED ALWAYS AS IDENTITY, what text, question text);
CREATE VIEW rt_table AS
	SELECT what, rt_cell('regress_rt_owner', question) AS owner, rt_cell('regress_rt_member', question) AS "owner's member",
		rt_cell('regress_rt_granted', question) AS granted, rt_cell('regress_rt_in_group', question) AS "granted's member",
		rt_cell('regress_rt_submitter', question) AS submitter, rt_cell('regress_rt_job', question) AS run_as,
		rt_cell('regress_rt_approver', question) AS approver, rt_cell('regress_rt_monitor', question) AS pg_monitor,
		rt_cell('regress_rt_reader', question) AS pg_read_all_data, rt_cell('regress_rt_stranger', question) AS stranger,
		rt_cell('regress_rt_super', question) AS superuser
	FROM rt_question ORDER BY no;

-- Actions
INSERT INTO rt_question (what, question) VALUES
	('define a pipeline', 'SELECT mlpipe_create_pipeline(''rt_new'', ''{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'')'),
	('submit a document', 'SELECT mlpipe_submit(''{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}''::jsonb)'),
	('add a version', 'SELECT mlpipe_create_pipeline(''rt_p'', ''{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'')'),
	('change the default', 'SELECT mlpipe_alter_pipeline(''rt_p'', default_version => 1)'),
	('enable, disable', 'SELECT mlpipe_alter_pipeline(''rt_p'', enabled => false)'),
	('set run_as', 'SELECT mlpipe_alter_pipeline(''rt_p'', run_as => ''regress_rt_job'')'),
	('set a stranger as run_as', 'SELECT mlpipe_alter_pipeline(''rt_p'', run_as => ''regress_rt_stranger'')'),
	('give it to run_as', 'SELECT mlpipe_alter_pipeline(''rt_p'', owner => ''regress_rt_job'')'),
	('give it to a stranger', 'SELECT mlpipe_alter_pipeline(''rt_p'', owner => ''regress_rt_stranger'')'),
	('status of a version', 'SELECT mlpipe_set_version_status(''rt_p'', 1, ''disabled'')'),
	('grant', 'SELECT mlpipe_grant(''rt_p'', ''regress_rt_stranger'')'),
	('revoke', 'SELECT mlpipe_revoke(''rt_p'', ''regress_rt_group'')'),
	('drop', 'SELECT mlpipe_drop_pipeline(''rt_p'', true)'),
	('submit', 'SELECT mlpipe_submit(''rt_p'')'),
	('cancel', format('SELECT mlpipe_cancel(%s)', :run)),
	('suspend', format('SELECT mlpipe_suspend(%s)', :run)),
	('resume', format('SELECT mlpipe_resume(%s)', :later)),
	('approve', format('SELECT mlpipe_approve(%s, ''ask'')', :run)),
	('approve, with approvers', format('SELECT mlpipe_approve(%s, ''sign'')', :run)),
	('see what asks', format('SELECT count(*) FROM mlpipe_approvals WHERE run_id = %s AND activity = ''ask''', :run)),
	('see what asks approvers', format('SELECT count(*) FROM mlpipe_approvals WHERE run_id = %s AND activity = ''sign''', :run)),
	('wait', format('SELECT mlpipe_wait(%s, ''0'')', :run)),
	('see the definition', 'SELECT mlpipe_definition(''rt_p'')'),
	('draw it', 'SELECT mlpipe_graph(''rt_p'')'),
	('draw the run', format('SELECT mlpipe_graph(NULL, run_id => %s)', :run)),
	('purge its runs', 'SELECT mlpipe_purge(''0'') > 0'),
	('purge runs of others', 'SELECT mlpipe_purge(''0'') >= 2'),
	('cancel a document''s run', format('SELECT mlpipe_cancel(%s)', :document)),
	('see a document''s run', format('SELECT count(*) FROM mlpipe_runs WHERE run_id = %s', :document));
SELECT * FROM rt_table;
TRUNCATE rt_question;

-- What the views show of the run, and what the tables do
INSERT INTO rt_question (what, question) SELECT view, format('SELECT count(*) FROM %s WHERE run_id = %s', view, :run)
	FROM unnest('{mlpipe_runs,mlpipe_activities,mlpipe_batches,mlpipe_timeline,mlpipe_errors,mlpipe_logs,mlpipe_metrics}'::text[]) view;
INSERT INTO rt_question (what, question) VALUES
	('mlpipe_pipelines', 'SELECT count(*) FROM mlpipe_pipelines WHERE pipeline = ''rt_p'''),
	('parameters', format('SELECT count(*) FROM mlpipe_runs WHERE run_id = %s AND parameters->>''word'' = ''parameter-secret''', :run)),
	('secure output', format('SELECT count(*) FROM mlpipe_activities a WHERE run_id = %s AND a::text LIKE ''%%output-secret%%''', :run)),
	('mlpipe_executors', format('SELECT count(*) FROM mlpipe_executors WHERE run_id = %s', :run)),
	('executor_slots', format('SELECT count(*) FROM mlpipe.executor_slots() WHERE run_id = %s', :run)),
	('work_of_run', format('SELECT count(*) FROM mlpipe.work_of_run(%s)', :run));
INSERT INTO rt_question (what, question) SELECT 'table ' || name, format('SELECT count(run_id) FROM mlpipe.%s WHERE run_id = %s', name, :run)
	FROM unnest('{run,activity_run,mini_batch,failure,log,metric,run_variable,scope,step}'::text[]) name;
INSERT INTO rt_question (what, question) VALUES
	('table pipeline', 'SELECT count(*) FROM mlpipe.pipeline WHERE name = ''rt_p'''),
	('table pipeline_grant', 'SELECT count(*) FROM mlpipe.pipeline_grant WHERE grantee::text LIKE ''regress_rt%'''),
	('table pipeline_version', 'SELECT count(*) FROM mlpipe.pipeline_version WHERE definition::text LIKE ''%step%rt_items%'''),
	('table activity', 'SELECT count(*) FROM mlpipe.activity WHERE name = ''step'''),
	('table activity_dependency', 'SELECT count(*) FROM mlpipe.activity_dependency d JOIN mlpipe.activity a USING (version_id) WHERE a.name = ''step'''),
	('table source_change', 'SELECT count(*) FROM mlpipe.source_change'),
	('column parameters', format('SELECT count(*) FROM mlpipe.run WHERE run_id = %s AND parameters->>''word'' = ''parameter-secret''', :run)),
	('column idempotency_key', format('SELECT count(*) FROM mlpipe.run WHERE run_id = %s AND idempotency_key IS NOT NULL', :run)),
	('column output', format('SELECT count(*) FROM mlpipe.activity_run WHERE run_id = %s AND output IS NOT NULL', :run)),
	('column definition of a document', format('SELECT count(*) FROM mlpipe.pipeline_version v JOIN mlpipe.run r USING (version_id) WHERE r.run_id = %s', :document)),
	('statistics', 'SELECT count(*) FROM pg_stats WHERE schemaname = ''mlpipe'' AND attname IN (''parameters'', ''output'', ''value'', ''item'')');
ANALYZE mlpipe.run, mlpipe.activity_run, mlpipe.run_variable, mlpipe.scope;
SELECT * FROM rt_table;
TRUNCATE rt_question;

-- Nobody but superusers writes them, or calls what only the extension calls
INSERT INTO rt_question (what, question)
	SELECT verb || ' ' || c.relname, CASE verb
		WHEN 'insert' THEN format('WITH w AS (INSERT INTO mlpipe.%I SELECT FROM generate_series(1, 0) RETURNING 1) SELECT true', c.relname)
		WHEN 'delete' THEN format('WITH w AS (DELETE FROM mlpipe.%I WHERE false RETURNING 1) SELECT true', c.relname)
		END
	FROM pg_class c, unnest('{insert,delete}'::text[]) verb
	WHERE c.relnamespace = 'mlpipe'::regnamespace AND c.relkind = 'r' ORDER BY c.relname COLLATE "C", verb;
INSERT INTO rt_question (what, question) VALUES
	('start_scheduler', 'SELECT mlpipe.start_scheduler()'),
	('create in the schema', 'SELECT has_schema_privilege(''mlpipe'', ''CREATE'')'),
	('sequences', 'SELECT bool_or(has_sequence_privilege(oid, ''USAGE, SELECT, UPDATE'')) FROM pg_class WHERE relkind = ''S'' AND relnamespace = ''mlpipe''::regnamespace');
SELECT owner, granted, run_as, pg_monitor, stranger, superuser, string_agg(CASE WHEN what !~ '^(insert|delete) ' THEN what END, ', ') AS besides FROM rt_table GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6;
TRUNCATE rt_question;

-- A table that somebody can read has policies, whichever version brought it.
SELECT c.relname FROM pg_class c, aclexplode(c.relacl) a
	WHERE c.relnamespace = 'mlpipe'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND a.grantee = 0 AND NOT c.relrowsecurity
UNION SELECT c.relname FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a
	WHERE c.relnamespace = 'mlpipe'::regnamespace AND a.grantee = 0 AND NOT c.relrowsecurity;

-- A condition of the user's sees no row before the policy has let it through,
-- and an error has nothing of it.
SET ROLE regress_rt_stranger;
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'leaked: %', t; RETURN true; END $$;
SET client_min_messages = notice;
SELECT run_id FROM mlpipe.run WHERE pg_temp.leak(parameters::text);
SELECT run_id FROM mlpipe.activity_run WHERE pg_temp.leak(name);
SELECT run_id FROM mlpipe.failure f WHERE pg_temp.leak(f::text);
SELECT pipeline_id FROM mlpipe.pipeline p WHERE pg_temp.leak(p::text);
SELECT version_id FROM mlpipe.pipeline_version p WHERE definition::text::integer = 1;
SELECT run_id FROM mlpipe.run r WHERE (parameters->>'word')::integer = 1;
SET row_security = off;
SELECT run_id FROM mlpipe.run;
RESET row_security;
SET client_min_messages = warning;
DROP FUNCTION pg_temp.leak;
RESET ROLE;
SELECT pg_advisory_unlock(4712);

SELECT mlpipe_cancel(:run), mlpipe_cancel(:later);
SELECT mlpipe_wait(:run, '30 s');
SELECT mlpipe_drop_pipeline(pipeline) FROM mlpipe_pipelines WHERE pipeline LIKE 'rt\_%';
SELECT mlpipe_purge('0') > 0;
DROP VIEW rt_table;
DROP TABLE rt_question, rt_items;
DROP FUNCTION rt_cell, rt_until;
DROP ROLE regress_rt_member, regress_rt_owner, regress_rt_job, regress_rt_granted, regress_rt_in_group, regress_rt_group, regress_rt_submitter,
	regress_rt_approver, regress_rt_monitor, regress_rt_reader, regress_rt_stranger, regress_rt_super;

-- No pipeline runs as a role that those who define it cannot become: not by
-- another way of defining it, and not by what happens to the roles later.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_become_job LOGIN;
CREATE ROLE regress_become_alice LOGIN IN ROLE regress_become_job;
CREATE ROLE regress_become_carol LOGIN IN ROLE regress_become_alice;
CREATE ROLE regress_become_bob LOGIN;
CREATE TABLE become_who (run_id bigint, who name);
CREATE TABLE become_source (n integer);
GRANT INSERT ON become_who TO PUBLIC;
ALTER TABLE become_source OWNER TO regress_become_alice;
\set note '{"activities": [{"name": "a", "type": "sql", "sql": "INSERT INTO become_who VALUES (mlpipe_run_id(), session_user)"}]}'
\set note2 '{"activities": [{"name": "b", "type": "sql", "sql": "INSERT INTO become_who VALUES (mlpipe_run_id(), session_user)"}]}'
CREATE FUNCTION become_try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE statement INTO answer;
	RETURN 'it did not fail';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

SET ROLE regress_become_alice;
SELECT mlpipe_create_pipeline('become_p', :'note');
SELECT mlpipe_create_pipeline('become_p', :'note2');
SELECT mlpipe_alter_pipeline('become_p', run_as => 'regress_become_job');
SELECT mlpipe_grant('become_p', 'regress_become_bob');
CREATE TRIGGER become AFTER INSERT ON become_source FOR EACH STATEMENT EXECUTE FUNCTION mlpipe_submit_on_change('become_p');
SELECT mlpipe_create_pipeline('become_parent', '{"parameters": {"child": {"type": "text", "default": "become_p"}},
	"activities": [{"name": "a", "type": "pipeline", "pipeline": "${{ parameters.child }}"}]}');
SET ROLE regress_become_bob;
SELECT mlpipe_submit('become_p') AS run \gset
RESET ROLE;
SELECT mlpipe_wait(:run, '30 s');
SELECT who FROM become_who WHERE run_id = :run;
-- one who may use it may not change it
SET ROLE regress_become_bob;
SELECT become_try('SELECT mlpipe_create_pipeline(''become_p'', ''{"activities": [{"name": "b", "type": "sql", "sql": "SELECT 1"}]}'')');
-- a definer's name is that of the role he has taken on
SET ROLE regress_become_carol;
SET ROLE regress_become_job;
SELECT mlpipe_create_pipeline('become_set_role', :'note');
RESET ROLE;
SET SESSION AUTHORIZATION regress_become_bob;
SELECT mlpipe_create_pipeline('become_set_session', :'note');
SELECT become_try('SELECT mlpipe_alter_pipeline(''become_set_session'', run_as => ''regress_become_job'')');
RESET SESSION AUTHORIZATION;
-- or of the owner of the function that he calls
CREATE FUNCTION become_definer() RETURNS integer LANGUAGE sql SECURITY DEFINER AS
	$$ SELECT mlpipe_create_pipeline('become_definer', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}') $$;
ALTER FUNCTION become_definer OWNER TO regress_become_job;
SET ROLE regress_become_bob;
SELECT become_definer();
SELECT become_try('SELECT mlpipe_submit(''become_definer'')');
RESET ROLE;
SELECT pipeline, owner, run_as, granted_to FROM mlpipe_pipelines WHERE pipeline LIKE 'become%' ORDER BY pipeline;

-- A child runs as what its own pipeline says, and is submitted as the parent's role
SET ROLE regress_become_alice;
SELECT mlpipe_submit('become_parent') AS run \gset
SELECT mlpipe_wait(:run, '30 s');
SELECT mlpipe_submit('become_parent', '{"child": "become_set_session"}') AS refused \gset
SELECT mlpipe_wait(:refused, '30 s');
SELECT error FROM mlpipe_runs WHERE run_id = :refused;
RESET ROLE;
SELECT submitted_by, run_as, who FROM mlpipe_runs JOIN become_who USING (run_id) WHERE trigger->>'parent_run_id' = :'run';

-- The membership is taken back: nothing runs as that role any more, whichever way
REVOKE regress_become_job FROM regress_become_alice;
SET ROLE regress_become_alice;
SELECT mlpipe_submit('become_p');
SELECT mlpipe_submit('become_p', version => 1);
SELECT become_try(format('SELECT mlpipe_create_pipeline(''become_p'', %L)', :'note'));
SELECT become_try('SELECT mlpipe_alter_pipeline(''become_p'', default_version => 1)');
SELECT become_try('SELECT mlpipe_alter_pipeline(''become_p'', owner => ''regress_become_carol'')');
SELECT mlpipe_submit('become_parent') AS run \gset
SELECT mlpipe_wait(:run, '30 s');
SELECT error FROM mlpipe_runs WHERE run_id = :run;
SET client_min_messages = notice;
INSERT INTO become_source VALUES (1);
SET client_min_messages = warning;
SET ROLE regress_become_bob;
SELECT become_try('SELECT mlpipe_submit(''become_p'')');
-- not even what had been asked for before
RESET ROLE;
GRANT regress_become_job TO regress_become_alice;
BEGIN;
INSERT INTO become_source VALUES (2);
REVOKE regress_become_job FROM regress_become_alice;
COMMIT;
CREATE FUNCTION become_until(condition text) RETURNS boolean LANGUAGE plpgsql AS $$
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
SELECT become_until('NOT EXISTS (SELECT FROM mlpipe.source_change)');
SELECT count(*) FROM mlpipe_runs WHERE pipeline = 'become_p' AND trigger->>'type' = 'table';
-- the owner can take it back to himself
SET ROLE regress_become_alice;
SELECT mlpipe_alter_pipeline('become_p', run_as => 'regress_become_alice');
SELECT mlpipe_submit('become_p') AS run \gset
SELECT mlpipe_wait(:run, '30 s');
RESET ROLE;
SELECT who FROM become_who WHERE run_id = :run;

-- One who may become the role may lend it to a pipeline of somebody else's,
-- who cannot change what runs then
SELECT mlpipe_alter_pipeline('become_set_session', run_as => 'regress_become_job');
SET ROLE regress_become_bob;
SELECT mlpipe_submit('become_set_session') AS run \gset
SELECT mlpipe_wait(:run, '30 s');
SELECT become_try(format('SELECT mlpipe_create_pipeline(''become_set_session'', %L)', :'note2'));
RESET ROLE;
SELECT who FROM become_who WHERE run_id = :run;
-- a role is who it is, whatever it is called
ALTER ROLE regress_become_job RENAME TO regress_become_worker;
CREATE ROLE regress_become_job LOGIN;
SET ROLE regress_become_bob;
SELECT mlpipe_submit('become_set_session') AS run \gset
SELECT mlpipe_wait(:run, '30 s');
RESET ROLE;
SELECT who FROM become_who WHERE run_id = :run;
-- and one that has come in its place is another
DROP FUNCTION become_definer();
DROP ROLE regress_become_worker;
CREATE ROLE regress_become_worker LOGIN;
SET ROLE regress_become_bob;
SELECT mlpipe_submit('become_set_session');
SET ROLE regress_become_worker;
SELECT become_try('SELECT mlpipe_submit(''become_set_role'')');
SELECT count(*) FROM mlpipe_pipelines;
RESET ROLE;

-- The owner goes: an administrator finds another
DROP TABLE become_source;
DROP ROLE regress_become_carol, regress_become_alice;
SET ROLE regress_become_bob;
SELECT become_try('SELECT mlpipe_submit(''become_p'')');
RESET ROLE;
SELECT mlpipe_alter_pipeline('become_p', owner => 'regress_become_bob', run_as => 'regress_become_bob');
SET ROLE regress_become_bob;
SELECT mlpipe_submit('become_p') AS run \gset
SELECT mlpipe_wait(:run, '30 s');
RESET ROLE;
SELECT who FROM become_who WHERE run_id = :run;

SELECT mlpipe_drop_pipeline(pipeline) FROM mlpipe_pipelines WHERE pipeline LIKE 'become%';
SELECT mlpipe_purge('0') > 0;
DROP FUNCTION become_try, become_until;
DROP TABLE become_who;
DROP ROLE regress_become_bob, regress_become_job, regress_become_worker;

-- Who may submit, see and control runs, and as whom they execute; tried by roles
-- that are no superusers.
\set SHOW_CONTEXT never
CREATE ROLE regress_mlpipe_owner LOGIN;
CREATE ROLE regress_mlpipe_user LOGIN;
CREATE ROLE regress_mlpipe_other LOGIN;
CREATE ROLE regress_mlpipe_group NOLOGIN;
CREATE ROLE regress_mlpipe_member LOGIN IN ROLE regress_mlpipe_group;
CREATE ROLE regress_mlpipe_watcher LOGIN IN ROLE pg_monitor;
CREATE ROLE regress_mlpipe_job LOGIN;
GRANT regress_mlpipe_job TO regress_mlpipe_owner;
CREATE FUNCTION pg_temp.fails(statement text) RETURNS TABLE (state text, message text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'it did not fail';
	RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
	message := regexp_replace(message, 'run \d+', 'run N');
	RETURN NEXT;
END $$;
CREATE TABLE rights_who (run_id bigint, session_user_is name, current_user_is name);
GRANT INSERT ON rights_who TO PUBLIC;

SET ROLE regress_mlpipe_owner;
SELECT mlpipe_create_pipeline('rights_p', '{"activities": [{"name": "a", "type": "sql", "sql": "INSERT INTO rights_who VALUES (mlpipe_run_id(), session_user, current_user)"}]}');
SELECT mlpipe_submit('rights_p') AS mine \gset
RESET ROLE;
SELECT mlpipe_wait(:mine, '20 s');

-- nobody else may submit it, or learn of its runs
SET ROLE regress_mlpipe_user;
SELECT mlpipe_submit('rights_p');
SELECT * FROM pg_temp.fails(format('SELECT mlpipe_wait(%s)', :mine));
SELECT * FROM pg_temp.fails(format('SELECT mlpipe_cancel(%s)', :mine));
SELECT * FROM pg_temp.fails(format('SELECT mlpipe_suspend(%s)', :mine));
SELECT * FROM pg_temp.fails(format('SELECT mlpipe_resume(%s)', :mine));
SELECT count(*) FROM mlpipe_runs;
SELECT count(*) FROM mlpipe_activities;
SELECT count(*) FROM mlpipe_pipelines;
-- nor write the tables
INSERT INTO mlpipe.run_variable VALUES (1, 'x', '1');
UPDATE mlpipe.run SET run_as = 'postgres';
DELETE FROM mlpipe.activity_run;
-- one who watches sees, but changes nothing
SET ROLE regress_mlpipe_watcher;
SELECT pipeline, status, submitted_by, run_as FROM mlpipe_runs WHERE run_id = :mine;
SELECT * FROM pg_temp.fails(format('SELECT mlpipe_cancel(%s)', :mine));
SELECT * FROM pg_temp.fails(format('SELECT mlpipe_resume(%s)', :mine));
SELECT * FROM pg_temp.fails('SELECT mlpipe_submit(''rights_p'')');
SELECT mlpipe_wait(:mine);

-- granted, one may; it executes as the owner
SET ROLE regress_mlpipe_owner;
SELECT mlpipe_grant('rights_p', 'regress_mlpipe_user'), mlpipe_grant('rights_p', 'regress_mlpipe_group');
SET ROLE regress_mlpipe_user;
SELECT mlpipe_submit('rights_p') AS granted \gset
SELECT mlpipe_wait(:granted, '20 s');
SET ROLE regress_mlpipe_member;
SELECT mlpipe_submit('rights_p') AS member \gset
SELECT mlpipe_wait(:member, '20 s');
-- and sees all runs of it
SELECT count(*) FROM mlpipe_runs;
SET ROLE regress_mlpipe_other;
SELECT count(*) FROM mlpipe_runs;
RESET ROLE;
SELECT submitted_by, run_as, session_user_is, current_user_is FROM mlpipe_runs JOIN rights_who USING (run_id) ORDER BY run_id;

-- run_as: another role that the owner is a member of
SET ROLE regress_mlpipe_owner;
SELECT mlpipe_alter_pipeline('rights_p', run_as => 'regress_mlpipe_job');
SELECT mlpipe_alter_pipeline('rights_p', run_as => 'regress_mlpipe_other');
SET ROLE regress_mlpipe_user;
SELECT mlpipe_submit('rights_p') AS run \gset
SELECT mlpipe_wait(:run, '20 s');
RESET ROLE;
SELECT submitted_by, run_as, session_user_is, current_user_is FROM mlpipe_runs JOIN rights_who USING (run_id) WHERE run_id = :run;

-- a role has the rights that it has, not those of who submits, and cannot get back to others
SET ROLE regress_mlpipe_owner;
SELECT mlpipe_create_pipeline('rights_q', '{"activities": [
	{"name": "read", "type": "sql", "sql": "SELECT * FROM rights_who"},
	{"name": "reset", "type": "lookup", "query": "SELECT current_user AS c, session_user AS s"},
	{"name": "become", "type": "sql", "sql": ["RESET ROLE", "RESET SESSION AUTHORIZATION", "SET SESSION AUTHORIZATION postgres"]},
	{"name": "engine", "type": "sql", "sql": "UPDATE mlpipe.run SET priority = 9"},
	{"name": "copy", "type": "sql", "sql": "COPY (SELECT 1) TO PROGRAM ''true''"}]}');
RESET ROLE;
SELECT mlpipe_submit('rights_q') AS run \gset
SELECT mlpipe_wait(:run, '20 s');
SELECT a.activity, a.status, e.sqlstate, a.output->'first_row' AS row
FROM mlpipe_activities a LEFT JOIN mlpipe_errors e USING (run_id, activity) WHERE run_id = :run ORDER BY a.activity;
-- who is granted, and not the one who submitted, controls the runs of a pipeline
SELECT mlpipe_submit('rights_q', not_before => now() + '1 day') AS run \gset
SET ROLE regress_mlpipe_user;
SELECT * FROM pg_temp.fails(format('SELECT mlpipe_cancel(%s)', :run));
SET ROLE regress_mlpipe_owner;
SELECT mlpipe_grant('rights_q', 'regress_mlpipe_user');
SET ROLE regress_mlpipe_user;
SELECT mlpipe_suspend(:run), mlpipe_resume(:run), mlpipe_cancel(:run, 'by another role');
SELECT status, error FROM mlpipe_runs WHERE run_id = :run;
-- revoked, one sees nothing of them any more
SET ROLE regress_mlpipe_owner;
SELECT mlpipe_revoke('rights_q', 'regress_mlpipe_user');
SET ROLE regress_mlpipe_user;
SELECT count(*) FROM mlpipe_runs WHERE run_id = :run;
SELECT * FROM pg_temp.fails(format('SELECT mlpipe_wait(%s)', :run));

-- a document runs as the one who submits it
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "INSERT INTO rights_who VALUES (mlpipe_run_id(), session_user, current_user)"}]}'::jsonb, idempotency_key => 'k') AS document \gset
SELECT mlpipe_wait(:document, '20 s');
-- and concerns nobody else, whose keys are their own
SET ROLE regress_mlpipe_other;
SELECT count(*) FROM mlpipe_runs WHERE run_id = :document;
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'::jsonb, idempotency_key => 'k') <> :document AS own;
SELECT * FROM pg_temp.fails(format('SELECT mlpipe_cancel(%s)', :document));
RESET ROLE;
SELECT pipeline, submitted_by, run_as, session_user_is, current_user_is FROM mlpipe_runs JOIN rights_who USING (run_id) WHERE run_id = :document;
-- inside a SECURITY DEFINER function its owner submits
CREATE FUNCTION rights_definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS
	$$ SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "INSERT INTO rights_who VALUES (mlpipe_run_id(), session_user, current_user)"}]}'::jsonb) $$;
ALTER FUNCTION rights_definer OWNER TO regress_mlpipe_job;
SET ROLE regress_mlpipe_user;
SELECT rights_definer() AS run \gset
RESET ROLE;
SELECT mlpipe_wait(:run, '20 s');
SELECT submitted_by, run_as, current_user_is FROM mlpipe_runs JOIN rights_who USING (run_id) WHERE run_id = :run;

-- purge takes what one could have submitted
SET ROLE regress_mlpipe_other;
SELECT mlpipe_wait(run_id, '20 s') FROM mlpipe_runs;
SELECT mlpipe_purge('0');
SET ROLE regress_mlpipe_owner;
SELECT mlpipe_purge('0') > 0 AS purged;
RESET ROLE;
SELECT DISTINCT submitted_by FROM mlpipe_runs WHERE submitted_by::text LIKE 'regress%' ORDER BY 1;

--
-- Roles that cannot connect: the activity fails, and says why
--
CREATE ROLE regress_mlpipe_noconnect LOGIN;
CREATE ROLE regress_mlpipe_dropped LOGIN;
SELECT current_database() AS db \gset
REVOKE CONNECT ON DATABASE :db FROM PUBLIC;
SELECT mlpipe_create_pipeline('rights_' || kind, '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "retry": {"max_retries": 3, "interval": 0}},
	{"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": ["a"]}]}') FROM unnest('{noconnect,dropped}'::text[]) kind;
SELECT mlpipe_alter_pipeline('rights_' || kind, run_as => ('regress_mlpipe_' || kind)::regrole) FROM unnest('{noconnect,dropped}'::text[]) kind;
BEGIN;
SELECT mlpipe_submit('rights_dropped') AS run \gset
DROP ROLE regress_mlpipe_dropped;
COMMIT;
SELECT mlpipe_wait(:run, '20 s');
SELECT a.activity, a.status, a.attempt, regexp_replace(a.error, '\d+', 'N') AS error FROM mlpipe_activities a WHERE run_id = :run ORDER BY 1;
SELECT * FROM pg_temp.fails('SELECT mlpipe_submit(''rights_dropped'')');
SELECT mlpipe_submit('rights_noconnect') AS run \gset
SELECT mlpipe_wait(:run, '20 s');
SELECT activity, status, attempt, error FROM mlpipe_activities WHERE run_id = :run ORDER BY 1;
SELECT sqlstate, message, hint FROM mlpipe_errors WHERE run_id = :run;
GRANT CONNECT ON DATABASE :db TO regress_mlpipe_noconnect;
SELECT mlpipe_submit('rights_noconnect') AS run \gset
SELECT mlpipe_wait(:run, '20 s');
GRANT CONNECT ON DATABASE :db TO PUBLIC;

SELECT mlpipe_drop_pipeline(pipeline) FROM mlpipe_pipelines WHERE pipeline LIKE 'rights%';
SELECT mlpipe_purge('0') > 0 AS purged;
DROP FUNCTION rights_definer;
DROP TABLE rights_who;
REVOKE CONNECT ON DATABASE :db FROM regress_mlpipe_noconnect;
DROP ROLE regress_mlpipe_owner, regress_mlpipe_user, regress_mlpipe_other, regress_mlpipe_member, regress_mlpipe_group, regress_mlpipe_watcher,
	regress_mlpipe_job, regress_mlpipe_noconnect;

-- mlpipe_submit(): what it checks, and when what it submits starts.
\set SHOW_CONTEXT never
CREATE TABLE submit_hits (run_id bigint, note text);
-- An error without the numbers that vary.
CREATE FUNCTION pg_temp.fails(statement text) RETURNS TABLE (state text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'it did not fail';
	RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	message := regexp_replace(message, 'run \d+', 'run N');
	RETURN NEXT;
END $$;

SELECT mlpipe_create_pipeline('submit_p', '{"activities": [
	{"name": "a", "type": "sql", "sql": "INSERT INTO submit_hits VALUES (mlpipe_run_id(), ''a'')"},
	{"name": "b", "type": "sql", "sql": "INSERT INTO submit_hits VALUES (mlpipe_run_id(), ''b'')", "depends_on": ["a"]}]}');

-- a run, from its submit to its end
SELECT mlpipe_submit('submit_p', tags => '{"who": "me"}', priority => 3) AS run \gset
SELECT mlpipe_wait(:run, '10 s');
SELECT pipeline, version, status, progress, percent, eta, submitted_by, run_as, trigger, priority, group_id = run_id AS own_group,
	failures_handled, parameters, tags, output, error, submitted_at <= started_at AND started_at <= finished_at AS in_order
FROM mlpipe_runs WHERE run_id = :run;
SELECT activity, type, status, progress, attempt, wait_reason, output, error, started_at <= finished_at AS in_order
FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;
SELECT note FROM submit_hits WHERE run_id = :run ORDER BY ctid;
SELECT status, error FROM mlpipe_runs WHERE run_id = :run;

-- a document without a name
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1 AS one"}]}'::jsonb, tags => '[]') AS run;
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1 AS one"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '10 s');
SELECT pipeline, version, status FROM mlpipe_runs WHERE run_id = :run;
SELECT output FROM mlpipe_activities WHERE run_id = :run;
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1 AS one"}]}');
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql"}, {"name": "a"}]}'::jsonb);
SELECT mlpipe_submit('[]'::jsonb);

-- what is no pipeline
SELECT mlpipe_submit('submit_q');
SELECT mlpipe_submit(NULL::text);
SELECT mlpipe_submit(NULL::jsonb);
SELECT mlpipe_submit('submit_p', version => 2);
SELECT mlpipe_submit('submit_p', tags => NULL);
SELECT mlpipe_submit('submit_p', parameters => '[1]');

--
-- Parameters
--
SELECT mlpipe_create_pipeline('submit_typed', '{"parameters": {
	"day": {"type": "date", "default": "2026-01-01"}, "n": {"type": "integer"}, "words": {"type": "text[]", "default": ["x"]},
	"rate": {"type": "numeric(4,2)", "default": 0.5}, "maybe": {"type": "text", "default": null}},
	"activities": [{"name": "a", "type": "lookup",
		"query": "SELECT ${{ parameters.day }} + 1 AS next_day, pg_typeof(${{ parameters.day }})::text AS t, ${{ parameters.n }} * 2 AS n, ${{ parameters.words }} AS words, ${{ parameters.rate }} AS rate, ${{ parameters.maybe }} IS NULL AS no"}]}');
SELECT mlpipe_submit('submit_typed', '{"n": 21}') AS run \gset
SELECT mlpipe_wait(:run, '10 s');
SELECT output->'first_row' AS row FROM mlpipe_activities WHERE run_id = :run;
SELECT parameters FROM mlpipe_runs WHERE run_id = :run;
SELECT mlpipe_submit('submit_typed', '{"n": "3", "day": "2026-02-28", "words": ["it''s", "a \"b\"", null], "rate": 99.99, "maybe": "x"}') AS run \gset
SELECT mlpipe_wait(:run, '10 s');
SELECT output->'first_row' AS row FROM mlpipe_activities WHERE run_id = :run;
-- all that is wrong is told at once
SELECT mlpipe_submit('submit_typed');
SELECT mlpipe_submit('submit_typed', '{"n": "many", "dya": "2026-01-01", "day": "yesterday, or so", "rate": 100, "words": "not an array"}');
SELECT mlpipe_submit('submit_typed', '{"n": null}') AS run \gset
SELECT mlpipe_wait(:run, '10 s');
SELECT output->'first_row'->'n' AS n FROM mlpipe_activities WHERE run_id = :run;
SELECT mlpipe_submit('submit_typed', '{"n": 1.5}');
SELECT mlpipe_submit('submit_typed', '{"n": 3000000000}');
SELECT mlpipe_submit('submit_typed', '{"n": {"a": 1}}');
SELECT mlpipe_submit('submit_typed', '{"n": 1, "": 2}');

--
-- ${{ }} never becomes syntax
--
SELECT mlpipe_create_pipeline('submit_inject', '{"parameters": {"t": {"type": "text"}, "j": {"type": "jsonb", "default": null}, "name": {"type": "text", "default": "submit_hits"}},
	"activities": [
	{"name": "a", "type": "lookup", "query": "SELECT ${{ parameters.t }} AS t, ${{parameters.j}} AS j, ''before''||${{ parameters.t }}||''after'' AS glued"},
	{"name": "b", "type": "lookup", "depends_on": ["a"], "query": "SELECT ${{ activities.a.output.first_row.t }} AS t, ${{ activities.a.output.first_row }}->>''t'' AS again"},
	{"name": "c", "type": "sql", "depends_on": ["b"], "sql": "INSERT INTO ${{ parameters.name | identifier }} (note) VALUES (${{ parameters.t }})"},
	{"name": "standard", "type": "sql", "sql": ["SET standard_conforming_strings = off", "SELECT ${{ parameters.t }}::text AS t"]},
	{"name": "bracket", "type": "lookup", "query": "SELECT -${{ parameters.j.n }} AS minus, 1-${{ parameters.j.n }} AS beside"}]}');
CREATE TEMP TABLE attack (no serial, t text, name text DEFAULT 'submit_hits', run_id bigint);
INSERT INTO attack (t) VALUES
	('''); DROP TABLE submit_hits; --'), ('\''; DROP TABLE submit_hits; --'), ('\\'), ('\'), ('$$; DROP TABLE submit_hits; $$'),
	('${{ parameters.name }}'), ('E''\x41'''), (E'line\nbreak\t''end'), ('%s %I %L'), ('/* */ -- */'), (''), ('NULL'), ('U&''\0041'''), ('ünïcödé ”’');
INSERT INTO attack (t, name) VALUES ('a name with a quote', 'submit_hits" VALUES (1); DROP TABLE submit_hits; --'),
	('a name with dots', 'public.submit_hits'), ('a name with too many', 'a.b.c.submit_hits'), ('a name with a space', 'submit hits'), ('no name', '');
UPDATE attack SET run_id = mlpipe_submit('submit_inject', jsonb_build_object('t', t, 'name', name, 'j', jsonb_build_object('t', t, 'n', -1)));
SELECT mlpipe_wait(run_id, '20 s') IS NOT NULL AS ended, count(*) FROM attack GROUP BY 1;
SELECT no, a.output->'first_row' = jsonb_build_object('t', t, 'j', jsonb_build_object('t', t, 'n', -1), 'glued', 'before' || t || 'after') AS a,
	b.output->'first_row' = jsonb_build_object('t', t, 'again', t) AS b, s.output->'rows' = jsonb_build_array(jsonb_build_object('t', t)) AS standard,
	coalesce(bracket.output->>'first_row', bracket.error) AS beside, c.status, c.error
FROM attack
JOIN mlpipe_activities a ON a.run_id = attack.run_id AND a.activity = 'a'
JOIN mlpipe_activities b ON b.run_id = attack.run_id AND b.activity = 'b'
JOIN mlpipe_activities c ON c.run_id = attack.run_id AND c.activity = 'c'
JOIN mlpipe_activities s ON s.run_id = attack.run_id AND s.activity = 'standard'
JOIN mlpipe_activities bracket ON bracket.run_id = attack.run_id AND bracket.activity = 'bracket'
ORDER BY no;
SELECT count(*) AS written, bool_and(note = t) AS as_given FROM submit_hits JOIN attack ON note = t;
-- in strings, comments and dollar quotes it is refused beforehand
SELECT path, message, hint FROM mlpipe_validate('{"parameters": {"t": {"type": "text"}}, "activities": [
	{"name": "a", "type": "sql", "sql": "SELECT ''${{ parameters.t }}''"}, {"name": "b", "type": "sql", "sql": "SELECT $$${{ parameters.t }}$$"},
	{"name": "c", "type": "sql", "sql": "SELECT 1 -- ${{ parameters.t }}"}, {"name": "d", "type": "sql", "sql": "SELECT \"${{ parameters.t }}\""}]}');

--
-- Transactions
--
TRUNCATE submit_hits;
-- rolled back it never was
BEGIN;
SELECT mlpipe_submit('submit_p') AS gone \gset
ROLLBACK;
SELECT count(*) FROM mlpipe_runs WHERE run_id = :gone;
-- nor in a subtransaction; others of the transaction are
BEGIN;
SELECT mlpipe_submit('submit_p') AS first \gset
SAVEPOINT s;
SELECT mlpipe_submit('submit_p') AS gone \gset
ROLLBACK TO s;
SELECT mlpipe_submit('submit_p') AS last \gset
COMMIT;
DO $$
BEGIN
	PERFORM mlpipe_submit('submit_p');
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN NULL;
END $$;
SELECT mlpipe_wait(:first, '10 s'), mlpipe_wait(:last, '10 s');
SELECT count(*) FROM mlpipe_runs WHERE run_id = :gone;
SELECT message FROM pg_temp.fails(format('SELECT mlpipe_wait(%s)', :gone));
SELECT run_id = :first AS first, note FROM submit_hits ORDER BY run_id, note;
-- nothing dies of those that never were
SELECT count(*) AS lost FROM mlpipe_errors WHERE run_id IN (:first, :last);
-- in the same transaction it cannot end
BEGIN;
SELECT mlpipe_submit('submit_p') AS run \gset
SELECT * FROM pg_temp.fails(format('SELECT mlpipe_wait(%s)', :run));
SAVEPOINT s;
SELECT mlpipe_submit('submit_p') AS run \gset
SELECT * FROM pg_temp.fails(format('SELECT mlpipe_wait(%s, ''1 s'')', :run));
ROLLBACK;
SELECT * FROM pg_temp.fails('SELECT mlpipe_wait(mlpipe_submit(''submit_p''))');
-- a transaction that has submitted cannot be prepared
BEGIN;
SELECT mlpipe_submit('submit_p') AS run \gset
PREPARE TRANSACTION 'submit';
SELECT count(*) FROM mlpipe_runs WHERE run_id = :run;
-- nothing starts before the commit
BEGIN;
SELECT mlpipe_submit('submit_p') AS run \gset
SELECT pg_sleep(0.1);
SELECT status FROM mlpipe_runs WHERE run_id = :run;
COMMIT;
SELECT mlpipe_wait(:run, '10 s');
SELECT r.started_at > r.submitted_at + interval '0.1 s' AS later FROM mlpipe_runs r WHERE run_id = :run;
-- in a serializable transaction, too
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT mlpipe_submit('submit_p') AS run \gset
COMMIT;
SELECT mlpipe_wait(:run, '10 s');
-- but not in one that is read only
BEGIN READ ONLY;
SELECT mlpipe_submit('submit_p');
ROLLBACK;

--
-- idempotency_key
--
SELECT mlpipe_submit('submit_p', idempotency_key => 'k') AS run \gset
SELECT mlpipe_submit('submit_p', idempotency_key => 'k') = :run AS same, mlpipe_submit('submit_p', idempotency_key => 'K') = :run AS other;
SELECT mlpipe_wait(:run, '10 s');
SELECT mlpipe_submit('submit_p', '{}', idempotency_key => 'k', priority => 9) = :run AS same;
SELECT priority FROM mlpipe_runs WHERE run_id = :run;
BEGIN;
SELECT mlpipe_submit('submit_p', idempotency_key => 'rolled back') AS gone \gset
ROLLBACK;
SELECT mlpipe_submit('submit_p', idempotency_key => 'rolled back') <> :gone AS other;
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}'::jsonb, idempotency_key => 'k') AS document \gset
SELECT :document <> :run AS other, mlpipe_submit('{"activities": [{"name": "b", "type": "sql", "sql": "SELECT 2"}]}'::jsonb, idempotency_key => 'k') = :document AS same;
SELECT mlpipe_wait(:document, '10 s');

--
-- not_before
--
SELECT mlpipe_submit('submit_p', not_before => clock_timestamp() + '2 s') AS run \gset
SELECT status FROM mlpipe_runs WHERE run_id = :run;
SELECT activity, status, regexp_replace(wait_reason, '\d{4}-.*', 'WHEN') AS wait_reason FROM mlpipe_activities WHERE run_id = :run ORDER BY activity;
SELECT mlpipe_wait(:run, '0.05 s');
SELECT mlpipe_wait(:run, '10 s');
SELECT started_at - submitted_at >= '1.9 s' AS later FROM mlpipe_runs WHERE run_id = :run;
SELECT mlpipe_submit('submit_p', not_before => '-infinity') AS run \gset
SELECT mlpipe_wait(:run, '10 s');

--
-- Versions, and pipelines that are disabled or dropped
--
SELECT mlpipe_create_pipeline('submit_p', '{"activities": [{"name": "v2", "type": "sql", "sql": "SELECT 2"}]}');
SELECT mlpipe_submit('submit_p') AS second, mlpipe_submit('submit_p', version => 1) AS first \gset
SELECT mlpipe_wait(:second, '10 s'), mlpipe_wait(:first, '10 s');
SELECT version, (SELECT string_agg(activity, ' ') FROM mlpipe_activities a WHERE a.run_id = r.run_id) FROM mlpipe_runs r WHERE run_id IN (:first, :second) ORDER BY 1;
SELECT mlpipe_set_version_status('submit_p', 1, 'deprecated');
SELECT mlpipe_submit('submit_p', version => 1) AS run \gset
SELECT mlpipe_wait(:run, '10 s');
SELECT mlpipe_set_version_status('submit_p', 1, 'disabled');
SELECT mlpipe_submit('submit_p', version => 1);
SELECT mlpipe_alter_pipeline('submit_p', default_version => 1);
SELECT mlpipe_submit('submit_p') AS run \gset
SELECT mlpipe_wait(:run, '10 s');
SELECT mlpipe_alter_pipeline('submit_p', enabled => false);
SELECT mlpipe_submit('submit_p', version => 2);
SELECT mlpipe_alter_pipeline('submit_p', enabled => true, default_version => 2);
-- a run goes on with the version that it was submitted with
SELECT mlpipe_submit('submit_p', not_before => clock_timestamp() + '0.2 s') AS run \gset
SELECT mlpipe_set_version_status('submit_p', 2, 'disabled');
SELECT mlpipe_alter_pipeline('submit_p', enabled => false);
SELECT mlpipe_wait(:run, '10 s');
SELECT mlpipe_drop_pipeline('submit_p', force => true), mlpipe_drop_pipeline('submit_typed'), mlpipe_drop_pipeline('submit_inject');
SELECT mlpipe_submit('submit_p');
-- history stays
SELECT pipeline, status FROM mlpipe_runs WHERE run_id = :run;
SELECT mlpipe_wait(:run);

--
-- mlpipe_wait
--
SELECT mlpipe_wait(NULL) IS NULL AS null;
SELECT mlpipe_wait(0);
SELECT mlpipe_wait(:run, '-1 s');
SELECT mlpipe_submit('{"activities": [{"name": "a", "type": "wait", "duration": 60}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '0') IN ('queued', 'in_progress') AS unfinished, mlpipe_wait(:run, '0.1 s');
SELECT mlpipe_cancel(:run);
SELECT mlpipe_wait(run_id, '10 s') IS NOT NULL AS ended FROM mlpipe_runs WHERE finished_at IS NULL;

--
-- Purge
--
SELECT mlpipe_purge('1 day') AS young;
SELECT mlpipe_purge(NULL);
SELECT mlpipe_purge('0') > 0 AS purged;
SELECT (SELECT count(*) FROM mlpipe.run) AS runs, (SELECT count(*) FROM mlpipe.activity_run) AS activities, (SELECT count(*) FROM mlpipe.failure) AS failures,
	(SELECT count(*) FROM mlpipe.log) AS logs, (SELECT count(*) FROM mlpipe.run_variable) AS variables,
	(SELECT count(*) FROM mlpipe.pipeline_version WHERE pipeline_id IS NULL) AS documents;
DROP TABLE submit_hits;

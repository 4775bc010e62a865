-- Defining pipelines: versions, every kind of problem, and who may do it.

CREATE ROLE regress_mlpipe_ann;
CREATE ROLE regress_mlpipe_bob;
CREATE ROLE regress_mlpipe_job;
CREATE ROLE regress_mlpipe_monitor IN ROLE pg_monitor;
GRANT regress_mlpipe_job TO regress_mlpipe_ann;

--
-- Versions
--
SET ROLE regress_mlpipe_ann;
SELECT mlpipe_create_pipeline('define_p', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}');
-- an equal document adds no version
SELECT mlpipe_create_pipeline('define_p', '{"activities": [{"type": "sql", "name": "a", "sql": "SELECT 1"}]}');
SELECT mlpipe_create_pipeline('define_p', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 2"}]}');
-- only the newest counts: the first one again is a third
SELECT mlpipe_create_pipeline('define_p', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}');
SELECT mlpipe_alter_pipeline('define_p', default_version => 2);
SELECT mlpipe_definition('define_p');
SELECT mlpipe_definition('define_p', 3);
-- an equal document makes the newest the default again
SELECT mlpipe_create_pipeline('define_p', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}');
SELECT mlpipe_definition('define_p') = mlpipe_definition('define_p', 3) AS newest_is_default;
SELECT mlpipe_definition('define_p', 4);
SELECT mlpipe_alter_pipeline('define_p', default_version => 4);
SELECT mlpipe_set_version_status('define_p', 2, 'disabled');
SELECT mlpipe_alter_pipeline('define_p', default_version => 2);
SELECT mlpipe_set_version_status('define_p', 2, 'gone');
-- a document that is that of a disabled version is warned of
SELECT mlpipe_set_version_status('define_p', 3, 'disabled');
SELECT mlpipe_create_pipeline('define_p', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}');
SELECT mlpipe_set_version_status('define_p', 3, 'active');
SELECT mlpipe_create_pipeline('define_p', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}');
SELECT mlpipe_set_version_status('define_p', 9, 'active');
SELECT mlpipe_set_version_status('define_p', 2, 'deprecated');
RESET ROLE;
SELECT version, status, created_by FROM mlpipe.pipeline_version
	WHERE pipeline_id = (SELECT pipeline_id FROM mlpipe.pipeline WHERE name = 'define_p') ORDER BY version;
SELECT name, owner, run_as, default_version, enabled FROM mlpipe.pipeline WHERE name = 'define_p';

-- activities are numbered in topological order, ties as they stand there
SELECT mlpipe_create_pipeline('define_order', '{"activities": [
	{"name": "last", "type": "sql", "sql": "SELECT 1", "depends_on": ["second", {"activity": "first", "conditions": ["succeeded", "failed", "skipped"]}]},
	{"name": "second", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "third", "conditions": ["failed"]}]},
	{"name": "first", "type": "sql", "sql": "SELECT 1"},
	{"name": "third", "type": "sql", "sql": "SELECT 1"}]}');
SELECT no, a.name, type, depends_on, conditions
	FROM mlpipe.pipeline p JOIN mlpipe.pipeline_version v USING (pipeline_id)
	JOIN mlpipe.activity a USING (version_id) LEFT JOIN mlpipe.activity_dependency d USING (version_id, no)
	WHERE p.name = 'define_order' ORDER BY no, depends_on;

-- types of one's own are found again whatever the search_path is
CREATE SCHEMA regress_mlpipe_app;
CREATE TYPE regress_mlpipe_app.mood AS ENUM ('ok', 'sad');
SET search_path = public, regress_mlpipe_app;
SELECT mlpipe_create_pipeline('define_typed', '{"parameters": {"m": {"type": "mood", "default": "ok"}, "ms": {"type": "mood[]"}, "d": {"type": "date"}}, "activities": [{"name": "a", "type": "sql", "sql": "SELECT ${{ parameters.m }}"}]}');
RESET search_path;
SELECT mlpipe_definition('define_typed') -> 'parameters' AS parameters;

--
-- Problems
--
SELECT mlpipe_create_pipeline('define_bad', '{"activities": [
	{"name": "flag", "type": "sql", "sql": "SELECT 1"},
	{"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": ["flagg"]},
	{"name": "c", "type": "sql", "sql": "SELECT 1", "depend_on": ["flag"]}]}');
\echo :SQLSTATE
SELECT count(*) AS stored FROM mlpipe.pipeline WHERE name = 'define_bad';
SELECT mlpipe_create_pipeline(NULL, '{}');
SELECT mlpipe_create_pipeline('define_bad', NULL);
SELECT mlpipe_create_pipeline('', '{}');
SELECT mlpipe_create_pipeline(repeat('n', 141), '{}');
SELECT mlpipe_validate(NULL);

CREATE FUNCTION pg_temp.problems(document text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' | ', severity, path, message, hint) FROM public.mlpipe_validate(document::jsonb)
$$;
SELECT pg_temp.problems('[]');
SELECT pg_temp.problems('"text"');
SELECT pg_temp.problems('{}');
SELECT pg_temp.problems('{"activities": {}}');
SELECT pg_temp.problems('{"activities": []}');
SELECT pg_temp.problems('{"activities": [1]}');
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}],
	"descripton": "x", "concurrency": 0, "if_running": "qeue", "fail_fast": "yes", "durability": "none", "timeout": "soon", "output": []}');
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}],
	"description": 5, "concurrency": 1.5, "timeout": -1}');
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}],
	"concurrency": "1", "timeout": "2000 years"}');
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}],
	"description": "x", "concurrency": 2, "if_running": "skip", "fail_fast": true, "durability": "activity", "timeout": 1.5, "output": {"x": "${{ activities.a.output }}"}}') AS none;

-- parameters and variables
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}], "parameters": {
	"a": {"type": "dat"}, "b": {"type": "anyelement"}, "c": {"type": "setof integer"}, "d": {}, "e": 5,
	"f": {"type": "integer", "defalt": 1}, "g": {"type": "no_such.type"}, "h": {"type": " "}, "i": {"type": "integer; SELECT 1"},
	"": {"type": "text"}}}');
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}], "parameters": {
	"a": {"type": "date", "default": "tomorow"}, "b": {"type": "integer", "default": 1.5}, "c": {"type": "integer[]", "default": ["x"]},
	"d": {"type": "numeric(4,2)", "default": 100}, "e": {"type": "jsonb", "default": [1]}, "f": {"type": "text[]", "default": ["a,b", null, "\"\\"]},
	"g": {"type": "integer[]", "default": [[1, 2], [3, 4]]}, "h": {"type": "date", "default": null}, "i": {"type": "regclass", "default": "made_by_the_run"},
	"j": {"type": "regress_mlpipe_app.mood", "default": "checked when run"}},
	"variables": {"v": {"type": "integer", "default": "x", "description": "no such key here"}}}');

-- names
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}, {"name": "a", "type": "sql", "sql": "SELECT 1"},
	{"name": "", "type": "sql", "sql": "SELECT 1"}, {"name": "a.b", "type": "sql", "sql": "SELECT 1"}, {"name": "a\nb", "type": "sql", "sql": "SELECT 1"},
	{"type": "sql", "sql": "SELECT 1"}, {"name": 1, "type": "sql", "sql": "SELECT 1"},
	{"name": "1234567890123456789012345678901234567890123456789012345678901234", "type": "sql", "sql": "SELECT 1"}]}');

-- dependencies
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}, {"name": "flag", "type": "sql", "sql": "SELECT 1"},
	{"name": "c", "type": "sql", "sql": "SELECT 1", "depends_on": ["a", "a", "c", "flagg", 5, {"activity": "flag"}]},
	{"name": "d", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "a", "conditions": []}, {"activity": "flag", "conditions": ["sucess"], "when": 1}, {}]},
	{"name": "e", "type": "sql", "sql": "SELECT 1", "depends_on": "a"}]}');
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "depends_on": ["c"]}, {"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": ["a"]},
	{"name": "c", "type": "sql", "sql": "SELECT 1", "depends_on": ["b"]}, {"name": "d", "type": "sql", "sql": "SELECT 1", "depends_on": ["c"]}]}');
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "depends_on": ["b"]}, {"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": ["a"]}]}');

-- keys of all activities
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "description": "x", "tags": ["x"], "priority": -5, "timeout": "1 hour",
	"on_rerun": "run", "on_inactive": "failed", "secure_output": true, "join": "all", "reuse": false, "compute": "local", "transaction": "none", "active": true,
	"retry": {"max_retries": 3, "interval": "10 s", "backoff": 2, "max_interval": 60, "on": ["40", "57014"]}}]}') AS none;
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "description": 1, "priority": "high", "timeout": "x",
	"on_rerun": "no", "on_inactive": "ok", "secure_output": 1, "active": "yes", "transaction": "nine",
	"retry": {"max_retries": -1, "interval": "-1 s", "backoff": 0.5, "on": ["4", "lower"], "times": 3}}]}');
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "retry": {}}, {"name": "b", "type": "sql", "sql": "SELECT 1", "retry": 3}]}');
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "wait", "duration": "1 s", "retry": {"max_retries": 1}, "transaction": "none", "reuse": true, "compute": "gpu"}]}');
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "timeout": "${{ run.id }} s", "active": "${{ run.id }}", "retry": {"max_retries": "${{ run.id }}"}}, {"name": "b", "type": "validation", "query": "SELECT true", "interval": "x"}]}');
-- what this version does not have is refused by name
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1", "join": "any", "reuse": true, "inputs": ["t"], "outputs": ["t"], "compute": "gpu"}]}');
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "train"}, {"name": "b", "type": "sqll"}, {"name": "c", "type": "unheard of"}, {"name": "d"}]}');
-- case alone makes no other name; what has little in common does
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "SQL", "sql": "SELECT 1"}, {"name": "b", "type": "sql", "query": "SELECT 1"}]}');
-- what is wrong with an inactive activity is a warning
SELECT pg_temp.problems('{"activities": [{"name": "a", "type": "score", "active": false}, {"name": "b", "type": "sql", "active": false, "sqll": 1}]}');
SELECT mlpipe_create_pipeline('define_sleepy', '{"activities": [{"name": "a", "type": "score", "active": false}]}');

--
-- Rights, as roles that are not superusers
--
SET ROLE regress_mlpipe_bob;
SELECT mlpipe_create_pipeline('define_p', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 6"}]}');
SELECT mlpipe_alter_pipeline('define_p', enabled => false);
SELECT mlpipe_set_version_status('define_p', 1, 'disabled');
SELECT mlpipe_grant('define_p', 'regress_mlpipe_bob');
SELECT mlpipe_revoke('define_p', 'regress_mlpipe_bob');
SELECT mlpipe_drop_pipeline('define_p');
SELECT mlpipe_definition('define_p');
SELECT mlpipe_definition('nobody''s');
UPDATE mlpipe.pipeline SET owner = 'regress_mlpipe_bob';
SET ROLE regress_mlpipe_monitor;
SELECT mlpipe_definition('define_p', 2);

-- run_as takes being able to become that role
SET ROLE regress_mlpipe_ann;
SELECT mlpipe_alter_pipeline('define_p', run_as => 'regress_mlpipe_bob');
SELECT mlpipe_alter_pipeline('define_p', run_as => 4294967295::oid::regrole);
SELECT mlpipe_alter_pipeline('define_p', run_as => 'regress_mlpipe_job', enabled => false);
SELECT mlpipe_grant('define_p', 'regress_mlpipe_bob');
SELECT mlpipe_grant('define_p', 'regress_mlpipe_bob');
SELECT mlpipe_grant('define_p', NULL);
SET ROLE regress_mlpipe_bob;
SELECT mlpipe_definition('define_p', 2);
SELECT mlpipe_alter_pipeline('define_p', enabled => true);
RESET ROLE;
SELECT owner, run_as, enabled FROM mlpipe.pipeline WHERE name = 'define_p';

-- whoever cannot become run_as cannot change what it runs, owner or not
SELECT mlpipe_alter_pipeline('define_p', run_as => 'regress_mlpipe_bob');
SET ROLE regress_mlpipe_ann;
SELECT mlpipe_create_pipeline('define_p', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 7"}]}');
SELECT mlpipe_alter_pipeline('define_p', default_version => 1);
SELECT mlpipe_revoke('define_p', 'regress_mlpipe_bob');
SET ROLE regress_mlpipe_bob;
SELECT mlpipe_definition('define_p', 2);

-- may_see: owner, granted roles, monitors; without a pipeline the submitter
RESET ROLE;
SELECT mlpipe_grant('define_order', 'regress_mlpipe_job');
SELECT pipeline_id AS p FROM mlpipe.pipeline WHERE name = 'define_p' \gset
SELECT pipeline_id AS o FROM mlpipe.pipeline WHERE name = 'define_order' \gset
CREATE FUNCTION pg_temp.seen(p integer, o integer) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(mlpipe.may_see(id, 10, r::regrole)::text, ' ' ORDER BY id, r)
	FROM (VALUES (p, 'regress_mlpipe_bob'), (o, 'regress_mlpipe_bob'), (NULL, 'regress_mlpipe_ann'), (NULL, 'regress_mlpipe_bob'), (NULL, 'regress_mlpipe_job')) v(id, r)
$$;
SET ROLE regress_mlpipe_ann;
SELECT pg_temp.seen(:p, :o);
SET ROLE regress_mlpipe_bob;
SELECT pg_temp.seen(:p, :o);
SET ROLE regress_mlpipe_monitor;
SELECT pg_temp.seen(:p, :o);
RESET ROLE;
SELECT pg_temp.seen(:p, :o);

--
-- Dropping
--
INSERT INTO mlpipe.run (version_id, pipeline_id, home, remaining, run_as, submitted_by, submitted_at, group_id, parameters, tags, trigger)
	SELECT version_id, pipeline_id, 0, 1, 10, 10, now(), 0, '{}', '{}', '{}' FROM mlpipe.pipeline_version WHERE pipeline_id = :p AND version = 1;
SET ROLE regress_mlpipe_ann;
SELECT mlpipe_drop_pipeline('define_p');
RESET ROLE;
UPDATE mlpipe.run SET finished_at = now(), status = 'succeeded' WHERE pipeline_id = :p;
SET ROLE regress_mlpipe_ann;
SELECT mlpipe_drop_pipeline('define_p');
SELECT mlpipe_drop_pipeline('define_p');
SELECT mlpipe_alter_pipeline('define_p', enabled => true);
-- the name is free again, and the history is still there
SELECT mlpipe_create_pipeline('define_p', '{"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}');
RESET ROLE;
SELECT count(*) FROM mlpipe.run WHERE pipeline_id = :p;
DELETE FROM mlpipe.run WHERE pipeline_id = :p;

SELECT mlpipe_drop_pipeline('define_p'), mlpipe_drop_pipeline('define_order'), mlpipe_drop_pipeline('define_typed'), mlpipe_drop_pipeline('define_sleepy');
DELETE FROM mlpipe.pipeline_version WHERE pipeline_id IN (SELECT pipeline_id FROM mlpipe.pipeline WHERE name IN ('define_p', 'define_order', 'define_typed', 'define_sleepy'));
DELETE FROM mlpipe.pipeline WHERE name IN ('define_p', 'define_order', 'define_typed', 'define_sleepy');
DROP SCHEMA regress_mlpipe_app CASCADE;
DROP ROLE regress_mlpipe_ann, regress_mlpipe_bob, regress_mlpipe_job, regress_mlpipe_monitor;

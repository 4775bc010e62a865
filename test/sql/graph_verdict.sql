-- The truth table: each pattern with each outcome of its activities, at each
-- level.  What has to follow is worked out here, by the rules that Azure Data
-- Factory publishes, and not taken from what the engine says.
SET client_min_messages = warning;
CREATE SCHEMA verdict;
SET search_path = verdict, public;

-- A shape is "name <- dependency[:condition[|condition]] ...; ...", "name any <-"
-- for a join of that kind.  Names are written in an order that fits.
CREATE TABLE pattern (no serial, title text, shape text, kinds text[] DEFAULT '{ok,fail}', serial boolean DEFAULT true);
INSERT INTO pattern (title, shape, kinds) VALUES
	('one',                         'a', '{ok,fail,off,off_failed,off_skipped}'),
	('chain',                       'a; b <- a; c <- b', '{ok,fail,off,off_failed,off_skipped}'),
	('try-catch',                   'a; h <- a:failed', '{ok,fail,off,off_failed,off_skipped}'),
	('do-if-else',                  'a; t <- a; e <- a:failed', '{ok,fail,off_failed}'),
	('do-if-skip-else',             'a; t <- a; e <- t:skipped', '{ok,fail,off,off_failed,off_skipped}'),
	('try-catch-proceed',           'a; h <- a:failed; n <- h:succeeded|skipped', '{ok,fail,off,off_failed}'),
	('handler at the end',          'a; b <- a; c <- b; h <- c:failed|skipped', '{ok,fail,off_skipped}'),
	('best effort',                 'a; b <- a:completed; c <- b:completed', '{ok,fail,off_failed}'),
	('best effort, skips too',      'a; b <- a; c <- b:completed|skipped', '{ok,fail,off_failed}');
INSERT INTO pattern (title, shape, kinds, serial) VALUES
	('diamond',                     'a; l <- a; r <- a; j <- l r', '{ok,fail,off_skipped}', false),
	('skipped diamond, caught',     'a; h <- a:failed; l <- a; r <- a; j <- l r', DEFAULT, false),
	('diamond, joined on skipped',  'a; l <- a; r <- a:failed; j <- l:succeeded|skipped r:succeeded|skipped', '{ok,fail,off_failed}', false),
	('handler for each, one end',   'a; b <- a; x <- a:failed; y <- b:failed; z <- x:completed|skipped y:completed|skipped', DEFAULT, false),
	('if any of two fails',         'a; b; h <- a:failed b:failed; n <- a b', '{ok,fail,off_failed}', false),
	('join any',                    'a; b; j any <- a b; z <- j', '{ok,fail,off_skipped}', false),
	('join any of handlers',        'a; b; j any <- a:failed b:failed', '{ok,fail,off_failed,off_skipped}', false),
	('join any of branches',        'a; t <- a; e <- a:failed; j any <- t e; h <- j:skipped', DEFAULT, false),
	('join any, mixed conditions',  'a; b <- a; j any <- a:failed b:skipped|failed; k <- j:completed|skipped b:completed|skipped', DEFAULT, false);

CREATE TABLE activity AS
	SELECT pattern.no AS pattern, ord::integer AS place, p[1] AS name, p[2] IS NOT NULL AS join_any,
		coalesce((SELECT jsonb_object_agg(split_part(d, ':', 1), string_to_array(coalesce(nullif(split_part(d, ':', 2), ''), 'succeeded'), '|'))
			FROM regexp_split_to_table(p[3], ' ') d WHERE p[3] IS NOT NULL), '{}') AS waits_for
	FROM pattern, regexp_split_to_table(shape, '; *') WITH ORDINALITY s(part, ord),
		regexp_match(part, '^(\w+)( any)?(?: <- (.*))?$') p;

-- each activity of each pattern with each kind
CREATE TABLE outcome (no serial, pattern integer, kinds text[]);
WITH RECURSIVE grow AS (
	SELECT no AS pattern, '{}'::text[] AS kinds FROM pattern
	UNION ALL
	SELECT g.pattern, g.kinds || k FROM grow g JOIN pattern p ON p.no = g.pattern, unnest(p.kinds) k
	WHERE cardinality(g.kinds) < (SELECT count(*) FROM activity a WHERE a.pattern = g.pattern))
INSERT INTO outcome (pattern, kinds)
	SELECT pattern, kinds FROM grow g
	WHERE cardinality(kinds) = (SELECT count(*) FROM activity a WHERE a.pattern = g.pattern) ORDER BY pattern, kinds;

-- What follows.  A dependency is met by what its activity counts as; all (or
-- any) of them met, the activity is done as its kind says, else it is skipped.
-- The leaves are judged, a skipped one by what it waited for.
CREATE TYPE result AS (ends text, verdict text, handled integer);
CREATE FUNCTION follows(pattern integer, kinds text[], fail_fast boolean DEFAULT false) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
	counts jsonb = '{}';	-- name -> how it counts
	told text[];
	failures integer = 0;
	stopped boolean = false;
	bad boolean;
	handled boolean;
	judged text[];
	one record;
BEGIN
	FOR one IN SELECT a.* FROM activity a WHERE a.pattern = follows.pattern ORDER BY place LOOP
		DECLARE
			total integer;
			met integer;
			counts_as text;
			status text;
		BEGIN
			SELECT count(*), count(*) FILTER (WHERE w.value ? (counts->>w.key)
				OR w.value ? 'completed' AND counts->>w.key IN ('succeeded', 'failed'))
				INTO total, met FROM jsonb_each(one.waits_for) w;
			IF total > 0 AND met < (CASE WHEN one.join_any THEN 1 ELSE total END) THEN
				counts_as = 'skipped';
				status = 'skipped';
			-- what is inactive needs no start, so it ends at once
			ELSIF stopped AND kinds[one.place] NOT LIKE 'off%' THEN
				counts_as = 'cancelled';
				status = 'cancelled';
			ELSE
				counts_as = CASE kinds[one.place] WHEN 'ok' THEN 'succeeded' WHEN 'fail' THEN 'failed'
					WHEN 'off' THEN 'succeeded' ELSE substr(kinds[one.place], 5) END;
				status = CASE WHEN kinds[one.place] LIKE 'off%' THEN 'inactive' ELSE counts_as END;
			END IF;
			IF status = 'failed' THEN
				failures = failures + 1;
			END IF;
			SELECT count(*) > 0 INTO handled FROM activity a
				WHERE a.pattern = follows.pattern AND a.waits_for->one.name ?| '{failed,completed}';
			stopped = stopped OR fail_fast AND counts_as = 'failed' AND NOT handled;
			counts = counts || jsonb_build_object(one.name, counts_as);
			told = told || (one.name || ' ' || status);
		END;
	END LOOP;
	SELECT array_agg(name) INTO judged FROM activity a WHERE a.pattern = follows.pattern
		AND NOT EXISTS (SELECT FROM activity b WHERE b.pattern = a.pattern AND b.waits_for ? a.name);
	WHILE EXISTS (SELECT FROM unnest(judged) n WHERE counts->>n = 'skipped') LOOP
		SELECT array_agg(DISTINCT up) INTO judged FROM (
			SELECT n AS up FROM unnest(judged) n WHERE counts->>n <> 'skipped'
			UNION ALL SELECT w.key FROM unnest(judged) n JOIN activity a ON a.name = n, jsonb_each(a.waits_for) w
			WHERE a.pattern = follows.pattern AND counts->>n = 'skipped') x;
	END LOOP;
	bad = stopped OR EXISTS (SELECT FROM unnest(judged) n WHERE counts->>n <> 'succeeded');
	RETURN (array_to_string(told, ', '), CASE WHEN bad THEN 'failed' ELSE 'succeeded' END, CASE WHEN bad THEN 0 ELSE failures END);
END $$;

-- What is published, pattern by pattern: the verdict for the activities that fail.
CREATE TABLE published (title text, failing text, verdict text);
INSERT INTO published VALUES
	('chain', '', 'succeeded'), ('chain', 'a', 'failed'), ('chain', 'b', 'failed'), ('chain', 'c', 'failed'),
	('try-catch', '', 'succeeded'), ('try-catch', 'a', 'succeeded'), ('try-catch', 'a h', 'failed'),
	('do-if-else', '', 'succeeded'), ('do-if-else', 'a', 'failed'), ('do-if-else', 't', 'failed'), ('do-if-else', 'a e', 'failed'),
	('do-if-skip-else', '', 'succeeded'), ('do-if-skip-else', 'a', 'succeeded'), ('do-if-skip-else', 't', 'failed'), ('do-if-skip-else', 'a e', 'failed'),
	('try-catch-proceed', '', 'succeeded'), ('try-catch-proceed', 'a', 'succeeded'), ('try-catch-proceed', 'n', 'failed'), ('try-catch-proceed', 'a n', 'failed'), ('try-catch-proceed', 'a h', 'failed'),
	('handler at the end', '', 'succeeded'), ('handler at the end', 'a', 'succeeded'), ('handler at the end', 'b', 'succeeded'), ('handler at the end', 'c', 'succeeded'), ('handler at the end', 'a h', 'failed'),
	('best effort', '', 'succeeded'), ('best effort', 'a', 'succeeded'), ('best effort', 'a b', 'succeeded'), ('best effort', 'c', 'failed'),
	('skipped diamond, caught', 'a', 'failed');
SELECT u.title, u.failing, u.verdict, f.*
FROM published u JOIN pattern p USING (title), follows(p.no, (SELECT array_agg(CASE WHEN name = ANY (string_to_array(u.failing, ' ')) THEN 'fail' ELSE 'ok' END ORDER BY place)
	FROM activity a WHERE a.pattern = p.no)) f
WHERE f.verdict <> u.verdict;

CREATE TABLE expected AS SELECT o.*, f.* FROM outcome o, follows(pattern, kinds) f;
SELECT p.title, count(*) AS outcomes, count(*) FILTER (WHERE verdict = 'succeeded') AS succeed, sum(handled) AS handled
FROM expected e JOIN pattern p ON p.no = e.pattern GROUP BY p.no, p.title ORDER BY p.no;

-- the activities of an outcome as they stand in a document
CREATE FUNCTION activities(pattern integer, kinds text[]) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_agg(jsonb_build_object('name', name, 'join', CASE WHEN join_any THEN 'any' ELSE 'all' END, 'depends_on',
			coalesce((SELECT jsonb_agg(CASE WHEN w.value = '["succeeded"]' THEN to_jsonb(w.key)
				ELSE jsonb_build_object('activity', w.key, 'conditions', w.value) END) FROM jsonb_each(waits_for) w), '[]'))
		|| CASE kinds[place] WHEN 'fail' THEN '{"type": "fail", "message": "no"}'::jsonb
			ELSE '{"type": "wait", "duration": 0}' END
		|| CASE WHEN kinds[place] LIKE 'off%' THEN '{"active": false}'::jsonb ELSE '{}' END
		|| CASE WHEN kinds[place] LIKE 'off\_%' THEN jsonb_build_object('on_inactive', substr(kinds[place], 5)) ELSE '{}' END)
	FROM activity a WHERE a.pattern = activities.pattern
$$;
-- statuses of the activities of a run or below a path, in the order of their names in the shape
CREATE FUNCTION ends(run_id bigint, pattern integer, path text DEFAULT '') RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(name || ' ' || status, ', ' ORDER BY place)
	FROM activity a JOIN mlpipe_activities m ON m.activity = path || a.name
	WHERE m.run_id = ends.run_id AND a.pattern = ends.pattern
$$;

--
-- As runs of their own
--
CREATE TABLE run AS SELECT no, mlpipe_submit(jsonb_build_object('activities', activities(pattern, kinds))) AS run_id FROM outcome;
SELECT count(DISTINCT mlpipe_wait(run_id, '2 min')) AS verdicts FROM run;
SELECT p.title, e.kinds, e.ends AS expected, a.ends, e.verdict AS expected, r.status, e.handled AS expected, r.failures_handled
FROM run JOIN expected e USING (no) JOIN pattern p ON p.no = e.pattern JOIN mlpipe_runs r USING (run_id), LATERAL ends(run_id, e.pattern) a(ends)
WHERE (e.ends, e.verdict, e.handled) IS DISTINCT FROM (a.ends, r.status::text, r.failures_handled);

--
-- Inside of each container: its status is the verdict
--
CREATE TABLE level (no serial, title text, before text, document jsonb, run_id bigint);
CREATE FUNCTION document(wrap text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('activities', jsonb_agg(jsonb_build_object('name', 'o' || no) || replace(wrap, '"?"', activities(pattern, kinds)::text)::jsonb))
	FROM outcome WHERE no % 20 = 0 OR kinds <@ '{ok,fail}'
$$;
INSERT INTO level (title, before, document) VALUES
	('then', '.then', document('{"type": "if", "condition": "true", "then": "?"}')),
	('else', '.else', document('{"type": "if", "condition": "false", "else": "?"}')),
	('case', '.x', document('{"type": "switch", "on": "''x''", "cases": {"x": "?", "y": []}}')),
	('for_each', '[2]', document('{"type": "for_each", "items": [1, 2], "activities": "?"}')),
	('until', '[1]', document('{"type": "until", "condition": "true", "fail_on_error": true, "activities": "?"}')),
	('deeper', '.then.each[1].until[1]', document('{"type": "if", "condition": "true", "then": [{"name": "each", "type": "for_each", "items": [1], "activities": [
		{"name": "until", "type": "until", "condition": "true", "fail_on_error": true, "activities": "?"}]}]}'));
UPDATE level SET run_id = mlpipe_submit(document);
SELECT title, mlpipe_wait(run_id, '2 min') FROM level ORDER BY no;
CREATE TABLE row AS SELECT l.no, activity, m.status FROM mlpipe_activities m JOIN level l USING (run_id);
CREATE INDEX ON row (no, activity);
ANALYZE row;
CREATE TABLE seen AS
	SELECT l.title, e.no, e.ends AS expected_ends, e.verdict AS expected, c.status,
		(SELECT string_agg(a.name || ' ' || r.status, ', ' ORDER BY a.place) FROM activity a
			JOIN row r ON r.no = l.no AND r.activity = c.activity || l.before || '.' || a.name WHERE a.pattern = e.pattern) AS ends
	FROM level l CROSS JOIN expected e JOIN row c ON c.no = l.no AND c.activity = 'o' || e.no;
SELECT title, count(*) > 230 AS many, count(*) FILTER (WHERE expected_ends <> ends) AS other_ends, count(*) FILTER (WHERE expected <> status) AS other_verdicts
FROM seen GROUP BY 1 ORDER BY 1;

-- Failures that are caught are counted at any depth, containers are not: until
-- goes on after a failed round, so all of them are.
UPDATE level SET run_id = mlpipe_submit(replace(document::text, ', "fail_on_error": true', '')::jsonb) WHERE title = 'until';
SELECT mlpipe_wait(run_id, '2 min') FROM level WHERE title = 'until';
SELECT failures_handled = (SELECT count(*) FROM expected, regexp_matches(ends, 'failed', 'g') WHERE no % 20 = 0 OR kinds <@ '{ok,fail}') AS all_counted
FROM mlpipe_runs JOIN level USING (run_id) WHERE title = 'until';

-- that is so for one that fails by itself, too, whatever its branches hold
CREATE TABLE itself AS SELECT branch, mlpipe_submit(jsonb_build_object('activities', jsonb_build_array(
	jsonb_build_object('name', 'i', 'type', 'if', 'condition', '1 / 0 = 1', 'then', branch),
	'{"name": "h", "type": "wait", "duration": 0, "depends_on": [{"activity": "i", "conditions": ["failed"]}]}'::jsonb))) AS run_id
FROM (VALUES ('[]'::jsonb), ('[{"name": "a", "type": "wait", "duration": 0}]')) b(branch);
SELECT jsonb_array_length(branch) AS inside, mlpipe_wait(run_id, '1 min'), (SELECT failures_handled FROM mlpipe_runs r WHERE r.run_id = i.run_id) FROM itself i ORDER BY 1;

--
-- As child runs, one pipeline for each pattern
--
CREATE FUNCTION child(wanted integer) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('parameters', (SELECT jsonb_object_agg(name, '{"type": "integer"}'::jsonb) FROM activity WHERE pattern = wanted),
		'activities', (SELECT jsonb_agg(a - 'duration' || jsonb_build_object('type', 'sql', 'sql', format('SELECT 1 / ${{ parameters.%s }}', a->>'name')))
			FROM jsonb_array_elements(activities(wanted, array_fill('ok'::text, '{9}'))) a))
$$;
SELECT count(mlpipe_create_pipeline('verdict_' || no, child(no))) = count(*) AS created FROM pattern;
SELECT mlpipe_submit(jsonb_build_object('activities', jsonb_agg(jsonb_build_object('name', 'o' || no, 'type', 'pipeline', 'pipeline', 'verdict_' || pattern,
	'parameters', (SELECT jsonb_object_agg(name, CASE kinds[place] WHEN 'ok' THEN 1 ELSE 0 END) FROM activity a WHERE a.pattern = o.pattern))))) AS run
FROM outcome o WHERE kinds <@ '{ok,fail}' \gset
SELECT mlpipe_wait(:run, '2 min');
SELECT count(*) > 200 AS many, count(*) FILTER (WHERE e.verdict <> m.status) AS other_verdicts, count(*) FILTER (WHERE e.verdict <> r.status) AS other_runs,
	count(*) FILTER (WHERE e.ends <> ends(r.run_id, e.pattern)) AS other_ends, count(*) FILTER (WHERE e.handled <> r.failures_handled) AS other_handled
FROM expected e JOIN mlpipe_activities m ON m.run_id = :run AND m.activity = 'o' || e.no
JOIN mlpipe_runs r ON r.trigger->>'parent_run_id' = :'run' AND r.trigger->>'parent_activity' = m.activity;
SELECT count(mlpipe_drop_pipeline('verdict_' || no, true)) > 0 AS dropped FROM pattern;

--
-- fail_fast, where one activity goes at a time
--
CREATE TABLE fast AS SELECT o.no, o.pattern, follows(o.pattern, o.kinds, true) AS f, title, wrap,
	mlpipe_submit(jsonb_build_object('fail_fast', true, 'activities', CASE WHEN wrap THEN
		jsonb_build_array(jsonb_build_object('name', 'i', 'type', 'if', 'condition', 'true', 'then', activities(o.pattern, o.kinds))) ELSE activities(o.pattern, o.kinds) END)) AS run_id
	FROM outcome o JOIN pattern p ON p.no = o.pattern, (VALUES (false), (true)) w(wrap) WHERE p.serial AND (o.no % 6 = 0 OR o.kinds <@ '{ok,fail,off_failed}');
SELECT count(DISTINCT mlpipe_wait(run_id, '2 min')) AS verdicts FROM fast;
SELECT wrap, count(*) > 150 AS many, count(*) FILTER (WHERE (f).verdict <> r.status) AS other_verdicts, count(*) FILTER (WHERE (f).handled <> r.failures_handled) AS other_handled,
	count(*) FILTER (WHERE (f).ends <> ends(run_id, pattern, CASE WHEN wrap THEN 'i.then.' ELSE '' END)) AS other_ends
FROM fast JOIN mlpipe_runs r USING (run_id) GROUP BY 1 ORDER BY 1;
-- an inactive activity that counts as failed stops the run, too: what it does not wait for is cancelled
CREATE TABLE off AS SELECT title, mlpipe_submit(document) AS run_id FROM (VALUES
	('before the run begins', '{"fail_fast": true, "activities": [{"name": "off", "type": "sql", "sql": "SELECT 1", "active": false, "on_inactive": "failed"}, {"name": "long", "type": "wait", "duration": 60}]}'::jsonb),
	('as it goes on', '{"fail_fast": true, "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}, {"name": "off", "type": "sql", "sql": "SELECT 1", "active": false, "on_inactive": "failed", "depends_on": ["a"]}, {"name": "long", "type": "sql", "sql": "SELECT pg_sleep(60)"}]}'),
	('inside', '{"fail_fast": true, "activities": [{"name": "i", "type": "if", "condition": "true", "then": [{"name": "off", "type": "sql", "sql": "SELECT 1", "active": false, "on_inactive": "failed"}]}, {"name": "long", "type": "wait", "duration": 60}]}'),
	('caught', '{"fail_fast": true, "activities": [{"name": "off", "type": "sql", "sql": "SELECT 1", "active": false, "on_inactive": "failed"}, {"name": "h", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "off", "conditions": ["failed"]}]}, {"name": "long", "type": "wait", "duration": 0.1}]}')) d(title, document);
SELECT title, mlpipe_wait(run_id, '30 s') FROM off ORDER BY title;
SELECT title, error, (SELECT string_agg(activity || ' ' || a.status, ', ' ORDER BY activity) FROM mlpipe_activities a WHERE a.run_id = r.run_id AND activity <> 'i') AS ends
FROM off JOIN mlpipe_runs r USING (run_id) ORDER BY title;
-- a loop's look at its condition handles nothing, and its failure is the loop's
CREATE TABLE looks AS SELECT title, mlpipe_submit(jsonb_build_object('fail_fast', true, 'activities', jsonb_build_array(
	'{"name": "l"}'::jsonb || loop, jsonb_build_object('name', 'h', 'type', 'wait', 'duration', 0.1, 'depends_on', handler),
	jsonb_build_object('name', 'long', 'type', 'wait', 'duration', CASE WHEN title LIKE '%caught' THEN 0.1 ELSE 60 END)))) AS run_id FROM (VALUES
	('round', '{"type": "until", "condition": "false", "activities": [{"name": "a", "type": "fail", "message": "no"}]}'::jsonb, '[{"activity": "l", "conditions": ["failed"]}]'::jsonb),
	('round, caught', '{"type": "until", "condition": "true", "activities": [{"name": "a", "type": "fail", "message": "no"}, {"name": "b", "type": "wait", "duration": 0, "depends_on": [{"activity": "a", "conditions": ["failed"]}]}]}', '[]'),
	('iteration', '{"type": "for_each", "items": [1], "break": "false", "activities": [{"name": "a", "type": "fail", "message": "no"}]}', '[{"activity": "l", "conditions": ["failed"]}]'),
	('look', '{"type": "until", "condition": "1 / 0 = 1", "activities": [{"name": "a", "type": "wait", "duration": 0}]}', '["l"]'),
	('look, caught', '{"type": "until", "condition": "1 / 0 = 1", "activities": [{"name": "a", "type": "wait", "duration": 0}]}', '[{"activity": "l", "conditions": ["failed"]}]'),
	('look at a break, caught', '{"type": "for_each", "items": [1], "break": "1 / 0 = 1", "activities": [{"name": "a", "type": "wait", "duration": 0}]}', '[{"activity": "l", "conditions": ["failed"]}]')) d(title, loop, handler);
SELECT title, mlpipe_wait(run_id, '30 s') FROM looks ORDER BY title;
SELECT title, (SELECT status FROM mlpipe_activities a WHERE a.run_id = r.run_id AND activity = 'long') AS long, failures_handled FROM looks JOIN mlpipe_runs r USING (run_id) ORDER BY title;
--
-- So many that they are counted apart: joins of 150, and 150 leaves
--
CREATE FUNCTION many(failing integer[], conditions text[], joined boolean) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_agg(jsonb_build_object('name', 'a' || i) || CASE WHEN i = ANY (failing) THEN '{"type": "fail", "message": "no"}'::jsonb ELSE '{"type": "wait", "duration": 0}' END)
		|| CASE WHEN joined THEN jsonb_build_array(
			jsonb_build_object('name', 'j', 'type', 'wait', 'duration', 0, 'depends_on', (SELECT jsonb_agg(jsonb_build_object('activity', 'a' || i, 'conditions', conditions)) FROM generate_series(1, 150) i)),
			'{"name": "h", "type": "wait", "duration": 0, "depends_on": [{"activity": "j", "conditions": ["skipped"]}]}'::jsonb) ELSE '[]' END
	FROM generate_series(1, 150) i
$$;
CREATE TABLE wide AS SELECT row_number() OVER () AS no, f.*, c.*, w.*,
	CASE WHEN NOT joined THEN 'leaves' WHEN failing <> '{}' AND conditions = '{succeeded}' OR cardinality(failing) < 150 AND conditions = '{failed}' THEN 'h' ELSE 'j' END AS ran
	FROM (VALUES ('{}'::integer[]), ('{77,150}'), ((SELECT array_agg(i) FROM generate_series(1, 150) i))) f(failing),
		(VALUES ('{succeeded}'::text[], true), ('{completed}', true), ('{failed}', true), ('{succeeded}', false)) c(conditions, joined), (VALUES ('root'), ('then'), ('each')) w(level);
ALTER TABLE wide ADD run_id bigint;
UPDATE wide SET run_id = mlpipe_submit(jsonb_build_object('activities', CASE level
	WHEN 'root' THEN many(failing, conditions, joined)
	WHEN 'then' THEN jsonb_build_array(jsonb_build_object('name', 'i', 'type', 'if', 'condition', 'true', 'then', many(failing, conditions, joined)))
	ELSE jsonb_build_array(jsonb_build_object('name', 'i', 'type', 'for_each', 'items', '[1, 2]'::jsonb, 'activities', many(failing, conditions, joined))) END));
SELECT count(*) FROM wide WHERE mlpipe_wait(run_id, '2 min') IS NULL;
SELECT level, ran, count(*), r.status, sum(failures_handled) AS handled,
	(SELECT string_agg(DISTINCT right(a.activity, 1) || ' ' || a.status, ', ') FROM mlpipe_activities a JOIN wide x USING (run_id) WHERE x.level = w.level AND x.ran = w.ran AND a.activity ~ '(^|[.])[jh]$') AS joins
FROM wide w JOIN mlpipe_runs r USING (run_id) GROUP BY 1, 2, 4 ORDER BY 1, 2, 4;
SELECT count(*) AS left_over FROM mlpipe.tally JOIN wide USING (run_id);
DROP SCHEMA verdict CASCADE;

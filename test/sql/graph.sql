-- How a graph is judged: every shape with every outcome.  A shape is written as
-- "name kind <- dependency[:condition[|condition]] ...; ...", where a kind is
-- ok, fail, or off, off_failed, off_skipped for an inactive activity.
SET client_min_messages = warning;

CREATE FUNCTION pg_temp.graph(shape text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT more || jsonb_build_object('activities', jsonb_agg(
		jsonb_build_object('name', p[1], 'depends_on', coalesce(d.deps, '[]')) ||
		CASE WHEN p[2] = 'fail' THEN jsonb_build_object('type', 'fail', 'message', p[1] || ' failed')
			ELSE '{"type": "sql", "sql": "SELECT 1"}' END ||
		CASE WHEN p[2] = 'off' THEN '{"active": false}'
			WHEN p[2] LIKE 'off\_%' THEN jsonb_build_object('active', false, 'on_inactive', substr(p[2], 5))
			ELSE '{}' END ORDER BY ord))
	FROM regexp_split_to_table(shape, '; *') WITH ORDINALITY s(part, ord)
	CROSS JOIN LATERAL regexp_match(part, '^(\S+) (\S+)(?: <- (.*))?$') AS p
	CROSS JOIN LATERAL (
		SELECT jsonb_agg(CASE WHEN dep LIKE '%:%'
			THEN jsonb_build_object('activity', split_part(dep, ':', 1),
				'conditions', string_to_array(split_part(dep, ':', 2), '|'))
			ELSE to_jsonb(dep) END) AS deps
		FROM regexp_split_to_table(p[3], ' ') dep WHERE p[3] IS NOT NULL) d
$$;

CREATE TEMP TABLE shape (no serial, title text, shape text, options jsonb DEFAULT '{}', run_id bigint);

-- one dependency: each condition against each end
INSERT INTO shape (title, shape)
SELECT format('%s on %s', kind, condition),
	CASE kind WHEN 'succeeded' THEN 'a ok' WHEN 'failed' THEN 'a fail'
		ELSE 'x fail; s ok <- x:failed; a ok <- x' END
	|| format('; b ok <- a:%s', condition)
FROM (VALUES (1, 'succeeded'), (2, 'failed'), (3, 'skipped')) k(i, kind),
	(VALUES (1, 'succeeded'), (2, 'failed'), (3, 'skipped'), (4, 'completed'), (5, 'succeeded|failed'),
		(6, 'succeeded|skipped'), (7, 'failed|skipped'), (8, 'completed|skipped')) c(j, condition)
ORDER BY i, j;

INSERT INTO shape (title, shape) VALUES
	('chain', 'a ok; b ok <- a; c ok <- b'),
	('chain, first fails', 'a fail; b ok <- a; c ok <- b'),
	('chain, middle fails', 'a ok; b fail <- a; c ok <- b'),
	('chain, last fails', 'a ok; b ok <- a; c fail <- b'),
	('try-catch', 'a ok; h ok <- a:failed'),
	('try-catch, caught', 'a fail; h ok <- a:failed'),
	('try-catch, handler fails', 'a fail; h fail <- a:failed'),
	('do-if-else', 'a ok; t ok <- a; e ok <- a:failed'),
	('do-if-else, fails', 'a fail; t ok <- a; e ok <- a:failed'),
	('do-if-else, then fails', 'a ok; t fail <- a; e ok <- a:failed'),
	('do-if-else, else fails', 'a fail; t ok <- a; e fail <- a:failed'),
	('do-if-skip-else', 'a ok; t ok <- a; e ok <- t:skipped'),
	('do-if-skip-else, fails', 'a fail; t ok <- a; e ok <- t:skipped'),
	('do-if-skip-else, else fails', 'a fail; t ok <- a; e fail <- t:skipped'),
	('try-catch-proceed', 'a ok; h ok <- a:failed; n ok <- h:succeeded|skipped'),
	('try-catch-proceed, caught', 'a fail; h ok <- a:failed; n ok <- h:succeeded|skipped'),
	('try-catch-proceed, next fails', 'a fail; h ok <- a:failed; n fail <- h:succeeded|skipped'),
	('try-catch-proceed, handler fails', 'a fail; h fail <- a:failed; n ok <- h:succeeded|skipped'),
	('handler at the end', 'a ok; b ok <- a; c ok <- b; h ok <- c:failed|skipped'),
	('handler at the end, first fails', 'a fail; b ok <- a; c ok <- b; h ok <- c:failed|skipped'),
	('handler at the end, last fails', 'a ok; b ok <- a; c fail <- b; h ok <- c:failed|skipped'),
	('handler at the end fails', 'a ok; b fail <- a; c ok <- b; h fail <- c:failed|skipped'),
	('best effort', 'a ok; b ok <- a:completed; c ok <- b:completed'),
	('best effort, first fails', 'a fail; b ok <- a:completed; c ok <- b:completed'),
	('best effort, all but the last fail', 'a fail; b fail <- a:completed; c ok <- b:completed'),
	('best effort, last fails', 'a ok; b ok <- a:completed; c fail <- b:completed'),
	('diamond', 'a ok; l ok <- a; r ok <- a; j ok <- l r'),
	('diamond, one side fails', 'a ok; l ok <- a; r fail <- a; j ok <- l r'),
	('diamond, both sides fail', 'a ok; l fail <- a; r fail <- a; j ok <- l r'),
	('diamond, first fails', 'a fail; l ok <- a; r ok <- a; j ok <- l r'),
	('diamond, join on a failure and a success', 'a ok; l ok <- a; r fail <- a; j ok <- l r:failed'),
	('skipped diamond, caught above', 'a fail; h ok <- a:failed; l ok <- a; r ok <- a; j ok <- l r'),
	('skipped diamond, joined on skipped', 'a fail; l ok <- a; r ok <- a; j ok <- l:skipped r:skipped'),
	('a skipped leaf is judged by a success above', 'a ok; b ok <- a:failed; c ok <- b'),
	('fan-out', 'b ok; p1 ok <- b; p2 ok <- b; p3 ok <- b; q1 ok <- p1; q2 ok <- p2; q3 ok <- p3'),
	('fan-out, one branch fails', 'b ok; p1 ok <- b; p2 fail <- b; p3 ok <- b; q1 ok <- p1; q2 ok <- p2; q3 ok <- p3'),
	('fan-out, one branch is caught', 'b ok; p1 ok <- b; p2 fail <- b; h ok <- p2:failed; q1 ok <- p1'),
	('independent', 'a ok; b ok; c ok'),
	('independent, one fails', 'a ok; b fail; c ok'),
	('a dependency named later', 'b ok <- a; a ok'),
	('inactive', 'a off'),
	('inactive as failed', 'a off_failed'),
	('inactive as skipped', 'a off_skipped'),
	('inactive, then', 'a off; b ok <- a'),
	('inactive as failed, then', 'a off_failed; b ok <- a; h ok <- a:failed'),
	('inactive as failed, caught', 'a off_failed; h ok <- a:failed'),
	('inactive as skipped, then', 'a off_skipped; b ok <- a; c ok <- a:skipped'),
	('inactive in the middle', 'a ok; b off <- a; c ok <- b'),
	('inactive in the middle, as failed', 'a ok; b off_failed <- a; c ok <- b:failed'),
	('inactive is skipped where unmet', 'a fail; b off <- a; c ok <- b:skipped'),
	('all inactive', 'a off; b off <- a; c off_skipped <- b; d off <- c:skipped'),
	('an inactive join', 'a ok; b ok; j off <- a b; z ok <- j');

UPDATE shape SET run_id = mlpipe_submit(pg_temp.graph(shape, options));
SELECT mlpipe_wait(run_id, '1 min') AS verdict, count(*) FROM shape GROUP BY 1 ORDER BY 1;

CREATE FUNCTION pg_temp.ends(id bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(activity || ' ' || status, ', ' ORDER BY activity) FROM mlpipe_activities WHERE run_id = id
$$;
SELECT s.title, pg_temp.ends(s.run_id) AS ends, r.status AS run, r.failures_handled AS handled,
	CASE WHEN s.title NOT LIKE '%both%' THEN r.error END AS error	-- of two at once either may be the first
FROM shape s JOIN mlpipe_runs r USING (run_id) ORDER BY s.no;

-- what never ran has a finishing time, no starting time, and attempt 0
SELECT status, count(*) > 0 AS some,
	bool_and((started_at IS NULL) = (status IN ('skipped', 'inactive'))) AS started,
	bool_and(finished_at IS NOT NULL) AS finished, min(attempt), max(attempt), bool_and(wait_reason IS NULL) AS no_reason
FROM mlpipe_activities a JOIN shape USING (run_id) GROUP BY 1 ORDER BY 1;

-- handled failures are listed as errors all the same
SELECT s.title, e.activity, e.attempt, e.sqlstate, e.message
FROM mlpipe_errors e JOIN shape s USING (run_id) WHERE s.title LIKE 'try-catch%' ORDER BY s.no, e.activity;

-- no activity started before all that it waits for had ended
SELECT count(*) AS too_early
FROM shape s JOIN mlpipe.run r USING (run_id)
JOIN mlpipe.activity_dependency d USING (version_id)
JOIN mlpipe.activity_run a ON a.run_id = s.run_id AND a.no = d.no
JOIN mlpipe.activity_run b ON b.run_id = s.run_id AND b.no = d.depends_on
WHERE a.started_at < b.finished_at;

--
-- fail_fast
--
CREATE TEMP TABLE fast (no serial, title text, doc jsonb, run_id bigint);
INSERT INTO fast (title, doc) VALUES
	('the first failure cancels what runs and what waits',
		'{"fail_fast": true, "activities": [{"name": "a", "type": "fail", "message": "oops"},
			{"name": "long", "type": "sql", "sql": "SELECT pg_sleep(60)"},
			{"name": "after", "type": "sql", "sql": "SELECT 1", "depends_on": ["long"]},
			{"name": "sleep", "type": "wait", "duration": 60}]}'),
	('a failure that is handled does not',
		'{"fail_fast": true, "activities": [{"name": "a", "type": "fail", "message": "oops"},
			{"name": "h", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "a", "conditions": ["failed"]}]},
			{"name": "c", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "a", "conditions": ["completed"]}]},
			{"name": "long", "type": "sql", "sql": "SELECT pg_sleep(0.1)"}]}'),
	('a dependency on succeeded or skipped handles nothing',
		'{"fail_fast": true, "activities": [{"name": "a", "type": "fail", "message": "oops"},
			{"name": "b", "type": "sql", "sql": "SELECT 1", "depends_on": [{"activity": "a", "conditions": ["succeeded", "skipped"]}]},
			{"name": "long", "type": "sql", "sql": "SELECT pg_sleep(60)"}]}'),
	('a failure that is tried again does not yet',
		'{"fail_fast": true, "activities": [{"name": "a", "type": "sql", "sql": "SELECT 1/(SELECT attempt - 1 FROM mlpipe_activities WHERE run_id = mlpipe_run_id() AND activity = ''a'')",
			"retry": {"max_retries": 1, "interval": 0}}, {"name": "b", "type": "sql", "sql": "SELECT pg_sleep(0.1)"}]}');
UPDATE fast SET run_id = mlpipe_submit(doc);
SELECT mlpipe_wait(run_id, '1 min') AS verdict, count(*) FROM fast GROUP BY 1 ORDER BY 1;
SELECT title, r.status, pg_temp.ends(run_id) AS ends, r.error, r.elapsed < '30 s' AS soon
FROM fast JOIN mlpipe_runs r USING (run_id) ORDER BY no;

-- several failures at once stop the run once: nothing deadlocks, nobody dies
CREATE TEMP TABLE several AS SELECT mlpipe_submit(pg_temp.graph('a fail; b fail; c fail; d ok <- a; e ok <- a b c', '{"fail_fast": true}')) AS run_id
	FROM generate_series(1, 30);
SELECT mlpipe_wait(run_id, '1 min') AS verdict, count(*) FROM several GROUP BY 1;
-- what the failure itself says, or that it was cancelled first
SELECT count(*) AS others FROM mlpipe_errors e JOIN several USING (run_id) WHERE e.sqlstate NOT IN ('P0001', '57014');
SELECT bool_and(finished_at IS NOT NULL) AS ended FROM mlpipe_activities JOIN several USING (run_id);

SELECT mlpipe_purge('0') > 0 AS purged;

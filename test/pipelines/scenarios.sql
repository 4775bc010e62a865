-- Each pipeline with every activity failing, and with others besides it.

CREATE TABLE translated (name text PRIMARY KEY, file jsonb);
CREATE TABLE scenario (no serial PRIMARY KEY, name text, parameters jsonb, broken text[], run_id bigint, rerun bigint, UNIQUE (name, parameters, broken));

-- What the oracle says, and a run that is to do the same.
CREATE FUNCTION try(pipeline text, given jsonb, breaks text[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	number integer;
	everything jsonb = given || jsonb_build_object('broken', breaks);
BEGIN
	INSERT INTO scenario (name, parameters, broken) VALUES (pipeline, given, breaks) ON CONFLICT DO NOTHING RETURNING no INTO number;
	IF number IS NOT NULL THEN
		UPDATE scenario SET run_id = mlpipe_submit(pipeline, everything) WHERE no = number;
		PERFORM oracle.run(pipeline, everything, number);
	END IF;
	RETURN number;
END $$;

-- Where work is done in a scenario: the paths without numbers, and of loops one
-- iteration by itself.
CREATE FUNCTION places(number integer) RETURNS TABLE (place text) LANGUAGE sql AS $$
	SELECT DISTINCT p FROM oracle.told, substring(key FROM '[^>]*$') path, unnest(ARRAY[regexp_replace(path, '\[\d+\]', '', 'g'), CASE WHEN path ~ '^[^[]*\[2\][^[]*$' THEN path END]) p
	WHERE scenario = number AND attempt > 0 AND type IN ('sql', 'lookup', 'copy', 'parallel', 'validation') AND p IS NOT NULL ORDER BY 1
$$;

-- Nothing fails; then each place in turn, but for those that other parameters led
-- to before; then what only runs after that fails as well, and where there are
-- few places any two of them.
CREATE PROCEDURE try_all(pipeline text, given jsonb, few integer) LANGUAGE plpgsql AS $$
DECLARE
	base integer = try(pipeline, given, '{}');
	single integer;
	one text;
	other text;
	count integer = (SELECT count(*) FROM places(base));
BEGIN
	COMMIT;
	FOR one IN SELECT * FROM places(base) LOOP
		CONTINUE WHEN EXISTS (SELECT FROM scenario WHERE name = pipeline AND broken = ARRAY[one]);
		single = try(pipeline, given, ARRAY[one]);
		IF EXISTS (SELECT FROM oracle.told WHERE scenario = single AND attempt > 1 AND type IN ('sql', 'lookup', 'copy') AND one = regexp_replace(substring(key FROM '[^>]*$'), '\[\d+\]', '', 'g')) THEN
			PERFORM try(pipeline, given, ARRAY['flaky:' || one]);
		END IF;
		FOR other IN SELECT * FROM places(single) p WHERE place <> one AND (count <= few OR place NOT LIKE '%[%' AND NOT EXISTS (SELECT FROM places(base) b WHERE b.place = p.place)) LOOP
			PERFORM try(pipeline, given, ARRAY[least(one, other), greatest(one, other)]);
		END LOOP;
		COMMIT;
	END LOOP;
END $$;

--
-- What came of it
--

-- The runs of a scenario, or the reruns, and their children.
CREATE FUNCTION family(of_reruns boolean) RETURNS TABLE (scenario integer, key text, run_id bigint, status text, error text, output jsonb, failures_handled integer) LANGUAGE sql AS $$
	WITH RECURSIVE run AS MATERIALIZED (
		SELECT run_id, (trigger->>'parent_run_id')::bigint AS parent, trigger->>'parent_activity' AS activity, status, error, output, failures_handled FROM mlpipe_runs),
	family AS (
		SELECT no AS scenario, '' AS key, r.* FROM scenario s JOIN run r ON r.run_id = CASE WHEN of_reruns THEN s.rerun ELSE s.run_id END
		UNION ALL SELECT scenario, key || r.activity || '>', r.* FROM family f JOIN run r ON r.parent = f.run_id)
	-- a pipeline that was tried again has several
	SELECT DISTINCT ON (scenario, key) scenario, key, run_id, status, error, output, failures_handled FROM family ORDER BY scenario, key, run_id DESC
$$;

-- A path and those of all that is around it.
CREATE FUNCTION around(key text) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
	SELECT key UNION SELECT left(key, i - 1) FROM generate_series(2, length(key)) i WHERE substr(key, i, 1) IN ('.', '[', '>')
$$;

CREATE TABLE difference (scenario integer, what text);

CREATE PROCEDURE compare() LANGUAGE plpgsql AS $$
BEGIN
	CREATE TABLE run AS SELECT * FROM family(false);
	CREATE TABLE ended AS SELECT r.scenario, r.key || a.activity AS key, a.status::text, a.attempt, a.error FROM mlpipe_activities a JOIN run r USING (run_id);
	CREATE INDEX ON ended (scenario, key);
	CREATE TABLE worked AS
		SELECT r.scenario, r.key || t.activity AS key, n FROM (
			SELECT run_id, activity, n FROM trail
			UNION ALL SELECT run_id, activity, detail::bigint FROM mlpipe_errors WHERE message LIKE '%is broken' AND detail ~ '^\d+$') t JOIN run r USING (run_id);
	-- of each activity and all inside, the first and the last that worked
	CREATE TABLE span AS
		SELECT scenario, whole, min(n) AS began, max(n) AS ended FROM worked w, around(key) whole
		WHERE NOT EXISTS (SELECT FROM oracle.told t WHERE t.scenario = w.scenario AND NOT awaited AND starts_with(w.key, t.key || '>') AND length(whole) <= length(t.key))
		GROUP BY 1, 2;
	CREATE INDEX ON span (scenario, whole);
	ANALYZE run, ended, span;
	INSERT INTO difference
		SELECT scenario, format('%s is %s (attempt %s, %s) instead of %s (attempt %s, %s)', key, e.status, e.attempt, e.error, t.status, t.attempt, t.error)
		FROM ended e FULL JOIN (SELECT * FROM oracle.told WHERE type IS NOT NULL) t USING (scenario, key)
		WHERE (e.status, e.attempt) IS DISTINCT FROM (t.status, t.attempt);
	INSERT INTO difference
		SELECT scenario, format('the run %s is %s instead of %s', key, r.status, t.status)
		FROM run r FULL JOIN (SELECT * FROM oracle.told WHERE type IS NULL) t USING (scenario, key) WHERE r.status IS DISTINCT FROM t.status;
	INSERT INTO difference
		SELECT scenario, format('the run %s put out %s instead of %s', key, r.output, t.output)
		FROM run r JOIN oracle.told t USING (scenario, key) WHERE t.type IS NULL AND t.output IS DISTINCT FROM r.output;
	INSERT INTO difference
		SELECT scenario, format('the run %s handled %s failures instead of %s, its error is %s', key, r.failures_handled, failures, r.error)
		FROM run r, LATERAL (SELECT count(*) AS failures FROM oracle.told t WHERE r.status = 'succeeded' AND t.scenario = r.scenario AND starts_with(t.key, r.key) AND strpos(substr(t.key, length(r.key) + 1), '>') = 0
			AND t.status = 'failed' AND type NOT IN ('if', 'switch', 'for_each', 'until')) f
		WHERE failures <> r.failures_handled OR (r.status = 'failed') <> (r.error IS NOT NULL);
	INSERT INTO difference
		SELECT t.scenario, format('%s began before %s had ended', t.key, e.whole)
		FROM oracle.told t, unnest(t.after) a(key), span b, span e
		WHERE b.scenario = t.scenario AND b.whole = t.key AND e.scenario = t.scenario AND e.whole = a.key AND b.began < e.ended;
END $$;

--
-- Reruns in which nothing is broken any more
--

-- Of every few scenarios that had something broken, and only that.
CREATE PROCEDURE rerun(every integer) LANGUAGE sql AS $$
	UPDATE scenario SET rerun = mlpipe_rerun(run_id, parameters => '{"broken": []}') WHERE cardinality(broken) = 1 AND no % every = 0
$$;

-- All ends as where nothing was broken, and what had succeeded is not done again
-- but for what follows from what had failed.
CREATE PROCEDURE compare_reruns() LANGUAGE plpgsql AS $$
BEGIN
	CREATE TABLE base AS SELECT s.no AS scenario, b.no AS base FROM scenario s JOIN scenario b USING (name, parameters) WHERE b.broken = '{}' AND s.rerun IS NOT NULL;
	CREATE TABLE again AS SELECT base, r.* FROM family(true) r JOIN base USING (scenario);
	CREATE TABLE ended_again AS SELECT r.scenario, r.base, r.key || a.activity AS key, a.status::text, a.reused_from, a.error FROM mlpipe_activities a JOIN again r USING (run_id);
	-- what had to be done again: it failed, or ends otherwise than before
	CREATE TABLE undone AS
		SELECT base.scenario, e.key FROM ended e JOIN base USING (scenario) LEFT JOIN oracle.told t ON t.scenario = base AND t.key = e.key
		WHERE e.status IN ('failed', 'cancelled') OR e.status IS DISTINCT FROM t.status;
	CREATE INDEX ON ended_again (scenario, key);
	CREATE INDEX ON undone (scenario, key);
	ANALYZE ended_again, undone;
	-- A container that is taken over is as it was, with failures that it had handled.
	INSERT INTO difference
		SELECT e.scenario, format('rerun: %s is %s (reused from %s, %s) instead of %s', e.key, e.status, e.reused_from, e.error, t.status)
		FROM ended_again e LEFT JOIN oracle.told t ON t.scenario = e.base AND t.key = e.key
		WHERE e.status IS DISTINCT FROM t.status AND NOT EXISTS (SELECT FROM ended_again o WHERE o.scenario = e.scenario AND o.reused_from IS NOT NULL AND o.key <> e.key AND o.key IN (SELECT around(e.key)));
	INSERT INTO difference
		SELECT r.scenario, format('rerun: the run %s is %s instead of %s, puts out %s instead of %s, %s', r.key, r.status, t.status, r.output, t.output, r.error)
		FROM again r LEFT JOIN oracle.told t ON t.scenario = r.base AND t.key = r.key
		WHERE r.status IS DISTINCT FROM t.status OR r.output IS DISTINCT FROM t.output AND NOT EXISTS (SELECT FROM ended_again e LEFT JOIN oracle.told t ON t.scenario = e.base AND t.key = e.key
			WHERE e.scenario = r.scenario AND e.status IS DISTINCT FROM t.status);
	INSERT INTO difference
		SELECT base.scenario, format('rerun: %s is not there', t.key) FROM base JOIN oracle.told t ON t.scenario = base
		WHERE type IS NOT NULL AND t.key !~ '[.[>]' AND NOT EXISTS (SELECT FROM ended_again e WHERE e.scenario = base.scenario AND e.key = t.key);
	-- children, rounds and joins of any begin anew
	INSERT INTO difference
		SELECT w.scenario, format('rerun: %s was done again', key)
		FROM (SELECT r.scenario, r.key || t.activity AS key FROM trail t JOIN again r USING (run_id)) w JOIN ended e USING (scenario, key) JOIN oracle.told t USING (scenario, key)
		WHERE e.status = 'succeeded' AND t.type <> 'parallel' AND key NOT LIKE '%>%' AND NOT EXISTS (SELECT FROM scenario JOIN translated USING (name) WHERE no = scenario AND file::text LIKE '%"join": "any"%')
			AND NOT EXISTS (SELECT FROM around(key) o JOIN oracle.told u ON u.scenario = w.scenario AND u.key = o
				WHERE u.type = 'until' OR EXISTS (SELECT FROM undone WHERE undone.scenario = w.scenario AND undone.key = ANY (u.after)));
END $$;

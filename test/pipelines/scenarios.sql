-- Each pipeline with every activity failing, and with others besides it.

CREATE TABLE translated (name text PRIMARY KEY, file jsonb);
CREATE TABLE scenario (no serial PRIMARY KEY, name text, parameters jsonb, broken text[], run_id bigint, UNIQUE (name, parameters, broken));

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

CREATE VIEW family AS
WITH RECURSIVE run AS MATERIALIZED (
	SELECT run_id, (trigger->>'parent_run_id')::bigint AS parent, trigger->>'parent_activity' AS activity, status, error, output, failures_handled FROM mlpipe_runs),
family AS (
	SELECT no AS scenario, '' AS key, r.* FROM scenario JOIN run r USING (run_id)
	UNION ALL SELECT scenario, key || r.activity || '>', r.* FROM family f JOIN run r ON r.parent = f.run_id)
SELECT DISTINCT ON (scenario, key) * FROM family ORDER BY scenario, key, run_id DESC;

CREATE TABLE difference (scenario integer, what text);

CREATE PROCEDURE compare() LANGUAGE plpgsql AS $$
BEGIN
	CREATE TABLE run AS SELECT * FROM family;
	CREATE TABLE ended AS SELECT r.scenario, r.key || a.activity AS key, a.status::text, a.attempt, a.error FROM mlpipe_activities a JOIN run r USING (run_id);
	CREATE TABLE worked AS
		SELECT r.scenario, r.key || t.activity AS key, n FROM (
			SELECT run_id, activity, n FROM trail
			UNION ALL SELECT run_id, activity, detail::bigint FROM mlpipe_errors WHERE message LIKE '%is broken' AND detail ~ '^\d+$') t JOIN run r USING (run_id);
	-- of each activity and all inside, the first and the last that worked
	CREATE TABLE span AS
		SELECT scenario, whole, min(n) AS began, max(n) AS ended FROM worked, LATERAL (
			SELECT key AS whole UNION SELECT left(key, i - 1) FROM generate_series(2, length(key)) i WHERE substr(key, i, 1) IN ('.', '[', '>')) w
		WHERE NOT EXISTS (SELECT FROM oracle.told t WHERE t.scenario = worked.scenario AND NOT awaited AND starts_with(worked.key, t.key || '>') AND length(whole) <= length(t.key))
		GROUP BY 1, 2;
	CREATE INDEX ON span (scenario, whole);
	INSERT INTO difference
		SELECT scenario, format('%s is %s (attempt %s, %s) instead of %s (attempt %s, %s)', key, e.status, e.attempt, e.error, t.status, t.attempt, t.error) AS what
		FROM ended e FULL JOIN (SELECT * FROM oracle.told WHERE type IS NOT NULL) t USING (scenario, key)
		WHERE (e.status, e.attempt) IS DISTINCT FROM (t.status, t.attempt)
		UNION ALL
		SELECT scenario, format('the run %s is %s instead of %s', key, r.status, t.status)
		FROM run r FULL JOIN (SELECT * FROM oracle.told WHERE type IS NULL) t USING (scenario, key) WHERE r.status IS DISTINCT FROM t.status
		UNION ALL
		SELECT scenario, format('the run %s put out %s instead of %s', key, r.output, t.output)
		FROM run r JOIN oracle.told t USING (scenario, key) WHERE t.type IS NULL AND coalesce(t.output, '{}') <> coalesce(r.output, '{}')
		UNION ALL
		SELECT scenario, format('the run %s handled %s failures instead of %s, its error is %s', key, r.failures_handled, failures, r.error)
		FROM run r, LATERAL (SELECT count(*) AS failures FROM oracle.told t WHERE r.status = 'succeeded' AND t.scenario = r.scenario AND starts_with(t.key, r.key) AND strpos(substr(t.key, length(r.key) + 1), '>') = 0
			AND t.status = 'failed' AND type NOT IN ('if', 'switch', 'for_each', 'until')) f
		WHERE failures <> r.failures_handled OR (r.status = 'failed') <> (r.error IS NOT NULL)
		UNION ALL
		SELECT t.scenario, format('%s began before %s had ended', t.key, e.whole)
		FROM oracle.told t, unnest(t.after) a(key), span b, span e
		WHERE b.scenario = t.scenario AND b.whole = t.key AND e.scenario = t.scenario AND e.whole = a.key AND b.began < e.ended;
END $$;

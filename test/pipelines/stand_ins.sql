-- What the translated pipelines call instead of what the real ones call.

-- Which activities began to work, in the order in which they did.
CREATE TABLE trail (n bigint PRIMARY KEY, run_id bigint, activity text);
CREATE SEQUENCE begun;
CREATE TABLE landed (what text);

-- The number in the innermost brackets of a path: the round, or the iteration.
CREATE FUNCTION round_of(activity text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT substring(activity FROM '.*\[(\d+)\]')::integer
$$;

-- The activity that calls, whether the engine or the oracle has it run.
CREATE FUNCTION this_activity() RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(mlpipe_activity_name(), current_setting('oracle.activity', true))
$$;

-- Any work.  The parameter "broken" names what fails: a path with or without the
-- numbers of its iterations; "flaky:" before it, only in its first attempt.
CREATE FUNCTION work() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	run bigint = mlpipe_run_id();
	me text = this_activity();
	anywhere text = regexp_replace(me, '\[\d+\]', '', 'g');
	broken text[] = CASE WHEN run IS NULL THEN current_setting('oracle.broken') ELSE mlpipe_parameter('broken') END;
	first_attempt boolean = CASE WHEN broken[1] NOT LIKE 'flaky:%' THEN NULL WHEN run IS NULL THEN current_setting('oracle.attempt') = '1'
		ELSE (SELECT attempt = 1 FROM mlpipe_activities a WHERE a.run_id = run AND a.activity = me) END;
BEGIN
	IF broken && ARRAY[me, anywhere] OR first_attempt AND broken && ARRAY['flaky:' || anywhere] THEN
		RAISE '% is broken', me USING DETAIL = coalesce(CASE WHEN run IS NOT NULL THEN nextval('begun') END::text, '');
	END IF;
	IF run IS NOT NULL THEN
		INSERT INTO trail VALUES (nextval('begun'), run, me);
	END IF;
	RETURN true;
END $$;

-- Work that takes so many rounds of the loop around it.
CREATE FUNCTION done_after(rounds integer) RETURNS boolean LANGUAGE sql AS $$
	SELECT work() AND round_of(this_activity()) >= rounds
$$;

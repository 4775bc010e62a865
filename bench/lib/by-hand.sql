-- What one writes without an extension: tables of work, claimed with FOR UPDATE
-- SKIP LOCKED.  Indexed for its claims, with no more bookkeeping than it needs:
-- no attempts, no errors, no timeouts, nothing of who works on what.

-- Items without dependencies, for pgbench.
CREATE TABLE item (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	status text NOT NULL DEFAULT 'ready',
	finished_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX item_ready ON item (id) WHERE status = 'ready';

-- Runs of a graph of steps.
CREATE TABLE edge (graph text, step_from integer, step_to integer);
CREATE INDEX ON edge (graph, step_from);
CREATE TABLE hand_run (
	run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	graph text NOT NULL,
	remaining integer NOT NULL,			-- of the steps that it counts
	finished_at timestamptz
) WITH (fillfactor = 70);
CREATE TABLE hand_step (
	run_id bigint,
	no integer,
	status text NOT NULL,
	remaining integer NOT NULL,
	started_at timestamptz,
	finished_at timestamptz,
	PRIMARY KEY (run_id, no)
) WITH (fillfactor = 70);
CREATE INDEX hand_step_ready ON hand_step (run_id, no) WHERE status = 'ready';

-- leaves_only: a run counts its leaves, not all of its steps.
CREATE FUNCTION hand_submit(of_graph text, count integer, leaves_only boolean) RETURNS void LANGUAGE sql AS $$
	WITH step AS (SELECT step_from AS no FROM edge WHERE graph = of_graph
		UNION SELECT step_to FROM edge WHERE graph = of_graph),
	run AS (INSERT INTO hand_run (graph, remaining)
		SELECT of_graph, (SELECT count(*) FROM step
			WHERE NOT leaves_only OR no NOT IN (SELECT step_from FROM edge WHERE graph = of_graph))
		FROM generate_series(1, count) RETURNING run_id)
	INSERT INTO hand_step (run_id, no, status, remaining)
	SELECT run_id, no, CASE WHEN waits = 0 THEN 'ready' ELSE 'waiting' END, waits
	FROM run, step, LATERAL (SELECT count(*) AS waits FROM edge WHERE graph = of_graph AND step_to = no) w
$$;

-- A worker: takes the oldest ready step, does its work, which is none, marks it,
-- makes ready what waited for it alone, counts down its run, and commits; until
-- all runs are done.
CREATE PROCEDURE hand_work(leaves_only boolean) LANGUAGE plpgsql AS $$
DECLARE
	step record;
BEGIN
	LOOP
		SELECT s.run_id, s.no INTO step FROM hand_step s WHERE s.status = 'ready'
		ORDER BY s.run_id, s.no LIMIT 1 FOR UPDATE SKIP LOCKED;
		IF NOT FOUND THEN
			EXIT WHEN NOT EXISTS (SELECT FROM hand_run WHERE finished_at IS NULL);
			COMMIT;
			PERFORM pg_sleep(0.0005);
			CONTINUE;
		END IF;
		EXECUTE 'SELECT 1';
		UPDATE hand_step SET status = 'done', finished_at = clock_timestamp(), started_at = now()
		WHERE run_id = step.run_id AND no = step.no;
		UPDATE hand_step s SET remaining = s.remaining - 1,
			status = CASE WHEN s.remaining = 1 THEN 'ready' ELSE s.status END
		FROM edge e, hand_run r
		WHERE r.run_id = step.run_id AND e.graph = r.graph AND e.step_from = step.no
			AND s.run_id = r.run_id AND s.no = e.step_to;
		IF NOT (FOUND AND leaves_only) THEN
			UPDATE hand_run SET remaining = remaining - 1,
				finished_at = CASE WHEN remaining = 1 THEN clock_timestamp() END
			WHERE run_id = step.run_id;
		END IF;
		COMMIT;
	END LOOP;
END $$;

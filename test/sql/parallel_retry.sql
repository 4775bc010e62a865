-- The retry of a parallel activity: what has failed is done again, what has
-- succeeded is not.

CREATE ROLE regress_mlpipe_again LOGIN;
CREATE SCHEMA again_test AUTHORIZATION regress_mlpipe_again;
ALTER ROLE regress_mlpipe_again SET search_path = again_test, public;
CREATE FUNCTION again_test.last_words(OUT count bigint, OUT batches bigint) LANGUAGE sql SECURITY DEFINER SET search_path = public AS $$
	SELECT count(*), count(DISTINCT batch)
	FROM mlpipe.mini_batch b WHERE final AND b.run_id = (SELECT max(run_id) FROM mlpipe_runs)
$$;
SET ROLE regress_mlpipe_again;
SET search_path = again_test, public;
SET client_min_messages = warning;

CREATE PROCEDURE step(activity jsonb) LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
BEGIN
	run := mlpipe_submit(jsonb_build_object('activities', jsonb_build_array(
		'{"name": "p", "type": "parallel", "max_concurrency_per_instance": 2, "input": {"table": "part_in"}, "mini_batch_size": "100 rows",
			"retry_settings": {"max_retries": 1}}' || activity)));
	COMMIT;
	PERFORM mlpipe_wait(run, '1 min');
END $$;
CREATE VIEW ended AS
	SELECT a.status, a.attempt, a.error, a.output - 'seconds' - 'batches_per_second' AS output
	FROM mlpipe_activities a WHERE a.run_id = (SELECT max(run_id) FROM mlpipe_runs);
CREATE VIEW batches AS
	SELECT b.status, b.attempt, count(*) AS attempts, min(b.error) AS error
	FROM mlpipe_batches b WHERE b.run_id = (SELECT max(run_id) FROM mlpipe_runs) GROUP BY 1, 2;
CREATE TABLE part_in AS SELECT i AS id FROM generate_series(1, 1000) i;

-- Fails as often as told
CREATE SEQUENCE tries;
CREATE FUNCTION fails(id integer, times integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	IF id = 555 AND nextval('tries') <= times THEN
		RAISE EXCEPTION 'not yet';
	END IF;
	RETURN id;
END $$;

-- A mini-batch has two attempts in each of the step's three
CALL step('{"mini_batch_error_threshold": 0, "retry": {"max_retries": 2, "interval": 0}, "run": "SELECT fails(id, 5) AS id FROM mini_batch", "append_row_to": "out_1"}');
SELECT * FROM ended;
SELECT * FROM batches WHERE status = 'failed' ORDER BY attempt;
SELECT sum(attempts) FROM batches WHERE status = 'succeeded';
SELECT * FROM last_words();
SELECT count(*), count(DISTINCT id) FROM out_1;
SELECT attempt, batch, sqlstate, message FROM mlpipe_errors WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs) ORDER BY attempt, batch NULLS LAST;

-- And no more than that
SELECT setval('tries', 1, false);
CALL step('{"mini_batch_error_threshold": 0, "retry": {"max_retries": 1, "interval": 0.1}, "run": "SELECT fails(id, 4) AS id FROM mini_batch", "append_row_to": "out_2"}');
SELECT status, attempt, error FROM ended;
SELECT * FROM last_words();
SELECT count(*) FROM batches WHERE status = 'failed';

-- By partition keys, with a query that is kept
SELECT setval('tries', 1, false);
SELECT mlpipe_submit('{"activities": [{"name": "p", "type": "parallel", "input": {"query": "SELECT id, id / 3 AS k FROM part_in"}, "partition_keys": ["k"], "mini_batch_error_threshold": 0, "retry_settings": {"max_retries": 1},
	"retry": {"max_retries": 3, "interval": 0}, "run": "SELECT fails(id, 7) AS id, ${{ batch.k }} AS k FROM mini_batch", "append_row_to": "out_3"}]}'::jsonb) AS run \gset
SELECT mlpipe_wait(:run, '1 min');
SELECT * FROM ended;
SELECT * FROM last_words();
SELECT count(*), count(DISTINCT id) FROM out_3;
SELECT count(*) FROM pg_class WHERE relname ~ '^(stage|keys)_';

-- An init that fails; only the errors that are worth it
SELECT setval('tries', 1, false);
CALL step('{"max_concurrency_per_instance": 1, "retry": {"max_retries": 1, "interval": 0}, "init": "SELECT fails(555, 3)", "run": "SELECT id FROM mini_batch"}');
SELECT * FROM ended;
CALL step('{"mini_batch_error_threshold": 0, "retry": {"max_retries": 5, "interval": 0, "on": ["22"]}, "run": "SELECT 1 / (id - 5) FROM mini_batch"}');
SELECT status, attempt, error FROM ended;

-- A cancel does not wait for the pause to be over
SELECT mlpipe_submit('{"activities": [{"name": "p", "type": "parallel", "input": {"table": "part_in"}, "mini_batch_error_threshold": 0, "retry_settings": {"max_retries": 0},
	"retry": {"max_retries": 1, "interval": "1 hour"}, "run": "SELECT 1 / (id - 5) FROM mini_batch"}]}'::jsonb) AS run \gset
DO $$
BEGIN
	FOR i IN 1 .. 1000 LOOP
		EXIT WHEN (SELECT attempt = 2 FROM mlpipe_activities WHERE run_id = (SELECT max(run_id) FROM mlpipe_runs));
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
SELECT mlpipe_cancel(:run);
SELECT mlpipe_wait(:run, '20 s');
SELECT status, attempt FROM ended;
SELECT * FROM last_words();

RESET ROLE;
\o /dev/null
SELECT mlpipe_purge('0');
\o
DROP SCHEMA again_test CASCADE;
DROP OWNED BY regress_mlpipe_again;
DROP ROLE regress_mlpipe_again;

-- Runs that changes of a table start.

CREATE ROLE regress_mlpipe_owner LOGIN;
CREATE ROLE regress_mlpipe_writer;
CREATE SCHEMA change_test AUTHORIZATION regress_mlpipe_owner;
GRANT USAGE ON SCHEMA change_test TO regress_mlpipe_writer;

-- Waits until the changes so far have become runs, and these have ended; shows
-- those that are new.
CREATE TABLE seen (run_id bigint);
CREATE FUNCTION settle() RETURNS TABLE (pipeline text, status text, started_by jsonb, parameters jsonb, submitted_by regrole)
	SECURITY DEFINER LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 2000 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM mlpipe.source_change)
			AND NOT EXISTS (SELECT FROM mlpipe.run r WHERE r.finished_at IS NULL AND r.trigger->>'type' = 'table');
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN QUERY SELECT r.pipeline, r.status, r.trigger, r.parameters, r.submitted_by
		FROM mlpipe_runs r WHERE r.trigger->>'type' = 'table' AND r.run_id > ALL (SELECT run_id FROM seen) ORDER BY r.run_id;
	INSERT INTO seen SELECT max(run_id) FROM mlpipe_runs HAVING count(*) > 0;
END $$;

SET ROLE regress_mlpipe_owner;
CREATE TABLE change_test.source (id integer PRIMARY KEY, v integer);
GRANT SELECT, INSERT, UPDATE, DELETE ON change_test.source TO regress_mlpipe_writer;
SELECT mlpipe_create_pipeline('change_p', '{"parameters": {"source": {"type": "text", "default": "?"}, "n": {"type": "integer", "default": 1}},
	"activities": [{"name": "a", "type": "sql", "sql": "SELECT 1"}]}');
CREATE TRIGGER on_change AFTER INSERT OR UPDATE OR DELETE ON change_test.source FOR EACH STATEMENT
	EXECUTE FUNCTION mlpipe_submit_on_change('change_p', '{"parameters": {"source": "here"}}');

-- A commit starts one run, however many statements there were
BEGIN;
INSERT INTO change_test.source SELECT n, 0 FROM generate_series(1, 100) n;
UPDATE change_test.source SET v = 1;
DELETE FROM change_test.source WHERE id > 50;
COMMIT;
SELECT * FROM settle();
-- a rollback none
BEGIN;
UPDATE change_test.source SET v = 2;
ROLLBACK;
SELECT * FROM settle();
-- what a subtransaction rolled back is made up for by the next statement
BEGIN;
SAVEPOINT a;
UPDATE change_test.source SET v = 3;
ROLLBACK TO a;
DELETE FROM change_test.source WHERE id = 1;
SAVEPOINT b;
UPDATE change_test.source SET v = 4;
RELEASE b;
COMMIT;
SELECT status, started_by->>'operation' FROM settle();

-- The writer needs no right on the pipeline; the table's owner does
SET ROLE regress_mlpipe_writer;
INSERT INTO change_test.source VALUES (1000, 0);
RESET ROLE;
SELECT * FROM settle();
SET ROLE regress_mlpipe_owner;
CREATE TABLE change_test.theirs (id integer);
CREATE TRIGGER on_change AFTER INSERT ON change_test.theirs FOR EACH ROW EXECUTE FUNCTION mlpipe_submit_on_change('change_p');
RESET ROLE;
ALTER TABLE change_test.theirs OWNER TO regress_mlpipe_writer;
SET ROLE regress_mlpipe_writer;
INSERT INTO change_test.theirs VALUES (1);
SET ROLE regress_mlpipe_owner;
SELECT mlpipe_grant('change_p', 'regress_mlpipe_writer');
SET ROLE regress_mlpipe_writer;
INSERT INTO change_test.theirs VALUES (1), (2);
RESET ROLE;
SELECT status, started_by->>'table', parameters, submitted_by FROM settle();

-- debounce: changes until the run starts make one run
SET ROLE regress_mlpipe_owner;
DROP TRIGGER on_change ON change_test.source;
CREATE TRIGGER on_change AFTER INSERT OR UPDATE OR TRUNCATE ON change_test.source FOR EACH STATEMENT
	EXECUTE FUNCTION mlpipe_submit_on_change('change_p', '{"debounce": "400 ms"}');
UPDATE change_test.source SET v = 5;
INSERT INTO change_test.source VALUES (1001, 0);
TRUNCATE change_test.source;
SELECT status, started_by->>'operation' FROM settle();

-- A row trigger of a partitioned table is one trigger
CREATE TABLE change_test.parts (i integer) PARTITION BY RANGE (i);
CREATE TABLE change_test.part_1 PARTITION OF change_test.parts FOR VALUES FROM (0) TO (10);
CREATE TABLE change_test.part_2 PARTITION OF change_test.parts FOR VALUES FROM (10) TO (20);
CREATE TRIGGER on_change AFTER INSERT ON change_test.parts FOR EACH ROW EXECUTE FUNCTION mlpipe_submit_on_change('change_p');
INSERT INTO change_test.parts VALUES (1), (11), (2), (12);
SELECT status, started_by FROM settle();

-- A disabled pipeline does not stop the writers
SELECT mlpipe_alter_pipeline('change_p', enabled => false);
INSERT INTO change_test.parts VALUES (1), (11);
SELECT * FROM settle();
SELECT mlpipe_alter_pipeline('change_p', enabled => true);

-- What is wrong with a trigger is the writer's to read
SELECT mlpipe_submit_on_change();
CREATE TABLE change_test.wrong (i integer);
CREATE FUNCTION pg_temp.try(timing text, arguments text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER wrong %s INSERT ON change_test.wrong EXECUTE FUNCTION mlpipe_submit_on_change(%s)', timing, arguments);
	BEGIN
		INSERT INTO change_test.wrong VALUES (1);
	EXCEPTION WHEN OTHERS THEN
		DECLARE
			hint text;
		BEGIN
			GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
			RAISE NOTICE '%: % (%)', sqlstate, sqlerrm, hint;
		END;
	END;
	DROP TRIGGER wrong ON change_test.wrong;
END $$;
SELECT pg_temp.try('BEFORE', $$'change_p'$$);
SELECT pg_temp.try('AFTER', '');
SELECT pg_temp.try('AFTER', $$'change_p', '{}', 'more'$$);
SELECT pg_temp.try('AFTER', $$'nobody'$$);
SELECT pg_temp.try('AFTER', $$'change_p', 'x'$$);
SELECT pg_temp.try('AFTER', $$'change_p', '[]'$$);
SELECT pg_temp.try('AFTER', $$'change_p', '{"debonce": 1}'$$);
SELECT pg_temp.try('AFTER', $$'change_p', '{"debounce": "soon"}'$$);
SELECT pg_temp.try('AFTER', $$'change_p', '{"parameters": 1}'$$);
SELECT pg_temp.try('AFTER', $$'change_p', '{"parameters": {"sauce": 1, "n": "one"}}'$$);
-- where it stands in the chain of contexts
CREATE TRIGGER wrong AFTER INSERT ON change_test.wrong EXECUTE FUNCTION mlpipe_submit_on_change('nobody');
INSERT INTO change_test.wrong VALUES (1);

SELECT mlpipe_drop_pipeline('change_p');
RESET ROLE;
DROP FUNCTION settle(), pg_temp.try(text, text);
DROP TABLE seen;
SET client_min_messages = warning;
DROP SCHEMA change_test CASCADE;
DROP ROLE regress_mlpipe_owner, regress_mlpipe_writer;

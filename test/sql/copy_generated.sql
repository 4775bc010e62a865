-- Copies into tables that generate columns: those are left out, and everything
-- else goes where it would go without them.
SET client_min_messages = warning;
CREATE SCHEMA copy_generated;
SET search_path = copy_generated, public;
CREATE TABLE orders (id integer PRIMARY KEY, twice integer GENERATED ALWAYS AS (price * 2) STORED, price integer, dropped integer, note text);
ALTER TABLE orders DROP COLUMN dropped;
INSERT INTO orders (id, price, note) SELECT i, i * 10, 'n' || i FROM generate_series(1, 3) i;
CREATE TABLE alike (LIKE orders INCLUDING ALL);
CREATE TABLE plain (LIKE orders);	-- keeps what was generated
CREATE TABLE other (key integer, half integer GENERATED ALWAYS AS (amount / 2) STORED, amount integer, remark text);
CREATE TABLE wider (id integer, a integer, b integer, c text, d text);
CREATE PROCEDURE copy(source text, sink text, more jsonb DEFAULT '{}') LANGUAGE plpgsql AS $$
DECLARE id bigint;
BEGIN
	id := mlpipe_submit(jsonb_build_object('activities', jsonb_build_array(jsonb_build_object('name', 'c', 'type', 'copy',
		'source', jsonb_build_object('table', 'copy_generated.' || source), 'sink', jsonb_build_object('table', 'copy_generated.' || sink) || more))));
	COMMIT;
	PERFORM mlpipe_wait(id, '2 min');
	COMMIT;
	RAISE WARNING '%', (SELECT concat_ws(': ', status, error) FROM mlpipe_runs WHERE run_id = id);
END $$;
CALL copy('orders', 'alike');
CALL copy('orders', 'alike', '{"mode": "overwrite"}');
UPDATE orders SET price = price + 1, note = 'new';
CALL copy('orders', 'alike', '{"mode": "upsert", "key": ["id"]}');
SELECT * FROM alike ORDER BY id;
CALL copy('orders', 'plain');
SELECT * FROM plain ORDER BY id;
CALL copy('orders', 'other');
SELECT * FROM other ORDER BY key;
CALL copy('plain', 'alike', '{"mode": "overwrite"}');
SELECT count(*), sum(twice) FROM alike;
CALL copy('orders', 'created', '{"mode": "create"}');
SELECT * FROM created ORDER BY id;
-- more than there is room for is an error as ever
CALL copy('wider', 'alike');
DROP SCHEMA copy_generated CASCADE;

-- Pipelines as real projects have them, in the contract's language, with stand-ins
-- for what reaches out of the database, and failures put in: which activities
-- ran, in what order, and how the run ended.
SET client_min_messages = warning;
CREATE SCHEMA translated;
SET search_path = translated, public;

CREATE TABLE trail (n bigserial, run_id bigint DEFAULT mlpipe_run_id(), what text);
CREATE TABLE broken (what text);
-- a stand-in for any work: leaves its name, or fails where it is told to
CREATE FUNCTION work(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM translated.broken b WHERE b.what = work.what) THEN
		RAISE '% is broken', what;
	END IF;
	INSERT INTO translated.trail (what) VALUES (what);
	RETURN what;
END $$;
CREATE TABLE shown (status text, handled integer, error text, trail text, not_run text, output jsonb);
CREATE PROCEDURE run(pipeline text, parameters jsonb DEFAULT '{}', VARIADIC breaks text[] DEFAULT '{}') LANGUAGE plpgsql AS $$
DECLARE id bigint;
BEGIN
	TRUNCATE translated.broken;
	INSERT INTO translated.broken SELECT unnest(breaks);
	id := mlpipe_submit('translated_' || pipeline, parameters);
	COMMIT;
	PERFORM mlpipe_wait(id, '1 min');
	COMMIT;
	TRUNCATE translated.shown;
	INSERT INTO translated.shown SELECT r.status, r.failures_handled, r.error,
		(SELECT string_agg(t.what, ' ' ORDER BY n) FROM translated.trail t WHERE t.run_id IN (SELECT c.run_id FROM mlpipe_runs c WHERE c.run_id = id OR c.trigger->>'parent_run_id' = id::text)),
		(SELECT string_agg(a.activity || ' ' || a.status, ', ' ORDER BY a.activity COLLATE "C") FROM mlpipe_activities a WHERE a.run_id = id AND a.status <> 'succeeded'), r.output
	FROM mlpipe_runs r WHERE r.run_id = id;
END $$;

-- Copy driven by a control table: lookup, a loop over its rows, full or delta by
-- watermark, each copy's success and failure logged, the loop goes on
CREATE TABLE control (name text, mode text, watermark integer, enabled boolean);
INSERT INTO control VALUES ('customer', 'full', NULL, true), ('orders', 'delta', 2, true), ('gone', 'full', NULL, true), ('off', 'full', NULL, false);
CREATE TABLE src_customer AS SELECT i AS id, 'c' || i AS name FROM generate_series(1, 3) i;
CREATE TABLE src_orders AS SELECT i AS id, i * 10 AS amount FROM generate_series(1, 5) i;
CREATE TABLE dst_customer (LIKE src_customer);
CREATE TABLE dst_orders (LIKE src_orders);
CREATE TABLE load_log (run_id bigint, name text, rows bigint, error text);
SELECT mlpipe_create_pipeline('translated_metadata_copy', '{"parameters": {"schema": {"type": "text", "default": "translated"}}, "activities": [
	{"name": "Get tables", "type": "lookup", "first_row_only": false, "query": "SELECT name, mode, watermark FROM translated.control WHERE enabled ORDER BY name DESC"},
	{"name": "Any", "type": "if", "condition": "${{ activities.\"Get tables\".output.row_count }} > 0", "depends_on": ["Get tables"], "else": [{"name": "Nothing", "type": "fail", "message": "no tables are enabled", "error_code": "NO_TABLES"}], "then": [
		{"name": "Each table", "type": "for_each", "sequential": true, "items": "${{ activities.\"Get tables\".output.rows }}", "activities": [
			{"name": "Kind", "type": "switch", "on": "${{ item.mode }}", "cases": {
				"full": [{"name": "Copy all", "type": "copy", "source": {"table": "${{ parameters.schema }}.src_${{ item.name }}"}, "sink": {"table": "${{ parameters.schema }}.dst_${{ item.name }}", "mode": "overwrite"}}],
				"delta": [
					{"name": "New mark", "type": "lookup", "query": "SELECT max(id) AS mark FROM ${{ parameters.schema | identifier }}.src_orders"},
					{"name": "Copy new", "type": "copy", "depends_on": ["New mark"], "source": {"query": "SELECT * FROM translated.src_orders WHERE id > ${{ item.watermark }} AND id <= ${{ activities.\"New mark\".output.first_row.mark }}"},
						"sink": {"table": "translated.dst_orders"}},
					{"name": "Keep mark", "type": "sql", "depends_on": ["Copy new"], "sql": "UPDATE translated.control SET watermark = ${{ activities.\"New mark\".output.first_row.mark }} WHERE name = ${{ item.name }}"}]},
				"default": [{"name": "Unknown", "type": "fail", "message": "mode ${{ item.mode }} of ${{ item.name }}"}]},
			{"name": "Log success", "type": "sql", "depends_on": ["Kind"], "sql": "INSERT INTO translated.load_log VALUES (${{ run.id }}, ${{ item.name }}, (${{ activities.Kind.output.activities.* ? (@.rows_written != null).rows_written }})::bigint)"},
			{"name": "Log failure", "type": "sql", "depends_on": [{"activity": "Kind", "conditions": ["failed"]}], "sql": "INSERT INTO translated.load_log VALUES (${{ run.id }}, ${{ item.name }}, NULL, ${{ activities.Kind.error }})"}]}]}]}');
CALL run('metadata_copy');
SELECT * FROM shown;
SELECT name, rows, error FROM load_log ORDER BY name;
SELECT (SELECT count(*) FROM dst_customer) AS customers, (SELECT sum(id) FROM dst_orders) AS orders, (SELECT watermark FROM control WHERE name = 'orders');
DELETE FROM control;
CALL run('metadata_copy');
SELECT * FROM shown;

-- Land, stage, validate, publish; one handler at the end for whatever fails
SELECT mlpipe_create_pipeline('translated_medallion', '{"parameters": {"day": {"type": "date", "default": "2026-01-31"}}, "variables": {"problem": {"type": "text"}}, "activities": [
	{"name": "land", "type": "sql", "sql": "SELECT translated.work(''land'')"},
	{"name": "stage", "type": "sql", "sql": "SELECT translated.work(''stage'')", "depends_on": ["land"], "retry": {"max_retries": 1, "interval": 0}},
	{"name": "publish", "type": "sql", "sql": "SELECT translated.work(''publish'') || to_char(${{ parameters.day }}, ''YYYYMM'')", "depends_on": ["stage"]},
	{"name": "what", "type": "set_variable", "variable": "problem", "expression": "coalesce(${{ activities.land.error }}, ${{ activities.stage.error }}, ${{ activities.publish.error }})", "depends_on": [{"activity": "publish", "conditions": ["failed", "skipped"]}]},
	{"name": "mail", "type": "sql", "sql": "SELECT translated.work(''mail:'' || ${{ variables.problem }})", "depends_on": ["what"]},
	{"name": "raise", "type": "fail", "message": "${{ variables.problem }}", "depends_on": ["mail"]}]}');
CALL run('medallion');
SELECT * FROM shown;
CALL run('medallion', '{}', 'stage');
SELECT * FROM shown;
CALL run('medallion', '{}', 'land', 'mail:land is broken');
SELECT * FROM shown;

-- Wait for a file, then by its kind; a poll that gives up
CREATE TABLE inbox (name text);
SELECT mlpipe_create_pipeline('translated_files', '{"parameters": {"patience": {"type": "integer", "default": 5}}, "variables": {"tries": {"type": "integer", "default": 0}, "found": {"type": "jsonb"}}, "activities": [
	{"name": "poll", "type": "until", "condition": "${{ activities.look.output.first_row.n }} > 0 OR ${{ variables.tries }} >= ${{ parameters.patience }}", "interval": 0.01, "activities": [
		{"name": "count", "type": "set_variable", "variable": "tries", "expression": "${{ variables.tries }} + 1"},
		{"name": "arrive", "type": "if", "condition": "${{ variables.tries }} = 3", "then": [{"name": "put", "type": "sql", "sql": "INSERT INTO translated.inbox VALUES (''a.csv''), (''b.json''), (''c.tmp''), (''d.xml'')"}], "depends_on": ["count"]},
		{"name": "look", "type": "lookup", "query": "SELECT count(*) AS n FROM translated.inbox", "depends_on": ["arrive"]}]},
	{"name": "arrived", "type": "if", "depends_on": ["poll"], "condition": "${{ activities.poll.output.activities.look.first_row.n }} > 0", "else": [{"name": "late", "type": "fail", "message": "nothing after ${{ activities.poll.output.rounds }} looks"}], "then": [
		{"name": "list", "type": "lookup", "first_row_only": false, "query": "SELECT name, split_part(name, ''.'', 2) AS kind FROM translated.inbox ORDER BY name"},
		{"name": "wanted", "type": "filter", "items": "${{ activities.list.output.rows }}", "condition": "${{ item.kind }} <> ''tmp''", "depends_on": ["list"]},
		{"name": "each", "type": "for_each", "items": "${{ activities.wanted.output.items }}", "sequential": true, "max_failures": 5, "depends_on": ["wanted"], "activities": [
			{"name": "kind", "type": "switch", "on": "${{ item.kind }}", "cases": {"csv": [{"name": "load", "type": "sql", "sql": "SELECT translated.work(''csv '' || ${{ item.name }})"}], "json": [{"name": "load", "type": "sql", "sql": "SELECT translated.work(''json '' || ${{ item.name }})"}]},
				"default": [{"name": "skip", "type": "append_variable", "variable": "found", "value": {"name": "${{ item.name }}", "at": "${{ index }}"}}]}]}]}],
	"output": {"tries": "${{ variables.tries }}", "unknown": "${{ variables.found }}", "branch": "${{ activities.arrived.output.branch }}"}}');
CALL run('files', '{"patience": 2}');
SELECT * FROM shown;
CALL run('files');
SELECT * FROM shown;
CALL run('files', '{}', 'json b.json');
SELECT * FROM shown;

-- A parent that orders its children, by computed name, and hands on what they tell
SELECT mlpipe_create_pipeline('translated_child_eu', '{"parameters": {"country": {"type": "text"}, "since": {"type": "date"}}, "activities": [{"name": "load", "type": "sql", "sql": "SELECT translated.work(''load '' || ${{ parameters.country }} || '' '' || ${{ parameters.since }}) AS what"}], "output": {"what": "${{ activities.load.output.rows[0].what }}"}}');
SELECT mlpipe_create_pipeline('translated_child_us', mlpipe_definition('translated_child_eu'));
SELECT mlpipe_create_pipeline('translated_parent', '{"parameters": {"countries": {"type": "jsonb", "default": [{"code": "de", "area": "eu"}, {"code": "ny", "area": "us"}, {"code": "fr", "area": "eu"}]}}, "activities": [
	{"name": "init", "type": "sql", "sql": "SELECT translated.work(''init''), ''2026-01-01''::date AS since"},
	{"name": "countries", "type": "for_each", "items": "${{ parameters.countries }}", "sequential": true, "collect": "child", "depends_on": ["init"], "activities": [
		{"name": "child", "type": "pipeline", "pipeline": "translated_child_${{ item.area }}", "parameters": {"country": "${{ item.code }}", "since": "${{ activities.init.output.rows[0].since }}"}},
		{"name": "oops", "type": "sql", "sql": "SELECT translated.work(''oops '' || ${{ item.code }} || '': '' || ${{ activities.child.error }})", "depends_on": [{"activity": "child", "conditions": ["failed"]}]}]},
	{"name": "close", "type": "sql", "sql": "SELECT translated.work(''close'')", "depends_on": [{"activity": "countries", "conditions": ["completed"]}]}],
	"output": {"told": "${{ activities.countries.output.outputs[*].output.what }}"}}');
CALL run('parent');
SELECT * FROM shown;
CALL run('parent', '{}', 'load ny 2026-01-01');
SELECT * FROM shown;
CALL run('parent', '{"countries": [{"code": "x", "area": "moon"}]}');
SELECT * FROM shown;
CALL run('parent', '{"countries": []}');
SELECT * FROM shown;

-- Loops in loops, a loop that breaks off, variables of their own
SELECT mlpipe_create_pipeline('translated_backfill', '{"parameters": {"months": {"type": "integer", "default": 3}}, "variables": {"done": {"type": "text[]"}}, "activities": [
	{"name": "months", "type": "for_each", "sequential": true, "items": {"query": "SELECT to_char(date ''2026-01-01'' + make_interval(months => i), ''YYYY-MM'') AS month FROM generate_series(0, ${{ parameters.months }} - 1) i"}, "variables": {"parts": {"type": "integer", "default": 0}},
		"break": "${{ variables.parts }} < 2", "activities": [
		{"name": "parts", "type": "for_each", "items": ["a", "b"], "activities": [
			{"name": "load", "type": "sql", "sql": "SELECT translated.work(${{ loops.months.item.month }} || ${{ item }})"},
			{"name": "count", "type": "set_variable", "variable": "parts", "expression": "${{ variables.parts }} + 1", "depends_on": ["load"]}]},
		{"name": "note", "type": "append_variable", "variable": "done", "value": "${{ item.month }}:${{ variables.parts }}", "depends_on": [{"activity": "parts", "conditions": ["completed"]}]}]}],
	"output": {"done": "${{ variables.done }}"}}');
CALL run('backfill');
SELECT status, handled, error, not_run, output FROM shown;
CALL run('backfill', '{}', '2026-02b');
SELECT status, handled, error, not_run, output FROM shown;

-- The first of several mirrors that answers; an optional step; cleaning up in any case
SELECT mlpipe_create_pipeline('translated_mirrors', '{"activities": [
	{"name": "m1", "type": "sql", "sql": "SELECT translated.work(''m1'')"}, {"name": "m2", "type": "sql", "sql": "SELECT translated.work(''m2'')", "depends_on": [{"activity": "m1", "conditions": ["failed"]}]},
	{"name": "use", "type": "sql", "join": "any", "sql": "SELECT translated.work(''use'')", "depends_on": ["m1", "m2"]},
	{"name": "none", "type": "sql", "sql": "SELECT translated.work(''none'')", "depends_on": [{"activity": "use", "conditions": ["skipped"]}]},
	{"name": "stop", "type": "fail", "message": "no mirror answers", "depends_on": ["none"]},
	{"name": "optional", "type": "sql", "sql": "SELECT translated.work(''optional'')", "depends_on": ["use"], "active": false},
	{"name": "clean", "type": "sql", "sql": "SELECT translated.work(''clean'')", "depends_on": [{"activity": "optional", "conditions": ["completed", "skipped"]}, {"activity": "none", "conditions": ["completed", "skipped"]}]}]}');
CALL run('mirrors');
SELECT * FROM shown;
CALL run('mirrors', '{}', 'm1');
SELECT * FROM shown;
CALL run('mirrors', '{}', 'm1', 'm2');
SELECT * FROM shown;

SELECT count(mlpipe_drop_pipeline(pipeline, true)) FROM mlpipe_pipelines WHERE pipeline LIKE 'translated\_%';
DROP SCHEMA translated CASCADE;

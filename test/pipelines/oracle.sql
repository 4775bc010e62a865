-- What has to become of a run, worked out from the rules of the document alone:
-- those that Azure Data Factory publishes for dependencies, leaves and loops.
CREATE SCHEMA oracle;

-- How an activity ended.  A run is told, too, with its key: empty, or for a child
-- that of the activity which started it and ">".
CREATE TABLE oracle.told (scenario integer, key text, status text, attempt integer, error text, type text, after text[], output jsonb, awaited boolean DEFAULT true, PRIMARY KEY (scenario, key));
CREATE TABLE oracle.variable (scope integer, name text, type text, value jsonb, PRIMARY KEY (scope, name));
CREATE SEQUENCE oracle.scope;
CREATE TABLE oracle.pipeline (name text PRIMARY KEY, document jsonb);
CREATE TYPE oracle.result AS (status text, output jsonb, error text, attempt integer);
CREATE TYPE oracle.verdict AS (status text, error text, activities jsonb);

-- A value as the literal that stands for it in SQL.
CREATE FUNCTION oracle.literal(value jsonb, type text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN CASE WHEN jsonb_typeof(value) = 'null' THEN 'NULL' || coalesce('::' || type, '')
		WHEN type LIKE '%[]' THEN quote_literal(ARRAY(SELECT jsonb_array_elements_text(value))::text) || '::' || type
		WHEN type IN ('json', 'jsonb') THEN quote_literal(value::text) || '::' || type
		WHEN type IS NOT NULL THEN quote_literal(value #>> '{}') || '::' || type
		ELSE CASE jsonb_typeof(value) WHEN 'string' THEN quote_literal(value #>> '{}') WHEN 'number' THEN value #>> '{}'
			WHEN 'boolean' THEN value #>> '{}' ELSE quote_literal(value::text) || '::jsonb' END END;
END $$;

-- A value, which has to fit a type.
CREATE FUNCTION oracle.typed(value jsonb, type text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF type NOT IN ('text', 'jsonb') THEN
		EXECUTE format('SELECT %s', oracle.literal(value, type));
	END IF;
	RETURN value;
END $$;

-- The variables that are seen: those of the innermost loop before the run's.
CREATE FUNCTION oracle.variables(context jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN coalesce(jsonb_object_agg(name, value ORDER BY ord), '{}')
	FROM jsonb_array_elements_text(context->'scopes') WITH ORDINALITY s(id, ord) JOIN oracle.variable ON scope = id::integer;
END $$;

CREATE FUNCTION oracle.scope_of(wanted text, context jsonb) RETURNS oracle.variable LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT v FROM jsonb_array_elements_text(context->'scopes') WITH ORDINALITY s(id, ord) JOIN oracle.variable v ON scope = id::integer
	WHERE name = wanted ORDER BY ord DESC LIMIT 1);
END $$;

CREATE FUNCTION oracle.look_up(path text, context jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE found jsonb;
BEGIN
	IF path LIKE '%variables%' THEN
		context = context || jsonb_build_object('variables', oracle.variables(context));
	END IF;
	found = jsonb_path_query_array(context, ('$.' || path)::jsonpath);
	IF found = '[]' THEN
		RAISE 'nothing at %', path;
	END IF;
	RETURN CASE jsonb_array_length(found) WHEN 1 THEN found->0 ELSE found END;
END $$;

-- SQL, with literals for its placeholders.
CREATE FUNCTION oracle.fill(code text, context jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hole text[];
	name text;
	value jsonb;
	type text;
BEGIN
	LOOP
		hole = regexp_match(code, '(\$\{\{\s*?(.*?)\s*?(\|\s*?identifier\s*?)?\}\})');
		EXIT WHEN hole IS NULL;
		value = oracle.look_up(hole[2], context);
		name = substring(btrim(hole[2]) FROM '^(?:parameters|variables)\.(\w+)$');
		type = CASE WHEN hole[2] LIKE '%parameters%' THEN context->'types'->>name
			WHEN name IS NOT NULL THEN (oracle.scope_of(name, context)).type END;
		code = replace(code, hole[1], CASE WHEN hole[3] IS NULL THEN oracle.literal(value, type)
			ELSE (SELECT string_agg(quote_ident(part), '.') FROM string_to_table(value #>> '{}', '.') part) END);
	END LOOP;
	RETURN code;
END $$;

-- Any other value, with its placeholders as text, or as what they are where
-- there is nothing else.
CREATE FUNCTION oracle.resolve(value jsonb, context jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	words text = value #>> '{}';
	hole text[];
BEGIN
	CASE jsonb_typeof(value)
		WHEN 'object' THEN
			RETURN coalesce((SELECT jsonb_object_agg(e.key, oracle.resolve(e.value, context)) FROM jsonb_each(value) e), '{}');
		WHEN 'array' THEN
			RETURN coalesce((SELECT jsonb_agg(oracle.resolve(e.value, context) ORDER BY ord) FROM jsonb_array_elements(value) WITH ORDINALITY e(value, ord)), '[]');
		WHEN 'string' THEN
			hole = regexp_match(words, '^\$\{\{((?:(?!\}\}).)*)\}\}$');
			IF hole IS NOT NULL THEN
				RETURN oracle.look_up(hole[1], context);
			END IF;
			LOOP
				hole = regexp_match(words, '(\$\{\{\s*?(.*?)\s*?\}\})');
				EXIT WHEN hole IS NULL;
				words = replace(words, hole[1], coalesce(oracle.look_up(hole[2], context) #>> '{}', ''));
			END LOOP;
			RETURN to_jsonb(words);
		ELSE
			RETURN value;
	END CASE;
END $$;

CREATE FUNCTION oracle.is_true(condition text, context jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE answer boolean;
BEGIN
	EXECUTE format('SELECT (%s)', oracle.fill(condition, context)) INTO answer;
	RETURN coalesce(answer, false);
END $$;

CREATE FUNCTION oracle.rows(query text, context jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE answer jsonb;
BEGIN
	EXECUTE format('SELECT coalesce(jsonb_agg(to_jsonb(q)), ''[]'') FROM (%s) q', oracle.fill(query, context)) INTO answer;
	RETURN answer;
END $$;

CREATE FUNCTION oracle.declare_variables(variables jsonb, context jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE id integer = nextval('oracle.scope');
BEGIN
	INSERT INTO oracle.variable SELECT id, key, v->>'type', oracle.typed(coalesce(v->'default', 'null'), v->>'type') FROM jsonb_each(variables) e(key, v);
	RETURN jsonb_set(context, '{scopes}', (context->'scopes') || to_jsonb(id));
END $$;

CREATE FUNCTION oracle.ended(status text, output jsonb DEFAULT NULL, error text DEFAULT NULL) RETURNS oracle.result LANGUAGE plpgsql AS $$
DECLARE
	r oracle.result;
BEGIN
	r.status = ended.status;
	r.output = ended.output;
	r.error = ended.error;
	RETURN r;
END $$;

CREATE FUNCTION oracle.set_variable(activity jsonb, context jsonb) RETURNS oracle.result LANGUAGE plpgsql AS $$
DECLARE
	v oracle.variable = oracle.scope_of(activity->>'variable', context);
	given jsonb;
BEGIN
	IF activity ? 'expression' THEN
		EXECUTE format('SELECT coalesce(to_jsonb(%s), ''null'')', oracle.fill(activity->>'expression', context)) INTO given;
	ELSE
		given = oracle.resolve(activity->'value', context);
	END IF;
	IF activity->>'type' = 'append_variable' THEN
		given = coalesce(nullif(v.value, 'null'), '[]') || jsonb_build_array(given);
	END IF;
	UPDATE oracle.variable SET value = oracle.typed(given, v.type) WHERE scope = v.scope AND name = v.name;
	RETURN oracle.ended('succeeded');
END $$;

--
-- What each type of activity comes to.  An error raised is its failure.
--

CREATE FUNCTION oracle.work(activity jsonb, context jsonb) RETURNS oracle.result LANGUAGE plpgsql AS $$
DECLARE
	rows jsonb;
	statement text;
	size integer;
	failures integer = 0;
BEGIN
	CASE activity->>'type'
		WHEN 'sql' THEN
			FOR statement IN SELECT jsonb_array_elements_text(CASE jsonb_typeof(activity->'sql') WHEN 'array' THEN activity->'sql' ELSE jsonb_build_array(activity->'sql') END) LOOP
				rows = oracle.rows(statement, context);
			END LOOP;
			RETURN oracle.ended('succeeded', jsonb_build_object('row_count', jsonb_array_length(rows), 'rows', rows));
		WHEN 'lookup' THEN
			rows = oracle.rows(activity->>'query', context);
			RETURN oracle.ended('succeeded', CASE WHEN coalesce((activity->'first_row_only')::boolean, true) THEN jsonb_build_object('first_row', coalesce(rows->0, 'null'))
				ELSE jsonb_build_object('row_count', jsonb_array_length(rows), 'rows', rows) END);
		WHEN 'copy' THEN
			rows = oracle.rows(activity->'source'->>'query', context);
			RETURN oracle.ended('succeeded', jsonb_build_object('rows_read', jsonb_array_length(rows), 'rows_written', jsonb_array_length(rows)));
		WHEN 'data_flow' THEN
			PERFORM oracle.rows(step->>'query', context) FROM jsonb_array_elements(activity->'transformations') step WHERE step->>'query' LIKE '%work()%';
			RETURN oracle.ended('succeeded', '{}');
		WHEN 'approval' THEN
			RETURN oracle.ended('failed', NULL, 'nobody answers');
		WHEN 'parallel' THEN
			rows = oracle.rows(activity->'input'->>'query', context);
			size = substring(activity->>'mini_batch_size' FROM '^\d+');
			BEGIN
				PERFORM work();
			EXCEPTION WHEN raise_exception THEN
				failures = ceil(jsonb_array_length(rows)::numeric / size);
				IF failures > nullif((activity->'mini_batch_error_threshold')::integer, -1) THEN
					RETURN oracle.ended('failed');
				END IF;
			END;
			RETURN oracle.ended('succeeded', jsonb_build_object('items', jsonb_array_length(rows), 'failed', failures));
		WHEN 'validation' THEN
			RETURN oracle.ended(CASE WHEN oracle.is_true(activity->>'query', context) THEN 'succeeded' ELSE 'failed' END);
		WHEN 'wait' THEN
			PERFORM oracle.resolve(activity->'duration', context);
			RETURN oracle.ended('succeeded');
		WHEN 'fail' THEN
			RETURN oracle.ended('failed', NULL, oracle.resolve(activity->'message', context) #>> '{}');
		WHEN 'set_variable', 'append_variable' THEN
			RETURN oracle.set_variable(activity, context);
	END CASE;
END $$;

CREATE FUNCTION oracle.filter(activity jsonb, context jsonb) RETURNS oracle.result LANGUAGE plpgsql AS $$
DECLARE
	items jsonb = oracle.resolve(activity->'items', context);
	kept jsonb = '[]';
BEGIN
	FOR i IN 0 .. jsonb_array_length(items) - 1 LOOP
		IF oracle.is_true(activity->>'condition', context || jsonb_build_object('item', items->i, 'index', i + 1)) THEN
			kept = kept || jsonb_build_array(items->i);
		END IF;
	END LOOP;
	RETURN oracle.ended('succeeded', jsonb_build_object('items', kept, 'count', jsonb_array_length(kept), 'total', jsonb_array_length(items)));
END $$;

CREATE FUNCTION oracle.outputs(activities jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT coalesce(jsonb_object_agg(key, value->'output'), '{}') FROM jsonb_each(activities));
END $$;

CREATE FUNCTION oracle.branch(activity jsonb, context jsonb, scenario integer, key text) RETURNS oracle.result LANGUAGE plpgsql AS $$
DECLARE
	branch text;
	chosen jsonb;
	v oracle.verdict;
BEGIN
	IF activity->>'type' = 'if' THEN
		branch = CASE WHEN oracle.is_true(activity->>'condition', context) THEN 'then' ELSE 'else' END;
		chosen = activity->branch;
	ELSE
		EXECUTE format('SELECT (%s)::text', oracle.fill(activity->>'on', context)) INTO branch;
		chosen = activity->'cases'->branch;
		IF chosen IS NULL THEN
			branch = CASE WHEN activity ? 'default' THEN 'default' END;
			chosen = activity->'default';
		END IF;
	END IF;
	v = oracle.follow(coalesce(chosen, '[]'), context, scenario, concat(key, '.', branch, '.'));
	RETURN oracle.ended(v.status, jsonb_build_object('branch', branch, 'activities', oracle.outputs(v.activities)), v.error);
END $$;

CREATE FUNCTION oracle.for_each(activity jsonb, context jsonb, scenario integer, key text) RETURNS oracle.result LANGUAGE plpgsql AS $$
DECLARE
	items jsonb = CASE WHEN jsonb_typeof(activity->'items') = 'object' THEN oracle.rows(activity->'items'->>'query', context) ELSE oracle.resolve(activity->'items', context) END;
	here jsonb;
	inside jsonb;
	outputs jsonb = '[]';
	failures integer = 0;
	successes integer = 0;
	first_error text;
	stop boolean = false;
	v oracle.verdict;
BEGIN
	FOR i IN 1 .. jsonb_array_length(items) LOOP
		here = jsonb_build_object('item', items->(i - 1), 'index', i);
		inside = jsonb_set(context || here, ARRAY['loops', activity->>'name'], here);
		inside = oracle.declare_variables(coalesce(activity->'variables', '{}'), inside);
		v = oracle.follow(activity->'activities', inside, scenario, key || '[' || i || '].',
			CASE WHEN (activity->'sequential')::boolean AND i > 1 THEN ARRAY[key || '[' || (i - 1) || ']'] ELSE '{}' END);
		IF v.status = 'succeeded' THEN
			successes = successes + 1;
		ELSE
			failures = failures + 1;
			first_error = coalesce(first_error, v.error);
			stop = failures > (activity->'max_failures')::integer;
		END IF;
		outputs = outputs || jsonb_build_array(v.activities->(activity->>'collect')->'output');
		BEGIN
			EXIT WHEN stop OR activity ? 'break' AND oracle.is_true(activity->>'break', jsonb_set(inside, '{activities}', (context->'activities') || v.activities));
		EXCEPTION WHEN OTHERS THEN
			RETURN oracle.ended('failed', NULL, SQLERRM);
		END;
	END LOOP;
	RETURN oracle.ended(CASE WHEN failures = 0 THEN 'succeeded' ELSE 'failed' END, jsonb_build_object('count', jsonb_array_length(items), 'succeeded', successes, 'failed', failures)
		|| CASE WHEN activity ? 'collect' THEN jsonb_build_object('outputs', outputs) ELSE '{}' END, first_error);
END $$;

CREATE FUNCTION oracle.until(activity jsonb, context jsonb, scenario integer, key text) RETURNS oracle.result LANGUAGE plpgsql AS $$
DECLARE
	v oracle.verdict;
BEGIN
	FOR i IN 1 .. 30 LOOP
		v = oracle.follow(activity->'activities', context, scenario, key || '[' || i || '].', CASE WHEN i > 1 THEN ARRAY[key || '[' || (i - 1) || ']'] ELSE '{}' END);
		IF v.status = 'failed' AND (activity->'fail_on_error')::boolean THEN
			RETURN oracle.ended('failed', NULL, v.error);
		END IF;
		BEGIN
			IF oracle.is_true(activity->>'condition', jsonb_set(context, '{activities}', (context->'activities') || v.activities)) THEN
				RETURN oracle.ended('succeeded', jsonb_build_object('rounds', i, 'activities', oracle.outputs(v.activities)));
			END IF;
		EXCEPTION WHEN OTHERS THEN
			RETURN oracle.ended('failed', NULL, SQLERRM);
		END;
		IF i = (activity->'max_rounds')::integer THEN
			RETURN oracle.ended('failed');
		END IF;
	END LOOP;
	RAISE 'the oracle counts no more than 30 rounds of %', key;
END $$;

CREATE FUNCTION oracle.child(activity jsonb, context jsonb, scenario integer, key text) RETURNS oracle.result LANGUAGE plpgsql AS $$
DECLARE
	r oracle.result;
BEGIN
	IF (context->'depth')::integer >= 32 THEN
		RAISE 'too deep';
	END IF;
	r = oracle.run(oracle.resolve(activity->'pipeline', context) #>> '{}', oracle.resolve(coalesce(activity->'parameters', '{}'), context),
		scenario, key || '>', (context->'depth')::integer + 1);
	IF NOT coalesce((activity->'wait_on_completion')::boolean, true) THEN
		RETURN oracle.ended('succeeded', '{}');
	END IF;
	RETURN oracle.ended(r.status, jsonb_build_object('run_id', 0, 'status', r.status, 'output', r.output), r.error);
END $$;

CREATE FUNCTION oracle.attempt(activity jsonb, context jsonb, scenario integer, key text) RETURNS oracle.result LANGUAGE plpgsql AS $$
BEGIN
	IF activity->'tags'->'late' = 'true' THEN
		RETURN oracle.ended('failed', NULL, 'out of time');
	END IF;
	CASE activity->>'type'
		WHEN 'if', 'switch' THEN RETURN oracle.branch(activity, context, scenario, key);
		WHEN 'for_each' THEN RETURN oracle.for_each(activity, context, scenario, key);
		WHEN 'until' THEN RETURN oracle.until(activity, context, scenario, key);
		WHEN 'filter' THEN RETURN oracle.filter(activity, context);
		WHEN 'pipeline' THEN RETURN oracle.child(activity, context, scenario, key);
		ELSE RETURN oracle.work(activity, context);
	END CASE;
EXCEPTION WHEN OTHERS THEN
	RETURN oracle.ended('failed', NULL, SQLERRM);
END $$;

CREATE FUNCTION oracle.attempts(activity jsonb, context jsonb, scenario integer, key text) RETURNS oracle.result LANGUAGE plpgsql AS $$
DECLARE
	r oracle.result;
BEGIN
	FOR i IN 1 .. coalesce((activity->'retry'->'max_retries')::integer, 0) + 1 LOOP
		PERFORM set_config('oracle.activity', substring(key FROM '[^>]*$'), false), set_config('oracle.attempt', i::text, false);
		r = oracle.attempt(activity, context, scenario, key);
		r.attempt = i;
		EXIT WHEN r.status = 'succeeded' OR NOT 'P0001' LIKE ANY (SELECT code || '%' FROM jsonb_array_elements_text(coalesce(activity->'retry'->'on', '[""]')) code);
	END LOOP;
	RETURN r;
END $$;

--
-- The graph of one level
--

-- A document in which the activities of each list are in an order that fits,
-- and tell as "waits" for what: {"name": ["condition", ...]}
CREATE FUNCTION oracle.prepare(document jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	prepared jsonb = '[]';
	done text[] = '{}';
	awaited text[] = '{}';
	one jsonb;
	waits jsonb;
	part text;
BEGIN
	IF jsonb_typeof(document) = 'object' THEN
		FOREACH part IN ARRAY ARRAY['activities', 'then', 'else', 'default'] LOOP
			IF document ? part THEN
				document = jsonb_set(document, ARRAY[part], oracle.prepare(document->part));
			END IF;
		END LOOP;
		FOR part IN SELECT jsonb_object_keys(document->'cases') LOOP
			document = jsonb_set(document, ARRAY['cases', part], oracle.prepare(document->'cases'->part));
		END LOOP;
		RETURN document;
	END IF;
	WHILE cardinality(done) < jsonb_array_length(document) LOOP
		FOR one IN SELECT * FROM jsonb_array_elements(document) LOOP
			waits = (SELECT coalesce(jsonb_object_agg(CASE jsonb_typeof(d) WHEN 'string' THEN d #>> '{}' ELSE d->>'activity' END, coalesce(d->'conditions', '["succeeded"]')), '{}')
				FROM jsonb_array_elements(one->'depends_on') d);
			CONTINUE WHEN one->>'name' = ANY (done) OR NOT done @> ARRAY(SELECT jsonb_object_keys(waits));
			prepared = prepared || jsonb_build_array(oracle.prepare(one) || jsonb_build_object('waits', waits));
			done = done || (one->>'name');
			awaited = awaited || ARRAY(SELECT jsonb_object_keys(waits));
		END LOOP;
	END LOOP;
	RETURN (SELECT coalesce(jsonb_agg(a || jsonb_build_object('leaf', a->>'name' <> ALL (awaited)) ORDER BY n), '[]') FROM jsonb_array_elements(prepared) WITH ORDINALITY p(a, n));
END $$;

CREATE FUNCTION oracle.is_met(conditions jsonb, counts_as text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN conditions ? counts_as OR conditions ? 'completed' AND counts_as IN ('succeeded', 'failed');
END $$;

-- Have all that a level is judged by succeeded?  A skipped leaf is judged by what
-- it waited for.
CREATE FUNCTION oracle.is_good(activities jsonb, counts jsonb, judged text[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	one jsonb;
BEGIN
	FOR one IN SELECT a FROM jsonb_array_elements(activities) a WHERE a->>'name' = ANY (judged) LOOP
		IF counts->>(one->>'name') = 'skipped' THEN
			IF NOT oracle.is_good(activities, counts, ARRAY(SELECT jsonb_object_keys(one->'waits'))) THEN
				RETURN false;
			END IF;
		ELSIF counts->>(one->>'name') <> 'succeeded' THEN
			RETURN false;
		END IF;
	END LOOP;
	RETURN true;
END $$;

CREATE FUNCTION oracle.follow(activities jsonb, context jsonb, scenario integer, prefix text, after text[] DEFAULT '{}') RETURNS oracle.verdict LANGUAGE plpgsql AS $$
DECLARE
	counts jsonb = '{}';	-- name -> as what it counts
	before jsonb = '{}';	-- name -> the keys that all had to end before it
	one jsonb;
	me text;
	other text;
	conditions jsonb;
	total integer;
	met integer;
	earlier text[];
	dropped boolean;		-- does it wait for what was cancelled?
	r oracle.result;
	v oracle.verdict;
BEGIN
	v.activities = '{}';
	FOR one IN SELECT * FROM jsonb_array_elements(activities) LOOP
		me = one->>'name';
		total = 0;
		met = 0;
		earlier = '{}';
		dropped = false;
		FOR other, conditions IN SELECT * FROM jsonb_each(one->'waits') LOOP
			total = total + 1;
			dropped = dropped OR counts->>other = 'cancelled';
			met = met + oracle.is_met(conditions, counts->>other)::integer;
			earlier = earlier || (prefix || other) || ARRAY(SELECT jsonb_array_elements_text(before->other));
		END LOOP;
		IF one->>'join' = 'any' THEN
			total = least(total, 1);
			earlier = '{}';
		END IF;
		before = before || jsonb_build_object(me, earlier);
		IF dropped OR met >= total AND current_setting('oracle.stopped') = 'yes' THEN
			r = oracle.ended('cancelled');
			r.attempt = 0;
		ELSIF met < total THEN
			r = oracle.ended('skipped');
			r.attempt = 0;
		ELSIF one->'active' = 'false' THEN
			r = oracle.ended('inactive');
			r.attempt = 0;
		ELSE
			r = oracle.attempts(one, jsonb_set(context, '{activities}', (context->'activities') || v.activities), scenario, prefix || me);
		END IF;
		IF r.status = 'failed' THEN
			v.error = coalesce(v.error, r.error, 'failed');
			IF context->'fail_fast' = 'true' AND NOT EXISTS (SELECT FROM jsonb_array_elements(activities) a WHERE a->'waits'->me ?| '{failed,completed}') THEN
				PERFORM set_config('oracle.stopped', 'yes', false);
			END IF;
		END IF;
		counts = counts || jsonb_build_object(me, CASE r.status WHEN 'inactive' THEN coalesce(one->>'on_inactive', 'succeeded') ELSE r.status END);
		v.activities = v.activities || jsonb_build_object(me, jsonb_build_object('status', r.status, 'output', CASE r.status WHEN 'succeeded' THEN r.output END,
			'error', CASE r.status WHEN 'failed' THEN coalesce(r.error, 'failed') END));
		INSERT INTO oracle.told VALUES (scenario, prefix || me, r.status, r.attempt, r.error, one->>'type', earlier || after, NULL, coalesce((one->'wait_on_completion')::boolean, true))
			ON CONFLICT DO NOTHING;
	END LOOP;
	v.status = CASE WHEN oracle.is_good(activities, counts, ARRAY(SELECT a->>'name' FROM jsonb_array_elements(activities) a WHERE (a->'leaf')::boolean)) THEN 'succeeded' ELSE 'failed' END;
	RETURN v;
END $$;

CREATE FUNCTION oracle.run(pipeline text, given jsonb, scenario integer, key text DEFAULT '', depth integer DEFAULT 0) RETURNS oracle.result LANGUAGE plpgsql AS $$
DECLARE
	document jsonb = (SELECT p.document FROM oracle.pipeline p WHERE name = pipeline);
	context jsonb = jsonb_build_object('depth', depth, 'activities', '{}'::jsonb, 'loops', '{}'::jsonb, 'scopes', '[]'::jsonb, 'run', jsonb_build_object('pipeline', pipeline, 'version', 1),
		'trigger', CASE WHEN key = '' THEN '{"type": "manual"}' ELSE jsonb_build_object('type', 'pipeline', 'parent_activity', substring(rtrim(key, '>') FROM '[^>]*$')) END);
	stopped text = current_setting('oracle.stopped', true);	-- the parent's
	v oracle.verdict;
	output jsonb;
BEGIN
	IF document IS NULL THEN
		RAISE 'there is no pipeline %', pipeline;
	END IF;
	PERFORM set_config('oracle.stopped', 'no', false);
	context = context || jsonb_build_object('fail_fast', document->'fail_fast',
		'parameters', (SELECT coalesce(jsonb_object_agg(p.key, oracle.typed(coalesce(given->p.key, p.value->'default', 'null'), p.value->>'type')), '{}') FROM jsonb_each(document->'parameters') p),
		'types', (SELECT coalesce(jsonb_object_agg(p.key, p.value->>'type'), '{}') FROM jsonb_each(document->'parameters') p));
	IF document->'parameters' ? 'broken' THEN
		PERFORM set_config('oracle.broken', ARRAY(SELECT jsonb_array_elements_text(context->'parameters'->'broken'))::text, false);
	END IF;
	context = oracle.declare_variables(coalesce(document->'variables', '{}'), context);
	v = oracle.follow(document->'activities', context, scenario, key);
	PERFORM set_config('oracle.stopped', coalesce(stopped, 'no'), false);
	IF v.status = 'succeeded' AND document ? 'output' THEN
		BEGIN
			output = oracle.resolve(document->'output', context || jsonb_build_object('activities', v.activities));
		EXCEPTION WHEN OTHERS THEN
			v.status = 'failed';
			v.error = SQLERRM;
		END;
	END IF;
	INSERT INTO oracle.told VALUES (scenario, key, v.status, NULL, v.error, NULL, '{}', output) ON CONFLICT DO NOTHING;
	RETURN oracle.ended(v.status, output, v.error);
END $$;

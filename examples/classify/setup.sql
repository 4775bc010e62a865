-- The example's data, functions and models.  Run it as a superuser, in a new
-- database: PL/Python is an untrusted language, and a model is a pickle, which
-- can do what its reader can.  What comes after this needs no rights at all.

CREATE EXTENSION mlpipe;
CREATE EXTENSION plpython3u;

CREATE ROLE analyst LOGIN;
CREATE SCHEMA demo;
GRANT USAGE ON SCHEMA demo TO analyst;

-- The data ------------------------------------------------------------------

-- Real ones, as scikit-learn's package carries them.
CREATE FUNCTION demo.dataset(name text)
	RETURNS TABLE (id integer, features float8[], label text)
	LANGUAGE plpython3u AS $$
from sklearn import datasets

data = getattr(datasets, 'load_' + name)()
labels = data.target_names[data.target].astype(str)
return zip(range(1, len(labels) + 1), data.data.tolist(), labels.tolist())
$$;

-- Of three rows, two are for learning and one is held out.
CREATE TABLE demo.wine AS
	SELECT id, features, label, id % 3 = 0 AS held_out,
		NULL::text AS class, NULL::float8 AS confidence, NULL::float8 AS stability, NULL::integer AS unusual
	FROM demo.dataset('wine');
CREATE TABLE demo.cancer AS
	SELECT id, features, label, id % 3 = 0 AS held_out,
		NULL::text AS class, NULL::float8 AS confidence, NULL::float8 AS stability, NULL::integer AS unusual
	FROM demo.dataset('breast_cancer');
CREATE TABLE demo.digits AS
	SELECT id, features, label, id % 3 = 0 AS held_out,
		NULL::text AS class, NULL::float8 AS confidence, NULL::float8 AS stability, NULL::integer AS unusual
	FROM demo.dataset('digits');
ALTER TABLE demo.wine ADD PRIMARY KEY (id);
ALTER TABLE demo.cancer ADD PRIMARY KEY (id);
ALTER TABLE demo.digits ADD PRIMARY KEY (id);

-- What the segments work on: each has tables of its own.
CREATE TABLE demo.wine_in (id integer PRIMARY KEY, features float8[], unusual integer);
CREATE TABLE demo.cancer_in (LIKE demo.wine_in INCLUDING ALL);
CREATE TABLE demo.digits_in (LIKE demo.wine_in INCLUDING ALL);
CREATE TABLE demo.wine_class (id integer, class text, confidence float8, stability float8);
CREATE TABLE demo.cancer_class (LIKE demo.wine_class);
CREATE TABLE demo.digits_class (LIKE demo.wine_class);
CREATE TABLE demo.backup (run_id bigint, data text, id integer, class text, confidence float8, stability float8);

ALTER TABLE demo.wine OWNER TO analyst;
ALTER TABLE demo.cancer OWNER TO analyst;
ALTER TABLE demo.digits OWNER TO analyst;
ALTER TABLE demo.wine_in OWNER TO analyst;
ALTER TABLE demo.cancer_in OWNER TO analyst;
ALTER TABLE demo.digits_in OWNER TO analyst;
ALTER TABLE demo.wine_class OWNER TO analyst;
ALTER TABLE demo.cancer_class OWNER TO analyst;
ALTER TABLE demo.digits_class OWNER TO analyst;
ALTER TABLE demo.backup OWNER TO analyst;

-- The models ----------------------------------------------------------------

-- Who may write here decides what code runs in load_model(): nobody but us.
CREATE TABLE demo.model (
	name text PRIMARY KEY,
	artifact bytea NOT NULL,
	trained_on bigint NOT NULL,
	trained_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON demo.model TO analyst;

-- Features travel as what array_send() makes of a matrix: NumPy reads them where
-- they are, while a float8[] would become a Python object for each number.
CREATE FUNCTION demo.train(features bytea, labels text[]) RETURNS bytea
	LANGUAGE plpython3u AS $$
import pickle
import numpy
from sklearn.ensemble import RandomForestClassifier

rows, columns = numpy.frombuffer(features, '>i4', 3, 12)[::2]
matrix = numpy.frombuffer(features, [('length', '>i4'), ('value', '>f8')], offset=28)['value']
matrix = matrix.reshape(rows, columns).astype(float)
forest = RandomForestClassifier(200, random_state=1).fit(matrix, labels)
return pickle.dumps((forest, matrix.std(axis=0)))
$$;
REVOKE EXECUTE ON FUNCTION demo.train FROM PUBLIC;

-- For a step's init: a worker reads a model once, and again only if it is new.
CREATE FUNCTION demo.load_model(name text) RETURNS void
	LANGUAGE plpython3u AS $$
import pickle

find = plpy.prepare('SELECT trained_at::text AS version FROM demo.model WHERE name = $1', ['text'])
version = find.execute([name])[0]['version']
if GD.get(name, (None, None))[0] != version:
	read = plpy.prepare('SELECT artifact FROM demo.model WHERE name = $1', ['text'])
	GD[name] = version, pickle.loads(read.execute([name])[0]['artifact'])
$$;

-- Classifies a mini-batch at once.  confidence is what the forest says of
-- itself; stability is what it does: the share of draws slightly disturbed
-- copies of the row that get the same class as the row.
CREATE FUNCTION demo.classify(model text, ids integer[], features bytea, draws integer)
	RETURNS TABLE (id integer, class text, confidence float8, stability float8)
	LANGUAGE plpython3u AS $$
import numpy

forest, spread = GD[model][1]
rows, columns = numpy.frombuffer(features, '>i4', 3, 12)[::2]
matrix = numpy.frombuffer(features, [('length', '>i4'), ('value', '>f8')], offset=28)['value']
matrix = matrix.reshape(rows, columns).astype(float)

probability = forest.predict_proba(matrix)
best = probability.argmax(axis=1)

# The seed makes another attempt at the same mini-batch answer the same.
random = numpy.random.default_rng(ids[0])
disturbed = numpy.repeat(matrix, draws, axis=0)
disturbed += random.normal(scale=0.1, size=disturbed.shape) * spread
again = forest.predict_proba(disturbed).argmax(axis=1).reshape(rows, draws)
stability = (again == best[:, None]).mean(axis=1)

return zip(ids, forest.classes_[best].tolist(), probability.max(axis=1).tolist(), stability.tolist())
$$;

INSERT INTO demo.model (name, artifact, trained_on)
	SELECT 'wine', demo.train(array_send(array_agg(features ORDER BY id)), array_agg(label ORDER BY id)), count(*)
	FROM demo.wine WHERE NOT held_out;
INSERT INTO demo.model (name, artifact, trained_on)
	SELECT 'cancer', demo.train(array_send(array_agg(features ORDER BY id)), array_agg(label ORDER BY id)), count(*)
	FROM demo.cancer WHERE NOT held_out;
INSERT INTO demo.model (name, artifact, trained_on)
	SELECT 'digits', demo.train(array_send(array_agg(features ORDER BY id)), array_agg(label ORDER BY id)), count(*)
	FROM demo.digits WHERE NOT held_out;

ANALYZE demo.wine, demo.cancer, demo.digits, demo.model;

SELECT name AS model, trained_on AS "rows learnt from", pg_size_pretty(length(artifact)::bigint) AS size
FROM demo.model ORDER BY name;

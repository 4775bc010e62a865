-- Creates the pipeline from its document, submits it and watches it.  Start psql
-- in the repository's directory, as the role that is to own the pipeline.

\set definition `cat examples/classify/pipeline.json`
SELECT mlpipe_create_pipeline('classify', :'definition'::jsonb) AS version \gset
SELECT mlpipe_submit('classify') AS run_id \gset
CALL mlpipe_watch(:run_id);

\i examples/classify/report.sql

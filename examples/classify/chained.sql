-- The same pipeline, with every activity waiting for the one before it in the
-- document: nothing runs side by side, and nothing else is different.

SELECT definition || jsonb_build_object('activities',
		jsonb_agg(CASE WHEN before IS NULL THEN activity
				  ELSE activity || jsonb_build_object('depends_on', jsonb_build_array(before)) END
				  ORDER BY number)) AS chained
FROM (SELECT definition, activity, number, lag(activity->>'name') OVER (ORDER BY number) AS before
	  FROM mlpipe_definition('classify') AS definition,
		jsonb_array_elements(definition->'activities') WITH ORDINALITY AS a (activity, number)) a
GROUP BY definition \gset

SELECT mlpipe_create_pipeline('classify_chained', :'chained'::jsonb) AS version \gset
SELECT mlpipe_submit('classify_chained') AS run_id \gset
CALL mlpipe_watch(:run_id);

\i examples/classify/report.sql

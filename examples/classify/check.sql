-- What is wrong, a line each; nothing where all is well.

WITH newest AS (
	SELECT DISTINCT ON (pipeline) * FROM mlpipe_runs
	WHERE pipeline IN ('classify', 'classify_chained') ORDER BY pipeline, run_id DESC
), answer AS (
	SELECT 'wine' AS data, * FROM demo.wine
	UNION ALL SELECT 'cancer', * FROM demo.cancer
	UNION ALL SELECT 'digits', * FROM demo.digits
), activity AS (
	SELECT split_part(activity, '_', 1) AS segment, tstzrange(a.started_at, a.finished_at) AS span
	FROM mlpipe_activities a JOIN newest USING (run_id)
	WHERE pipeline = 'classify' AND activity <> 'backup'
)
SELECT format('run %s of %s ended %s: %s', run_id, pipeline, status, error)
FROM newest WHERE status <> 'succeeded'
UNION ALL
SELECT format('pipeline %s has no run', name)
FROM unnest(ARRAY['classify', 'classify_chained']) AS name
WHERE name NOT IN (SELECT pipeline FROM newest)
UNION ALL
SELECT format('%s: %s rows have no class', data, count(*))
FROM answer WHERE class IS NULL GROUP BY data
UNION ALL
SELECT format('%s: only %s of %s held-out rows are right', data, count(*) FILTER (WHERE class = label), count(*))
FROM answer WHERE held_out
GROUP BY data HAVING count(*) FILTER (WHERE class = label) < 0.85 * count(*)
UNION ALL
SELECT format('run %s of %s made no backup of all rows', run_id, pipeline)
FROM newest WHERE (SELECT count(*) FROM demo.backup b WHERE b.run_id = newest.run_id) <> (SELECT count(*) FROM answer)
UNION ALL
SELECT format('%s and %s never ran side by side', a, b)
FROM (VALUES ('wine', 'cancer'), ('wine', 'digits'), ('cancer', 'digits')) AS pair (a, b)
WHERE NOT EXISTS (SELECT FROM activity x JOIN activity y ON x.span && y.span WHERE x.segment = a AND y.segment = b);

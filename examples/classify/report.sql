-- What a run did: :run_id.

\echo
\echo The timeline of run :run_id
SELECT activity, status, bar, elapsed FROM mlpipe_timeline WHERE run_id = :run_id;

SELECT status <> 'succeeded' AS run_failed FROM mlpipe_runs WHERE run_id = :run_id \gset
\if :run_failed
	SELECT activity, batch, attempt, message, detail FROM mlpipe_errors WHERE run_id = :run_id;
\endif

\echo Which branches ran at the same time
WITH activity AS (
	SELECT activity, split_part(activity, '_', 1) AS segment, tstzrange(started_at, finished_at) AS span
	FROM mlpipe_activities
	WHERE run_id = :run_id AND activity <> 'backup' AND finished_at > started_at
), segment AS (
	SELECT segment, tstzrange(min(lower(span)), max(upper(span))) AS span
	FROM activity GROUP BY segment
)
SELECT a.segment || ' and ' || b.segment AS branches,
	coalesce(upper(a.span * b.span) - lower(a.span * b.span), '0') AS "side by side",
	(SELECT count(*) FROM activity x JOIN activity y ON x.span && y.span
	 WHERE x.segment = a.segment AND y.segment = b.segment) AS "pairs of activities at once"
FROM segment a JOIN segment b ON a.segment < b.segment
ORDER BY 1;

\echo How many activities were in progress at once, at most
SELECT max(n) AS peak
FROM (SELECT count(*) AS n
	  FROM mlpipe_activities a JOIN mlpipe_activities b
		ON b.run_id = a.run_id AND b.started_at <= a.started_at AND b.finished_at > a.started_at
	  WHERE a.run_id = :run_id
	  GROUP BY a.activity) a;

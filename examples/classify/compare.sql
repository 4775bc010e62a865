-- The fan-out and the chain, side by side: the newest run of each.

\echo The same work, side by side and one after another
SELECT DISTINCT ON (pipeline) pipeline, run_id, status,
	round(extract(epoch FROM elapsed)::numeric, 2) AS "wall time, s",
	round(max(extract(epoch FROM elapsed)::numeric) OVER () / extract(epoch FROM elapsed)::numeric, 2) AS "times as fast"
FROM (SELECT DISTINCT ON (pipeline) * FROM mlpipe_runs
	  WHERE pipeline IN ('classify', 'classify_chained') ORDER BY pipeline, run_id DESC) r
ORDER BY pipeline;

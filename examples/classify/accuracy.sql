-- How good the answers are, on rows that the models have never seen.

\echo The held-out rows, as the pipeline classified them
SELECT data, count(*) AS "held out", count(class) AS classified,
	count(*) FILTER (WHERE class = label) AS right,
	round(100.0 * count(*) FILTER (WHERE class = label) / count(*), 1) AS "accuracy, %",
	round(100.0 * count(*) FILTER (WHERE class = label AND stability >= 0.99)
		/ nullif(count(*) FILTER (WHERE stability >= 0.99), 0), 1) AS "where stable, %",
	count(*) FILTER (WHERE unusual > 0) AS unusual
FROM (SELECT 'wine' AS data, * FROM demo.wine
	  UNION ALL SELECT 'cancer', * FROM demo.cancer
	  UNION ALL SELECT 'digits', * FROM demo.digits) d
WHERE held_out
GROUP BY data ORDER BY data;

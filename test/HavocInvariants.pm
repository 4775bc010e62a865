
# Copyright (c) 2026, the mlpipe authors

# What has to hold, whatever died: as queries that return what is wrong.
package HavocInvariants;

use strict;
use warnings;
use Exporter 'import';

our @EXPORT_OK = qw(setup_sql always at_rest);

# An activity's end counts for its list where nothing depends on it, or what
# does joins by "any"; where a loop's own check follows all others, that alone.
sub setup_sql
{
	return q{
CREATE VIEW soak.awaited AS
SELECT d.version_id, d.no, NOT EXISTS (SELECT FROM mlpipe.activity_dependency e WHERE e.version_id = d.version_id AND e.depends_on = d.no) AS leaf,
	EXISTS (SELECT FROM mlpipe.activity_dependency e JOIN mlpipe.activity t ON t.version_id = e.version_id AND t.no = e.no
		WHERE e.version_id = d.version_id AND e.depends_on = d.no AND t.definition->>'join' = 'any') AS joins
FROM mlpipe.activity d;
CREATE VIEW soak.activity AS
SELECT a.*, r.version_id, d.type, a.finished_at IS NOT NULL AS ended,
	CASE WHEN a.internal THEN true
		WHEN EXISTS (SELECT FROM mlpipe.activity_run i WHERE i.run_id = a.run_id AND i.parent_no = a.parent_no AND i.iteration = a.iteration AND i.internal) THEN w.joins
		ELSE w.leaf OR w.joins END AS awaited
FROM mlpipe.activity_run a JOIN mlpipe.run r USING (run_id)
LEFT JOIN mlpipe.activity d ON d.version_id = r.version_id AND d.no = a.activity_no AND NOT a.internal
LEFT JOIN soak.awaited w ON w.version_id = r.version_id AND w.no = a.activity_no;
};
}

# In every snapshot; [what holds, a query of what breaks it].
sub always
{
	return (
		[ "each activity's effect is there exactly once if it has succeeded, else not at all", q{
			SELECT a.run_id, a.name, a.status, a.attempt, count(e) AS effects FROM mlpipe.activity_run a
			LEFT JOIN soak.effect e ON e.run_id = a.run_id AND e.activity = a.name
			WHERE a.name ~ '(^|\.)e_[a-z0-9]+$' AND NOT a.internal GROUP BY a.run_id, a.no HAVING count(e) <> (a.status = 'succeeded')::integer} ],
		[ 'there is no effect of what is not known', q{
			SELECT * FROM soak.effect e WHERE NOT EXISTS (SELECT FROM mlpipe.activity_run a WHERE a.run_id = e.run_id AND a.name = e.activity)} ],
		[ "each mini-batch's rows are there exactly once", q{
			SELECT b.run_id, b.batch, b.items_out, e.rows, e.ids FROM mlpipe.mini_batch b JOIN mlpipe.activity_run a USING (run_id, no)
			FULL JOIN (SELECT run_id, activity, batch, count(*) AS rows, count(DISTINCT id) AS ids FROM soak.batch_effect GROUP BY 1, 2, 3) e
				ON e.run_id = b.run_id AND e.activity = a.name AND e.batch = b.batch AND b.status = 'succeeded'
			WHERE (b.run_id IS NULL OR b.status = 'succeeded') AND (b.items_out, b.items_out) IS DISTINCT FROM (e.rows, e.ids)} ],
		[ 'no row of an input is in two mini-batches', q{
			SELECT run_id, activity, id, count(*) FROM soak.batch_effect GROUP BY 1, 2, 3 HAVING count(*) > 1} ],
		[ 'a mini-batch has one last word', q{
			SELECT run_id, no, batch, count(*) FROM mlpipe.mini_batch WHERE final GROUP BY 1, 2, 3 HAVING count(*) > 1} ],
		[ 'a step has succeeded with all of its mini-batches, and all of its rows', q{
			SELECT a.run_id, a.name, a.output, b.* FROM soak.activity a JOIN LATERAL (SELECT count(*) FILTER (WHERE final) AS finals,
				count(*) FILTER (WHERE status = 'succeeded') AS done, sum(items_out) FILTER (WHERE status = 'succeeded') AS items
				FROM mlpipe.mini_batch b WHERE b.run_id = a.run_id AND b.no = a.no) b ON true
			WHERE a.type = 'parallel' AND a.status = 'succeeded' AND ((a.output->>'batches')::bigint <> b.finals OR (a.output->>'succeeded')::bigint <> b.done
				OR (a.output->>'items_done')::bigint <> b.items OR (b.finals = b.done AND b.items <> (SELECT count(*) FROM soak.source)))} ],
		[ 'copied rows are there exactly once', q{
			SELECT a.run_id, a.name, a.status, count(c) FROM mlpipe.activity_run a LEFT JOIN soak.copied c ON c.run_id = a.run_id AND c.activity = a.name
			WHERE a.name = 'add' AND EXISTS (SELECT FROM mlpipe.activity_run o WHERE o.run_id = a.run_id AND o.name = 'replace')
			GROUP BY a.run_id, a.no HAVING count(c) <> CASE a.status WHEN 'succeeded' THEN 300 ELSE 0 END} ],
		[ 'a run counts the ends that it waits for', q{
			SELECT r.run_id, r.status, r.remaining, a.* FROM mlpipe.run r JOIN LATERAL (SELECT
				count(*) FILTER (WHERE a.parent_no IS NULL AND a.awaited AND NOT a.ended) AS waits,
				count(*) FILTER (WHERE a.detached AND a.detached_to IS NULL AND NOT a.ended) AS detached
				FROM soak.activity a WHERE a.run_id = r.run_id) a ON true
			WHERE r.finished_at IS NULL AND r.remaining <> CASE r.status WHEN 'cancelling' THEN a.detached ELSE a.waits END} ],
		[ 'what waits counts the dependencies that have not ended', q{
			SELECT a.run_id, a.name, a.remaining, d.waits FROM soak.activity a JOIN LATERAL (SELECT count(*) AS waits
				FROM mlpipe.activity_dependency d JOIN mlpipe.activity_run o ON o.run_id = a.run_id AND o.no = a.no - a.activity_no + d.depends_on
				WHERE d.version_id = a.version_id AND d.no = a.activity_no AND o.finished_at IS NULL) d ON true
			WHERE a.status = 'waiting' AND NOT a.internal AND NOT a.detached AND a.remaining <> d.waits} ],
		[ 'a scope counts the ends that it waits for', q{
			SELECT s.run_id, c.name, s.iteration, s.remaining, a.waits FROM mlpipe.scope s
			JOIN mlpipe.activity_run c ON c.run_id = s.run_id AND c.no = s.no JOIN mlpipe.run r ON r.run_id = s.run_id
			JOIN LATERAL (SELECT count(*) FILTER (WHERE a.awaited AND NOT a.ended) AS waits, bool_or(a.detached) AS detached FROM soak.activity a
				WHERE a.run_id = s.run_id AND a.parent_no = s.no AND a.iteration = s.iteration) a ON true
			WHERE s.first_no IS NOT NULL AND c.finished_at IS NULL AND r.status <> 'cancelling' AND NOT a.detached AND s.remaining <> a.waits} ],
		[ 'a loop counts the iterations that it works on', q{
			SELECT c.run_id, c.name, c.remaining, s.works FROM soak.activity c JOIN mlpipe.run r USING (run_id) JOIN LATERAL (SELECT count(*) AS works
				FROM mlpipe.scope s WHERE s.run_id = c.run_id AND s.no = c.no AND s.first_no IS NOT NULL AND s.succeeded IS NULL) s ON true
			WHERE c.type = 'for_each' AND c.status = 'in_progress' AND c.parked AND NOT c.detached AND c.error IS NULL AND r.status <> 'cancelling' AND c.remaining <> s.works} ],
		[ 'a run that has ended has nothing unfinished', q{
			SELECT r.run_id, r.status, a.name, a.status FROM mlpipe.run r JOIN mlpipe.activity_run a USING (run_id)
			WHERE r.finished_at IS NOT NULL AND a.finished_at IS NULL AND r.status <> 'skipped'} ],
		[ 'a container that has ended has nothing unfinished', q{
			SELECT c.run_id, c.name, c.status, a.name, a.status FROM mlpipe.activity_run c JOIN mlpipe.activity_run a ON a.run_id = c.run_id AND a.parent_no = c.no
			WHERE c.finished_at IS NOT NULL AND a.finished_at IS NULL} ],
		[ "a pipeline's concurrency is kept", q{
			SELECT p.name, count(*) FROM mlpipe.run r JOIN mlpipe.pipeline p USING (pipeline_id) JOIN mlpipe.pipeline_version v USING (version_id)
			WHERE r.finished_at IS NULL AND NOT r.held AND r.due_at IS NULL AND r.status <> 'suspended' GROUP BY p.name, v.definition HAVING count(*) > (v.definition->>'concurrency')::integer} ]);
}

# When all runs have ended; what follows a moment later is waited for.
sub at_rest
{
	return (
		[ 'no executor has work', 'SELECT * FROM mlpipe.executor_slots() WHERE run_id IS NOT NULL' ],
		[ 'no mini-batch is in hand', 'SELECT * FROM mlpipe.batches_in_hand()' ],
		[ 'there are as many executors as there are processes', q{
			SELECT f.executors, a.processes FROM mlpipe.facts() f, (SELECT count(*) AS processes FROM pg_stat_activity WHERE backend_type = 'mlpipe executor') a
			WHERE f.executors <> a.processes} ],
		[ 'no staging table is left', q{SELECT relname FROM pg_class WHERE relnamespace = 'mlpipe'::regnamespace AND relname ~ '^(stage|keys)_[0-9]'} ],
		[ 'no process holds a lock', q{
			SELECT a.backend_type, l.* FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.backend_type LIKE 'mlpipe%' AND l.locktype <> 'virtualxid'} ],
		[ 'or a snapshot', q{SELECT backend_type, backend_xmin FROM pg_stat_activity WHERE backend_type LIKE 'mlpipe%' AND coalesce(backend_xmin, backend_xid) IS NOT NULL} ],
		[ 'changes of tables have been seen to', 'SELECT * FROM mlpipe.source_change' ],
		[ 'by a run that began afterwards', q{
			SELECT max(at) FROM soak.watched HAVING max(at) > (SELECT max(started_at) FROM mlpipe.run JOIN mlpipe.pipeline USING (pipeline_id) WHERE name = 'changed')} ],
		[ 'there is one scheduler', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mlpipe scheduler' AND datname = current_database() HAVING count(*) <> 1} ]);
}

1;

-- What \d+ tells of the views' columns ---------------------------------------
--
-- A column that is NULL where it does not apply says for what it does.

COMMENT ON COLUMN @extschema@.mlpipe_pipelines.pipeline IS 'its name';
COMMENT ON COLUMN @extschema@.mlpipe_pipelines.version IS 'the version that is submitted where none is named';
COMMENT ON COLUMN @extschema@.mlpipe_pipelines.enabled IS 'whether it can be submitted: mlpipe_alter_pipeline()';
COMMENT ON COLUMN @extschema@.mlpipe_pipelines.run_as IS 'the role that its runs execute as';
COMMENT ON COLUMN @extschema@.mlpipe_pipelines.owner IS 'the role that it belongs to';
COMMENT ON COLUMN @extschema@.mlpipe_pipelines.last_run_id IS 'its latest run';
COMMENT ON COLUMN @extschema@.mlpipe_pipelines.last_status IS 'that run''s status';
COMMENT ON COLUMN @extschema@.mlpipe_pipelines.last_finished_at IS 'when that run ended';
COMMENT ON COLUMN @extschema@.mlpipe_pipelines.runs_queued IS 'runs that have not begun';
COMMENT ON COLUMN @extschema@.mlpipe_pipelines.runs_in_progress IS 'runs that are in progress, or being cancelled';
COMMENT ON COLUMN @extschema@.mlpipe_pipelines.granted_to IS 'other roles that may use it: mlpipe_grant()';

COMMENT ON COLUMN @extschema@.mlpipe_runs.run_id IS 'what mlpipe_submit() returned';
COMMENT ON COLUMN @extschema@.mlpipe_runs.pipeline IS
	'its pipeline''s name; NULL of a document that was submitted without one';
COMMENT ON COLUMN @extschema@.mlpipe_runs.version IS 'the version of the pipeline that it runs';
COMMENT ON COLUMN @extschema@.mlpipe_runs.status IS
	'queued, in_progress, cancelling, suspended, succeeded, failed, cancelled or skipped';
COMMENT ON COLUMN @extschema@.mlpipe_runs.progress IS 'percent as a bar';
COMMENT ON COLUMN @extschema@.mlpipe_runs.percent IS
	'share of its activities that have ended, those counting in part that tell how far they are';
COMMENT ON COLUMN @extschema@.mlpipe_runs.eta IS 'how long it will take still, if it goes on as it has so far';
COMMENT ON COLUMN @extschema@.mlpipe_runs.submitted_at IS 'when it was submitted';
COMMENT ON COLUMN @extschema@.mlpipe_runs.started_at IS 'when its first activity began';
COMMENT ON COLUMN @extschema@.mlpipe_runs.finished_at IS 'when it ended';
COMMENT ON COLUMN @extschema@.mlpipe_runs.elapsed IS 'from its start to its end, or until now';
COMMENT ON COLUMN @extschema@.mlpipe_runs.submitted_by IS 'the role that submitted it';
COMMENT ON COLUMN @extschema@.mlpipe_runs.run_as IS 'the role that it executes as';
COMMENT ON COLUMN @extschema@.mlpipe_runs.trigger IS
	'what submitted it: type, and what applies of name, table, operation, parent_run_id, parent_activity';
COMMENT ON COLUMN @extschema@.mlpipe_runs.priority IS 'the higher, the sooner';
COMMENT ON COLUMN @extschema@.mlpipe_runs.group_id IS
	'the first of the runs that it is a rerun of; its own run_id where it is none';
COMMENT ON COLUMN @extschema@.mlpipe_runs.failures_handled IS 'failed activities that a handler made up for';
COMMENT ON COLUMN @extschema@.mlpipe_runs.parameters IS 'their values, defaults included';
COMMENT ON COLUMN @extschema@.mlpipe_runs.tags IS 'what was given to mlpipe_submit()';
COMMENT ON COLUMN @extschema@.mlpipe_runs.output IS 'what the key "output" of the document says';
COMMENT ON COLUMN @extschema@.mlpipe_runs.error IS 'its first error, or why it was stopped';

COMMENT ON COLUMN @extschema@.mlpipe_activities.run_id IS 'the run';
COMMENT ON COLUMN @extschema@.mlpipe_activities.activity IS
	'the activity''s name; of one inside of others its path, as in each[3].train';
COMMENT ON COLUMN @extschema@.mlpipe_activities.type IS 'its type in the document';
COMMENT ON COLUMN @extschema@.mlpipe_activities.status IS
	'waiting, queued, in_progress, succeeded, failed, skipped, cancelled or inactive';
COMMENT ON COLUMN @extschema@.mlpipe_activities.progress IS
	'how far it is, of mini-batches or as mlpipe_progress() says';
COMMENT ON COLUMN @extschema@.mlpipe_activities.attempt IS 'counts from 1; 0 where nothing was attempted';
COMMENT ON COLUMN @extschema@.mlpipe_activities.wait_reason IS 'why it does not run';
COMMENT ON COLUMN @extschema@.mlpipe_activities.started_at IS 'when its latest attempt began';
COMMENT ON COLUMN @extschema@.mlpipe_activities.finished_at IS 'when it ended';
COMMENT ON COLUMN @extschema@.mlpipe_activities.elapsed IS 'from its start to its end, or until now';
COMMENT ON COLUMN @extschema@.mlpipe_activities.batches_total IS 'mini-batches of a step''s input';
COMMENT ON COLUMN @extschema@.mlpipe_activities.batches_done IS 'mini-batches that have succeeded';
COMMENT ON COLUMN @extschema@.mlpipe_activities.batches_failed IS 'mini-batches that have failed for good';
COMMENT ON COLUMN @extschema@.mlpipe_activities.items_in IS
	'rows that a copy read; items of a step''s mini-batches that have ended';
COMMENT ON COLUMN @extschema@.mlpipe_activities.items_out IS 'rows that a copy wrote; of those items the ones that are done';
COMMENT ON COLUMN @extschema@.mlpipe_activities.executor_pid IS
	'the worker that ran it last, in pg_stat_activity while it lives';
COMMENT ON COLUMN @extschema@.mlpipe_activities.reused_from IS
	'the run that did its work, where this one did not do it again';
COMMENT ON COLUMN @extschema@.mlpipe_activities.output IS 'what later activities read; NULL with secure_output';
COMMENT ON COLUMN @extschema@.mlpipe_activities.error IS 'why it failed; mlpipe_errors has those of all attempts';

COMMENT ON COLUMN @extschema@.mlpipe_batches.run_id IS 'the run';
COMMENT ON COLUMN @extschema@.mlpipe_batches.activity IS
	'the activity''s name; of one inside of others its path, as in each[3].train';
COMMENT ON COLUMN @extschema@.mlpipe_batches.batch IS 'its number in the step, from 1';
COMMENT ON COLUMN @extschema@.mlpipe_batches.attempt IS 'counts from 1';
COMMENT ON COLUMN @extschema@.mlpipe_batches.status IS 'queued, in_progress, succeeded, failed or cancelled';
COMMENT ON COLUMN @extschema@.mlpipe_batches.keys IS 'its partition''s values of partition_keys';
COMMENT ON COLUMN @extschema@.mlpipe_batches.items_in IS 'its items';
COMMENT ON COLUMN @extschema@.mlpipe_batches.items_out IS 'those that are done';
COMMENT ON COLUMN @extschema@.mlpipe_batches.started_at IS 'when this attempt began';
COMMENT ON COLUMN @extschema@.mlpipe_batches.elapsed IS 'from its start to its end, or until now';
COMMENT ON COLUMN @extschema@.mlpipe_batches.executor_pid IS 'the worker that has or had it';
COMMENT ON COLUMN @extschema@.mlpipe_batches.error IS 'of this attempt';

COMMENT ON COLUMN @extschema@.mlpipe_timeline.run_id IS 'the run';
COMMENT ON COLUMN @extschema@.mlpipe_timeline.activity IS
	'the activity''s name; of one inside of others its path, as in each[3].train';
COMMENT ON COLUMN @extschema@.mlpipe_timeline.status IS 'as in mlpipe_activities';
COMMENT ON COLUMN @extschema@.mlpipe_timeline.bar IS 'when it ran, between its run''s start and end';
COMMENT ON COLUMN @extschema@.mlpipe_timeline.started_at IS 'when its latest attempt began';
COMMENT ON COLUMN @extschema@.mlpipe_timeline.elapsed IS 'from its start to its end, or until now';

COMMENT ON COLUMN @extschema@.mlpipe_errors.run_id IS 'the run';
COMMENT ON COLUMN @extschema@.mlpipe_errors.activity IS
	'the activity''s name; of one inside of others its path, as in each[3].train';
COMMENT ON COLUMN @extschema@.mlpipe_errors.batch IS 'of a failed mini-batch or item: the mini-batch';
COMMENT ON COLUMN @extschema@.mlpipe_errors.attempt IS 'which attempt failed; NULL where it is the run''s output';
COMMENT ON COLUMN @extschema@.mlpipe_errors.at IS 'when';
COMMENT ON COLUMN @extschema@.mlpipe_errors.sqlstate IS 'the error''s code';
COMMENT ON COLUMN @extschema@.mlpipe_errors.message IS 'the error''s message, or what mlpipe_item_failed() said';
COMMENT ON COLUMN @extschema@.mlpipe_errors.detail IS 'the error''s detail';
COMMENT ON COLUMN @extschema@.mlpipe_errors.hint IS 'the error''s hint';
COMMENT ON COLUMN @extschema@.mlpipe_errors.context IS 'the statement, and where in it; of a failed item its key';

COMMENT ON COLUMN @extschema@.mlpipe_logs.run_id IS 'the run';
COMMENT ON COLUMN @extschema@.mlpipe_logs.activity IS
	'the activity''s name; of one inside of others its path, as in each[3].train';
COMMENT ON COLUMN @extschema@.mlpipe_logs.batch IS 'the mini-batch';
COMMENT ON COLUMN @extschema@.mlpipe_logs.at IS 'when';
COMMENT ON COLUMN @extschema@.mlpipe_logs.level IS 'debug, info, notice, warning or error';
COMMENT ON COLUMN @extschema@.mlpipe_logs.message IS 'what mlpipe_log() was given, or a statement raised';

COMMENT ON COLUMN @extschema@.mlpipe_metrics.run_id IS 'the run';
COMMENT ON COLUMN @extschema@.mlpipe_metrics.activity IS
	'the activity''s name; of one inside of others its path, as in each[3].train';
COMMENT ON COLUMN @extschema@.mlpipe_metrics.name IS 'as given to mlpipe_log_metric()';
COMMENT ON COLUMN @extschema@.mlpipe_metrics.step IS
	'as given to mlpipe_log_metric(); of what workers of a parallel step use: the worker''s pid';
COMMENT ON COLUMN @extschema@.mlpipe_metrics.value IS 'as given to mlpipe_log_metric()';
COMMENT ON COLUMN @extschema@.mlpipe_metrics.at IS 'when';

COMMENT ON COLUMN @extschema@.mlpipe_lineage.run_id IS 'the run';
COMMENT ON COLUMN @extschema@.mlpipe_lineage.activity IS
	'the activity''s name; of one inside of others its path, as in each[3].train';
COMMENT ON COLUMN @extschema@.mlpipe_lineage.relation IS 'the table, qualified by its schema';
COMMENT ON COLUMN @extschema@.mlpipe_lineage.direction IS 'read or write';
COMMENT ON COLUMN @extschema@.mlpipe_lineage.rows IS
	'rows that the activity''s statements took from it, or put into it';

COMMENT ON COLUMN @extschema@.mlpipe_executors.pid IS 'as in pg_stat_activity';
COMMENT ON COLUMN @extschema@.mlpipe_executors.role IS 'the role that it works for, and is connected as';
COMMENT ON COLUMN @extschema@.mlpipe_executors.state IS 'starting, idle or busy';
COMMENT ON COLUMN @extschema@.mlpipe_executors.run_id IS 'the run that it works on';
COMMENT ON COLUMN @extschema@.mlpipe_executors.activity IS
	'the activity''s name; of one inside of others its path, as in each[3].train';
COMMENT ON COLUMN @extschema@.mlpipe_executors.batch IS 'the mini-batch that it works on';
COMMENT ON COLUMN @extschema@.mlpipe_executors.since IS 'when it began with that';
COMMENT ON COLUMN @extschema@.mlpipe_executors.compute IS 'where it runs: local is this server';

COMMENT ON COLUMN @extschema@.mlpipe_health.severity IS 'error where work does not go on, else warning';
COMMENT ON COLUMN @extschema@.mlpipe_health.problem IS 'what is wrong';
COMMENT ON COLUMN @extschema@.mlpipe_health.hint IS 'what to do about it';

COMMENT ON COLUMN @extschema@.mlpipe_approvals.run_id IS 'for mlpipe_approve()';
COMMENT ON COLUMN @extschema@.mlpipe_approvals.pipeline IS 'its pipeline''s name';
COMMENT ON COLUMN @extschema@.mlpipe_approvals.activity IS 'for mlpipe_approve()';
COMMENT ON COLUMN @extschema@.mlpipe_approvals.message IS 'what it asks';
COMMENT ON COLUMN @extschema@.mlpipe_approvals.approvers IS
	'roles of which one may answer; NULL: who may cancel the run';
COMMENT ON COLUMN @extschema@.mlpipe_approvals.waiting_since IS 'when it began to wait';
COMMENT ON COLUMN @extschema@.mlpipe_approvals.times_out_at IS 'when it will fail without an answer';

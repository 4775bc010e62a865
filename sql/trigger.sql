-- Start by themselves --------------------------------------------------------

-- The right to submit the pipeline is asked of the owner of the table that the
-- trigger is on, whoever writes to it: see src/api/change.c.
CREATE FUNCTION @extschema@.mlpipe_submit_on_change() RETURNS trigger
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.mlpipe_submit_on_change()
	IS 'AFTER trigger that submits a pipeline when the transaction commits; arguments: pipeline, and optionally ''{"debounce": "5s", "parameters": {...}}''';

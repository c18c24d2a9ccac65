-- All rows of a level, <table>, of a run of organisations that start in a span of time, superseded ones too, in the
-- order of the key.
--
-- Reads the table along its key.
SELECT
    org_id, starts_at, ends_at, generation, through, calls, input_tokens, output_tokens, credits,
    cells.member_id AS member_id, cells.reason AS reason, cells.provider AS provider, cells.model AS model,
    cells.currency AS currency, cells.calls AS cell_calls, cells.input_tokens AS cell_input_tokens,
    cells.output_tokens AS cell_output_tokens, cells.credits AS cell_credits, cells.provider_cost AS cell_provider_cost
FROM <table>
WHERE org_id >= {first_org:String} AND org_id <= {last_org:String}
    AND (empty({orgs:Array(String)}) OR org_id IN {orgs:Array(String)})
    AND starts_at >= toDateTime({since:UInt32}, 'UTC') AND starts_at < toDateTime({until:UInt32}, 'UTC')
ORDER BY org_id, starts_at, ends_at

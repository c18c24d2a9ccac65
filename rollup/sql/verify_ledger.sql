-- All ledger rows of a run of organisations and a span of time, as they are, in the order of the key.
--
-- Reads `ai_calls` along its key, one month's parts at a time.
SELECT
    org_id, occurred_at, event_id, position, partition, member_id, reason, provider, model, currency,
    input_tokens, output_tokens, credits, provider_cost
FROM ai_calls
WHERE org_id >= {first_org:String} AND org_id <= {last_org:String}
    AND (empty({orgs:Array(String)}) OR org_id IN {orgs:Array(String)})
    AND occurred_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
ORDER BY org_id, occurred_at, event_id, position

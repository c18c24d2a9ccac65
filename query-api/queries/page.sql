-- The newest calls before a place in the log that the filter keeps: at most `limit` of them.
-- First writes only, deduplicated before anything is filtered.
-- Table `ai_calls`, read backwards in the order of its key (org_id, occurred_at, event_id, position): from `before_ms`
-- (exclusive, or up to the call `after_id` where a page follows another) down to `from_ms`, at most the quarter hours
-- named when there are any, and it stops when `limit` rows are found.
SELECT
    toInt64(toUnixTimestamp64Milli(occurred_at)) AS occurred_at_ms,
    event_id AS id,
    toString(member_id) AS member,
    toString(reason) AS reason_code,
    toString(provider) AS provider_name,
    toString(model) AS model_name,
    input_tokens,
    output_tokens,
    credits,
    provider_cost,
    toString(currency) AS currency_code
FROM
(
    SELECT
        occurred_at, event_id, member_id, reason, provider, model, input_tokens, output_tokens, credits,
        provider_cost, currency
    FROM ai_calls
    WHERE org_id = {org_id:String}
      AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
      AND occurred_at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
      AND (empty({quarters:Array(DateTime('UTC'))})
        OR toStartOfFifteenMinutes(occurred_at) IN {quarters:Array(DateTime('UTC'))})
      AND (occurred_at < fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')
        OR (occurred_at, event_id) < (fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC'), {after_id:UUID}))
      AND position <= {at:UInt64}
    ORDER BY occurred_at DESC, event_id DESC, position
    LIMIT 1 BY occurred_at, event_id
)
WHERE {{filter}}
ORDER BY occurred_at DESC, event_id DESC
LIMIT {limit:UInt32}

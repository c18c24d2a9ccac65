-- Every message of one call, first write first; what follows are repeats and conflicts.
-- Table `ai_calls`, key (org_id, occurred_at, event_id, position): the rows of one identity.
SELECT
    position,
    partition,
    toInt64(toUnixTimestamp64Milli(appended_at)) AS appended_at_ms,
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
FROM ai_calls
WHERE org_id = {org_id:String}
  AND occurred_at = fromUnixTimestamp64Milli({occurred_at_ms:Int64}, 'UTC')
  AND event_id = {event_id:UUID}
  AND position <= {at:UInt64}
ORDER BY position
LIMIT 1 BY position
LIMIT {limit:UInt32}

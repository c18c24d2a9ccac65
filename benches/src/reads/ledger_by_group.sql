-- First writes by a group of each identity in the order of the key, then one row a combination.
SELECT
    first.1 AS member_id, first.2 AS reason, first.3 AS provider, first.4 AS model, first.5 AS currency,
    count() AS calls, sum(first.6) AS credits, sum(first.7) AS cost
FROM
(
    SELECT argMin(tuple(member_id, reason, provider, model, currency, credits, provider_cost), position) AS first
    FROM ai_calls
    WHERE org_id = {org_id:String}
      AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
      AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    GROUP BY org_id, occurred_at, event_id
    SETTINGS optimize_aggregation_in_order = 1
)
GROUP BY member_id, reason, provider, model, currency

-- What it would cost without telling repeats from calls: wrong as soon as one message comes twice, shown for comparison.
SELECT member_id, reason, provider, model, currency, count() AS calls, sum(credits) AS credits, sum(provider_cost) AS cost
FROM ai_calls
WHERE org_id = {org_id:String}
  AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
GROUP BY member_id, reason, provider, model, currency

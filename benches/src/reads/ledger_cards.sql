-- The cards' credits and active members from first writes by the order of the key.
SELECT sum(credits) AS credits, count() AS calls, uniqExact(member_id) AS active
FROM
(
    SELECT member_id, credits
    FROM ai_calls
    WHERE org_id = {org_id:String}
      AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
      AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    ORDER BY org_id, occurred_at, event_id, position
    LIMIT 1 BY org_id, occurred_at, event_id
)

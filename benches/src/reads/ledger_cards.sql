-- All that the cards show, from first writes by the order of the key: credits of this month, last month and the same days
-- of last month, and who was active this month.
WITH
    fromUnixTimestamp64Milli({this_month_ms:Int64}, 'UTC') AS this_month,
    fromUnixTimestamp64Milli({same_time_of_last_month_ms:Int64}, 'UTC') AS same_time_of_last_month
SELECT
    sumIf(credits, occurred_at >= this_month) AS credits_this_month,
    sumIf(credits, occurred_at < this_month) AS credits_last_month,
    sumIf(credits, occurred_at < same_time_of_last_month) AS credits_same_days,
    uniqExactIf(member_id, occurred_at >= this_month) AS active_members
FROM
(
    SELECT occurred_at, member_id, credits
    FROM ai_calls
    WHERE org_id = {org_id:String}
      AND occurred_at >= fromUnixTimestamp64Milli({last_month_ms:Int64}, 'UTC')
      AND occurred_at < fromUnixTimestamp64Milli({now_ms:Int64}, 'UTC')
    ORDER BY org_id, occurred_at, event_id, position
    LIMIT 1 BY org_id, occurred_at, event_id
)

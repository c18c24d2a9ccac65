-- Calls that several messages told of, newest first, with those messages in the order in which they were written: at most
-- `limit` calls, at most `messages` of each.
-- Table `ai_calls`, key (org_id, occurred_at, event_id, position), read twice between `from_ms` and `before_ms`
-- (exclusive, or up to the call `after_id` where a page follows another). A re-delivery has the same position: it is
-- the same message.
SELECT *
FROM
(
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
      AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
      AND occurred_at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
      AND position <= {at:UInt64}
      AND (occurred_at, event_id) IN
      (
          SELECT occurred_at, event_id
          FROM ai_calls
          WHERE org_id = {org_id:String}
            AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND occurred_at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
            AND (occurred_at < fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')
              OR (occurred_at, event_id) < (fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC'), {after_id:UUID}))
            AND position <= {at:UInt64}
          GROUP BY occurred_at, event_id
          HAVING min(position) != max(position)
             AND (NOT {conflicts_only:Bool} OR uniqExact(member_id, reason, provider, model, input_tokens, output_tokens,
                                                         credits, provider_cost, currency) > 1)
          ORDER BY occurred_at DESC, event_id DESC
          LIMIT {limit:UInt32}
      )
    ORDER BY occurred_at DESC, event_id DESC, position
    LIMIT 1 BY occurred_at, event_id, position
)
ORDER BY occurred_at_ms DESC, id DESC, position
LIMIT {messages:UInt32} BY occurred_at_ms, id

-- Not a statement: what every question to the ledger begins with. First writes only: deduplicated before anything is
-- filtered, for a conflicting repeat must not count where the first write does not match.
--
-- Asked: pieces [from_ms, to_ms), ascending, each with the number of the sum it belongs to; `quarters` are the quarter
-- hours they lie in.
-- Table `ai_calls`, key (org_id, occurred_at, event_id, position): the organisation's rows of those quarter hours.
WITH
    arraySort(arrayDistinct(arrayConcat({from_ms:Array(Int64)}, {to_ms:Array(Int64)}))) AS bounds,
    {{first_writes}} AS
    (
        SELECT
            transform(
                roundDown(toUnixTimestamp64Milli(occurred_at), bounds),
                {from_ms:Array(Int64)}, {slots:Array(UInt32)}, toUInt32(0)) AS slot,
            member_id, reason, provider, model, currency, input_tokens, output_tokens, credits, provider_cost, position
        FROM ai_calls
        WHERE org_id = {org_id:String}
          AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Array(Int64)}[1], 'UTC')
          AND occurred_at < fromUnixTimestamp64Milli({to_ms:Array(Int64)}[-1], 'UTC')
          AND toStartOfFifteenMinutes(occurred_at) IN {quarters:Array(DateTime('UTC'))}
          AND roundDown(toUnixTimestamp64Milli(occurred_at), bounds) IN {from_ms:Array(Int64)}
          AND position <= {at:UInt64}
          {{told_after}}
        ORDER BY org_id, occurred_at, event_id, position
        LIMIT 1 BY org_id, occurred_at, event_id
    )

-- Not a statement: what every question to the ledger begins with. First writes only: deduplicated before anything is
-- filtered, for a conflicting repeat must not count where the first write does not match.
--
-- Asked: pieces [from_ms, to_ms), ascending, each with the number of the sum it belongs to; `quarters` are the quarter
-- hours they lie in. Of these the calls whose first write came after a position; 0 for all of them.
-- Table `ai_calls`, key (org_id, occurred_at, event_id, position): the organisation's rows of those quarter hours.
WITH
    arraySort(arrayDistinct(arrayConcat({from_ms:Array(Int64)}, {to_ms:Array(Int64)}))) AS bounds,
    lowest AS
    (
        SELECT
            transform(
                roundDown(toUnixTimestamp64Milli(occurred_at), bounds),
                {from_ms:Array(Int64)}, {slots:Array(UInt32)}, toUInt32(0)) AS slot,
            position, member_id, reason, provider, model, currency,
            input_tokens, output_tokens, credits, provider_cost
        FROM ai_calls
        WHERE org_id = {org_id:String}
          AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Array(Int64)}[1], 'UTC')
          AND occurred_at < fromUnixTimestamp64Milli({to_ms:Array(Int64)}[-1], 'UTC')
          AND toStartOfFifteenMinutes(occurred_at) IN {quarters:Array(DateTime('UTC'))}
          AND roundDown(toUnixTimestamp64Milli(occurred_at), bounds) IN {from_ms:Array(Int64)}
          AND position <= {at:UInt64}
          AND {{told_after}}
        ORDER BY org_id, occurred_at, event_id, position
        LIMIT 1 BY org_id, occurred_at, event_id
    ),
    first_writes AS (SELECT * FROM lowest WHERE position > {after:UInt64})

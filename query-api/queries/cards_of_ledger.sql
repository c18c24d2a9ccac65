-- The same as cards_of_level.sql, from the ledger.
SELECT
    CAST([], 'Array(UInt32)') AS starts,
    slot,
    sum(credits) AS sum_credits,
    arrayMap(
        member -> toString(member),
        groupUniqArrayIf(member_id, slot = 1)) AS active
FROM first_writes
GROUP BY slot

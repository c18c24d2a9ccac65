-- Credits of each sum, and who was active in the sums that ask for it (`with_members`).
-- Reads the rows' own totals and of the cells the members alone.
SELECT
    groupArrayIf(start, used = 0) AS touched,
    groupArrayIf(start, used = 1) AS used_starts,
    slot,
    sum(credits_of_row) AS sum_credits,
    arrayMap(
        member -> toString(member),
        groupUniqArrayArrayIf(member_ids, slot IN {with_members:Array(UInt32)})) AS active
FROM judged
GROUP BY slot

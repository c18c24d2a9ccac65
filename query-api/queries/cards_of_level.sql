-- Credits of each sum, and who was active in the first one.
-- Reads the rows' own totals and of the cells the members alone.
SELECT
    groupArray(start) AS starts,
    slot,
    sum(credits_of_row) AS sum_credits,
    arrayMap(
        member -> toString(member),
        groupUniqArrayArrayIf(member_ids, slot = 1)) AS active
FROM usable
GROUP BY slot

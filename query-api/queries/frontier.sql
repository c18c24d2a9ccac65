-- How far one partition of one source is in the ledger: the end of the farthest batch, and how much the batches cover
-- together. Where they cover everything up to that end, it is the frontier.
-- Table `batches`, key (partition, from_position, to_position): the rows of one partition since `start`, a few
-- thousand small ones (old ones are folded).
SELECT
    max(to_position) AS highest,
    intervalLengthSum(from_position, to_position) AS covered,
    max(appended_at) AS complete_through,
    maxIf(appended_at, to_position <= {at:UInt64}) AS pinned_complete_through
FROM batches
WHERE partition = {partition:UInt16} AND from_position >= {start:UInt64} AND to_position < {end:UInt64}

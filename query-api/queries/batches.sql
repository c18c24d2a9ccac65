-- Every batch of one partition of one source, for the rare moment when they leave a gap.
-- Table `batches`, key (partition, from_position, to_position), as in frontier.sql.
SELECT from_position, to_position, toInt64(toUnixTimestamp64Milli(appended_at)) AS appended_at_ms
FROM batches
WHERE partition = {partition:UInt16} AND from_position >= {start:UInt64} AND to_position < {end:UInt64}

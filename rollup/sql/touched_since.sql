-- Which quarter hours were touched behind each partition's cursor? The lowest of each partition first, so many of them.
--
-- Reads two columns of `touches`; its index on `last_position` spares the parts that nothing touched since the lowest
-- cursor. `kafkaMurmurHash` is the partitioner's hash without its sign.
SELECT
    toString(org_id) AS org_id,
    toUnixTimestamp(quarter) AS quarter,
    max(touches.last_position) AS last_position
FROM touches
WHERE touches.last_position > {lowest_cursor:UInt64}
    AND touches.last_position > {cursors:Array(UInt64)}[kafkaMurmurHash(org_id) % length({cursors:Array(UInt64)}) + 1]
GROUP BY org_id, quarter
ORDER BY last_position
LIMIT {limit:UInt64} BY kafkaMurmurHash(org_id) % length({cursors:Array(UInt64)})

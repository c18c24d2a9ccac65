-- Up to where has the work of each partition been done in this generation?
--
-- Reads `rollup_progress` along its key: one row a partition, and those not merged yet.
SELECT partition, max(rollup_progress.bookmark) AS bookmark
FROM rollup_progress
WHERE generation = {generation:UInt32}
GROUP BY partition

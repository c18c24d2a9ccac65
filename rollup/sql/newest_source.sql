-- Which source of calls is the newest, where does each of its partitions start, and which generation holds?
--
-- Reads all of `sources` and `generations`: a few rows.
SELECT
    source,
    partition,
    max(sources.partitions) AS partitions,
    min(sources.start_position) AS start_position,
    ifNull((SELECT max(generation) FROM generations), 0) AS generation
FROM sources
WHERE kind = 'calls' AND source = (SELECT max(source) FROM sources WHERE kind = 'calls')
GROUP BY source, partition

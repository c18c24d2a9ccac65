-- The partitions of every source of calls. A few dozen rows in all; merged by hand, as merges come when they want.
SELECT
    source,
    partition,
    any(kind) AS kind,
    any(cluster_id) AS cluster_id,
    any(topic) AS topic,
    any(topic_id) AS topic_id,
    max(partitions) AS partitions,
    min(start_position) AS start_position,
    max(end_position) AS end_position
FROM sources
WHERE kind = 'calls'
GROUP BY source, partition

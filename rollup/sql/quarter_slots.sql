    quarters.1 AS quarters_keys,
    quarters.2 AS quarters_touches,
    quarters.3 AS quarters_buckets,
    arrayMap(key -> key % 4294967296 + 900, quarters_keys) AS quarters_ends

-- How many calls of each bucket the filter keeps: tells the log how far back its next rows lie.
-- Bounded by the number of cells: a row a bucket, as many cells as it has combinations.
SELECT start, sumIf(calls, {{filter}}) AS sum_calls
FROM {{cells}}
WHERE nth = 1 OR ({{filter}})
GROUP BY start

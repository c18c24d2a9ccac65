-- Through which position the rollup worker has computed every passed bucket of a partition; 0 when it never did.
-- Where reading starts to be cheap, and nothing else. Table `rollup_progress`: one row a partition and generation.
SELECT argMax(bookmark, (generation, bookmark)) AS bookmark
FROM rollup_progress
WHERE partition = {partition:UInt16}

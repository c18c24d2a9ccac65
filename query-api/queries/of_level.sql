-- Not a statement: what every question to a rollup level begins with. It judges each row and says which intervals were
-- touched at all, so that plan and sums come from the same reading of the same rows.
--
-- Asked: buckets [starts, ends), ascending, each with the number of the sum it belongs to.
-- Table `touches`, key (org_id, quarter): the organisation's rows of that time, one to a few a quarter hour.
-- Table {level}, key (org_id, starts_at, ends_at): one row a bucket.
-- The rule: a row is used if and only if through <= at and through >= the last touch of its interval. An interval that
-- was first touched after `at` holds nothing. `at` was chosen before this statement began.
--
-- `judged` has a row with used = 0 and no cells for each touched interval, and one with used = 1 for each used row.
WITH
    arraySort(arrayDistinct(arrayConcat({starts:Array(UInt32)}, {ends:Array(UInt32)}))) AS bounds,
    touched AS
    (
        SELECT roundDown(toUInt32(quarter), bounds) AS touched_start, max(last_position) AS last_touch
        FROM touches
        WHERE org_id = {org_id:String}
          AND quarter >= toDateTime({starts:Array(UInt32)}[1], 'UTC')
          AND quarter < toDateTime({ends:Array(UInt32)}[-1], 'UTC')
        GROUP BY touched_start
        HAVING min(first_position) <= {at:UInt64} AND touched_start IN {starts:Array(UInt32)}
    ),
    (SELECT (groupArray(touched_start), groupArray(last_touch)) FROM touched) AS touches_by_start,
    judged AS
    (
        SELECT
            toUInt32(starts_at) AS start,
            toUInt8(1) AS used,
            transform(start, {starts:Array(UInt32)}, {slots:Array(UInt32)}, toUInt32(0)) AS slot,
            calls AS calls_of_row,
            credits AS credits_of_row,
            cells.member_id AS member_ids,
            cells.reason AS reasons_of_cells,
            cells.provider AS providers,
            cells.model AS models_of_cells,
            cells.currency AS currencies,
            cells.calls AS calls_of_cells,
            cells.input_tokens AS input_tokens_of_cells,
            cells.output_tokens AS output_tokens_of_cells,
            cells.credits AS credits_of_cells,
            cells.provider_cost AS provider_costs
        FROM {level:Identifier} FINAL
        WHERE org_id = {org_id:String}
          AND (toUInt32(starts_at), toUInt32(ends_at)) IN arrayZip({starts:Array(UInt32)}, {ends:Array(UInt32)})
          AND through <= {at:UInt64}
          AND through >= transform(toUInt32(starts_at), touches_by_start.1, touches_by_start.2, toUInt64(-1))
        UNION ALL
        SELECT
            arrayJoin(touches_by_start.1), 0, 0, 0, toDecimal128(0, 12),
            CAST([], 'Array(LowCardinality(String))'), CAST([], 'Array(LowCardinality(String))'),
            CAST([], 'Array(LowCardinality(String))'), CAST([], 'Array(LowCardinality(String))'),
            CAST([], 'Array(LowCardinality(String))'),
            CAST([], 'Array(UInt64)'), CAST([], 'Array(UInt64)'), CAST([], 'Array(UInt64)'),
            CAST([], 'Array(Decimal(38, 12))'), CAST([], 'Array(Decimal(38, 12))')
    )

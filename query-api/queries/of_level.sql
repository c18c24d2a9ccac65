-- Not a statement: what every question to a rollup level begins with. It judges the rows it is about to sum, so that
-- what was used and what it adds up to come from one reading of the same rows.
--
-- Asked: touched buckets [starts, ends), ascending, each with the last touch of its interval and with the number of the
-- sum it belongs to. The touches were read after `at` was chosen; when the rows are read does not matter then.
-- Table {level}, key (org_id, starts_at, ends_at): one row a bucket.
-- The rule: a row is usable if and only if through <= at and through >= the last touch of its whole interval.
WITH usable AS
(
    SELECT
        toUInt32(starts_at) AS start,
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
      AND through >= transform(
          toUInt32(starts_at), {starts:Array(UInt32)}, {last_touches:Array(UInt64)}, toUInt64(-1))
)

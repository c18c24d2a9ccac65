-- Computes buckets of one level: what does each of these intervals of these organisations hold at its organisation's
-- position? Filled in by `src/statement.rs`: the level's table, and the sources that the plan takes the buckets from, which
-- are rows of the levels below, each pinned to the version that was judged usable, and quarter hours of the ledger.
--
-- Reads each table along its key, bounded by the slots of the plan, to the granule.
INSERT INTO <table>
(
    org_id, starts_at, ends_at, generation, through, calls, input_tokens, output_tokens, credits,
    cells.member_id, cells.reason, cells.provider, cells.model, cells.currency,
    cells.calls, cells.input_tokens, cells.output_tokens, cells.credits, cells.provider_cost
)
WITH
    -- Buckets and organisations count from 1, 0 is "none". A key holds an organisation's number and an instant.
    {orgs:Array(String)} AS orgs,
    {throughs:Array(UInt64)} AS throughs,
    {bucket_orgs:Array(UInt64)} AS bucket_orgs,
    {bucket_starts:Array(UInt32)} AS bucket_starts,
    {bucket_ends:Array(UInt32)} AS bucket_ends,
    {bucket_rows:Array(UInt64)} AS bucket_rows,
    arrayEnumerate(orgs) AS org_numbers,
<sources>
    cells AS
    (
        <cells>
    ),
<fold>

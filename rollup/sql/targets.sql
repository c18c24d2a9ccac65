    -- The buckets asked for, and the position at which each organisation is cut. Numbers count from 1; 0 is "none". A
    -- key holds an organisation's number and an instant.
    {orgs:Array(String)} AS orgs,
    {throughs:Array(UInt64)} AS throughs,
    {bucket_orgs:Array(UInt64)} AS bucket_orgs,
    {bucket_starts:Array(UInt32)} AS bucket_starts,
    {bucket_ends:Array(UInt32)} AS bucket_ends,
    arrayMap(n -> toUInt64(n), arrayEnumerate(orgs)) AS org_numbers,
    arrayMap(n -> toUInt64(n), arrayEnumerate(bucket_orgs)) AS bucket_numbers,
    arrayMap((org, starts_at) -> org * 4294967296 + starts_at, bucket_orgs, bucket_starts) AS bucket_keys

    -- What no row of a quarter hour stands for is left to the ledger.
    (
        SELECT groupArray((slot.1, slot.3))
        FROM (SELECT arrayJoin(quarters) AS slot)
        WHERE transform(slot.1, usable_quarters_keys, usable_quarters_keys, 0) = 0
    ) AS ledger_slots,
    ledger_slots.1 AS ledger_keys,
    ledger_slots.2 AS ledger_buckets

-- Not a statement: what `{{cells}}` stands for in a question to the ledger: each call a cell of its own.
(
    SELECT
        toUInt32(0) AS start, toUInt32(0) AS nth, slot, member_id, reason, provider, model, currency,
        toUInt64(1) AS calls, input_tokens, output_tokens, credits, provider_cost
    FROM first_writes
)

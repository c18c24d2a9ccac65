    org_id, starts_at, ends_at, generation, through, calls, input_tokens, output_tokens, credits,
    cells.member_id, cells.reason, cells.provider, cells.model, cells.currency,
    cells.calls, cells.input_tokens, cells.output_tokens, cells.credits, cells.provider_cost

"""The calls of the organisation of edge cases: real sizes and rhythm from Mooncake, each with something odd."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import people
from call import DAY_MS, NEWEST_MS, Call
from feeds import mooncake
from prices import Prices

TOKENS_MAX = 4_000_000_000
"""The largest count the contract allows."""

# Days before the newest instant, and what is odd.
ODDITIES = (
    (0, {"member_id": "m-rtl"}),
    (0, {"member_id": "m-emoji"}),
    (1, {"member_id": "m-script", "model": "<img src=x onerror=alert(1)>"}),
    (2, {"member_id": "m-formula", "provider": "@SUM(1)", "model": "=1+1", "reason": "-2+3"}),
    (3, {"member_id": "m-quotes", "model": 'say "hi", twice; and \'again\''}),
    (4, {"member_id": "m-quotes", "model": "back\\slash\\n and 100%_of {it:String} ?"}),
    (5, {"member_id": "m-long-email", "model": "m" * 128}),
    (6, {"member_id": "m-combining", "reason": "résumé_要約"}),
    (6, {"member_id": "m-composed", "reason": "résumé_要約"}),
    (20, {"member_id": people.UNLISTED_MEMBER}),
    (30, {"input_tokens": 0, "output_tokens": 0, "amount": Decimal(0)}),
    (33, {"input_tokens": TOKENS_MAX, "output_tokens": TOKENS_MAX, "amount": Decimal(0)}),
    (36, {"amount": Decimal("0.000000000001")}),
    (36, {"amount": Decimal("123456.789012345678")}),
    (40, {"amount": Decimal("0.000000000001"), "currency": "CHF"}),
    (40, {"amount": Decimal("98765.432109876543"), "currency": "CHF"}),
    (100, {"amount": Decimal(0), "currency": "JPY"}),
)


def calls(folder: Path, prices: Prices) -> Iterator[Call]:
    lane = (entry for entry in mooncake.records(folder) if entry[0] % mooncake.LANES == mooncake.EDGE_LANE)
    model = ((1, ("openai", "gpt-4o-mini", None)),)
    for (number, record), (days, odd) in zip(lane, ODDITIES, strict=False):
        usual = mooncake.call(number, record, prices, people.EDGE, 1, model, 0)
        # All of one day in one instant, so that only the event ids tell them apart.
        yield replace(usual, **{"member_id": "m-rtl"} | odd, occurred_ms=NEWEST_MS - 60_000 - days * DAY_MS)

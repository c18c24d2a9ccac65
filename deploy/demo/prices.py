"""What a call costs: list prices, the demo's tariff in credits, and what a provider charges for a BYOK call."""

import csv
from decimal import ROUND_HALF_EVEN, Decimal, Inexact, localcontext
from pathlib import Path

import traces


class Prices:
    """List prices in USD per million tokens. They hold for a model whoever serves it."""

    # A model the list does not have; a round figure in the middle of the list.
    UNLISTED = (Decimal("0.5"), Decimal("1.5"))

    def __init__(self, folder: Path):
        self.of_model: dict[str, tuple[Decimal, Decimal]] = {}
        for row in csv.DictReader(traces.lines(folder, traces.PRICES)):
            price = (Decimal(row["input_usd_per_1m"]), Decimal(row["output_usd_per_1m"]))
            self.of_model[self.bare(row["model"])] = price

    def usd(self, models: tuple[str, ...], input_tokens: int, output_tokens: int) -> Decimal:
        """What the call costs at the price of the first of the names of its model that is in the list."""
        known = (self.of_model[name] for name in map(self.bare, models) if name in self.of_model)
        per_input, per_output = next(known, self.UNLISTED)
        return (input_tokens * per_input + output_tokens * per_output) / 1_000_000

    @staticmethod
    def bare(model: str) -> str:
        """The name without region, vendor, version and date, as vendors of one model spell it differently."""
        name = model.lower().rpartition("/")[2].removesuffix(":0").removesuffix("-v1")
        parts = name.split(".")
        while parts[0] in {"us", "eu", "global", "anthropic", "amazon", "openai"} and len(parts) > 1:
            parts.pop(0)
        words = "-".join(parts).split("-")
        if len(words) > 2 and words[-1].isdigit() and len(words[-1]) == 8:  # claude-…-20250929
            words.pop()
        if len(words) > 3 and [len(word) for word in words[-3:]] == [4, 2, 2] and "".join(words[-3:]).isdigit():
            del words[-3:]  # gpt-…-2025-08-07
        return "-".join(words)


def credits(usd: Decimal) -> Decimal:
    """The demo's tariff: one credit for each cent of list price."""
    return usd * 100


# What one USD is in the currency a customer's own contract is in. Round figures of the demo, not market rates.
PER_USD = {"USD": Decimal(1), "EUR": Decimal("0.86"), "JPY": Decimal(152), "CHF": Decimal("0.8")}


def provider_cost(usd: Decimal, currency: str) -> Decimal:
    """What the provider charges the customer itself for a BYOK call."""
    return usd * PER_USD[currency]


def reported_usd(cost: Decimal | int) -> Decimal:
    """A cost from a trace, in ten fractional digits.

    The traces were written from binary fractions, such as 0.15499000000000002: ten digits give back tokens times price.
    """
    with localcontext() as context:
        context.traps[Inexact] = False
        return Decimal(cost).quantize(Decimal("1e-10"), rounding=ROUND_HALF_EVEN)

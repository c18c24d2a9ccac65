"""One AI call of the demo, its event id and the line it becomes.

Everything is derived from the traces by hash, never by chance, so that the same traces always give the same bytes.
Amounts are `decimal.Decimal` throughout: a float would already have lost the digits that the demo is to tie out.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS

# Every trace is placed in these eighteen weeks, which always touch five calendar months or more (126 days are more
# than four months of 31). Eighteen, so that the nine fortnights of the large organisation fill them exactly.
WINDOW_WEEKS = 18
WINDOW_MS = WINDOW_WEEKS * WEEK_MS

AMOUNT_DIGITS_MAX = 12
"""Most fractional digits the contract allows in an amount."""


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970-01-01T00:00:00Z, exact."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


# A Wednesday noon in Berlin: the weekday and, in local time, the hour at which the busiest trace ends.
NEWEST_MS = to_ms(datetime(2026, 11, 18, 11, 0, 0, tzinfo=UTC))


@dataclass(frozen=True)
class Call:
    """One call as it was made. `currency` is None for credits; else `amount` is what the provider charged (BYOK)."""

    key: str  # names the row of the trace: equal keys are the same call
    occurred_ms: int
    org_id: str
    member_id: str
    reason: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    amount: Decimal
    currency: str | None = None

    def event_id(self) -> uuid.UUID:
        """UUIDv7 whose time is `occurred_ms` and whose other bits are a hash of the trace row."""
        rand_a = draw("event", self.org_id, self.key) & 0xFFF
        rand_b = draw("event, variant half", self.org_id, self.key) & (1 << 62) - 1
        return uuid.UUID(int=self.occurred_ms << 80 | 7 << 76 | rand_a << 64 | 2 << 62 | rand_b)

    def line(self) -> str:
        """The call as one object of JSON Lines; amounts are strings."""
        fields = {
            "event_id": str(self.event_id()),
            "occurred_at": rfc3339(self.occurred_ms),
            "org_id": self.org_id,
            "member_id": self.member_id,
            "reason": self.reason,
            "provider": self.provider,
            "model": self.model,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }
        if self.currency is None:
            fields["credits"] = plain(self.amount)
        else:
            fields |= {"provider_cost": plain(self.amount), "currency": self.currency}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def draw(*parts: str) -> int:
    """A number below 2**64 that depends on nothing but `parts`."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], "big")


def choose(options, *parts: str):
    """One of `options`, a sequence of (weight, value) with whole weights, drawn by `parts`."""
    point = draw(*parts) % sum(weight for weight, _ in options)
    for weight, value in options:
        if point < weight:
            return value
        point -= weight
    raise AssertionError("the weights sum to more than the point drawn below their sum")


def rfc3339(ms: int) -> str:
    """The instant in UTC with three digits of a second."""
    moment = EPOCH + timedelta(milliseconds=ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def plain(amount: Decimal) -> str:
    """The amount without exponent and trailing zeros. Fails on more digits than the contract allows."""
    with localcontext(prec=60):
        text = format(amount.normalize(), "f")
    if len(text.partition(".")[2]) > AMOUNT_DIGITS_MAX or amount < 0:
        raise ValueError(f"amount {text} is negative or has more than {AMOUNT_DIGITS_MAX} fractional digits")
    return text

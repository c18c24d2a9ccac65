"""Mooncake: one hour of a busy chat service, several calls in each instant.

A third of it makes Northwind's weekly screening hours, a thirty-sixth an event at Acme in the demo's last hour (so that
*this month* has something to show also on the first of a month), one record the only call of Lone Pine.
"""

from collections.abc import Iterator
from pathlib import Path

import people
import traces
from call import NEWEST_MS, WEEK_MS, WINDOW_WEEKS, Call, choose
from prices import Prices, credits, provider_cost

# Record n belongs to lane n mod 36; the lanes not named here are not used.
LANES = 36
ACME_LANE = 0
NORTHWIND_LANES = range(1, 13)
EDGE_LANE = 13
LONE_RECORD = 14

HOUR_END_MS = 3_536_999
"""The trace's last timestamp, placed at the newest instant."""

NORTHWIND_MODELS = (
    (40, ("google", "gemini-3.1-flash-lite", None)),
    (25, ("openai", "gpt-5.4-nano", None)),
    (20, ("aws-bedrock", "amazon.nova-lite-v1:0", "USD")),
    (10, ("anthropic", "claude-sonnet-4-6", None)),
    (5, ("groq", "openai/gpt-oss-120b", None)),
)
ACME_MODELS = ((3, ("openai", "gpt-6-luna", None)), (1, ("mistral", "mistral-large-2512", "EUR")))
LONE_MODELS = ((1, ("openai", "gpt-4o-mini", None)),)


def calls(folder: Path, prices: Prices) -> Iterator[Call]:
    in_northwind = 0
    for number, record in records(folder):
        if number % LANES == ACME_LANE:
            yield call(number, record, prices, people.ACME, 40, ACME_MODELS, 0)
        elif number % LANES in NORTHWIND_LANES:
            yield call(number, record, prices, people.NORTHWIND, 24, NORTHWIND_MODELS, in_northwind % WINDOW_WEEKS)
            in_northwind += 1
        elif number == LONE_RECORD:
            yield call(number, record, prices, people.LONE, 1, LONE_MODELS, 1)


def records(folder: Path) -> Iterator[tuple[int, dict]]:
    """The trace's records with their numbers, from 0."""
    return ((number, traces.parse(line)) for number, line in enumerate(traces.lines(folder, traces.MOONCAKE)))


def call(number: int, record: dict, prices: Prices, org_id: str, members: int, models, weeks_ago: int) -> Call:
    """The record as a call of `org_id`, in the same hour of the week `weeks_ago`."""
    # Equal second blocks are the same conversation (the first is the service's own prompt), so the same member.
    conversation = str(record["hash_ids"][:2])
    organisation = people.organisation(org_id)
    present = [
        (100 // (place + 2), place) for place in range(1, members + 1) if organisation.was_there(place, weeks_ago)
    ]
    provider, model, currency = choose(models, "model", org_id, conversation)
    tokens = (record["input_length"], record["output_length"])
    usd = prices.usd((model,), *tokens)
    return Call(
        key=f"mooncake {number}",
        # Not a millisecond is added: calls that share an instant in the trace share it here.
        occurred_ms=NEWEST_MS - (HOUR_END_MS - record["timestamp"]) - weeks_ago * WEEK_MS,
        org_id=org_id,
        member_id=people.member_id(choose(present, "member", org_id, conversation)),
        reason=reason(*tokens),
        provider=provider,
        model=model,
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        amount=provider_cost(usd, currency) if currency else credits(usd),
        currency=currency,
    )


def reason(input_tokens: int, output_tokens: int) -> str:
    """By the shape of the call: a verdict is short, a CV long, a written field long in the answer."""
    if output_tokens <= 60:
        return "classify_questions"
    if input_tokens >= 12_000:
        return "summarize_cv"
    return "generate_field" if output_tokens >= 400 else "chat"

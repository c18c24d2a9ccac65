"""RAGPulse: two weeks of a university's busy question-answering service, as the whole house of Acme.

The trace has no models, no costs and two weeks. Each of its sessions is dealt to one of nine fortnights, more to the
later ones, where it keeps its weekday and its hour (of Shanghai then, of Berlin here). Every real call is used once.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import people
import traces
from call import WEEK_MS, Call, choose, draw, to_ms
from prices import Prices, credits, provider_cost

# The clock of the trace restarts with its second week, at record 3,800.
WEEK_STARTS = (to_ms(datetime(2025, 9, 10, 4, 0, 35, tzinfo=UTC)), to_ms(datetime(2025, 9, 17, 4, 0, 35, tzinfo=UTC)))
SECOND_WEEK = 3_800
# Sixty weeks, and the seven hours by which Berlin's clocks are behind Shanghai's in winter.
SHIFT_MS = 60 * WEEK_MS + 7 * 3_600_000

# Sessions dealt to each fortnight, the oldest first: the service finds more and more use.
FORTNIGHTS = tuple((weight, number) for number, weight in enumerate((4, 5, 6, 7, 8, 9, 11, 13, 16)))

# Weight, first fortnight, provider, model, currency if the customer has a key of its own there.
MODELS = (
    (20, 0, "openai", "gpt-5-mini", None),
    (14, 0, "openai", "gpt-5.4-mini", None),
    (16, 0, "anthropic", "claude-haiku-4-5", None),
    (12, 0, "google", "gemini-3-flash-preview", None),
    (10, 0, "anthropic", "claude-sonnet-4-6", None),
    (6, 0, "mistral", "mistral-small-2603", None),
    (8, 0, "mistral", "mistral-large-2512", "EUR"),
    (5, 2, "azure", "gpt-4.1", "USD"),
    (10, 3, "anthropic", "claude-sonnet-5", None),
    (6, 5, "openai", "gpt-6-sol", None),
    (12, 7, "openai", "gpt-6-luna", None),
)


def calls(folder: Path, prices: Prices) -> Iterator[Call]:
    for number, line in enumerate(traces.lines(folder, traces.RAGPULSE)):
        record = traces.parse(line)
        session = record["session_id"]
        fortnight = choose(FORTNIGHTS, "fortnight", session)
        key = f"ragpulse {number}"
        # The trace has whole seconds; the milliseconds are made up.
        second_ms = int(record["timestamp"]) * 1000 + draw("ms", key) % 1000
        there_ms = WEEK_STARTS[number >= SECOND_WEEK] + second_ms + SHIFT_MS
        provider, model, currency = choose(
            [(weight, rest) for weight, since, *rest in MODELS if since <= fortnight], "model", session
        )
        usd = prices.usd((model,), record["input_length"], record["output_length"])
        yield Call(
            key=key,
            occurred_ms=there_ms - weeks_ago(fortnight) * WEEK_MS,
            org_id=people.ACME,
            member_id=member(fortnight, session),
            reason=reason(record),
            provider=provider,
            model=model,
            input_tokens=record["input_length"],
            output_tokens=record["output_length"],
            amount=provider_cost(usd, currency) if currency else credits(usd),
            currency=currency,
        )


def weeks_ago(fortnight: int) -> int:
    """By how much a fortnight is older than the newest."""
    return (len(FORTNIGHTS) - 1 - fortnight) * 2


def member(fortnight: int, session: str) -> str:
    """A few members make most calls; half of the house joined later, some have left."""
    acme = people.organisation(people.ACME)
    present = [
        (1000 // (number + 4), number)
        for number in range(1, acme.generated_members + 1)
        if fortnight >= (number - 48) // 6 and acme.was_there(number, weeks_ago(fortnight))
    ]
    return people.member_id(choose(present, "member", session))


def reason(record: dict) -> str:
    """By what the service did. `web_research` is a code the product has no label for."""
    did = record["hash_ids"]
    if did["web_search"]:
        return "web_research"
    if not did["passages_ids"]:
        return "classify_questions" if record["output_length"] <= 110 else "chat"
    if len(did["history"]) > 1:
        return "chat"
    if record["output_length"] >= 300:
        return "summarize_cv"
    return "generate_field" if record["output_length"] <= 160 else "chat"

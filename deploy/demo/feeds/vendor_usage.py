"""Vendors' own answers from the recordings of pydantic-ai's tests: eighteen providers, six shapes of usage.

The calls that went to Google Vertex and Groq are those of Sakura in Tokyo, all others those of Himal in Kathmandu. They
came over eighteen months: a call is placed at the same point of the demo's eighteen weeks, counted round and round.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import people
import traces
from call import NEWEST_MS, WINDOW_MS, Call, choose, draw, to_ms
from feeds.mooncake import reason
from prices import Prices, credits, provider_cost, reported_usd

SAKURA_PROVIDERS = {"google-vertex", "groq"}

# Own accounts of the customers, in the currency of their contracts.
BYOK_CURRENCIES = {"aws-bedrock": "USD", "mistral": "EUR", "google-vertex": "JPY"}

# A recording that has no time of its own is given the time at which it was published; what was published together
# follows each other at this distance.
RECORDING_GAP_MS = 20_000


def calls(folder: Path, prices: Prices) -> Iterator[Call]:
    published_together = Counter()
    known: dict[str, Call] = {}
    for line in traces.lines(folder, traces.VENDOR):
        row = traces.parse(line)
        tokens = None if row["status"] != 200 or row["usage"] is None else counted(row["usage"])
        if tokens is None:
            continue
        key = identity(row)
        if key not in known:
            known[key] = call(key, row, tokens, prices, published_together)
        # The same answer in another recording is the same call once more.
        yield known[key]


def identity(row: dict) -> str:
    """What names the answer. Upstream scrubbed some ids to a common one, which the time tells apart."""
    return f"vendor {row['response_id'] or row['call_id']} {row['timestamp']}"


def call(key: str, row: dict, tokens: tuple[int, int], prices: Prices, published_together: Counter) -> Call:
    at = row["timestamp"] or row["committed_at"]
    moment_ms = to_ms(datetime.fromisoformat(at)) + draw("ms", key) % 1000
    if row["timestamp"] is None:
        moment_ms += published_together[at] * RECORDING_GAP_MS
        published_together[at] += 1
    org_id, members = (people.SAKURA, 5) if row["provider"] in SAKURA_PROVIDERS else (people.HIMAL, 12)
    recording = row["call_id"].partition("#")[0]  # one member's work
    present = [(60 // (place + 1), place) for place in range(1, members + 1)]
    names = tuple(name for name in (row["response_model"], row["request_model"]) if name)
    if "cost" in row["usage"]:
        usd = reported_usd(row["usage"]["cost"])  # the vendor's own price
    else:
        usd = prices.usd(names, *tokens)
    currency = BYOK_CURRENCIES.get(row["provider"])
    return Call(
        key=key,
        occurred_ms=NEWEST_MS - (NEWEST_MS - moment_ms) % WINDOW_MS,
        org_id=org_id,
        member_id=people.member_id(choose(present, "member", recording)),
        reason=reason(*tokens),
        provider=row["provider"],
        model=names[0] if names else "undisclosed",
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        amount=provider_cost(usd, currency) if currency else credits(usd),
        currency=currency,
    )


def counted(usage: dict) -> tuple[int, int] | None:
    """Input and output tokens of the vendor's own shape; None where it counts none."""
    if "tokens" in usage:  # Cohere, beside what it bills
        usage = usage["tokens"]
    if "promptTokenCount" in usage:  # Google: tools and thoughts beside prompt and answer
        return (
            usage["promptTokenCount"] + usage.get("toolUsePromptTokenCount", 0),
            usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0),
        )
    if "prompt_tokens" in usage:
        return usage["prompt_tokens"], usage.get("completion_tokens", 0)
    if "inputTokens" in usage:  # Bedrock: cached input beside the rest
        cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
        return usage["inputTokens"] + cached, usage["outputTokens"]
    if "input_tokens" in usage:  # Anthropic: cached input beside the rest; OpenAI: inside it
        cached = usage.get("cache_creation_input_tokens", 0) + usage.get("cache_read_input_tokens", 0)
        return usage["input_tokens"] + cached, usage["output_tokens"]
    return None

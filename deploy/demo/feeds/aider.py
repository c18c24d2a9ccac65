"""aider's analytics: one developer's real calls over twenty months, with models and costs, as the team of Kestrel.

The twenty months are cut into stretches of eighteen weeks that are laid over each other, one member a stretch: each
keeps its days of the week, its hours and its bursts, and the team has more members than the trace had.
"""

from collections.abc import Iterator
from pathlib import Path

import people
import traces
from call import NEWEST_MS, WEEK_MS, WINDOW_MS, Call, draw
from prices import credits, provider_cost, reported_usd

# Where a stretch ends: ten weeks back from the newest instant. Of the eighteen choices it leaves no month thin.
REFERENCE_MS = NEWEST_MS - 10 * WEEK_MS

DEVELOPER = "c42c4e6b-f054-44d7-ae1f-6726cc41da88"
OTHERS = {
    "5218a941-50b3-405f-9f75-1bf42b282b6b": 7,
    "52b5cc12-f16d-45f3-b30c-95ab4ae904ee": 8,
    "6547b0bb-4248-4d40-8269-dc59e9624e0f": 9,
    "c22c476e-18e6-4a09-9b57-1002c91be450": 9,
}

# One cost in the trace: 9990.01252875 USD for 10,033 tokens, from a price set wrongly. No other exceeds 3 USD.
COST_ABSURD_USD = 1000

PROVIDERS = {
    "bedrock": "aws-bedrock", "cohere_chat": "cohere", "fireworks_ai": "fireworks", "gemini": "google",
    "ollama_chat": "ollama", "together_ai": "together", "vertex_ai": "google-vertex",
}  # fmt: skip
# Reached with the developer's own account or on the own machine.
BYOK_PROVIDERS = {"openrouter", "fireworks", "ollama", "lm_studio", "github"}

REASONS = {"ask": "chat", "help": "product_help", "context": "classify_questions", "architect": "summarize_cv"}
"""By `edit_format`. `product_help` is a code the product has no label for; formats not named here write text."""


def calls(folder: Path) -> Iterator[Call]:
    for line in traces.lines(folder, traces.AIDER):
        event = traces.parse(line)
        sent = event["properties"]
        # A failed call has an event of its own (`message_send_exception`).
        if event["event"] != "message_send" or sent["cost"] > COST_ABSURD_USD:
            continue
        key = f"aider {line}"  # an exact repeat of a line is the same call once more
        # The trace has whole seconds; the milliseconds are made up.
        age_ms = REFERENCE_MS - event["time"] * 1000 - draw("ms", key) % 1000
        stretch, age_in_window_ms = divmod(age_ms, WINDOW_MS)
        provider, model = answered_by(sent["main_model"])
        usd = reported_usd(sent["cost"])
        byok = provider in BYOK_PROVIDERS
        yield Call(
            key=key,
            occurred_ms=NEWEST_MS - age_in_window_ms,
            org_id=people.KESTREL,
            member_id=member(event["user_id"], stretch),
            reason=reason(sent.get("edit_format")),
            provider=provider,
            model=model,
            input_tokens=sent["prompt_tokens"],
            output_tokens=sent["completion_tokens"],
            amount=provider_cost(usd, "USD") if byok else credits(usd),
            currency="USD" if byok else None,
        )


def member(user_id: str | None, stretch: int) -> str:
    if user_id is None:
        return people.UNLISTED_MEMBER
    return people.member_id(stretch if user_id == DEVELOPER else OTHERS[user_id])


def reason(edit_format: str | None) -> str:
    return "chat" if edit_format is None else REASONS.get(edit_format, "generate_field")


def answered_by(name: str) -> tuple[str, str]:
    """Provider and model of aider's one name. What the trace hides (`…/REDACTED`, `None`) is called undisclosed."""
    if name == "None":
        return "undisclosed", "undisclosed"
    vendor, slash, model = name.partition("/")
    if not slash:
        model = name
        vendor = "anthropic" if name.startswith("claude") else "google" if name.startswith("gemini") else "openai"
    return PROVIDERS.get(vendor, vendor), "undisclosed" if model == "REDACTED" else model

#!/usr/bin/env python3
"""Count a file of calls, independently of the product: what cards, breakdowns, log and CSV must show.

    expected.py --org org-acme --since 2026-11-01 --until 2026-11-30 [--shift-ms N] [--zone Europe/Berlin]
                [--member ID …] [--reason CODE …] [--model PROVIDER/MODEL …] [--byok only|none]

prints one JSON object. Both days are inclusive, in the organisation's zone. The first line of a call (organisation,
time, event id) counts, later ones are repeats or conflicts; filters come after that. Amounts are exact decimals.
"""

import argparse
import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact
from pathlib import Path
from zoneinfo import ZoneInfo

HERE = Path(__file__).resolve().parent
# A sum that does not fit is an error, never rounded: contract amounts have at most 24 digits.
EXACT = Context(prec=60, traps=[Inexact])


def first_writes(path: Path, org_id: str, shift: timedelta) -> list[dict]:
    """The organisation's calls, each once, with `at` (when, after the shift), `repeats` and `conflicts`."""
    calls: dict[tuple, dict] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            fields = json.loads(line)
            if fields["org_id"] != org_id:
                continue
            identity = (fields["occurred_at"], fields["event_id"])
            if identity in calls:
                first = calls[identity]
                first["repeats" if first["fields"] == fields else "conflicts"] += 1
            else:
                at = datetime.fromisoformat(fields["occurred_at"]) + shift
                calls[identity] = {"fields": fields, "at": at, "repeats": 0, "conflicts": 0}
    return list(calls.values())


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, also where midnight comes twice or never."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def totals(calls: list[dict]) -> dict:
    """Sums over the calls: credits and provider cost apart, and the latter apart by currency."""
    credits, costs, byok_calls = Decimal(0), defaultdict(Decimal), 0
    for call in calls:
        if "credits" in call["fields"]:
            credits = EXACT.add(credits, Decimal(call["fields"]["credits"]))
        else:
            byok_calls += 1
            currency = call["fields"]["currency"]
            costs[currency] = EXACT.add(costs[currency], Decimal(call["fields"]["provider_cost"]))
    return {
        "calls": len(calls),
        "credits": plain(credits),
        "byok_calls": byok_calls,
        "provider_cost": {currency: plain(costs[currency]) for currency in sorted(costs)},
        "input_tokens": sum(call["fields"]["input_tokens"] for call in calls),
        "output_tokens": sum(call["fields"]["output_tokens"] for call in calls),
    }


def breakdown(calls: list[dict], key) -> dict[str, dict]:
    """The totals of each group of calls, in the order of the groups' names."""
    groups = defaultdict(list)
    for call in calls:
        groups[key(call)].append(call)
    return {name: totals(groups[name]) for name in sorted(groups)}


def expected(calls: list[dict], since: date, until: date, zone: ZoneInfo, keep=lambda fields: True) -> dict:
    """Everything that is counted of the local days `since` to `until`."""
    begin, end = day_start(since, zone), day_start(until + timedelta(days=1), zone)
    inside = [call for call in calls if begin <= call["at"] < end and keep(call["fields"])]
    by_member = breakdown(inside, lambda call: call["fields"]["member_id"])
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "zone": zone.key,
        "from": begin.isoformat(),
        "to": end.isoformat(),
        **totals(inside),
        "active_members": len(by_member),
        "repeats": sum(call["repeats"] for call in inside),
        "conflicts": sum(call["conflicts"] for call in inside),
        "by_reason": breakdown(inside, lambda call: call["fields"]["reason"]),
        "by_model": breakdown(inside, lambda call: model(call["fields"])),
        "by_member": by_member,
        "by_day": breakdown(inside, lambda call: call["at"].astimezone(zone).date().isoformat()),
    }


def model(fields: dict) -> str:
    """Provider and model in one word, as the API's filter has them: no two pairs look the same."""
    provider = fields["provider"].replace("%", "%25").replace("/", "%2F")
    return f"{provider}/{fields['model']}"


def plain(amount: Decimal) -> str:
    """No exponent, no trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def zone_of(directory: Path, org_id: str) -> ZoneInfo:
    """The zone the directory names last for the organisation; UTC where it names none."""
    entries = [json.loads(line) for line in directory.read_text(encoding="utf-8").splitlines()]
    named = [
        entry["organisation"]["time_zone"]
        for entry in entries
        if entry["org_id"] == org_id and "organisation" in entry
    ]
    return ZoneInfo((named or ["UTC"])[-1] or "UTC")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calls", type=Path, nargs="?", default=HERE / "calls.jsonl")
    parser.add_argument("--directory", type=Path, default=HERE / "directory.jsonl")
    parser.add_argument("--org", required=True)
    parser.add_argument("--since", type=date.fromisoformat, required=True)
    parser.add_argument("--until", type=date.fromisoformat, required=True)
    parser.add_argument("--zone", type=ZoneInfo, help="instead of the directory's")
    parser.add_argument("--shift-ms", type=int, default=0, help="by how much the calls were moved when published")
    parser.add_argument("--member", action="append")
    parser.add_argument("--reason", action="append")
    parser.add_argument("--model", action="append")
    parser.add_argument("--byok", choices=["only", "none"])
    wanted = parser.parse_args()

    def keep(fields: dict) -> bool:
        return (
            (not wanted.member or fields["member_id"] in wanted.member)
            and (not wanted.reason or fields["reason"] in wanted.reason)
            and (not wanted.model or model(fields) in wanted.model)
            and (wanted.byok is None or (wanted.byok == "only") == ("currency" in fields))
        )

    calls = first_writes(wanted.calls, wanted.org, timedelta(milliseconds=wanted.shift_ms))
    zone = wanted.zone or zone_of(wanted.directory, wanted.org)
    answer = {"org": wanted.org, **expected(calls, wanted.since, wanted.until, zone, keep)}
    print(json.dumps(answer, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()

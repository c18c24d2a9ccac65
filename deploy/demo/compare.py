#!/usr/bin/env python3
"""Compare what the API says of the demo's organisations with what their file says, to the last digit.

    TOKEN=… compare.py --api http://127.0.0.1:18080 [--shift-file FILE] [--wait SECONDS] [--full] [--allow-more]

The file is counted by `expected.py`, which shares nothing with the product. For each organisation: calls, credits and
provider costs in all and by reason, model and member; this month, last month and active members of the cards. With
--full also every page of the log and every line of the CSV. With --allow-more somebody may have published further calls:
they are taken from the log and counted with those of the file. Waits until all are equal; exit code 1 if they are not.
"""
import argparse
import csv
import io
import json
import os
import sys
import time
import urllib.error
import urllib.request
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode

from expected import expected, first_writes, model, zone_of

HERE = Path(__file__).resolve().parent


def organisations(directory: Path) -> list[str]:
    """The ids of the organisations that the directory names, in its order."""
    lines = (json.loads(line) for line in directory.read_text(encoding="utf-8").splitlines())
    return list(dict.fromkeys(line["org_id"] for line in lines if "organisation" in line))


class Api:
    """The query API, asked with one token."""

    def __init__(self, address: str, token: str):
        self.address, self.token = address, token

    def open(self, org: str, what: str, query: dict):
        request = urllib.request.Request(f"{self.address}/v1/orgs/{org}/{what}?{urlencode(query)}")
        request.add_header("Authorization", f"Bearer {self.token}")
        return urllib.request.urlopen(request, timeout=60)

    def json(self, org: str, what: str, **query) -> dict:
        with self.open(org, what, query) as answer:
            return json.load(answer)

    def log(self, org: str, **query):
        """Yields the rows of the log, newest first, page by page."""
        while True:
            page = self.json(org, "calls", **query)
            yield from page["calls"]
            if not page["next"]:
                return
            query |= {"after": page["next"], "as_of": page["as_of"]}

    def csv(self, org: str, **query) -> list[dict]:
        with self.open(org, "export.csv", query) as answer:
            return list(csv.DictReader(io.TextIOWrapper(answer, encoding="utf-8", newline="")))


def shown(row: dict) -> dict:
    """A sum of the API in the words of `expected.py`."""
    return {
        "calls": row["calls"],
        "credits": row["credits"],
        "byok_calls": sum(cost["calls"] for cost in row["byok"]),
        "provider_cost": {cost["currency"]: cost["cost"] for cost in row["byok"]},
    }


def wanted(row: dict) -> dict:
    """The part of a sum of `expected.py` that breakdowns show."""
    return {name: row[name] for name in ("calls", "credits", "byok_calls", "provider_cost")}


def summed(rows, credits: str, cost: str, currency: str) -> dict:
    """The sum of single calls."""
    rows = list(rows)
    costs: dict[str, Decimal] = {}
    for row in rows:
        if row[currency]:
            costs[row[currency]] = costs.get(row[currency], Decimal(0)) + Decimal(row[cost])
    total = sum((Decimal(row[credits] or 0) for row in rows), Decimal(0))
    return {
        "calls": len(rows),
        "credits": plain(total),
        "byok_calls": sum(1 for row in rows if row[currency]),
        "provider_cost": {name: plain(amount) for name, amount in sorted(costs.items())},
    }


def plain(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def month_end(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def random_part(event_id: str) -> str:
    """What a shift leaves of a UUIDv7: everything behind the 48 bits of its time."""
    return event_id[14:]


def added(log, calls: list[dict], count: int) -> list[dict]:
    """The first `count` rows of the log that are not in the file, in the form of `first_writes`."""
    known = {random_part(call["fields"]["event_id"]) for call in calls}
    more = []
    for row in log if count > 0 else ():
        if random_part(row["event_id"]) not in known:
            charge = ("provider_cost", "currency") if row["byok"] else ("credits",)
            same = ("event_id", "reason", "provider", "model", "input_tokens", "output_tokens", *charge)
            fields = {name: row[name] for name in same} | {"member_id": row["member"]["member_id"]}
            at = datetime.fromisoformat(row["occurred_at"])
            more.append({"fields": fields, "at": at, "repeats": 0, "conflicts": 0})
            if len(more) == count:
                break
    return more


def differences(api: Api, org: str, calls_file: Path, directory: Path, shift: timedelta, full: bool, more: bool):
    """Yields (what, expected, found) for everything that is not equal."""
    zone = zone_of(directory, org)
    calls = first_writes(calls_file, org, shift)
    today = datetime.now(timezone.utc).astimezone(zone).date()
    # What was published by hand may have happened up to 731 days ago and, for clocks differ, up to a day ahead.
    since, until = today - timedelta(days=735), today + timedelta(days=2)
    period = {"range": "custom", "since": since.isoformat(), "until": until.isoformat()}
    answer = api.json(org, "breakdowns", **period)
    if more:
        log = api.log(org, **period, as_of=answer["as_of"], limit=200)
        calls += added(log, calls, answer["totals"]["calls"] - len(calls))
    want = expected(calls, since, until, zone)

    checks = [("all", wanted(want), shown(answer["totals"]))]
    for dimension, name in (
        ("by_reason", lambda row: row["reason"]),
        ("by_model", model),
        ("by_member", lambda row: row["member_id"]),
    ):
        found = {name(row): shown(row) for row in answer[dimension]}
        for key in sorted(found.keys() | want[dimension].keys()):
            in_file = want[dimension].get(key)
            checks.append((f"{dimension} {key}", in_file and wanted(in_file), found.get(key)))

    cards = api.json(org, "summary")
    this = expected(calls, today.replace(day=1), month_end(today), zone)
    last = expected(calls, month_before(today), month_end(month_before(today)), zone)
    checks += [
        ("credits this month", this["credits"], cards["this_month"]["credits"]),
        ("credits last month", last["credits"], cards["last_month"]["credits"]),
        ("active members this month", this["active_members"], cards["this_month"]["active_members"]),
    ]
    if full:
        pinned = period | {"as_of": answer["as_of"]}
        log, lines = list(api.log(org, **pinned, limit=200)), api.csv(org, **pinned)
        checks.append(("log", wanted(want), summed(log, "credits", "provider_cost", "currency")))
        checks.append(("csv", wanted(want), summed(lines, "credits", "provider cost", "currency")))
        ids = [call["event_id"] for call in log]
        checks.append(("each call once in the log", len(set(ids)), len(ids)))
        checks.append(("the same rows in log and csv", ids, [line["event id"] for line in lines]))
    for what, in_file, found in checks:
        if in_file != found:
            yield what, in_file, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--organisations", action="store_true", help="only print the ids of the demo's organisations")
    parser.add_argument("--api", help="address of the query API")
    parser.add_argument("--calls", type=Path, default=HERE / "calls.jsonl")
    parser.add_argument("--directory", type=Path, default=HERE / "directory.jsonl")
    parser.add_argument("--shift-file", type=Path, help="by how much `emit calls --shift-to-now` moved the calls")
    parser.add_argument("--wait", type=float, default=0, help="seconds to wait until all is equal")
    parser.add_argument("--allow-more", action="store_true", help="calls that are not in the file are no difference")
    parser.add_argument("--full", action="store_true", help="also compare every row of log and CSV")
    asked = parser.parse_args()
    names = organisations(asked.directory)
    if asked.organisations:
        print(*names)
        return
    token = os.environ.get("TOKEN")
    if not asked.api or not token:
        parser.error("--api and the environment variable TOKEN are needed")
    shift = timedelta(0)
    if asked.shift_file:
        try:
            shift = timedelta(milliseconds=int(asked.shift_file.read_text(encoding="utf-8").split()[0]))
        except FileNotFoundError:
            sys.exit(f"{asked.shift_file}: nothing was published with a shift yet")

    api, deadline = Api(asked.api, token), time.monotonic() + asked.wait
    for org in names:
        while True:
            try:
                left = list(differences(api, org, asked.calls, asked.directory, shift, asked.full, False))
                if left and asked.allow_more:
                    left = list(differences(api, org, asked.calls, asked.directory, shift, asked.full, True))
            except urllib.error.URLError as error:
                left = [("the API", "an answer", error)]
            if not left:
                break
            if time.monotonic() > deadline:
                for what, in_file, found in left[:10]:
                    print(f"{org}: {what}: the file says {in_file}, the API {found}", file=sys.stderr)
                sys.exit(f"{org}: {len(left)} differences between file and API")
            time.sleep(0.2)
        print(f"{org:14} equal", flush=True)


if __name__ == "__main__":
    main()

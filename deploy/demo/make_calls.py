#!/usr/bin/env python3
"""Make the demo's calls and directory from public traces of real AI calls.

The result is committed; this script is needed only to change it. The same traces give the same bytes.
README.md beside it says where the traces come from, under which licences, and how a row becomes a call.
"""

import argparse
import decimal
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import people
import traces
from call import NEWEST_MS, Call, draw
from feeds import aider, edge_cases, mooncake, ragpulse, vendor_usage
from prices import Prices

HERE = Path(__file__).resolve().parent

# Organisations whose emitters send a message again now and then, and how often.
RESENDING, RESENT_ONE_IN = {people.ACME, people.NORTHWIND}, 800

# Of the repeats, numbered in the order of the file, those that become conflicts.
CONFLICT_ONE_IN, CONFLICT_AT = 36, 21


def main() -> int:
    arguments = parse_arguments()
    # Every product and quotient is exact, or making the data fails; the few roundings that are meant say so.
    decimal.getcontext().traps[decimal.Inexact] = True
    try:
        lines = [call.line() for call in delivered(all_calls(arguments.traces))]
    except traces.TraceError as error:
        print(f"make_calls: {error}", file=sys.stderr)
        return 1
    write(arguments.out / "calls.jsonl", lines)
    write(arguments.out / "directory.jsonl", people.directory())
    return 0


def all_calls(folder: Path) -> list[Call]:
    """What all traces give; equal keys stand for repeated messages."""
    prices = Prices(folder)
    return [
        *aider.calls(folder),
        *ragpulse.calls(folder, prices),
        *mooncake.calls(folder, prices),
        *vendor_usage.calls(folder, prices),
        *edge_cases.calls(folder, prices),
    ]


def delivered(calls: list[Call]) -> list[Call]:
    """The calls in the order in which they arrive: each when it was made, a repeat up to 90 minutes later."""
    times_seen = Counter()
    arrivals = []
    for call in calls:
        name = (call.org_id, call.key)
        # Two traces have no repeats of their own: there, some messages are sent once more, as after a lost answer.
        sendings = 2 if call.org_id in RESENDING and draw("sent again", *name) % RESENT_ONE_IN == 0 else 1
        for _ in range(sendings):
            repeat = times_seen[name]
            delay_ms = repeat and 60_000 + draw("delay", *name, str(repeat)) % (89 * 60_000)
            arrivals.append((call.occurred_ms + delay_ms, call.event_id(), repeat, call))
            times_seen[name] += 1
    arrivals.sort(key=lambda arrival: arrival[:3])
    repeats = 0
    ordered = []
    for _, _, repeat, call in arrivals:
        if repeat:
            if repeats % CONFLICT_ONE_IN == CONFLICT_AT:
                call = conflicting(call)
            repeats += 1
        ordered.append(call)
    return ordered


def conflicting(call: Call) -> Call:
    """The call as a faulty emitter might send it again: its answer counted twice."""
    return replace(call, output_tokens=call.output_tokens * 2, amount=call.amount * 2)


def write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    print(f"{path}: {len(lines):,} lines, {path.stat().st_size:,} bytes")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog="The folder holds " + ", ".join(traces.CONTENT_SHA256) + "; README.md says where they come from.",
    )
    parser.add_argument("traces", type=Path, metavar="FOLDER", help="the folder with the traces")
    parser.add_argument("--out", type=Path, default=HERE, help="where to write calls.jsonl and directory.jsonl")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

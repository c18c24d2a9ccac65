"""The committed data is what README.md says, and every line keeps the contract's bounds."""

import calendar
import hashlib
import json
import re
import unittest
import uuid
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from expected import expected, first_writes, zone_of

HERE = Path(__file__).resolve().parent
CALLS, DIRECTORY, README = HERE / "calls.jsonl", HERE / "directory.jsonl", HERE / "README.md"
MAIN_ORGANISATIONS = ("org-acme", "org-kestrel", "org-northwind")

FIELDS = {"event_id", "occurred_at", "org_id", "member_id", "reason", "provider", "model"}
FIELDS |= {"input_tokens", "output_tokens"}
AMOUNT = re.compile(r"(0|[1-9][0-9]{0,11})(\.[0-9]{0,11}[1-9])?")
TOKENS_MAX = 4_000_000_000


def no_float(text: str):
    raise AssertionError(f"{text} is a number with a fraction; amounts are strings")


def read(path: Path) -> list[dict]:
    text = path.read_text(encoding="utf-8")
    return [json.loads(line, parse_float=no_float, parse_constant=no_float) for line in text.splitlines()]


class DemoData(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.messages = read(CALLS)
        cls.directory = read(DIRECTORY)
        cls.readme = README.read_text(encoding="utf-8")
        cls.org_ids = [entry["org_id"] for entry in cls.directory if "organisation" in entry]
        cls.calls = {org_id: first_writes(CALLS, org_id, timedelta()) for org_id in cls.org_ids}

    def members(self, org_id: str) -> list[dict]:
        return [entry["member"] for entry in self.directory if entry["org_id"] == org_id and "member" in entry]

    def test_the_files_are_the_ones_the_readme_names(self):
        for path in (CALLS, DIRECTORY):
            self.assertIn(f"`{hashlib.sha256(path.read_bytes()).hexdigest()}`", self.readme, path.name)

    def test_every_call_has_the_fields_of_the_format_and_one_charge(self):
        for message in self.messages:
            charge = set(message) - FIELDS
            self.assertEqual(FIELDS - set(message), set(), message)
            self.assertIn(charge, ({"credits"}, {"provider_cost", "currency"}), message)
            self.assertRegex(message.get("currency", "USD"), r"^[A-Z]{3}$", message)
            self.assertTrue(AMOUNT.fullmatch(message.get("credits") or message.get("provider_cost")), message)

    def test_every_call_is_within_the_contracts_bounds(self):
        for message in self.messages:
            for field in ("org_id", "member_id", "reason", "provider", "model"):
                self.assertTrue(message[field].isprintable(), message)
                self.assertIn(len(message[field].encode()), range(1, 129), message)
            for field in ("input_tokens", "output_tokens"):
                self.assertIs(type(message[field]), int, message)
                self.assertIn(message[field], range(TOKENS_MAX + 1), message)

    def test_every_event_id_is_a_uuid_of_version_7_with_the_time_of_the_call(self):
        for message in self.messages:
            event_id = uuid.UUID(message["event_id"])
            self.assertEqual(message["event_id"], str(event_id))
            self.assertEqual((event_id.version, event_id.variant), (7, uuid.RFC_4122), message)
            self.assertRegex(message["occurred_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            since_1970 = datetime.fromisoformat(message["occurred_at"]) - datetime(1970, 1, 1, tzinfo=UTC)
            self.assertEqual(event_id.int >> 80, since_1970 // timedelta(milliseconds=1), message)

    def test_calls_stand_in_the_order_of_their_times_but_for_repeats_and_the_newest_is_the_last_line(self):
        seen = set()
        first_times = []
        for message in self.messages:
            identity = (message["org_id"], message["event_id"])
            if identity not in seen:
                first_times.append(message["occurred_at"])
            seen.add(identity)
        self.assertEqual(first_times, sorted(first_times))
        self.assertEqual(self.messages[-1]["occurred_at"], first_times[-1])

    def test_all_calls_lie_within_eighteen_weeks_which_are_more_than_four_calendar_months(self):
        times = [datetime.fromisoformat(message["occurred_at"]) for message in self.messages]
        self.assertLess(max(times) - min(times), timedelta(weeks=18))
        self.assertGreater(max(times) - min(times), timedelta(days=4 * 31))

    def test_the_readmes_table_of_organisations_is_right(self):
        messages = Counter(message["org_id"] for message in self.messages)
        rows = []
        for entry in self.directory:
            if "organisation" not in entry:
                continue
            org_id, settings, calls = entry["org_id"], entry["organisation"], self.calls[entry["org_id"]]
            members = self.members(org_id)
            byok = [call["fields"]["currency"] for call in calls if "currency" in call["fields"]]
            currencies = " ".join(sorted(set(byok)))
            rows.append([
                f"`{org_id}`",
                settings["time_zone"],
                f"{len(members)} ({sum(member['removed'] for member in members)})",
                f"{messages[org_id]:,}",
                f"{len(calls):,}",
                f"{sum(call['repeats'] for call in calls)} / {sum(call['conflicts'] for call in calls)}",
                f"{len(byok):,} {currencies}".strip(),
            ])
        table = [line for line in self.readme.splitlines() if line.startswith("| `org-")]
        self.assertEqual([[cell.strip() for cell in line.split("|")[1:8]] for line in table], rows)

    def test_the_directory_knows_every_member_who_calls_but_one(self):
        unknown = Counter()
        for org_id, calls in self.calls.items():
            known = {member["member_id"] for member in self.members(org_id)}
            unknown.update(call["fields"]["member_id"] for call in calls if call["fields"]["member_id"] not in known)
        self.assertEqual(set(unknown), {"m-unlisted"})
        self.assertEqual({message["org_id"] for message in self.messages} - set(self.org_ids), set())

    def test_the_directory_is_well_formed(self):
        self.assertEqual(len(set(self.org_ids)), len(self.org_ids))
        for entry in self.directory:
            if "organisation" in entry:
                self.assertRegex(entry["organisation"]["short_name"], r"^[a-z0-9-]+$")
                ZoneInfo(entry["organisation"]["time_zone"])
            else:
                self.assertEqual(set(entry["member"]), {"member_id", "name", "email", "removed"})
                self.assertIs(type(entry["member"]["removed"]), bool)
                self.assertRegex(entry["member"]["email"], r"^[^@\s]{1,64}@[a-z0-9.-]+\.example$")
                self.assertLessEqual(len(entry["member"]["email"]), 254)
        for org_id in self.org_ids:
            ids = [member["member_id"] for member in self.members(org_id)]
            self.assertEqual(len(set(ids)), len(ids), org_id)

    def test_removed_members_have_calls(self):
        for org_id in MAIN_ORGANISATIONS:
            callers = {call["fields"]["member_id"] for call in self.calls[org_id]}
            for member in self.members(org_id):
                if member["removed"]:
                    self.assertIn(member["member_id"], callers, org_id)

    def test_this_month_and_last_month_are_full_whichever_day_the_demo_runs(self):
        newest = datetime.fromisoformat(self.messages[-1]["occurred_at"])
        for org_id in MAIN_ORGANISATIONS:
            zone = zone_of(DIRECTORY, org_id)
            for day in range(1, 32):
                # Published at noon of that day of a month after one of 30 days, and the shortest: fewest calls.
                for year, month in ((2026, 12), (2027, 3)):
                    now = datetime(year, month, day, 12, tzinfo=zone)
                    shift = now - newest
                    shifted = [{**call, "at": call["at"] + shift} for call in self.calls[org_id]]
                    before = date(year, month, 1) - timedelta(days=1)
                    this = expected(shifted, date(year, month, 1), now.date(), zone)["calls"]
                    last = expected(shifted, before.replace(day=1), before, zone)["calls"]
                    with self.subTest(org_id=org_id, day=day, month=calendar.month_name[month]):
                        self.assertGreaterEqual(last, 500)
                        # Kestrel's developer had slept before the trace ends.
                        self.assertGreaterEqual(this, 200 if day >= 7 else 20)

    def test_the_days_of_an_organisation_add_up_to_its_total(self):
        for org_id, calls in self.calls.items():
            whole = expected(calls, date(2026, 7, 1), date(2026, 11, 30), zone_of(DIRECTORY, org_id))
            self.assertEqual(whole["calls"], len(calls))
            for part in ("by_day", "by_reason", "by_model", "by_member"):
                self.assertEqual(sum(group["calls"] for group in whole[part].values()), len(calls), (org_id, part))


if __name__ == "__main__":
    unittest.main()

"""The counting that the product is compared with, on calls small enough to be counted by hand."""

import json
import tempfile
import unittest
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from expected import expected, first_writes, plain, totals

BERLIN = ZoneInfo("Europe/Berlin")


def call(at: str, event: str = "e-1", **odd) -> dict:
    usual = {"org_id": "org-1", "member_id": "m-1", "reason": "chat", "provider": "p", "model": "m"}
    usual |= {"input_tokens": 10, "output_tokens": 2, "event_id": event, "occurred_at": at}
    return usual | ({} if "provider_cost" in odd else {"credits": "0.1"}) | odd


def counted(calls: list[dict], shift: timedelta = timedelta()) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.jsonl"
        path.write_text("".join(json.dumps(entry) + "\n" for entry in calls))
        return first_writes(path, "org-1", shift)


def days(calls: list[dict], since: str, until: str, zone: ZoneInfo = BERLIN, **options) -> dict:
    return expected(calls, date.fromisoformat(since), date.fromisoformat(until), zone, **options)


class Counting(unittest.TestCase):
    def test_both_days_of_a_period_are_in_it_in_the_zone_of_the_organisation(self):
        calls = counted([
            call("2026-10-31T22:59:59.999Z", "before"),
            call("2026-10-31T23:00:00.000Z", "first instant of November in Berlin"),
            call("2026-11-30T22:59:59.999Z", "last"),
            call("2026-11-30T23:00:00.000Z", "after"),
        ])
        self.assertEqual(days(calls, "2026-11-01", "2026-11-30")["calls"], 2)

    def test_the_day_on_which_the_clocks_go_back_has_25_hours(self):
        found = days([], "2026-10-25", "2026-10-25")
        self.assertEqual(found["from"], "2026-10-24T22:00:00+00:00")
        self.assertEqual(found["to"], "2026-10-25T23:00:00+00:00")

    def test_a_day_without_midnight_begins_at_its_first_instant(self):
        # In 2018, Brazil's clocks went from 00:00 to 01:00 on 4 November: 03:00 UTC.
        found = days([], "2018-11-04", "2018-11-04", ZoneInfo("America/Sao_Paulo"))
        self.assertEqual(found["from"], "2018-11-04T03:00:00+00:00")

    def test_no_two_pairs_of_provider_and_model_are_one(self):
        at, pairs = "2026-11-01T12:00:00.000Z", [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c")]
        calls = counted([call(at, f"e-{n}", provider=p, model=m) for n, (p, m) in enumerate(pairs)])
        found = days(calls, "2026-11-01", "2026-11-01")["by_model"]
        self.assertEqual(sorted(found), ["a%252Fb/c", "a%2Fb/c", "a/b/c"])

    def test_a_shift_moves_calls_into_other_days(self):
        calls = counted([call("2026-10-31T12:00:00.000Z")], timedelta(days=1))
        self.assertEqual(days(calls, "2026-11-01", "2026-11-01")["calls"], 1)

    def test_the_first_line_of_a_call_counts_and_later_ones_are_evidence(self):
        at = "2026-11-01T12:00:00.000Z"
        calls = counted([call(at), call(at), call(at, credits="7"), call(at, "e-2")])
        found = days(calls, "2026-11-01", "2026-11-01")
        self.assertEqual((found["calls"], found["repeats"], found["conflicts"]), (2, 1, 1))
        self.assertEqual(found["credits"], "0.2")

    def test_filters_come_after_the_first_write_is_known(self):
        at = "2026-11-01T12:00:00.000Z"
        calls = counted([call(at, member_id="m-1"), call(at, member_id="m-2")])
        found = days(calls, "2026-11-01", "2026-11-01", keep=lambda fields: fields["member_id"] == "m-2")
        self.assertEqual(found["calls"], 0)

    def test_the_same_event_in_another_organisation_is_another_call(self):
        at = "2026-11-01T12:00:00.000Z"
        self.assertEqual(counted([call(at, org_id="org-2"), call(at)])[0]["conflicts"], 0)

    def test_credits_and_the_cost_of_each_currency_stay_apart_to_the_last_digit(self):
        at = "2026-11-01T12:00:00.000Z"
        amounts = [("1", "EUR", "0.000000000001"), ("2", "EUR", "999999999999.999999999998"), ("3", "JPY", "12")]
        calls = [call(at, event, provider_cost=cost, currency=currency) for event, currency, cost in amounts]
        found = totals(counted([*calls, call(at, "4", credits="0.30")]))
        self.assertEqual(found["provider_cost"], {"EUR": "999999999999.999999999999", "JPY": "12"})
        self.assertEqual((found["credits"], found["calls"], found["byok_calls"]), ("0.3", 4, 3))

    def test_amounts_are_written_without_exponent_and_trailing_zeros(self):
        self.assertEqual(totals([])["credits"], "0")
        sums = counted([call("2026-11-01T12:00:00.000Z", str(number), credits="5.0") for number in range(20)])
        self.assertEqual(totals(sums)["credits"], "100")
        self.assertEqual([plain(Decimal(text)) for text in ("1E-12", "100", "0.10")], ["0.000000000001", "100", "0.1"])


if __name__ == "__main__":
    unittest.main()

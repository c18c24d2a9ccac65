"""Tests of compare.py; `python3 -m unittest discover -s deploy/demo` runs them."""

import unittest
from datetime import UTC, datetime

from compare import added


def row(event_id: str, **charge) -> dict:
    """A row of the log as the API shows it."""
    return {
        "event_id": event_id,
        "occurred_at": "2026-11-24T03:32:06.000Z",
        "member": {"member_id": "m-you", "name": None},
        "reason": "chat",
        "provider": "openai",
        "model": "m",
        "input_tokens": 1,
        "output_tokens": 2,
        "byok": "currency" in charge,
        **{"credits": None, "provider_cost": None, "currency": None, **charge},
    }


class CompareTest(unittest.TestCase):
    def test_calls_of_the_file_are_known_by_what_a_shift_leaves_of_their_id(self):
        in_file = [{"fields": {"event_id": "019f6574-7e05-76b1-923c-596e28c45f01"}}]
        shifted = row("01a20b92-00df-76b1-923c-596e28c45f01", credits="1")
        self.assertEqual(added([shifted], in_file, 1), [])

    def test_calls_that_somebody_added_are_counted_as_the_file_s(self):
        of_credits = row("01a20b9c-5af0-7287-aa6a-a65a0bf51795", credits="3.5")
        of_cost = row("01a20b9c-5af0-7287-aa6a-a65a0bf51796", provider_cost="0.5", currency="EUR")
        first, second = added([of_credits, of_cost, of_cost], [], 2)
        self.assertEqual((first["fields"]["credits"], first["fields"]["member_id"]), ("3.5", "m-you"))
        self.assertNotIn("currency", first["fields"])
        self.assertEqual((second["fields"]["provider_cost"], second["fields"]["currency"]), ("0.5", "EUR"))
        self.assertNotIn("credits", second["fields"])
        self.assertEqual(first["at"], datetime(2026, 11, 24, 3, 32, 6, tzinfo=UTC))


if __name__ == "__main__":
    unittest.main()

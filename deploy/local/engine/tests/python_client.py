"""The official Python client against the local engine.

usage: python_client.py URL ADMIN_PASSWORD READER_PASSWORD

It differs from the client's defaults in two arguments, for what the local engine refuses: compressed inserts, and
sessions that outlive a statement.
"""

import datetime
import decimal
import sys
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

url, admin_password, reader_password = sys.argv[1:]
address = urlsplit(url)


def client(user, password):
    return clickhouse_connect.get_client(
        host=address.hostname,
        port=address.port,
        username=user,
        password=password,
        compress=False,
        autogenerate_session_id=False,
    )


def code_of(action):
    try:
        action()
    except ClickHouseError as error:
        return error.code
    raise AssertionError("no error")


admin = client("admin", admin_password)
admin.command("CREATE DATABASE python")
admin.command(
    "CREATE TABLE python.calls (id UInt64, who String, cost Decimal(38, 12), at DateTime64(3, 'UTC'))"
    " ENGINE = MergeTree ORDER BY id"
)
rows = [
    (1, "tab\t quote ' line\n", decimal.Decimal("1.500000000000"), datetime.datetime(2026, 1, 1, 12, 30)),
    (2, "\u00e9\U0001f600", decimal.Decimal("-0.000000000001"), datetime.datetime(2026, 12, 31, 23, 59, 59, 999000)),
]
utc = [row[:3] + (row[3].replace(tzinfo=datetime.timezone.utc),) for row in rows]
summary = admin.insert("calls", utc, database="python", column_names=["id", "who", "cost", "at"])
assert summary.written_rows == 2, summary.summary

read = admin.query("SELECT * FROM python.calls ORDER BY id").result_rows
assert read == rows, read
one = admin.query("SELECT id FROM python.calls WHERE who = {who:String}", parameters={"who": rows[0][1]})
assert one.result_rows == [(1,)], one.result_rows
assert admin.query("SELECT id FROM python.calls WHERE id = 0").result_rows == []
assert admin.command("SELECT count() FROM python.calls") == 2
assert admin.query("SELECT 1", settings={"max_threads": 1}).result_rows == [(1,)]

count = 0
with admin.query_row_block_stream("SELECT number, toString(number) FROM numbers(1000000)") as stream:
    for block in stream:
        count += len(block)
assert count == 1000000, count

assert code_of(lambda: admin.query("SELECT nope")) == 47


def read_until_it_fails():
    with admin.query_row_block_stream("SELECT number, throwIf(number = 2900000) FROM numbers(3000000)") as stream:
        for _ in stream:
            pass


assert code_of(read_until_it_fails) == 395

reader = client("reader", reader_password)
assert reader.query("SELECT sum(id) FROM python.calls").result_rows == [(3,)]
assert code_of(lambda: reader.command("DROP TABLE python.calls")) == 164
assert code_of(lambda: client("admin", "wrong")) == 516

"""Reads the traces from a folder, after making sure that they are the ones the committed data was made from."""

import gzip
import hashlib
import json
from decimal import Decimal
from pathlib import Path

AIDER = "aider-analytics.jsonl.gz"
RAGPULSE = "ragpulse-trace.jsonl.gz"
MOONCAKE = "mooncake-conversation-trace.jsonl.gz"
VENDOR = "vendor-call-usage.jsonl.gz"
PRICES = "model-prices.csv"

# SHA-256 of the content, unpacked: how a file was packed does not matter.
CONTENT_SHA256 = {
    AIDER: "ce2555aceea383794c6007230e07ab46372fe324d703766658f4aff3262e3a83",
    RAGPULSE: "cd371571bef3320907147f8901729e37f412aafb067ec8eb153e2828e1801e65",
    MOONCAKE: "b8cbb061a85206d729d91cdc2981f43c9e0d99209dce588d3af5f7934408b9df",
    VENDOR: "96ce0a3b9337e274503de9588e8039c192ea1a8fe799767469be50246e30700c",
    PRICES: "cc1af04ed5993d78870123f508b6f19d185ab1523bbb658fef0ba4df6415e20c",
}


class TraceError(Exception):
    """A trace that is missing or is not the one expected; the text says what to do."""


def lines(folder: Path, name: str) -> list[str]:
    """The non-blank lines of one trace."""
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        reason = f"cannot read {name} in {folder}: {error.strerror}"
        raise TraceError(f"{reason}; README.md says where it comes from") from error
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    found = hashlib.sha256(content).hexdigest()
    if found != CONTENT_SHA256[name]:
        raise TraceError(
            f"{name} in {folder} has content {found}, not {CONTENT_SHA256[name]}: "
            "fetch the version README.md names, or enter the new sum in CONTENT_SHA256 to make other data"
        )
    return [line for line in content.decode().split("\n") if line.strip()]


def parse(line: str) -> dict:
    """One JSON line; fractions become decimals of the very digits that stand there."""
    return json.loads(line, parse_float=Decimal)

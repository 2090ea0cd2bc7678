"""Anchors: the newest hash of each account, in a file that is kept elsewhere.

Whoever owns the database can rewrite a whole chain, but not a copy of its hashes. A file is JSON
lines: the first says what it is, then comes one for each account, and the last is a SHA-256 over
all before it, so that half a file is not taken for a whole one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from transfers.sql.entries import newest_entry

_FORMAT = "ledger-anchor-1"

_HEADS = f"""
SELECT a.id::text, a.merchant_id::text, a.currency_id, a.kind, e.sequence, encode(e.hash, 'hex'), e.balance_after_minor::text
FROM merchants_account a
JOIN LATERAL ({newest_entry("sequence, hash, balance_after_minor", account="a.id")}) e ON true
"""

_ANCHORED = """
SELECT w.account, w.sequence, a.id IS NULL, a.merchant_id::text, a.currency_id, a.kind, encode(e.hash, 'hex'), e.balance_after_minor::text
FROM unnest(%s::text[], %s::bigint[]) AS w(account, sequence)
LEFT JOIN merchants_account a ON a.id = w.account::uuid
LEFT JOIN transfers_ledgerentry e ON e.account_id = a.id AND e.sequence = w.sequence
"""

_NAMES = ("account", "merchant", "currency", "kind", "sequence", "hash", "balance_minor")
_PAGE = 1_000


class AnchorUnreadable(ValueError):
    """The file is not an anchor, or not a whole one."""


def write_anchor(raw: psycopg.Connection[Any], path: Path, written_at: datetime) -> int:
    """Write the newest hash of each account that has entries; return how many.

    The file appears as a whole or not at all.
    """
    temporary = path.with_name(path.name + ".part")
    digest, accounts = hashlib.sha256(), 0
    with temporary.open("wb") as file, raw.cursor("anchor_heads") as cursor:
        cursor.itersize = _PAGE
        cursor.execute(_HEADS)
        lines: Iterable[object] = (dict(zip(_NAMES, row, strict=True)) for row in cursor)
        for line in itertools.chain([{"format": _FORMAT, "written_at": written_at.isoformat()}], lines):
            written = json.dumps(line).encode() + b"\n"
            digest.update(written)
            file.write(written)
            accounts += 1
        file.write(json.dumps({"sha256": digest.hexdigest()}).encode() + b"\n")
    temporary.replace(path)
    return accounts - 1


def broken_anchors(raw: psycopg.Connection[Any], path: Path) -> Iterator[tuple[str, str]]:
    """Return the accounts that are not what they were when the file was written.

    Raises ``AnchorUnreadable``.
    """
    anchors = _read(path)
    while page := list(itertools.islice(anchors, _PAGE)):
        cursor = psycopg.Cursor(raw)
        cursor.execute(_ANCHORED, [[anchor["account"] for anchor in page], [anchor["sequence"] for anchor in page]])
        stored = {row[0]: row for row in cursor.fetchall()}
        for anchor in page:
            reason = _difference(anchor, stored[anchor["account"]])
            if reason is not None:
                yield f"account {anchor['account']}", reason


def _difference(anchor: dict[str, Any], row: tuple[Any, ...]) -> str | None:
    _, sequence, gone, merchant, currency, kind, digest, balance = row
    if gone:
        return "it was anchored and does not exist any more"
    if (merchant, currency, kind) != (anchor["merchant"], anchor["currency"], anchor["kind"]):
        return f"its merchant, currency or kind is not the anchored one ({anchor['merchant']}, {anchor['currency']}, {anchor['kind']})"
    if digest is None:
        return f"entry {sequence} was anchored and does not exist any more"
    if digest != anchor["hash"]:
        return f"the hash of entry {sequence} is not the anchored one: history up to it was rewritten"
    if balance != anchor["balance_minor"]:
        return f"balance_after of entry {sequence} is {balance}, anchored was {anchor['balance_minor']}"
    return None


def _read(path: Path) -> Iterator[dict[str, Any]]:
    _check_whole(path)
    with path.open("rb") as file:
        next(file)
        for line in file:
            anchor = json.loads(line)
            if "account" in anchor:
                yield anchor


def _check_whole(path: Path) -> None:
    digest, last = hashlib.sha256(), b""
    try:
        with path.open("rb") as file:
            first = file.readline()
            if json.loads(first).get("format") != _FORMAT:
                raise AnchorUnreadable(f"{path} is not an anchor of a ledger")
            last = first
            for line in file:
                digest.update(last)
                last = line
        checksum = json.loads(last).get("sha256")
    except (OSError, ValueError, AttributeError) as error:
        raise AnchorUnreadable(f"{path} cannot be read as an anchor: {error}") from None
    if checksum != digest.hexdigest():
        raise AnchorUnreadable(f"{path} is not whole: its checksum does not fit")

"""Anchors: the newest hash of each account, in a file that is kept elsewhere.

Whoever owns the database can rewrite a whole chain, but not a copy of its hashes. A file is JSON
lines: the first says what it is, then comes one for each account, in the order of accounts, and the
last is a SHA-256 over all before it, so that half a file is not taken for a whole one. The last
line can have a signature over that SHA-256: then nobody can make another file that is whole.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger_project.database.snapshots import Raw, pages
from transfers.reconciliation.heads import Head
from transfers.reconciliation.signatures import is_signed_by
from transfers.sql.entries import newest_entry

_FORMAT = "ledger-anchor-2"

_HEADS = f"""
SELECT a.id::text, a.merchant_id::text, a.currency_id, a.kind, e.sequence, encode(e.hash, 'hex'), e.balance_after_minor::text
FROM merchants_account a
JOIN LATERAL ({newest_entry("sequence, hash, balance_after_minor", account="a.id")}) e ON true
ORDER BY a.id
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
    """The file is not an anchor, not a whole one, or not signed by the key that is asked for."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """An anchor that was read once, is whole, and is signed if a key was asked for."""

    path: Path
    written_at: datetime

    def heads(self) -> Iterator[Head]:
        """Yield the anchored head of each account, in the order of accounts."""
        for line in self.lines():
            yield Head(line["account"], line["sequence"], line["hash"], line["balance_minor"])

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what the file says of each account."""
        with self.path.open("rb") as file:
            next(file)
            for line in file:
                anchor = json.loads(line)
                if "sha256" not in anchor:
                    yield {name: anchor[name] for name in _NAMES}


def write_anchor(raw: Raw, path: Path, written_at: datetime, key: Ed25519PrivateKey | None = None) -> int:
    """Write the newest hash of each account that has entries; return how many.

    The file is signed by the key, if there is one. It appears as a whole or not at all.
    """
    temporary = path.with_name(path.name + ".part")
    digest, accounts = hashlib.sha256(), 0
    with temporary.open("wb") as file:
        rows = (row for page in pages(raw, _HEADS, {}, _PAGE) for row in page)
        lines: Iterable[object] = (dict(zip(_NAMES, row, strict=True)) for row in rows)
        for line in itertools.chain([{"format": _FORMAT, "written_at": written_at.isoformat()}], lines):
            written = json.dumps(line).encode() + b"\n"
            digest.update(written)
            file.write(written)
            accounts += 1
        last = {"sha256": digest.hexdigest()}
        if key is not None:
            last["signature"] = key.sign(_signed(digest.hexdigest())).hex()
        file.write(json.dumps(last).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return accounts - 1


def _signed(checksum: str) -> bytes:
    """Return the message that a signature is over: the format keeps it apart from other uses."""
    return f"{_FORMAT} {checksum}".encode()


def read_anchor(path: Path, key: Ed25519PublicKey | None = None) -> Anchor:
    """Return the anchor in a file, after one look at all of it. Raises ``AnchorUnreadable``.

    If there is a key, the file must be signed by its private half.
    """
    digest, last = hashlib.sha256(), b""
    try:
        with path.open("rb") as file:
            last = file.readline()
            head = json.loads(last)
            if head.get("format") != _FORMAT:
                raise AnchorUnreadable(f"{path} is not an anchor of a ledger, or one of another format than {_FORMAT}")
            for line in file:
                digest.update(last)
                last = line
        end = json.loads(last)
        checksum, signature = end.get("sha256"), end.get("signature")
        written_at = datetime.fromisoformat(head["written_at"])
    except AnchorUnreadable:
        raise
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise AnchorUnreadable(f"{path} cannot be read as an anchor: {error}") from None
    if checksum != digest.hexdigest():
        raise AnchorUnreadable(f"{path} is not whole: its checksum does not fit")
    if key is not None:
        _check_signature(path, key, signature, digest.hexdigest())
    return Anchor(path, written_at)


def _check_signature(path: Path, key: Ed25519PublicKey, signature: object, checksum: str) -> None:
    if signature is None:
        raise AnchorUnreadable(f"{path} is not signed, and a key to verify it by was given")
    try:
        content = bytes.fromhex(str(signature))
    except ValueError:
        content = b""
    if not is_signed_by(key, content, _signed(checksum)):
        raise AnchorUnreadable(f"{path} is not signed by the key that was given: it is another file, or another key")


def broken_anchors(raw: Raw, anchor: Anchor) -> Iterator[tuple[str, str]]:
    """Yield the accounts that are not what they were when the file was written."""
    anchored = anchor.lines()
    while page := list(itertools.islice(anchored, _PAGE)):
        cursor = psycopg.Cursor(raw)
        cursor.execute(_ANCHORED, [[line["account"] for line in page], [line["sequence"] for line in page]])
        stored = {row[0]: row for row in cursor.fetchall()}
        for line in page:
            reason = _difference(line, stored[line["account"]])
            if reason is not None:
                yield f"account {line['account']}", reason


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

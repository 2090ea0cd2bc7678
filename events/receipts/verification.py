"""The check of a receipt's file: its signature, its members, and the journal.

A file is JSON, HTML or PDF; the signature is found in any of them, and has all that was signed. The
members of JSON must be just that. What a page or a PDF shows cannot be compared by a program: the
signed lines are for people to compare with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from events.domain.receipts import canonical
from events.selectors.receipts import get_receipts_now
from events.serializers.receipts import receipt_document
from events.services.signing import BadSignature, Signers

_SIGNATURE = re.compile(rb"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{86}(?![\w-])")
"""A compact JWS whose header and payload are JSON objects, with a signature of 64 bytes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was signed (None: nothing that holds), and what is wrong with the file."""

    document: Mapping[str, object] | None
    findings: tuple[str, ...]


class _Ambiguous(ValueError):
    """JSON that is no receipt, or can be read in two ways."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Ambiguous("the file has a member twice, so that it can be read in two ways")
    return found


def _members(content: bytes) -> dict[str, object] | None:
    """Return the members of a JSON file; None for a file in another form. Raises ``_Ambiguous``."""
    try:
        found = json.loads(content, object_pairs_hook=_unique)
    except _Ambiguous:
        raise
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        raise _Ambiguous("the file is JSON, and no receipt")
    return found


def verify(content: bytes, keys: Signers, *, with_journal: bool) -> Verdict:
    """Return the verdict about a file's content. ``with_journal`` reads the database."""
    try:
        members = _members(content)
    except _Ambiguous as error:
        return Verdict(None, (str(error),))
    signatures = set(_SIGNATURE.findall(content)) if members is None else {str(members.get("signature") or "").encode()} - {b""}
    if len(signatures) != 1:
        return Verdict(None, (f"the file has {len(signatures) or 'no'} signature{'s' if signatures else ''}; one is expected",))
    try:
        payload = keys.verified(signatures.pop().decode())
        document = json.loads(payload)
    except (BadSignature, ValueError) as error:
        return Verdict(None, (str(error),))
    findings = [] if members is None else _differences({n: v for n, v in members.items() if n != "signature"}, document, "the file")
    if with_journal:
        findings += _against_journal(document, payload)
    return Verdict(document, tuple(findings))


def _differences(found: Mapping[str, object], signed: Mapping[str, object], where: str) -> list[str]:
    names = [name for name in {**signed, **found} if name not in found or name not in signed or found[name] != signed[name]]
    return [f"{where} has another {name} than was signed" for name in names]


def _against_journal(document: Mapping[str, object], payload: bytes) -> list[str]:
    try:
        party, transfer = document["party"], document["transfer"]
        assert isinstance(party, dict)
        assert isinstance(transfer, dict)
        transfer_id, account_id = UUID(transfer["id"]), UUID(party["account_id"])
    except (AssertionError, KeyError, TypeError, ValueError, AttributeError):
        return ["what was signed is no receipt"]
    receipts = get_receipts_now(transfer_id)
    if receipts is None:
        return [f"this ledger has no transfer {transfer_id}"]
    own = next((one for one in receipts.parties if one.account_id == account_id), None)
    if own is None:
        return [f"account {account_id} is no party of transfer {transfer_id}"]
    kept = receipt_document(receipts.transfer, own)
    if canonical(kept) == payload:
        return []
    return _differences(json.loads(canonical(kept)), document, "the journal")

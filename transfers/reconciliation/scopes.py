"""Scopes: which rows a check looks at.

Each statement of a check has places for conditions, as in ``WHERE /*entries*/``. A scope fills them
in. All that is given as a value is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.conf import settings

from ledger_project.kernel.ids import first_uuid7_at

PLACES = ("entries", "lines", "transfers", "reversals", "references", "holds", "movements", "keys", "claims", "accounts")


@dataclass(frozen=True, slots=True)
class Scope:
    """Conditions by place, and the values of their parameters. A place without one means all."""

    conditions: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)

    def bind(self, statement: str) -> str:
        """Return a statement with its places filled in."""
        for place in PLACES:
            statement = statement.replace(f"/*{place}*/", self.conditions.get(place, "true"))
        return statement

    def parameters(self, limit: int) -> dict[str, object]:
        """Return the values of a bound statement's parameters."""
        return {**self.values, "limit": limit, "retention_s": settings.LEDGER_IDEMPOTENCY_RETENTION}


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class ProofScope:
    """What a run proves: all, what was posted since a moment, or what touches one account."""

    since: datetime | None = None
    account_id: UUID | None = None

    def __str__(self) -> str:
        parts = [f"account {self.account_id}"] if self.account_id else []
        parts += [f"since {self.since.isoformat()}"] if self.since else []
        return ", ".join(parts) or "everything"

    def _condition(self, *, since: str, account: str) -> str:
        conditions = [since] if self.since else []
        conditions += [account] if self.account_id else []
        return " AND ".join(conditions) or "true"

    def rows(self) -> Scope:
        """Return it as conditions on rows."""
        of_account = "(SELECT s.transfer_id FROM transfers_ledgerentry s WHERE s.account_id = %(account)s)"
        merchant = "(SELECT merchant_id, currency_id FROM merchants_account WHERE id = %(account)s)"
        transfers = self._condition(since="t.id >= %(since_id)s", account=f"t.id IN {of_account}")
        conditions = {
            "entries": self._condition(since="e.created_at >= %(since)s", account="e.account_id = %(account)s"),
            "lines": self._condition(since="e.transfer_id >= %(since_id)s", account=f"e.transfer_id IN {of_account}"),
            "transfers": transfers,
            "reversals": transfers,
            "references": self._condition(since="x.transfer_id >= %(since_id)s", account="x.account_id = %(account)s"),
            "holds": self._condition(since="h.created_at >= %(since)s", account=f"(h.source_merchant_id, h.currency_id) IN {merchant}"),
            "keys": self._condition(since="r.created_at >= %(since)s", account=f"r.transfer_id IN {of_account}"),
            "claims": self._condition(since="c.created_at >= %(since)s", account="false"),
            "accounts": self._condition(since="true", account="a.id = %(account)s"),
        }
        since_id = None if self.since is None else first_uuid7_at(self.since)
        return Scope(conditions, {"since": self.since, "since_id": since_id, "account": self.account_id})


def some_entries(rows: Sequence[tuple[UUID, int]]) -> Scope:
    """Return the scope of these entries, each by its account and its sequence."""
    chosen = "(SELECT n.account_id, n.sequence FROM unnest(%(accounts)s::uuid[], %(sequences)s::bigint[]) n(account_id, sequence))"
    return Scope(
        {"entries": f"(e.account_id, e.sequence) IN {chosen}"},
        {"accounts": [account for account, _ in rows], "sequences": [sequence for _, sequence in rows]},
    )


def some_transfers(ids: Sequence[UUID]) -> Scope:
    """Return the scope of these transfers, their entries, their holds, and what they reverse."""
    holds = "(SELECT m.hold_id FROM transfers_transfer m WHERE m.id = ANY(%(ids)s::uuid[]) AND m.hold_id IS NOT NULL)"
    originals = "(SELECT m.reverses_id FROM transfers_transfer m WHERE m.id = ANY(%(ids)s::uuid[]) AND m.reverses_id IS NOT NULL)"
    conditions = {
        "entries": "e.transfer_id = ANY(%(ids)s::uuid[])",
        "lines": "e.transfer_id = ANY(%(ids)s::uuid[])",
        "transfers": "t.id = ANY(%(ids)s::uuid[])",
        "reversals": f"t.reverses_id IN {originals}",
        "references": "false",  # those that should be there are found by their transfers
        "holds": f"h.id IN {holds}",
        "movements": f"t.hold_id IN {holds}",
    }
    return Scope(conditions, {"ids": list(ids)})


@dataclass(frozen=True, slots=True)
class IdRange:
    """Ids from ``first`` on, below ``end``; without an end if it is None."""

    first: UUID
    end: UUID | None

    def rows(self) -> Scope:
        """Return the scope of the transfers and holds with such ids."""
        conditions = {place: id_condition(f"{name}.id") for place, name in (("transfers", "t"), ("holds", "h"))}
        return Scope(conditions, self.parameters())

    def parameters(self) -> dict[str, object]:
        """Return the values of the parameters of ``id_condition``."""
        return {"first_id": self.first, "end_id": self.end}


def id_condition(column: str) -> str:
    """Return the condition that a column is in an ``IdRange``."""
    return f"{column} >= %(first_id)s::uuid AND (%(end_id)s::uuid IS NULL OR {column} < %(end_id)s::uuid)"


@dataclass(frozen=True, slots=True)
class ChainRange:
    """Entries above ``after`` in the order of (account, sequence), up to ``last``."""

    after: tuple[UUID, int]
    last: tuple[UUID, int]

    def parameters(self) -> dict[str, object]:
        """Return the values of its parameters."""
        account, sequence = self.after
        names = {"first_account": account, "first_sequence": sequence, "passed": max(0, sequence - 1)}
        return {**names, "last_account": self.last[0], "last_sequence": self.last[1]}

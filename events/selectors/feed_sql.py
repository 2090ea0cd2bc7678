"""The SQL of the feed: transfers and rows of ``Event`` in one order, up to the mark.

A page is a walk along indexes from the last event on. Without a filter it follows the primary keys;
by merchant or account it follows the entries of each account; by type the index of that type. What
it finds is then looked up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from events.domain.types import OF_KINDS, OF_RELEASES, OF_ROWS
from ledger_project.database.fields import readable
from ledger_project.kernel.happenings import EventType
from transfers.domain.kinds import TransferKind
from transfers.sql.mark import newest_mark


@dataclass(frozen=True, slots=True)
class Filters:
    """Which events: of these types (None: all), of this account, of this merchant's accounts."""

    types: frozenset[EventType] | None = None
    merchant_id: UUID | None = None
    account_id: UUID | None = None

    @property
    def by_accounts(self) -> bool:
        """Whether the events are those of certain accounts."""
        return self.merchant_id is not None or self.account_id is not None


_READABLE = readable("t.amount_minor", "t.fee_minor", "t.total_debit_minor")
_BOUND = "(SELECT bound FROM mark)"
_AFTER = f"id > %(after)s AND {{of}}.id < {_BOUND}"

_MARK = f"""
mark AS MATERIALIZED (
    SELECT m.settled_until, ledger_first_id(m.settled_until + interval '1 microsecond') AS bound FROM ({newest_mark("settled_until")}) m
)"""

NEWEST = f"""greatest(
    (SELECT id FROM transfers_transfer WHERE id < {_BOUND} ORDER BY id DESC LIMIT 1),
    (SELECT id FROM transfers_event WHERE id < {_BOUND} ORDER BY id DESC LIMIT 1))::text"""
"""The newest event that is settled."""

# Entries as text, one after the other: a row for each of them would take a page twice the time.
_ENTRIES = f"""
SELECT string_agg(concat_ws(',', e.account_id, e.sequence, e.direction, e.type, e.amount_minor, e.balance_after_minor), ';'
    ORDER BY e.account_id, e.sequence) AS lines
FROM transfers_ledgerentry e WHERE e.transfer_id = t.id AND {readable("e.amount_minor", "e.balance_after_minor")}
"""

# Each OFFSET 0 keeps a look-up a look-up, whatever the planner knows of the tables.
_SHOWN = f"""
SELECT m.settled_until, {{newest}}, f.id::text,
    v.type, v.data::text, (v.created_at AT TIME ZONE 'UTC')::text, v.merchant_id::text, l.lines,
    t.id::text, t.kind, t.source_id::text, t.target_id::text, t.currency_id,
    t.amount_minor::text, t.fee_minor::text, t.total_debit_minor::text, t.fee_schedule_id::text, s.version, t.reverses_id::text,
    t.external_reference, t.memo, t.metadata::text, (t.created_at AT TIME ZONE 'UTC')::text,
    h.id::text, h.status, h.source_merchant_id::text, h.target_merchant_id::text, h.currency_id, h.amount_minor::text,
    h.reserved_minor::text, h.captured_minor::text, (h.expires_at AT TIME ZONE 'UTC')::text, h.capture_id::text, h.memo,
    h.metadata::text, (h.created_at AT TIME ZONE 'UTC')::text
FROM mark m
LEFT JOIN found f ON true
LEFT JOIN LATERAL (
    SELECT * FROM transfers_transfer t WHERE t.id = f.id AND {_READABLE} OFFSET 0
) t ON true
LEFT JOIN LATERAL (SELECT * FROM transfers_event WHERE id = f.id AND t.id IS NULL OFFSET 0) v ON true
LEFT JOIN LATERAL (SELECT version FROM fees_feeschedule WHERE id = t.fee_schedule_id OFFSET 0) s ON true
LEFT JOIN LATERAL (SELECT * FROM transfers_hold WHERE id = t.hold_id OFFSET 0) h ON true
LEFT JOIN LATERAL ({_ENTRIES}) l ON true
ORDER BY f.id
"""

OF_IDS = f"WITH {_MARK}, found AS MATERIALIZED (SELECT unnest(%s::uuid[]) AS id) {_SHOWN.format(newest='NULL')}"
"""Certain events, in their order, settled or not."""


def page_statement(filters: Filters, *, with_newest: bool) -> str:
    """Return the SQL of one page, with its parameters by name: ``after``, ``since`` (the moment
    before that of ``after``), ``limit``, ``merchant``, ``account``.
    """
    parts = " UNION ALL ".join(f"({part})" for part in (*_transfers(filters), *_rows(filters)))
    once = "DISTINCT " if filters.by_accounts else ""  # one transfer may move the money of several accounts
    found = f"SELECT {once}u.id FROM ({parts}) u ORDER BY u.id LIMIT %(limit)s" if parts else "SELECT NULL::uuid AS id WHERE false"
    return f"WITH {_MARK}, found AS MATERIALIZED ({found}) {_SHOWN.format(newest=NEWEST if with_newest else 'NULL')}"


# --- transfers ------------------------------------------------------------------------------------


def _kinds(types: frozenset[EventType] | None) -> list[tuple[str, str]] | None:
    """Return the kinds of transfers that are events of these types, each with a further condition;
    None for all.
    """
    if types is None or types >= {*OF_KINDS.values(), *OF_RELEASES.values()}:
        return None
    found = [(kind, "") for kind, type_ in OF_KINDS.items() if type_ in types]
    statuses = [status for status, type_ in OF_RELEASES.items() if type_ in types]
    if statuses:
        of_status = f"(SELECT h.status FROM transfers_hold h WHERE h.id = t.hold_id) IN ({_listed(statuses)})"
        found.append((TransferKind.HOLD_RELEASE.value, "" if len(statuses) == len(OF_RELEASES) else of_status))
    return found


def _listed(words: Iterable[str]) -> str:
    """Return a list of our own words in SQL."""
    return ", ".join(f"'{word}'" for word in words)


def _condition(kinds: list[tuple[str, str]]) -> str:
    """Return the condition that a transfer ``t`` is of these kinds."""
    return "(" + " OR ".join(f"(t.kind = '{kind}'{f' AND {further}' if further else ''})" for kind, further in kinds) + ")"


def _transfers(filters: Filters) -> list[str]:
    """Return the queries of the ids of transfers."""
    kinds = _kinds(filters.types)
    if kinds == []:
        return []
    if filters.by_accounts:
        return _of_accounts(filters, kinds)
    walk = (
        f"SELECT t.id FROM transfers_transfer t WHERE t.{_AFTER.format(of='t')} AND {_READABLE} {{condition}} ORDER BY t.id LIMIT %(limit)s"
    )
    if kinds is None:
        return [walk.format(condition="")]
    if any(kind == TransferKind.TRANSFER for kind, _ in kinds):  # most are: the index of kinds has the others
        return [walk.format(condition=f"AND {_condition(kinds)}")]
    return [walk.format(condition=f"AND {_condition([one])}") for one in kinds]


def _of_accounts(filters: Filters, kinds: list[tuple[str, str]] | None) -> list[str]:
    """Return the queries of what moved the accounts' money, and of the holds that are for the
    merchant: their money stays with the payer until they end.
    """
    conditions = [
        condition
        for condition, value in (("a.id = %(account)s", filters.account_id), ("a.merchant_id = %(merchant)s", filters.merchant_id))
        if value
    ]
    of_kinds = f" AND {_condition(kinds)}" if kinds else ""
    moved = f"""SELECT w.id FROM merchants_account a CROSS JOIN LATERAL (
        SELECT e.transfer_id AS id FROM transfers_ledgerentry e
        CROSS JOIN LATERAL (SELECT FROM transfers_transfer t WHERE t.id = e.transfer_id AND {_READABLE}{of_kinds} OFFSET 0) k
        WHERE e.account_id = a.id AND e.sequence > (SELECT coalesce(ledger_sequence_at(a.id, %(since)s), 0))
            AND (e.transfer_id > %(after)s AND e.transfer_id < {_BOUND}) IS TRUE
            AND e.transfer_id IS DISTINCT FROM (
                SELECT p.transfer_id FROM transfers_ledgerentry p WHERE p.account_id = e.account_id AND p.sequence = e.sequence - 1)
        ORDER BY e.sequence LIMIT %(limit)s
    ) w WHERE {" AND ".join(conditions)}"""
    if filters.account_id is not None:
        return [moved]
    wanted = [one for one in kinds or [("hold", ""), ("hold_release", "")] if one[0] in {"hold", "hold_release"}]
    promised = [
        f"""SELECT t.id FROM transfers_transfer t
        CROSS JOIN LATERAL (SELECT FROM transfers_hold h WHERE h.id = t.hold_id AND h.target_merchant_id = %(merchant)s OFFSET 0) h
        WHERE t.{_AFTER.format(of="t")} AND {_READABLE} AND {_condition([one])} ORDER BY t.id LIMIT %(limit)s"""
        for one in wanted
    ]
    return [moved, *promised]


# --- rows of Event --------------------------------------------------------------------------------


def _rows(filters: Filters) -> list[str]:
    """Return the queries of the ids of rows of ``Event``."""
    types = OF_ROWS if filters.types is None else filters.types & OF_ROWS
    if not types:
        return []
    conditions = ["true"]
    if filters.merchant_id is not None:
        conditions.append("v.merchant_id = %(merchant)s")
    if filters.account_id is not None:
        conditions.append("v.account_id = %(account)s")
    walk = (
        f"SELECT v.id FROM transfers_event v WHERE v.{_AFTER.format(of='v')} AND {' AND '.join(conditions)}"
        " {of_type} ORDER BY v.id LIMIT %(limit)s"
    )
    if types == OF_ROWS:
        return [walk.format(of_type="")]
    if filters.by_accounts:
        return [walk.format(of_type=f"AND v.type IN ({_listed(sorted(types))})")]
    return [walk.format(of_type=f"AND v.type = '{type_.value}'") for type_ in sorted(types)]

"""Transfers: one transfer with its entries, or a list of transfers, newest first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from msgspec import Struct

from fees.domain import Payer
from ledger_project.database.fields import readable
from ledger_project.kernel.ids import first_uuid7_at
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, MerchantIdentity
from merchants.selectors import identify_now, known_currency
from transfers.domain.commands import Original
from transfers.models import Transfer
from transfers.selectors.entries import StoredEntry, read_entries

_COLUMNS = """
SELECT t.id, t.kind, CASE WHEN s.kind = 'external' THEN NULL ELSE s.name END, CASE WHEN g.kind = 'external' THEN NULL ELSE g.name END,
    t.currency_id, t.amount_minor, t.fee_minor, t.total_debit_minor, t.fee_schedule_id, f.version, t.reverses_id,
    t.external_reference, t.memo, t.metadata::text, t.created_at
FROM {source} t
CROSS JOIN LATERAL (SELECT a.kind, a.merchant_id, m.name FROM merchants_account a JOIN merchants_merchant m ON m.id = a.merchant_id
    WHERE a.id = t.source_id OFFSET 0) s
CROSS JOIN LATERAL (SELECT a.kind, a.merchant_id, m.name FROM merchants_account a JOIN merchants_merchant m ON m.id = a.merchant_id
    WHERE a.id = t.target_id OFFSET 0) g
LEFT JOIN fees_feeschedule f ON f.id = t.fee_schedule_id
"""
# OFFSET 0 keeps the look-up of a party a look-up.
# Without it, the planner may merge a page of 50 with a walk along all merchants.

_ENTRIES_OF = """
SELECT l.*, a.kind AS account_kind, a.merchant_id FROM transfers_ledgerentry l JOIN merchants_account a ON a.id = l.account_id
WHERE l.transfer_id = %(transfer)s {own}
"""

_READABLE = readable("t.amount_minor", "t.fee_minor", "t.total_debit_minor")


class StoredTransfer(Struct, frozen=True):
    """A transfer as it was read, with the names of its merchants; None is the outside."""

    id: UUID
    kind: str
    from_merchant: str | None
    to_merchant: str | None
    currency: CurrencyUnit
    amount_minor: int
    fee_minor: int
    total_debit_minor: int
    schedule_id: UUID | None
    schedule_version: int | None
    reverses: UUID | None
    external_reference: str | None
    memo: str | None
    metadata: Mapping[str, object]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TransferFilters:
    """The filters of a list of transfers. A transfer must meet all of them.

    ``from_merchant`` and ``to_merchant`` are ids. Each of the ``parties``, and the account, must be
    on either side. ``created_from`` ≤ time < ``created_to``.
    """

    from_merchant: UUID | None = None
    to_merchant: UUID | None = None
    currency: str | None = None
    kind: str | None = None
    external_reference: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    parties: tuple[UUID, ...] = ()
    account: UUID | None = None

    @property
    def is_by_accounts(self) -> bool:
        """Whether the list is of certain accounts.

        With a currency, those are the accounts of that currency.
        """
        return bool(self.parties) or any(one is not None for one in (self.from_merchant, self.to_merchant, self.account))

    def conditions(self, before: UUID | None) -> tuple[str, dict[str, Any]]:
        """Return the SQL conditions on a transfer ``t`` and their parameters.

        Times are ranges of ids, since ids are in the order of time.
        """
        # All transfers of an account have its currency.
        # A second condition on the currency would only mislead the planner's estimates.
        currency = "true" if self.is_by_accounts else "t.currency_id = %(currency)s"
        terms: list[tuple[str, str, object]] = [
            (currency, "currency", self.currency),
            ("t.kind = %(kind)s", "kind", self.kind),
            ("t.external_reference = %(reference)s", "reference", self.external_reference),
            ("t.id >= %(first)s", "first", None if self.created_from is None else first_uuid7_at(self.created_from)),
            ("t.id < %(last)s", "last", None if self.created_to is None else first_uuid7_at(self.created_to)),
            ("t.id < %(before)s", "before", before),
        ]
        used = [term for term in terms if term[2] is not None]
        return " AND ".join([_READABLE, *(term[0] for term in used)]), {name: value for _, name, value in used}


def _stored(row: tuple[Any, ...]) -> StoredTransfer:
    (transfer_id, kind, source, target, code, amount, fee, total, schedule_id, version, reverses, reference, memo, metadata, at) = row
    return StoredTransfer(
        id=transfer_id,
        kind=kind,
        from_merchant=source,
        to_merchant=target,
        currency=known_currency(code),
        amount_minor=int(amount),
        fee_minor=int(fee),
        total_debit_minor=int(total),
        schedule_id=schedule_id,
        schedule_version=version,
        reverses=reverses,
        external_reference=reference,
        memo=memo,
        metadata=json.loads(metadata),
        created_at=at,
    )


class _Side(NamedTuple):
    """One or two sides of a transfer, and a query of account ids.

    One of the accounts must be on one of the sides.
    """

    accounts: str
    columns: tuple[str, ...]

    def condition(self) -> str:
        """Return the condition on a transfer ``t``."""
        return "(" + " OR ".join(f"t.{column} IN ({self.accounts})" for column in self.columns) + ")"


_EITHER = ("source_id", "target_id")
_ACCOUNTS_OF = "SELECT id FROM merchants_account WHERE {of} = %({name})s{kind}{currency}"


def _sides(filters: TransferFilters, parameters: dict[str, Any]) -> list[_Side]:
    """Return the sides that the filters ask for, the most selective first.

    Adds their values to ``parameters``.
    """
    wanted: list[tuple[str, UUID | None, tuple[str, ...]]] = [
        ("account", filters.account, _EITHER),
        ("from", filters.from_merchant, ("source_id",)),
        ("to", filters.to_merchant, ("target_id",)),
        *((f"party_{number}", party, _EITHER) for number, party in enumerate(filters.parties)),
    ]
    sides = []
    for name, identity, columns in wanted:
        if identity is None:
            continue
        parameters[name] = identity
        accounts = _ACCOUNTS_OF.format(
            of="id" if name == "account" else "merchant_id",
            name=name,
            kind="" if name == "account" else " AND kind <> 'external'",
            currency=" AND currency_id = %(currency)s" if filters.currency else "",
        )
        sides.append(_Side(accounts, columns))
    return sides


def page_statement(filters: TransferFilters, *, before: UUID | None, limit: int) -> tuple[str, dict[str, Any]]:
    """Return the SQL of one page and its parameters.

    With a merchant or an account, the newest transfers of each account are read from the index on
    (account, id) and merged: the cost depends on the page, not on the length of the account. With
    an external reference, the few transfers that have it are found first.
    """
    conditions, parameters = filters.conditions(before)
    parameters["limit"] = limit
    sides = _sides(filters, parameters)
    if sides and filters.external_reference is None:
        page = _page_of(sides[0], " AND ".join([conditions, *(side.condition() for side in sides[1:])]))
    else:
        conditions = " AND ".join([conditions, *(side.condition() for side in sides)])
        order = "OFFSET 0" if sides or filters.external_reference is not None else "ORDER BY t.id DESC LIMIT %(limit)s"
        page = f"(SELECT * FROM transfers_transfer t WHERE {conditions} {order})"
    return _COLUMNS.format(source=page) + " ORDER BY t.id DESC LIMIT %(limit)s", parameters


def _page_of(driver: _Side, conditions: str) -> str:
    """Return the page of certain accounts: the newest of each account and side, merged."""
    found = "*" if len(driver.columns) == 1 else "id"
    sides = [
        f"""(SELECT p.* FROM ({driver.accounts}) a CROSS JOIN LATERAL (
            SELECT t.{found} FROM transfers_transfer t WHERE t.{column} = a.id AND {conditions}
            ORDER BY t.id DESC LIMIT %(limit)s) p)"""
        for column in driver.columns
    ]
    if len(sides) == 1:
        return sides[0]
    newest = f"SELECT u.id FROM ({' UNION '.join(sides)}) u ORDER BY u.id DESC LIMIT %(limit)s"
    return f"(SELECT * FROM transfers_transfer t WHERE t.id IN ({newest}))"


def _without_owner(filters: TransferFilters) -> TransferFilters:
    """Return the filters without the account's own merchant among the parties.

    The same condition twice would only mislead the planner.
    """
    if filters.account is None or not filters.parties:
        return filters
    wallet = identify_now(wallet_ids=[filters.account]).wallets.get(filters.account)
    return filters if wallet is None else replace(filters, parties=tuple(one for one in filters.parties if one != wallet.merchant.id))


def list_transfers(filters: TransferFilters, *, before: UUID | None, limit: int) -> list[StoredTransfer]:
    """Return transfers newest first, older than ``before``."""
    statement, parameters = page_statement(_without_owner(filters), before=before, limit=limit)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [_stored(row) for row in cursor.fetchall()]


def get_transfer(transfer_id: UUID, *, party: UUID | None = None) -> tuple[StoredTransfer, list[StoredEntry]] | None:
    """Return a transfer with its entries. Two round trips.

    With ``party``, a transfer of other merchants is None, and the entries are the party's own.
    """
    statement = _COLUMNS.format(source="transfers_transfer") + " WHERE t.id = %(id)s"
    if party is not None:
        statement += " AND %(party)s IN (s.merchant_id, g.merchant_id)"
    with connection.cursor() as cursor:
        cursor.execute(statement, {"id": transfer_id, "party": party})
        row = cursor.fetchone()
    if row is None:
        return None
    found = _stored(row)
    own = "" if party is None else "AND a.merchant_id = %(party)s"
    parameters = {"transfer": transfer_id, "party": party}
    return found, read_entries(_ENTRIES_OF.format(own=own), parameters, order="e.account_id, e.sequence", currency=found.currency)


def find_original(transfer_id: UUID) -> Original | None:
    """Return a posted transfer that is to be reversed."""
    transfer = Transfer.objects.select_related("source__merchant", "target__merchant", "fee_schedule").filter(id=transfer_id).first()
    if transfer is None:
        return None
    source, target = (
        None if account.kind == AccountKind.EXTERNAL else MerchantIdentity(account.merchant_id, account.merchant.name)
        for account in (transfer.source, transfer.target)
    )
    return Original(
        id=transfer.id,
        kind=transfer.kind,
        source=source,
        target=target,
        currency=known_currency(transfer.currency_id),
        amount_minor=transfer.amount_minor,
        fee_minor=transfer.fee_minor,
        payer=Payer.SENDER if transfer.fee_schedule is None else Payer(transfer.fee_schedule.payer),
    )

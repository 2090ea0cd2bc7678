"""Lists of transfers, newest first.

A transfer is read without its merchants: their names never change, so they come from a memory
(``merchants.selectors.parties``). Columns are read as text, because answers are text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, cast
from uuid import UUID

from msgspec import Struct

from ledger_project.database.fields import readable
from ledger_project.database.prepared import positional
from ledger_project.database.reading_pages import read_page
from ledger_project.kernel.ids import first_uuid7_at
from ledger_project.kernel.money import CurrencyUnit
from merchants.selectors import Party, find_currency, identify, parties, units_of
from transfers.domain.kinds import TransferKind

TransferRow: TypeAlias = tuple[str, str, str, str, str, str, str, str, str | None, int | None, str | None, str | None, str | None, str, str]
"""A transfer as it is read: id, kind, source, target, currency, amount, fee, total debit; its
schedule and that one's version, the transfer that it reverses, external reference, memo, metadata,
time (UTC).
"""

_COLUMNS = """
SELECT t.id::text, t.kind, t.source_id::text, t.target_id::text, t.currency_id,
    t.amount_minor::text, t.fee_minor::text, t.total_debit_minor::text, t.fee_schedule_id::text, f.version, t.reverses_id::text,
    t.external_reference, t.memo, t.metadata::text, (t.created_at AT TIME ZONE 'UTC')::text
FROM {page} t LEFT JOIN fees_feeschedule f ON f.id = t.fee_schedule_id
ORDER BY t.id DESC LIMIT %(limit)s
"""

_READABLE = readable("t.amount_minor", "t.fee_minor", "t.total_debit_minor")


# The ids first: few transfers have a reference, whatever the planner expects.
_REFERRED = "t.id = ANY(ARRAY(SELECT r.transfer_id FROM transfers_externalreference r WHERE r.reference = %(reference)s))"


@dataclass(frozen=True, slots=True)
class TransferFilters:
    """The filters of a list of transfers. A transfer must meet all of them.

    ``from_merchant`` and ``to_merchant`` are ids. Each of the ``parties``, and the account, must be
    on either side. ``created_from`` ≤ time < ``created_to``.

    ``currency`` is the code of a currency that exists: it stands in the SQL, and so does the kind.
    A plan for all values would not know that one currency has nearly all transfers and another
    none.
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
        assert self.currency is None or (self.currency.isascii() and self.currency.isalnum())  # it stands in the SQL
        # All transfers of an account have its currency.
        # A second condition on the currency would only mislead the planner's estimates.
        currency = "true" if self.is_by_accounts else f"t.currency_id = '{self.currency}'"
        kind = "" if self.kind is None else f"t.kind = '{TransferKind(self.kind).value}'"
        terms: list[tuple[str, str, object]] = [
            (currency, "currency", self.currency),
            (kind, "kind", self.kind),
            (_REFERRED, "reference", self.external_reference),
            ("t.id >= %(first)s", "first", None if self.created_from is None else first_uuid7_at(self.created_from)),
            ("t.id < %(last)s", "last", None if self.created_to is None else first_uuid7_at(self.created_to)),
            ("t.id < %(before)s", "before", before),
        ]
        used = [term for term in terms if term[2] is not None]
        return " AND ".join([_READABLE, *(term[0] for term in used)]), {name: value for _, name, value in used}


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
        # Beside a held account, the other side of a transfer is its owner's wallet.
        kinds = "('external', 'held')" if columns is _EITHER else "('external')"
        accounts = _ACCOUNTS_OF.format(
            of="id" if name == "account" else "merchant_id",
            name=name,
            kind="" if name == "account" else f" AND kind NOT IN {kinds}",
            currency=" AND currency_id = %(currency)s" if filters.currency else "",
        )
        sides.append(_Side(accounts, columns))
    return sides


def page_statement(filters: TransferFilters, *, before: UUID | None, limit: int) -> tuple[str, list[object]]:
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
    return positional(_COLUMNS.format(page=page), parameters)


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
    # OFFSET 0 keeps the look-up of a transfer a look-up, whatever the planner knows of the tables.
    return f"(SELECT t.* FROM ({newest}) n CROSS JOIN LATERAL (SELECT * FROM transfers_transfer WHERE id = n.id OFFSET 0) t)"


async def _without_owner(filters: TransferFilters) -> TransferFilters:
    """Return the filters without the account's own merchant among the parties.

    The same condition twice would only mislead the planner.
    """
    if filters.account is None or not filters.parties:
        return filters
    wallet = (await identify(wallet_ids=[filters.account])).wallets.get(filters.account)
    return filters if wallet is None else replace(filters, parties=tuple(one for one in filters.parties if one != wallet.merchant.id))


class TransferPage(Struct, frozen=True):
    """Transfers newest first, with the parties and the currencies that they name."""

    rows: list[TransferRow]
    parties: Mapping[str, Party]
    units: Mapping[str, CurrencyUnit]


async def list_transfers(filters: TransferFilters, *, before: UUID | None, limit: int) -> TransferPage:
    """Return transfers newest first, older than ``before``. One round trip; one more for parties
    that this process has not seen.
    """
    if filters.currency is not None and await find_currency(filters.currency) is None:
        return TransferPage([], {}, {})
    statement = page_statement(await _without_owner(filters), before=before, limit=limit)
    rows = cast("list[TransferRow]", await read_page(*statement))
    accounts = [account for row in rows for account in row[2:4]]
    return TransferPage(rows, await parties(accounts), await units_of(row[4] for row in rows))

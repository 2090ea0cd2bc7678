"""The filters of the lists of merchants and accounts, and what their files have."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.http import HttpRequest

from console.amounts import shown
from console.list_exports import Column
from console.list_filters import FilterField, ListBar, midnight
from console.lists import NarrowedList
from ledger_project.kernel.days import day_of
from ledger_project.kernel.money import Money
from merchants.domain import TREASURY, AccountKind, Status
from merchants.selectors import identify_now, known_currency
from transfers.selectors.balances import balance_at
from transfers.selectors.merchant_money import LOOKED_AT, MerchantMoney, money_of_merchants, with_money

_MICROSECOND = timedelta(microseconds=1)
_EVERY = "every"
_VALUE = "value"
_WALLETS = "Wallets: what merchants can spend. Internal accounts (held, fees, external, position) are there by their kind."

_STATUSES = [(status.value, status.value) for status in Status]


class AccountBar(ListBar):
    """Accounts by merchant, currency, kind and status; wallets, if no kind is chosen."""

    names = ("merchant", "currency", "kind", "status", "owner", "at")

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the accounts that the filters keep, with their balances then."""
        merchant, unit = self.merchant(), self.unit()
        rows = self.of_kind(rows, self.choice("kind", {_EVERY, _VALUE, *AccountKind}))
        rows = self.of_owner(rows, self.choice("owner", {"merchants", TREASURY}))
        status, moment = self.choice("status", set(Status)), self.moment_of_balance()
        wanted = {
            "merchant_id": None if merchant is None else merchant.id,
            "currency_id": None if unit is None else unit.code,
            "status": status or None,
        }
        rows = rows.filter(**{name: value for name, value in wanted.items() if value is not None})
        if moment is None:
            return rows
        self.notes.append(f"Balances as of {moment:%Y-%m-%d %H:%M:%S}.")
        then: QuerySet[Any] = rows.annotate(balance_minor=balance_at(F("pk"), moment))
        return then

    def of_kind(self, rows: QuerySet[Any], kind: str) -> QuerySet[Any]:
        """Return the accounts of a kind; wallets if none is chosen."""
        if kind == _EVERY or (not kind and self.request.GET.get("q")):  # a search finds accounts of every kind
            return rows
        if kind == _VALUE:
            return rows.filter(kind__in=[AccountKind.WALLET.value, AccountKind.HELD.value])
        if not kind:
            self.notes.append(_WALLETS)
        return rows.filter(kind=kind or AccountKind.WALLET.value)

    def of_owner(self, rows: QuerySet[Any], owner: str) -> QuerySet[Any]:
        """Return the accounts of merchants, or of the treasury, which is the platform's own."""
        if not owner:
            return rows
        treasury = identify_now(names=[TREASURY]).merchant(TREASURY)
        own = {"merchant_id": None if treasury is None else treasury.id}
        return rows.filter(**own) if owner == TREASURY else rows.exclude(**own)

    def moment_of_balance(self) -> datetime | None:
        """Return the moment of the balances: the end of a day, or a moment; None stands for now."""
        day = day_of(self.text("at"))
        return self.moment("at") if day is None else midnight(day + timedelta(days=1)) - _MICROSECOND

    def fields(self) -> Iterable[FilterField]:
        """Return the inputs."""
        kinds = [(kind.value, kind.value) for kind in AccountKind if kind is not AccountKind.WALLET]
        is_moment = bool(self.text("at")) and day_of(self.text("at")) is None
        kinds = [("", "wallets"), (_VALUE, "wallets and held"), *kinds, (_EVERY, "all kinds")]
        return [
            self.merchant_input(),
            self.currency_input(),
            self.input("kind", "Kind", options=kinds),
            self.select("status", "Status", _STATUSES),
            self.select("owner", "Owner", [("merchants", "all but the treasury"), (TREASURY, "the treasury")]),
            self.input("at", "Balance at the end of", kind="text" if is_moment else "date"),
        ]


class MerchantBar(ListBar):
    """Merchants by status, and by the currency in which they have money."""

    names = ("status", "currency")

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the merchants that the filters keep."""
        status, unit = self.choice("status", set(Status)), self.unit()
        if status:
            rows = rows.filter(status=status)
        if unit is not None:
            rows, is_cut = with_money(rows, unit.code)
            if is_cut:
                self.notes.append(f"The newest {LOOKED_AT:,} merchants were looked at.")
        return rows

    def fields(self) -> Iterable[FilterField]:
        """Return the inputs."""
        codes = self.currency_input()
        return [
            self.select("status", "Status", _STATUSES),
            self.select("currency", "With money in", [option for option in codes.options if option[0]]),
        ]


class MerchantList(NarrowedList):
    """A page of merchants, each with its money."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Read the merchants, and what they have: one query for all."""
        super().get_results(request)
        self.result_list = merchants_with_money(list(self.result_list), request)


def merchants_with_money(merchants: list[Any], request: HttpRequest) -> list[Any]:
    """Return merchants that know their money: in the chosen currency, or where it moved last."""
    currency = request.GET.get("currency", "").strip().upper() or None
    found = money_of_merchants([merchant.pk for merchant in merchants], currency=currency)
    for merchant in merchants:
        merchant.money_found = found.get(merchant.pk)
    return merchants


def money_in_words(money: MerchantMoney) -> str:
    """Return the money of a merchant as a list shows it."""
    total = shown(money.available.minor + money.held.minor, money.available.currency)
    return f"{total} + {len(money.others)} more" if money.others else total


def _money(name: str) -> Any:
    def value(merchant: Any) -> Any:
        return None if merchant.money_found is None else getattr(merchant.money_found, name)

    return value


def _others(merchant: Any) -> str:
    return "" if merchant.money_found is None else ", ".join(str(one) for one in merchant.money_found.others)


MERCHANT_COLUMNS = (
    Column("name", lambda merchant: merchant.name),
    Column("display_name", lambda merchant: merchant.display_name),
    Column("status", lambda merchant: merchant.status),
    Column("currency", lambda merchant: merchant.money_found and merchant.money_found.available.currency.code),
    Column("available", _money("available")),
    Column("held", _money("held")),
    Column("other_money", _others),
    Column("last_movement_utc", _money("moved_at")),
    Column("registered_utc", lambda merchant: merchant.created_at),
    Column("id", lambda merchant: str(merchant.id)),
)
"""The columns of a file of merchants, which have ``money_found``."""


def _in_unit(name: str) -> Any:
    return lambda account: Money(int(getattr(account, name) or 0), known_currency(account.currency_id))


ACCOUNT_COLUMNS = (
    Column("merchant", lambda account: account.merchant.name),
    Column("currency", lambda account: account.currency_id),
    Column("kind", lambda account: account.kind),
    Column("status", lambda account: account.status),
    Column("balance", _in_unit("balance_minor")),
    Column("overdraft_limit", _in_unit("overdraft_limit_minor")),
    Column("opened_utc", lambda account: account.created_at),
    Column("id", lambda account: str(account.id)),
)
"""The columns of a file of accounts, which have ``balance_minor``."""

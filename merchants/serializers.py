"""Bodies, queries and answers of the calls about merchants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework import serializers

from ledger_project.http.cursors import PageQuery
from ledger_project.http.fields import EmailAddress, Enumeration, MerchantName, MetadataField, ShownName, StrictString, Timestamp
from ledger_project.http.members import Json, Members, amount_members, answered_amount, stored_timestamp, timestamp
from ledger_project.kernel.exact_json import rewritten, text_or_null
from ledger_project.kernel.money import MAJOR_UNITS, CurrencyUnit, format_minor
from merchants.domain import AccountKind, Status
from transfers.domain.ledger import AccountSnapshot
from transfers.domain.outcome import RegisteredMerchant
from transfers.selectors.balances import BalanceRow
from transfers.selectors.merchant_lists import MerchantPage, MerchantRow
from transfers.selectors.merchants import StoredMerchant


class RegistrationBody(serializers.Serializer[Any]):
    """A new merchant."""

    schema_rules: ClassVar[Mapping[str, Any]] = {"properties": {"initial_balance": {"pattern": MAJOR_UNITS}}}

    merchant_name = MerchantName()
    currency = StrictString(required=False, allow_null=True, max_length=32, default=None)
    initial_balance = StrictString(required=False, max_length=80, default="0", help_text="Major units; needs `currency`.")
    display_name = ShownName(required=False, allow_null=True, default=None, help_text="What people call it.")
    receipt_email = EmailAddress(required=False, allow_null=True, default=None)
    metadata = MetadataField(required=False, default=dict)


class MerchantChangeBody(serializers.Serializer[Any]):
    """What is known of a merchant beside its name; members that are left out stay as they are, null
    takes away.
    """

    display_name = ShownName(required=False, allow_null=True)
    receipt_email = EmailAddress(required=False, allow_null=True)
    metadata = MetadataField(required=False, help_text="Replaces what was there, as a whole.")


class AccountBody(serializers.Serializer[Any]):
    """A new account."""

    currency = StrictString(max_length=32)


class MerchantQuery(PageQuery):
    """Filters of the list of merchants."""

    search = StrictString(required=False, allow_blank=True, max_length=64, help_text="Part of the name, regardless of case.")
    status = Enumeration([status.value for status in Status], required=False)


class BalanceQuery(serializers.Serializer[Any]):
    """Which balances, as of when."""

    currency = StrictString(required=False, max_length=32)
    at = Timestamp(required=False, help_text="As of this moment, its entries included.")


class BalanceJson(Members):
    """What a merchant has in one currency."""

    account_id = serializers.UUIDField(allow_null=True)
    currency = serializers.CharField()
    balance = answered_amount()
    available = answered_amount()
    held = answered_amount()


class MerchantJson(serializers.Serializer[Any]):
    """A merchant with its balances."""

    id = serializers.UUIDField()
    merchant_name = serializers.CharField()
    display_name = serializers.CharField(allow_null=True)
    receipt_email = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=[status.value for status in Status])
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()
    balances = BalanceJson(many=True)


class MerchantPageJson(serializers.Serializer[Any]):
    """A page of merchants."""

    items = MerchantJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class MerchantBalancesJson(serializers.Serializer[Any]):
    """A merchant's balances as of a moment."""

    merchant_name = serializers.CharField()
    as_of = serializers.DateTimeField()
    balances = BalanceJson(many=True)


def balance_json(row: BalanceRow) -> Json:
    """Return one row of a merchant's balances."""
    return {
        "account_id": None if row.account_id is None else str(row.account_id),
        "currency": row.currency.code,
        **amount_members("balance", row.available_minor + row.held_minor, row.currency),
        **amount_members("available", row.available_minor, row.currency),
        **amount_members("held", row.held_minor, row.currency),
    }


def merchant_json(merchant: StoredMerchant) -> Json:
    """Return a merchant with its balances."""
    return {
        "id": str(merchant.id),
        "merchant_name": merchant.name,
        "display_name": merchant.display_name,
        "receipt_email": merchant.receipt_email,
        "status": merchant.status,
        "metadata": merchant.metadata,
        "created_at": timestamp(merchant.created_at),
        "balances": [balance_json(row) for row in merchant.balances],
    }


def merchant_texts(page: MerchantPage) -> list[str]:
    """Return listed merchants, each as JSON with the members of ``merchant_json``."""
    return [_merchant_text(rows, page.units) for rows in page.merchants]


def _balance_text(account_id: str, unit: CurrencyUnit, available_minor: int, held_minor: int) -> str:
    balance_minor, exponent = available_minor + held_minor, unit.exponent
    return (
        f'{{"account_id":"{account_id}","currency":"{unit.code}",'
        f'"balance":"{format_minor(balance_minor, exponent)}","balance_minor":{balance_minor},'
        f'"available":"{format_minor(available_minor, exponent)}","available_minor":{available_minor},'
        f'"held":"{format_minor(held_minor, exponent)}","held_minor":{held_minor}}}'
    )


def _merchant_text(rows: Sequence[MerchantRow], units: Mapping[str, CurrencyUnit]) -> str:
    id_, name, display_name, receipt_email, status, metadata, at = rows[0][:7]
    held = {code: int(balance) for *_, code, kind, balance in rows if kind == AccountKind.HELD}
    balances = [
        _balance_text(account_id, units[code], int(balance), held.get(code, 0))
        for *_, account_id, code, kind, balance in rows
        if kind == AccountKind.WALLET and account_id is not None and code is not None
    ]
    return (
        f'{{"id":"{id_}","merchant_name":{text_or_null(name)},"display_name":{text_or_null(display_name)},'
        f'"receipt_email":{text_or_null(receipt_email)},"status":"{status}","metadata":{rewritten(metadata)},'
        f'"created_at":"{stored_timestamp(at)}","balances":[{",".join(balances)}]}}'
    )


def registered_json(merchant: RegisteredMerchant, account: AccountSnapshot | None) -> Json:
    """Return a merchant that was just registered; ``account`` holds its opening balance."""
    balances = []
    if account is not None:
        balances = [BalanceRow(account.id, account.currency, account.available_minor, account.held_minor)]
    return merchant_json(
        StoredMerchant(
            id=merchant.identity.id,
            name=merchant.identity.name,
            display_name=merchant.display_name,
            receipt_email=merchant.receipt_email,
            status=Status.ACTIVE.value,
            metadata=merchant.metadata,
            created_at=merchant.created_at,
            balances=balances,
        )
    )

"""Transfers: bodies, queries and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from ledger_project.http.cursors import PageQuery
from ledger_project.http.fields import Enumeration, StrictString, StrictUUID, Timestamp
from ledger_project.http.members import Json, Members, answered_amount, stored_timestamp, timestamp
from ledger_project.kernel.exact_json import rewritten, text_or_null
from ledger_project.kernel.money import CurrencyUnit, format_minor, format_minor_text
from merchants.selectors import Party
from transfers.domain.commands import Details
from transfers.domain.kinds import TransferKind
from transfers.domain.ledger import PostedTransfer
from transfers.selectors.transfer_lists import TransferPage, TransferRow
from transfers.selectors.transfers import StoredTransfer
from transfers.serializers.movements import AMOUNT_RULES, ONE_AMOUNT, MovementBody
from transfers.serializers.statements import EntryJson

_NAMED = ["from_merchant", "to_merchant"]
_BY_ID = ["source_account_id", "dest_account_id"]


def _none_of(names: list[str]) -> dict[str, Any]:
    return {"not": {"anyOf": [{"required": [name]} for name in names]}}


_NAMES = {"required": [*_NAMED, "currency"], **_none_of(_BY_ID)}
_ACCOUNTS = {"required": _BY_ID, **_none_of(_NAMED)}


class TransferBody(MovementBody):
    """A transfer: two merchants and a currency, or two accounts."""

    schema_rules = {"properties": AMOUNT_RULES, "allOf": [ONE_AMOUNT, {"oneOf": [_NAMES, _ACCOUNTS]}]}

    from_merchant = StrictString(required=False, max_length=255)
    to_merchant = StrictString(required=False, max_length=255)
    currency = StrictString(required=False, max_length=32)
    source_account_id = StrictUUID(required=False)
    dest_account_id = StrictUUID(required=False)


class TransferQuery(Members, PageQuery):
    """Filters of the list of transfers; they combine."""

    to = StrictString(required=False, allow_blank=True)
    merchant = StrictString(required=False, allow_blank=True, help_text="On either side.")
    account_id = StrictUUID(required=False, help_text="On either side.")
    currency = StrictString(required=False, allow_blank=True)
    kind = Enumeration([kind.value for kind in TransferKind], required=False)
    external_reference = StrictString(required=False, allow_blank=True)
    payment_id = StrictUUID(required=False, help_text="The payment that a transfer is a part of.")
    exchange_id = StrictUUID(required=False, help_text="The exchange that a transfer is a part of.")
    created_from = Timestamp(required=False, help_text="First moment that counts.")
    created_to = Timestamp(required=False, help_text="First moment that counts no more.")
    from_ = StrictString(required=False, allow_blank=True)


class ScheduleJson(serializers.Serializer[Any]):
    """Which version of which fee schedule."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()


class TransferJson(Members):
    """A transfer."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    status = serializers.ChoiceField(choices=["posted"])
    from_merchant = serializers.CharField(allow_null=True)
    to_merchant = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    amount = answered_amount()
    fee = answered_amount()
    total_debit = answered_amount()
    fee_schedule = ScheduleJson(allow_null=True)
    reverses = serializers.UUIDField(allow_null=True)
    payment_id = serializers.UUIDField(allow_null=True)
    exchange_id = serializers.UUIDField(allow_null=True)
    external_reference = serializers.CharField(allow_null=True)
    memo = serializers.CharField(allow_null=True)
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()


class TransferDetailJson(TransferJson):
    """A transfer with its entries."""

    entries = EntryJson(many=True)


class TransferPageJson(serializers.Serializer[Any]):
    """A page of transfers."""

    items = TransferJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)


def _transfer_json(
    transfer: PostedTransfer | StoredTransfer, details: Details | StoredTransfer, source: str | None, target: str | None
) -> Json:
    """Return a transfer; ``source`` and ``target`` are the names of its merchants."""
    exponent, fee_schedule, reverses = transfer.currency.exponent, None, None
    if transfer.schedule_id is not None:
        fee_schedule = {"id": str(transfer.schedule_id), "version": transfer.schedule_version}
    if transfer.reverses is not None:
        reverses = str(transfer.reverses)
    return {
        "id": str(transfer.id),
        "kind": str(transfer.kind),
        "status": "posted",
        "from_merchant": source,
        "to_merchant": target,
        "currency": transfer.currency.code,
        # Every posting comes here, and ``amount_members`` would take 10% longer.
        "amount": format_minor(transfer.amount_minor, exponent),
        "amount_minor": transfer.amount_minor,
        "fee": format_minor(transfer.fee_minor, exponent),
        "fee_minor": transfer.fee_minor,
        "total_debit": format_minor(transfer.total_debit_minor, exponent),
        "total_debit_minor": transfer.total_debit_minor,
        "fee_schedule": fee_schedule,
        "reverses": reverses,
        "payment_id": None,  # there are no payments and no exchanges yet
        "exchange_id": None,
        "external_reference": details.external_reference,
        "memo": details.memo,
        "metadata": details.metadata,
        "created_at": timestamp(transfer.created_at),
    }


def posted_transfer_json(transfer: PostedTransfer) -> Json:
    """Return a transfer that was just posted."""
    source, target = transfer.source, transfer.target
    return _transfer_json(transfer, transfer.details, None if source is None else source.name, None if target is None else target.name)


def transfer_json(transfer: StoredTransfer) -> Json:
    """Return a transfer that was read."""
    return _transfer_json(transfer, transfer, transfer.from_merchant, transfer.to_merchant)


def transfer_texts(page: TransferPage) -> list[str]:
    """Return listed transfers, each as JSON with the members of ``transfer_json``."""
    return [transfer_text(row, page.parties, page.units) for row in page.rows]


def transfer_text(row: TransferRow, parties: Mapping[str, Party], units: Mapping[str, CurrencyUnit]) -> str:
    """Return a transfer that was read, as JSON with the members of ``transfer_json``."""
    id_, kind, source_id, target_id, code, amount, fee, total, schedule_id, version, reverses, reference, memo, metadata, at = row
    source, target, exponent = parties[source_id], parties[target_id], units[code].exponent
    schedule = "null" if schedule_id is None else f'{{"id":"{schedule_id}","version":{version}}}'
    # One text takes half the time of a dictionary that a JSON library writes.
    return (
        f'{{"id":"{id_}","kind":"{kind}","status":"posted",'
        f'"from_merchant":{text_or_null(None if source.is_outside else source.name)},'
        f'"to_merchant":{text_or_null(None if target.is_outside else target.name)},"currency":"{code}",'
        f'"amount":"{format_minor_text(amount, exponent)}","amount_minor":{amount},'
        f'"fee":"{format_minor_text(fee, exponent)}","fee_minor":{fee},'
        f'"total_debit":"{format_minor_text(total, exponent)}","total_debit_minor":{total},'
        f'"fee_schedule":{schedule},"reverses":{text_or_null(reverses)},"payment_id":null,"exchange_id":null,'
        f'"external_reference":{text_or_null(reference)},"memo":{text_or_null(memo)},'
        f'"metadata":{rewritten(metadata)},"created_at":"{stored_timestamp(at)}"}}'
    )

"""Receipts: their query and their answers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from events.domain.receipts import Party, canonical, receipt_number
from events.services.signing import signers
from ledger_project.http.fields import StrictUUID
from ledger_project.http.members import Json, timestamp
from transfers.selectors.transfers import StoredTransfer
from transfers.serializers.transfers import TransferJson, transfer_json


class ReceiptQuery(serializers.Serializer[Any]):
    """Whose receipt."""

    account_id = StrictUUID(required=False, help_text="The wallet of the party. The platform names it; a merchant may leave it out.")


class PartyJson(serializers.Serializer[Any]):
    """The party that a receipt is for, and its last entry of the transfer."""

    merchant_name = serializers.CharField()
    account_id = serializers.UUIDField()
    sequence = serializers.IntegerField()
    entry_hash = serializers.CharField(help_text="SHA-256 over the entry and all before it, in hex.")


class ReceiptJson(serializers.Serializer[Any]):
    """A receipt. `signature` is a compact JWS over all other members, null if the service has no
    key.
    """

    number = serializers.CharField()
    issued_at = serializers.DateTimeField()
    transfer = TransferJson()
    party = PartyJson()
    signature = serializers.CharField(allow_null=True)


class KeyJson(serializers.Serializer[Any]):
    """A public key (RFC 8037)."""

    kty = serializers.CharField()
    crv = serializers.CharField()
    x = serializers.CharField()
    kid = serializers.CharField()
    use = serializers.CharField()
    alg = serializers.CharField()


class KeySetJson(serializers.Serializer[Any]):
    """The public keys that verify receipts, former ones too (RFC 7517)."""

    keys = KeyJson(many=True)


def receipt_document(transfer: StoredTransfer, party: Party) -> Json:
    """Return the members of a receipt that are signed: all but the signature."""
    return {
        "number": receipt_number(transfer.id, party.side),
        "issued_at": timestamp(transfer.created_at),
        "transfer": transfer_json(transfer),
        "party": {
            "merchant_name": party.merchant_name,
            "account_id": str(party.account_id),
            "sequence": party.sequence,
            "entry_hash": party.entry_hash.hex(),
        },
    }


def receipt_json(transfer: StoredTransfer, party: Party) -> Json:
    """Return a receipt with its signature."""
    document = receipt_document(transfer, party)
    return {**document, "signature": signers().sign(canonical(document))}

"""A peer as its users would write it: Django and DRF, synchronous, ``select_for_update`` and a mutable balance, under gunicorn.

``python plain_django.py`` makes tables and merchants; ``gunicorn plain_django:application`` serves.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from decimal import Decimal
from typing import Any

from django_base import configure, key_model

configure(__name__, [])

from django.core.wsgi import get_wsgi_application
from django.db import connection, models, transaction
from django.db.models import Prefetch, Q
from django.http import Http404, HttpResponse
from django.urls import path
from rest_framework import serializers, status, views
from rest_framework.response import Response

IdempotencyKey = key_model("plain")


class Account(models.Model):
    merchant = models.CharField(max_length=64)
    currency = models.CharField(max_length=8)
    kind = models.CharField(max_length=8)
    balance = models.DecimalField(max_digits=38, decimal_places=0, default=0)

    class Meta:
        app_label = "plain"
        constraints = [
            models.UniqueConstraint(fields=["merchant", "currency", "kind"], name="account_unique"),
            models.CheckConstraint(condition=models.Q(balance__gte=0), name="balance_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.merchant} {self.kind}"


class Transfer(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    source = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    target = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    currency = models.CharField(max_length=8)
    amount = models.DecimalField(max_digits=38, decimal_places=0)
    fee = models.DecimalField(max_digits=38, decimal_places=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "plain"
        indexes = [
            models.Index(fields=["source", "created_at"], name="transfer_source"),
            models.Index(fields=["target", "created_at"], name="transfer_target"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Entry(models.Model):
    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="entries")
    account = models.ForeignKey(Account, models.PROTECT, db_index=False)
    direction = models.CharField(max_length=6)
    type = models.CharField(max_length=8)
    amount = models.DecimalField(max_digits=38, decimal_places=0)
    balance_after = models.DecimalField(max_digits=38, decimal_places=0)
    created_at = models.DateTimeField()

    class Meta:
        app_label = "plain"
        indexes = [models.Index(fields=["account", "created_at", "id"], name="entry_account")]

    def __str__(self) -> str:
        return str(self.pk)


class TransferIn(serializers.Serializer[Any]):
    from_merchant = serializers.CharField(max_length=64)
    to_merchant = serializers.CharField(max_length=64)
    currency = serializers.CharField(max_length=8)
    amount = serializers.DecimalField(max_digits=38, decimal_places=2)


class Cents(serializers.DecimalField):
    """Minor units, shown as major ones."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=40, decimal_places=2, **options)

    def to_representation(self, value: Decimal) -> Any:
        return super().to_representation(value / 100)


class TransferOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    from_merchant = serializers.CharField(source="source.merchant")
    to_merchant = serializers.CharField(source="target.merchant")
    currency = serializers.CharField()
    amount = Cents()
    fee = Cents()
    created_at = serializers.DateTimeField()


class EntryOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    account_id = serializers.IntegerField()
    transfer_id = serializers.UUIDField()
    direction = serializers.CharField()
    type = serializers.CharField()
    amount = Cents()
    balance_after = Cents()
    created_at = serializers.DateTimeField()


class LineOut(EntryOut):
    counterparty = serializers.SerializerMethodField()

    def get_counterparty(self, entry: Entry) -> str:
        transfer = entry.transfer
        return (transfer.target if transfer.source_id == entry.account_id else transfer.source).merchant


class TransferWithEntries(TransferOut):
    entries = EntryOut(many=True)


class BalanceQuery(serializers.Serializer[Any]):
    currency = serializers.CharField(max_length=8)
    at = serializers.DateTimeField(required=False)


class PageQuery(serializers.Serializer[Any]):
    limit = serializers.IntegerField(default=50, min_value=1, max_value=200)
    before = serializers.CharField(required=False)


class ListQuery(PageQuery):
    merchant = serializers.CharField(max_length=64)


class Refused(Exception):
    """A business refusal: rolls the transaction back."""


def query_of(request: Any, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    query = serializer(data=request.query_params)
    query.is_valid(raise_exception=True)
    return query.validated_data


class BalanceView(views.APIView):
    def get(self, request: Any, merchant: str) -> Response:
        """The balance of a wallet, now or as it stood at a moment."""
        query = query_of(request, BalanceQuery)
        wallet = Account.objects.filter(merchant=merchant, currency=query["currency"], kind="wallet")
        if "at" in query:
            entries = Entry.objects.filter(account_id=wallet.values("id")[:1], created_at__lte=query["at"])
            balance = entries.order_by("-created_at", "-id").values_list("balance_after", flat=True).first()
        else:
            balance = wallet.values_list("balance", flat=True).first()
        if balance is None:
            raise Http404
        return Response({"merchant": merchant, "currency": query["currency"], "balance": f"{balance / 100:.2f}"})


class StatementView(views.APIView):
    def get(self, request: Any, account_id: int) -> Response:
        """A page of an account's lines, the newest first."""
        query = query_of(request, PageQuery)
        entries = Entry.objects.filter(account_id=account_id).select_related("transfer__source", "transfer__target")
        if "before" in query:
            last = Entry.objects.get(pk=query["before"])
            entries = entries.filter(Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, id__lt=last.id))
        items = list(entries.order_by("-created_at", "-id")[: query["limit"]])
        before = items[-1].id if len(items) == query["limit"] else None
        return Response({"items": LineOut(items, many=True).data, "next_before": before})


class TransferView(views.APIView):
    def get(self, request: Any, transfer_id: uuid.UUID) -> Response:
        """A transfer with its entries."""
        ordered = Prefetch("entries", Entry.objects.order_by("id"))
        transfer = Transfer.objects.select_related("source", "target").prefetch_related(ordered).filter(pk=transfer_id).first()
        if transfer is None:
            raise Http404
        return Response(TransferWithEntries(transfer).data)


class TransfersView(views.APIView):
    def get(self, request: Any) -> Response:
        """A page of a merchant's transfers, on either side, the newest first."""
        query = query_of(request, ListQuery)
        ids = list(Account.objects.filter(merchant=query["merchant"], kind="wallet").values_list("id", flat=True))
        transfers = Transfer.objects.filter(Q(source__in=ids) | Q(target__in=ids)).select_related("source", "target")
        if "before" in query:
            transfers = transfers.filter(created_at__lt=query["before"])
        items = list(transfers.order_by("-created_at")[: query["limit"]])
        before = items[-1].created_at if len(items) == query["limit"] else None
        return Response({"items": TransferOut(items, many=True).data, "next_before": before})

    def post(self, request: Any) -> Response | HttpResponse:
        """Move money."""
        body = TransferIn(data=request.data)
        body.is_valid(raise_exception=True)
        fingerprint = hashlib.sha256(json.dumps(request.data, sort_keys=True).encode()).hexdigest()
        try:
            with transaction.atomic():
                answer = self.execute(body.validated_data, request.headers["Idempotency-Key"], fingerprint)
        except Refused as refused:
            return Response({"code": str(refused)}, status=status.HTTP_409_CONFLICT)
        return HttpResponse(answer, status=201, content_type="application/json")

    def execute(self, values: dict[str, Any], key: str, fingerprint: str) -> str:
        record, created = IdempotencyKey.objects.get_or_create(key=key, defaults={"fingerprint": fingerprint})
        if not created:
            if record.fingerprint != fingerprint:
                raise Refused("idempotency_key_reused")
            return str(record.body)
        transfer = self.move(values)
        record.body = json.dumps(TransferOut(transfer).data)
        record.save(update_fields=["body"])
        return record.body

    def move(self, values: dict[str, Any]) -> Transfer:
        names = [values["from_merchant"], values["to_merchant"]]
        locked = Account.objects.select_for_update().filter(merchant__in=names, currency=values["currency"]).order_by("id")
        accounts = {(account.merchant, account.kind): account for account in locked}
        source, target = accounts[names[0], "wallet"], accounts[names[1], "wallet"]
        fees = accounts[names[0], "fees"]
        amount = values["amount"] * 100
        fee = (amount / 100).quantize(Decimal(1))
        if source.balance < amount + fee:
            raise Refused("insufficient_funds")
        transfer = Transfer.objects.create(source=source, target=target, currency=values["currency"], amount=amount, fee=fee)
        entries = []
        for account, direction, kind, moved in (
            (source, "DEBIT", "transfer", amount),
            (target, "CREDIT", "transfer", amount),
            (source, "DEBIT", "fee", fee),
            (fees, "CREDIT", "fee", fee),
        ):
            account.balance += moved if direction == "CREDIT" else -moved
            entry = Entry(transfer=transfer, account=account, direction=direction, type=kind, amount=moved)
            entry.balance_after, entry.created_at = account.balance, transfer.created_at
            entries.append(entry)
        Entry.objects.bulk_create(entries)
        Account.objects.bulk_update([source, target, fees], ["balance"])
        return transfer


urlpatterns = [
    path("transfers", TransfersView.as_view()),
    path("transfers/<uuid:transfer_id>", TransferView.as_view()),
    path("merchants/<str:merchant>/balance", BalanceView.as_view()),
    path("accounts/<int:account_id>/statement", StatementView.as_view()),
]
application = get_wsgi_application()

if __name__ == "__main__":
    with connection.schema_editor() as editor:
        for model in (IdempotencyKey, Account, Transfer, Entry):
            editor.create_model(model)
    for number in range(int(os.environ["PEER_MERCHANTS"])):
        Account.objects.create(merchant=f"bench{number:04}", currency="USD", kind="wallet", balance=10**11)
        Account.objects.create(merchant=f"bench{number:04}", currency="USD", kind="fees")

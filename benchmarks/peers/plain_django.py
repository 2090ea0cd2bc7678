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
from django.http import HttpResponse
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
    source = models.ForeignKey(Account, models.PROTECT, related_name="+")
    target = models.ForeignKey(Account, models.PROTECT, related_name="+")
    currency = models.CharField(max_length=8)
    amount = models.DecimalField(max_digits=38, decimal_places=0)
    fee = models.DecimalField(max_digits=38, decimal_places=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "plain"

    def __str__(self) -> str:
        return str(self.id)


class Entry(models.Model):
    transfer = models.ForeignKey(Transfer, models.PROTECT)
    account = models.ForeignKey(Account, models.PROTECT)
    direction = models.CharField(max_length=6)
    amount = models.DecimalField(max_digits=38, decimal_places=0)
    balance_after = models.DecimalField(max_digits=38, decimal_places=0)

    class Meta:
        app_label = "plain"

    def __str__(self) -> str:
        return str(self.pk)


class TransferIn(serializers.Serializer[Any]):
    from_merchant = serializers.CharField(max_length=64)
    to_merchant = serializers.CharField(max_length=64)
    currency = serializers.CharField(max_length=8)
    amount = serializers.DecimalField(max_digits=38, decimal_places=2)


class TransferOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    from_merchant = serializers.CharField(source="source.merchant")
    to_merchant = serializers.CharField(source="target.merchant")
    currency = serializers.CharField()
    amount = serializers.DecimalField(max_digits=38, decimal_places=0)
    fee = serializers.DecimalField(max_digits=38, decimal_places=0)
    created_at = serializers.DateTimeField()


class Refused(Exception):
    """A business refusal: rolls the transaction back."""


class TransfersView(views.APIView):
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
        for account, direction, moved in (
            (source, "DEBIT", amount),
            (target, "CREDIT", amount),
            (source, "DEBIT", fee),
            (fees, "CREDIT", fee),
        ):
            account.balance += moved if direction == "CREDIT" else -moved
            entries.append(Entry(transfer=transfer, account=account, direction=direction, amount=moved, balance_after=account.balance))
        Entry.objects.bulk_create(entries)
        Account.objects.bulk_update([source, target, fees], ["balance"])
        return transfer


urlpatterns = [path("transfers", TransfersView.as_view())]
application = get_wsgi_application()

if __name__ == "__main__":
    with connection.schema_editor() as editor:
        for model in (IdempotencyKey, Account, Transfer, Entry):
            editor.create_model(model)
    for number in range(int(os.environ["PEER_MERCHANTS"])):
        Account.objects.create(merchant=f"bench{number:04}", currency="USD", kind="wallet", balance=10**11)
        Account.objects.create(merchant=f"bench{number:04}", currency="USD", kind="fees")

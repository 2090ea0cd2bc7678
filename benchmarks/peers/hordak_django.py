"""A peer as its users would write it: django-hordak's ``Account.transfer_to``, behind DRF and gunicorn.

Hordak keeps double entries and has database triggers that check their balance; funds are the sum of an account's legs.
``python hordak_django.py`` makes tables and merchants; ``gunicorn hordak_django:application`` serves.
"""

from __future__ import annotations

import hashlib
import json
import os
from decimal import Decimal
from typing import Any

from django_base import configure, key_model

configure(__name__, ["mptt", "djmoney", "hordak"], DEFAULT_CURRENCY="USD", HORDAK_DECIMAL_PLACES=2)

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import HttpResponse
from django.urls import path
from hordak.models import Account
from moneyed import Money
from rest_framework import serializers, status, views
from rest_framework.response import Response

IdempotencyKey = key_model("plain")


class TransferIn(serializers.Serializer[Any]):
    from_merchant = serializers.CharField(max_length=64)
    to_merchant = serializers.CharField(max_length=64)
    currency = serializers.CharField(max_length=8)
    amount = serializers.DecimalField(max_digits=13, decimal_places=2)


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
        names = [values["from_merchant"], values["to_merchant"], f"{values['from_merchant']} fees"]
        accounts = {account.name: account for account in Account.objects.select_for_update().filter(name__in=names).order_by("id")}
        source, target, fees = (accounts[name] for name in names)
        fee = (values["amount"] / 100).quantize(Decimal("0.01"))
        if source.get_balance()[values["currency"]].amount < values["amount"] + fee:
            raise Refused("insufficient_funds")
        # Liabilities to merchants: the debited account of the pair is the one that shrinks.
        moved = target.transfer_to(source, Money(values["amount"], values["currency"]), description="transfer")
        fees.transfer_to(source, Money(fee, values["currency"]), description="fee")
        record.body = json.dumps({"id": str(moved.uuid), "amount": str(values["amount"]), "fee": str(fee)})
        record.save(update_fields=["body"])
        return str(record.body)


urlpatterns = [path("transfers", TransfersView.as_view())]
application = get_wsgi_application()


def setup(merchants: int) -> None:
    """Make tables and merchants, each with an opening balance."""
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(IdempotencyKey)
    liability, asset = ("LI", "AS")
    outside = Account.objects.create(name="outside", code="0", type=asset, currencies=["USD"])
    for number in range(merchants):
        name = f"bench{number:04}"
        wallet = Account.objects.create(name=name, code=f"1{number:04}", type=liability, currencies=["USD"])
        Account.objects.create(name=f"{name} fees", code=f"2{number:04}", type=liability, currencies=["USD"])
        with transaction.atomic():
            wallet.transfer_to(outside, Money(1_000_000_000, "USD"), description="opening")


if __name__ == "__main__":
    setup(int(os.environ["PEER_MERCHANTS"]))

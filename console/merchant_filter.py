"""The filter of a list by a merchant's name, which the merchant's page links to."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from merchants.domain import MerchantIdentity
from merchants.selectors import identify_now

PARAMETER = "merchant"


class OfMerchant(admin.SimpleListFilter):
    """Keeps the rows of one merchant, named in full. ``sides`` are the columns that may have it.

    A name that no merchant has keeps no row: all rows would look like those of that merchant.
    """

    title = "merchant"
    parameter_name = PARAMETER
    sides: ClassVar[tuple[str, ...]] = ("merchant_id",)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the name that is asked for: there are too many to offer all."""
        del model_admin
        wanted = request.GET.get(PARAMETER)
        return [(wanted, wanted)] if wanted else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows that have the merchant in one of the columns."""
        del request
        name = self.value()
        if not name:
            return queryset
        merchant = named(name)
        if merchant is None:
            return queryset.none()
        condition = Q()
        for side in self.sides:
            condition |= Q(**{side: merchant.id})
        return queryset.filter(condition)


def named(name: str) -> MerchantIdentity | None:
    """Return the merchant of a name, found as names are: regardless of case."""
    return identify_now(names=[name]).merchant(name)


def list_of(page: str, merchant_name: str, **filters: str) -> str:
    """Return the address of a list with the rows of a merchant.

    ``page`` is its app and model, as in ``people_apikey``.
    """
    return f"{reverse(f'admin:{page}_changelist')}?{urlencode({PARAMETER: merchant_name, **filters})}"

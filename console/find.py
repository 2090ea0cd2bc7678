"""One search box for everything that has an id, a key, a reference or a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.dataclasses import SearchResult

from fees.models import FeeSchedule
from merchants.models import Account, Merchant
from transfers.models import ExternalReference, Hold, IdempotencyRecord, Transfer
from transfers.selectors.idempotency import find_records, get_record

MOST = 10
"""The most merchants that one search shows; the list of merchants shows all."""

_IDENTIFIED: tuple[type[Model], ...] = (Transfer, Hold, Account, Merchant, FeeSchedule)


@dataclass(frozen=True, slots=True)
class Found:
    """Something that was found: its kind, its name and its page."""

    what: str
    name: str
    url: str


def _found(obj: Model, name: str = "") -> Found:
    meta = obj._meta
    return Found(str(meta.verbose_name), name or str(obj), reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[obj.pk]))


def _may_see(request: HttpRequest, model: type[Model]) -> bool:
    return request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


def find_anything(request: HttpRequest, text: str) -> list[Found]:
    """Return everything that the text names, of what the user may see.

    The text is an id, an external reference, an idempotency key, or a merchant's name or part of
    it. Each is one look-up in an index; for a part of a name the merchants are read.
    """
    text = text.strip()
    if not text or "\x00" in text:
        return []
    try:
        wanted = UUID(text)
    except ValueError:
        return _by_words(request, text[:255])
    rows = [model._default_manager.filter(pk=wanted).first() for model in _IDENTIFIED if _may_see(request, model)]
    if _may_see(request, IdempotencyRecord):
        rows.append(get_record(wanted))
    return [_found(row) for row in rows if row is not None]


def _by_words(request: HttpRequest, text: str) -> list[Found]:
    found: list[Found] = []
    if _may_see(request, Merchant):
        found += [_found(row) for row in Merchant.objects.filter(name__iexact=text)]
        found += [_found(row) for row in Merchant.objects.filter(name__icontains=text).exclude(name__iexact=text)[:MOST]]
    if _may_see(request, Transfer):
        found += [
            _found(row, text)
            for row in Transfer.objects.filter(id__in=ExternalReference.objects.filter(reference=text).values("transfer_id"))[:MOST]
        ]
    if _may_see(request, IdempotencyRecord):
        found += [_found(row, row.key) for row in find_records(text)[:MOST]]
    return found


def search_command(request: HttpRequest, _lowered: str) -> list[SearchResult]:
    """Answer unfold's search box, which is on every page.

    Unfold passes the text in lower case; references and keys need it as it was typed.
    """
    found = find_anything(request, request.GET.get("s", ""))
    return [SearchResult(title=row.name, description=row.what, link=row.url, icon="search") for row in found]


def find_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Go to the only thing that was found, or list all that were."""
    text = request.GET.get("q", "")
    found = find_anything(request, text)
    if len(found) == 1:
        return HttpResponseRedirect(found[0].url)
    return TemplateResponse(request, "ledger/find.html", {**context, "title": "Find", "text": text, "found": found})

"""One search box for everything that a caller can quote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from approvals.models import Approval
from console.found import Found, found, found_transfer, listed, may_see
from events.models import Webhook
from fees.models import FeeSchedule
from ledger_project.kernel.ids import id_in, time_of
from ledger_project.kernel.money import CurrencyUnit, InvalidAmount, parse_typed_major
from merchants.models import Account, Currency, Merchant
from people.models import ApiKey, User
from people.selectors.users import known_users
from transfers.models import DepositRequest, ExternalReference, Hold, IdempotencyRecord, Refusal, Transfer
from transfers.selectors.idempotency import find_records, get_record
from transfers.selectors.searches import LOOKED_AT, Wanted, refusals_of_request, search_recent, transfers_of_request

MOST = 10
"""The most things of a kind that one search shows."""

LONGEST = 255
"""The longest text that is searched for: the longest reference or key."""

_IDENTIFIED: tuple[type[Model], ...] = (
    Transfer,
    Hold,
    Account,
    Merchant,
    FeeSchedule,
    DepositRequest,
    Refusal,
    Approval,
    User,
    ApiKey,
    Webhook,
)

_RECEIPT_NUMBER = re.compile(r"([0-9a-f-]{36})-[12]", re.ASCII | re.IGNORECASE)
_PART_OF_ID = re.compile(r"[0-9a-f]{6,32}", re.ASCII | re.IGNORECASE)
_AMOUNT = re.compile(r"(?:([A-Za-z0-9]{2,12})\s+)?([0-9][0-9,]*(?:\.[0-9]+)?)(?:\s+([A-Za-z0-9]{2,12}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Findings:
    """What a search found.

    ``looked_back_to`` is the oldest transfer whose memo and amount were looked at, if there are
    older ones. ``is_recent`` says whether any were looked at.
    """

    rows: Sequence[Found] = ()
    is_recent: bool = False
    looked_back_to: UUID | None = None


def find_anything(request: HttpRequest, text: str, *, before: UUID | None = None, is_recent: bool = False) -> Findings:
    """Return what the text names, of what the user may see.

    First by index: an id or the beginning of one, a request's id, an external reference, an
    idempotency key, an e-mail address, a name or a part of it. If there is nothing, or the text can
    be an amount, or ``is_recent`` asks for it, the newest transfers are searched too: by amount,
    and by parts of memos, references and ids. With ``before``, only transfers older than it are.
    """
    text = text.strip()[:LONGEST]
    if not text or "\x00" in text:
        return Findings()
    rows = [] if before else [*_by_id(request, text), *_by_words(request, text)]
    amounts_minor = _amounts(text)
    if not may_see(request, Transfer) or (rows and not (amounts_minor or is_recent)):
        return Findings(rows)
    part = text.lower() if _PART_OF_ID.fullmatch(text.replace("-", "")) else ""
    recent = search_recent(Wanted(text, amounts_minor, part), before=before, limit=MOST)
    rows += [found_transfer(transfer) for transfer in recent.transfers]
    return Findings(list(dict.fromkeys(rows)), is_recent=True, looked_back_to=recent.looked_back_to)


def _by_id(request: HttpRequest, text: str) -> Iterator[Found]:
    number = _RECEIPT_NUMBER.fullmatch(text)
    wanted = id_in(number[1] if number else text)
    if wanted is None:
        yield from _by_start_of_id(request, text)
    else:
        for model in _IDENTIFIED:
            if may_see(request, model) and (row := listed(model).filter(pk=wanted).first()):
                yield found(row)
        if may_see(request, IdempotencyRecord) and (record := get_record(wanted)):
            yield found(record)
    if may_see(request, Transfer):
        yield from (found_transfer(transfer) for transfer in transfers_of_request(text, limit=MOST))
    refusals = list(listed(Refusal).filter(request_id=text)[:MOST]) if may_see(request, Refusal) else []
    yield from (found(refusal) for refusal in refusals)
    if not refusals and may_see(request, IdempotencyRecord):
        yield from (found(record, record.key) for record in refusals_of_request(text, limit=MOST))


def _by_start_of_id(request: HttpRequest, text: str) -> Iterator[Found]:
    digits = text.replace("-", "")
    if not _PART_OF_ID.fullmatch(digits):
        return
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    for model in _IDENTIFIED:
        if may_see(request, model):
            yield from (found(row) for row in listed(model).filter(pk__range=(first, last)).order_by("pk")[:MOST])


def _by_words(request: HttpRequest, text: str) -> Iterator[Found]:
    if may_see(request, Merchant):
        named = Q(name__icontains=text) | Q(display_name__icontains=text) | Q(receipt_email__iexact=text)
        yield from (found(row) for row in Merchant.objects.filter(name__iexact=text))
        yield from (found(row) for row in Merchant.objects.filter(named).exclude(name__iexact=text)[:MOST])
    if may_see(request, User):
        named = Q(email__icontains=text) | Q(username__icontains=text) | Q(name__icontains=text)
        yield from (found(row) for row in known_users().filter(named)[:MOST])
    if may_see(request, ApiKey):
        yield from (found(row) for row in ApiKey.objects.filter(Q(prefix=text) | Q(name__iexact=text))[:MOST])
    if may_see(request, Transfer):
        of_reference = ExternalReference.objects.filter(reference=text).values("transfer_id")
        yield from (found(row, text) for row in listed(Transfer).filter(id__in=of_reference)[:MOST])
    if may_see(request, DepositRequest):
        yield from (found(row) for row in DepositRequest.objects.filter(bank_reference=text))
    if may_see(request, IdempotencyRecord):
        yield from (found(row, row.key) for row in find_records(text)[:MOST])


def _amounts(text: str) -> dict[str, int]:
    """Return an amount like "112.50" in each currency that can have it, in minor units."""
    match = _AMOUNT.fullmatch(text)
    if match is None or (match[1] and match[3]):
        return {}
    code = (match[1] or match[3] or "").upper()
    amounts_minor: dict[str, int] = {}
    for currency in Currency.objects.filter(**({"code": code} if code else {})):
        try:
            amounts_minor[currency.code] = parse_typed_major(match[2], CurrencyUnit(currency.code, currency.exponent))
        except InvalidAmount:
            continue
    return amounts_minor


def palette_view(request: HttpRequest) -> HttpResponse:
    """Return what was found, and lists of that name, as rows of the box that Ctrl+K opens."""
    text = request.GET.get("q", "").strip()
    rows = [*_pages(request, text), *find_anything(request, text).rows] if text else []
    return TemplateResponse(request, "ledger/palette.html", {"text": text, "rows": rows})


def _pages(request: HttpRequest, text: str) -> Iterator[Found]:
    """Return the lists whose name has a text in it, of those that the user may open."""
    for app in admin.site.get_app_list(request):
        for model in app["models"]:
            if text.lower() in str(model["name"]).lower() and model["admin_url"]:
                yield Found("page", str(model["name"]), model["admin_url"])


def find_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Go to the only thing that was found, or list all that were."""
    text = request.GET.get("q", "").strip()
    before = id_in(request.GET.get("before", ""))
    is_recent = "recent" in request.GET
    findings = find_anything(request, text, before=before, is_recent=is_recent)
    if len(findings.rows) == 1 and not is_recent and before is None:
        return HttpResponseRedirect(findings.rows[0].url)
    oldest = findings.looked_back_to
    more = {
        "text": text,
        "findings": findings,
        "looked_at": LOOKED_AT,
        "looked_back_to": time_of(oldest) if oldest else None,
        "further": urlencode({"q": text, "before": oldest}) if oldest else "",
        "may_look": may_see(request, Transfer),
        "recent": urlencode({"q": text, "recent": 1}),
    }
    return TemplateResponse(request, "ledger/find.html", {**context, "title": "Find", **more})

"""Sections of a merchant's page: the newest rows of each list, and a link to exactly that list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from django.db import connection
from django.http import HttpRequest
from django.urls import reverse

from console.amounts import shown
from console.merchant_filter import list_of
from console.panels import Cell, Panel
from events.models import Webhook
from events.models.webhooks import WebhookStatus
from merchants.domain import AccountKind
from merchants.models import Account, Merchant
from merchants.selectors import known_currency
from people.models import ApiKey, Membership
from transfers.models import Hold, Transfer
from transfers.selectors import TransferFilters, holds, transfer_lists

NEWEST = 10
"""The rows of a section."""

T = TypeVar("T")


def sections(request: HttpRequest, merchant: Merchant) -> list[Panel]:
    """Return the sections that the user may see: transfers, holds, people, keys and webhooks."""
    made: Sequence[tuple[str, Callable[[Merchant], Panel]]] = (
        ("transfers.view_transfer", _transfers),
        ("transfers.view_hold", _holds),
        ("people.view_user", _people),
        ("people.view_apikey", _keys),
        ("events.view_webhook", _webhooks),
    )
    return [section(merchant) for permission, section in made if request.user.has_perm(permission)]


def _panel(title: str, headers: Sequence[str], rows: Sequence[Sequence[Cell]], empty: str, url: str, *, more: bool = False) -> Panel:
    """Return a section that says whether its rows are all that there are."""
    count = f": the newest {len(rows)}" if more else f": {len(rows)}"
    return Panel(title + count, headers, rows, empty, [Cell(f"All {title[:1].lower()}{title[1:]}", url)] if url else ())


def _cut(found: Sequence[T]) -> tuple[Sequence[T], bool]:
    """Return the rows of a section, and whether there are more. One more than these was read."""
    return found[:NEWEST], len(found) > NEWEST


def _ids(statement: tuple[str, list[object]]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(statement[0], cast("Any", statement[1]))
        return [row[0] for row in cursor.fetchall()]


def _party(account: Account) -> Cell:
    if account.kind == AccountKind.EXTERNAL:
        return Cell("outside")
    return Cell(account.merchant.name, reverse("admin:merchants_merchant_change", args=[account.merchant_id]))


def _transfers(merchant: Merchant) -> Panel:
    filters = TransferFilters(parties=(merchant.id,))
    ids, more = _cut(_ids(transfer_lists.page_statement(filters, before=None, limit=NEWEST + 1)))
    found = Transfer.objects.filter(id__in=ids).prefetch_related("source__merchant", "target__merchant").order_by("-id")
    rows = [
        [
            Cell(f"{one.created_at:%Y-%m-%d %H:%M:%S}", reverse("admin:transfers_transfer_change", args=[one.id])),
            Cell(one.kind.replace("_", " ")),
            Cell(shown(one.amount_minor, known_currency(one.currency_id)), is_number=True),
            Cell(shown(one.fee_minor, known_currency(one.currency_id)) if one.fee_minor else "—", is_number=True),
            _party(one.source),
            _party(one.target),
            Cell(one.memo or ""),
        ]
        for one in found
    ]
    headers = ("When (UTC)", "Kind", "Amount", "Fee", "From", "To", "Memo")
    return _panel("Transfers", headers, rows, "Nothing was moved yet.", list_of("transfers_transfer", merchant.name), more=more)


def _holds(merchant: Merchant) -> Panel:
    ids, more = _cut(_ids(holds.page_statement(merchant_id=merchant.id, status=None, before=None, limit=NEWEST + 1)))
    found = Hold.objects.filter(id__in=ids).select_related("source_merchant", "target_merchant").order_by("-id")
    rows = [
        [
            Cell(f"{one.created_at:%Y-%m-%d %H:%M:%S}", reverse("admin:transfers_hold_change", args=[one.id])),
            Cell(one.status),
            Cell(shown(one.amount_minor, known_currency(one.currency_id)), is_number=True),
            Cell(one.source_merchant.name, reverse("admin:merchants_merchant_change", args=[one.source_merchant_id])),
            Cell(one.target_merchant.name, reverse("admin:merchants_merchant_change", args=[one.target_merchant_id])),
            Cell(f"{one.expires_at:%Y-%m-%d %H:%M:%S}"),
        ]
        for one in found
    ]
    headers = ("When (UTC)", "Status", "Amount", "Payer", "Receiver", "Expires (UTC)")
    return _panel("Holds", headers, rows, "Nothing was put aside yet.", list_of("transfers_hold", merchant.name), more=more)


def _people(merchant: Merchant) -> Panel:
    found = Membership.objects.filter(merchant=merchant).select_related("user").order_by("-id")[: NEWEST + 1]
    members, more = _cut(list(found))
    rows = [
        [
            Cell(member.user.name or member.user.get_username(), reverse("admin:people_user_change", args=[member.user_id])),
            Cell(member.user.email),
            Cell(member.role),
            Cell(member.user.status.value),
            Cell(f"{member.created_at:%Y-%m-%d %H:%M:%S}"),
        ]
        for member in members
    ]
    headers = ("Name", "E-mail", "Role", "Status", "Member since (UTC)")
    return _panel("People", headers, rows, "Nobody signs in for it.", list_of("people_user", merchant.name), more=more)


def _keys(merchant: Merchant) -> Panel:
    keys, more = _cut(list(ApiKey.objects.filter(merchant=merchant).order_by("-id")[: NEWEST + 1]))
    now = datetime.now(UTC)
    rows = [
        [
            Cell(f"{key.prefix}…", reverse("admin:people_apikey_change", args=[key.id])),
            Cell(key.name),
            Cell(key.state(now)),
            Cell(", ".join(key.scopes)),
            Cell(f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"),
        ]
        for key in keys
    ]
    headers = ("Key", "Name", "State", "Scopes", "Last used (UTC)")
    return _panel("API keys", headers, rows, "It has none.", list_of("people_apikey", merchant.name), more=more)


def _webhooks(merchant: Merchant) -> Panel:
    found = Webhook.objects.filter(merchant=merchant).exclude(status=WebhookStatus.DELETED.value).order_by("-id")[: NEWEST + 1]
    webhooks, more = _cut(list(found))
    rows = [
        [
            Cell(webhook.url, reverse("admin:events_webhook_change", args=[webhook.id])),
            Cell(webhook.status),
            Cell(", ".join(webhook.types)),
            Cell(f"{webhook.last_delivery_at:%Y-%m-%d %H:%M:%S}" if webhook.last_delivery_at else "never"),
        ]
        for webhook in webhooks
    ]
    headers = ("Address", "Status", "Types", "Last delivery (UTC)")
    return _panel("Webhooks", headers, rows, "It has none.", list_of("events_webhook", merchant.name), more=more)

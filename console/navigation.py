"""The layout of the admin: unfold's settings.

settings.py reads this module, so it must not need a loaded app.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _styles(_request: HttpRequest) -> str:
    return static("console/admin.css")


def _script(_request: HttpRequest) -> str:
    return static("console/access.js")


def _completion(_request: HttpRequest) -> str:
    return static("console/complete.js")


def _icon(_request: HttpRequest) -> str:
    return static("console/icon.svg")


def _item(title: str, icon: str, name: str, permission: str | None = None, badge: str = "") -> dict[str, Any]:
    item: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}")}
    if permission is not None:
        item["permission"] = lambda request: request.user.has_perm(permission)
    if badge:
        item["badge"] = f"console.badges.{badge}"
    return item


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Ledger",
    "SITE_HEADER": "Ledger",
    "SITE_SYMBOL": "account_balance",
    "SITE_URL": reverse_lazy("admin:index"),
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _icon}],
    "STYLES": [_styles],
    "SCRIPTS": [_script, _completion],
    "DASHBOARD_CALLBACK": "console.dashboard.dashboard_context",
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": [
            {
                "items": [
                    _item("Dashboard", "monitoring", "index"),
                ],
            },
            {
                "title": "Money",
                "separator": True,
                "items": [
                    _item("Merchants", "storefront", "merchants_merchant_changelist", "merchants.view_merchant"),
                    _item("Accounts", "account_balance_wallet", "merchants_account_changelist", "merchants.view_account"),
                    _item("Transfers", "swap_horiz", "transfers_transfer_changelist", "transfers.view_transfer"),
                    _item(
                        "Requests to add money",
                        "savings",
                        "transfers_depositrequest_changelist",
                        "transfers.view_depositrequest",
                        "waiting_deposits",
                    ),
                    _item("Holds", "lock_clock", "transfers_hold_changelist", "transfers.view_hold"),
                    _item("Approvals", "task", "approvals_approval_changelist", "approvals.view_approval", "waiting_approvals"),
                ],
            },
            {
                "title": "Rules",
                "separator": True,
                "items": [
                    _item("Fee schedules", "percent", "fees_feeschedule_changelist", "fees.view_feeschedule"),
                    _item("Approval policies", "policy", "approvals_approvalpolicy_changelist", "approvals.view_approvalpolicy"),
                    _item("Currencies", "currency_exchange", "merchants_currency_changelist", "merchants.view_currency"),
                ],
            },
            {
                "title": "Events",
                "separator": True,
                "items": [
                    _item("Webhooks", "webhook", "events_webhook_changelist", "events.view_webhook"),
                    _item("Deliveries", "outgoing_mail", "events_delivery_changelist", "events.view_delivery"),
                    _item("Mails of receipts", "receipt_long", "events_receiptmail_changelist", "events.view_receiptmail"),
                ],
            },
            {
                "title": "Records",
                "separator": True,
                "items": [
                    _item("Refused postings", "block", "transfers_refusal_changelist", "transfers.view_refusal"),
                    _item("Idempotency keys", "key", "transfers_idempotencyrecord_changelist", "transfers.view_idempotencyrecord"),
                    _item("Reconciliation", "rule", "transfers_reconciliationrun_changelist", "transfers.view_reconciliationrun"),
                    _item("Log", "history", "admin_logentry_changelist", "admin.view_logentry"),
                ],
            },
            {
                "title": "People",
                "separator": True,
                "items": [
                    _item("Users", "person", "people_user_changelist", "people.view_user"),
                    _item("Roles", "group", "auth_group_changelist", "auth.view_group"),
                    _item("API keys", "vpn_key", "people_apikey_changelist", "people.view_apikey"),
                ],
            },
        ],
    },
}

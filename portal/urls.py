"""Routes under ``/app/``.

The code of a currency is in upper case, and every word of a route in lower case: no merchant's
name can stand in the way of a page.
"""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from merchants.domain import NAME_PATTERN
from portal.views.history import balance_chart, history, history_file
from portal.views.keys import keys, revoke
from portal.views.money import money, quote
from portal.views.notifications import notifications
from portal.views.people import change_role, people, remove
from portal.views.transfers import receipt, receipt_pdf, transfer
from portal.views.wallets import balance, balances, new_wallet, wallet, wallets
from portal.views.webhooks import WEBHOOK_ACTIONS, webhook, webhook_action, webhooks
from transfers.services.form_movements import Movement
from transfers.statements.formats import StatementFormat


class NameConverter(StringConverter):
    """A merchant's name."""

    regex = NAME_PATTERN


class CodeConverter(StringConverter):
    """The code of a currency."""

    regex = "[A-Z][A-Z0-9]{1,11}"


register_converter(NameConverter, "merchant")
register_converter(CodeConverter, "currency")

MERCHANT = "<merchant:merchant_name>/"
WALLET = f"{MERCHANT}<currency:currency>/"
TRANSFER = f"{MERCHANT}transfers/<uuid:transfer_id>/"

urlpatterns = [
    path("", wallets, name="wallets"),
    path("balances/", balances, name="balances"),
    path("new/", new_wallet, name="new-wallet"),
    path(WALLET, wallet, name="wallet"),
    path(f"{WALLET}balance/", balance, name="balance"),
    *(path(f"{WALLET}{one.value}/", money, {"movement": one}, name=one.value) for one in Movement),
    *(path(f"{WALLET}{one.value}/quote/", quote, {"movement": one}, name=f"{one.value}-quote") for one in Movement),
    path(f"{WALLET}history/", history, name="history"),
    path(f"{WALLET}history/csv/", history_file, {"form": StatementFormat.CSV}, name="history-csv"),
    path(f"{WALLET}history/pdf/", history_file, {"form": StatementFormat.PDF}, name="history-pdf"),
    path(f"{WALLET}history/camt053/", history_file, {"form": StatementFormat.CAMT053}, name="history-camt053"),
    path(f"{WALLET}history/chart/", balance_chart, name="balance-chart"),
    path(TRANSFER, transfer, name="transfer"),
    path(f"{TRANSFER}receipt/", receipt, name="receipt"),
    path(f"{TRANSFER}receipt/pdf/", receipt_pdf, name="receipt-pdf"),
    path(f"{MERCHANT}settings/", notifications, name="settings"),
    path(f"{MERCHANT}people/", people, name="people"),
    path(f"{MERCHANT}people/<uuid:user_id>/role/", change_role, name="person-role"),
    path(f"{MERCHANT}people/<uuid:user_id>/remove/", remove, name="person-remove"),
    path(f"{MERCHANT}keys/", keys, name="keys"),
    path(f"{MERCHANT}keys/<uuid:key_id>/revoke/", revoke, name="key-revoke"),
    path(f"{MERCHANT}webhooks/", webhooks, name="webhooks"),
    path(f"{MERCHANT}webhooks/<uuid:webhook_id>/", webhook, name="webhook"),
    *(
        path(f"{MERCHANT}webhooks/<uuid:webhook_id>/{action}/", webhook_action, {"action": action}, name=f"webhook-{action}")
        for action in WEBHOOK_ACTIONS
    ),
]

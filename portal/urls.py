"""Routes under ``/app/``.

The code of a currency is in upper case, and every word of a route in lower case: no merchant's
name can stand in the way of a page.
"""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from merchants.domain import NAME_PATTERN
from portal.views.money import money, quote
from portal.views.wallets import balance, balances, new_wallet, wallet, wallets
from transfers.services.form_movements import Movement


class NameConverter(StringConverter):
    """A merchant's name."""

    regex = NAME_PATTERN


class CodeConverter(StringConverter):
    """The code of a currency."""

    regex = "[A-Z][A-Z0-9]{1,11}"


register_converter(NameConverter, "merchant")
register_converter(CodeConverter, "currency")

WALLET = "<merchant:merchant_name>/<currency:currency>/"

urlpatterns = [
    path("", wallets, name="wallets"),
    path("balances/", balances, name="balances"),
    path("new/", new_wallet, name="new-wallet"),
    path(WALLET, wallet, name="wallet"),
    path(f"{WALLET}balance/", balance, name="balance"),
    *(path(f"{WALLET}{one.value}/", money, {"movement": one}, name=one.value) for one in Movement),
    *(path(f"{WALLET}{one.value}/quote/", quote, {"movement": one}, name=f"{one.value}-quote") for one in Movement),
]

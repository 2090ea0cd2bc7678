"""Members and their sessions, for tests of the portal."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client

from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity
from people.domain import Role
from people.models import Membership, User
from tests.support.factories import unique
from transfers.domain.commands import Details, RegisterMerchant
from transfers.posting.synchronous import post_now
from transfers.selectors import get_balances_now

USD = CurrencyUnit("USD", 2)


def new_merchant(opening: int = 10_000, currency: CurrencyUnit = USD, *, name: str = "") -> MerchantIdentity:
    """Register a merchant with a wallet."""
    merchant = MerchantIdentity(new_id(), name or unique("shop"))
    (result,) = post_now([RegisterMerchant(merchant, {}, currency, opening, Details())])
    assert result.refusal is None
    return merchant


def new_member(merchant: MerchantIdentity, role: Role = Role.OWNER, user: User | None = None) -> User:
    """Make a person a member."""
    if user is None:
        email = f"{unique('person')}@example.com"
        user = get_user_model().objects.create_user(email, email, name="Ada Park")
    Membership.objects.create(user=user, merchant_id=merchant.id, role=role.value)
    return user


def session_of(user: User) -> Client:
    """Return a client that is signed in."""
    client = Client()
    client.force_login(user, backend="people.access.backends.PeopleBackend")
    return client


def available(merchant: MerchantIdentity, currency: CurrencyUnit = USD) -> int:
    """Return what a merchant can spend."""
    return get_balances_now(merchant.id, currency=currency, at=None).rows[0].available_minor


class Filled:
    """A money form, as a browser without scripts handles it."""

    def __init__(self, client: Client, merchant: MerchantIdentity, movement: str = "send", currency: str = "USD") -> None:
        self.client = client
        answer = client.get(f"/app/{merchant.name}/{currency}/{movement}/")
        assert answer.status_code == 302, answer.status_code
        self.address = answer["Location"]

    def send(self, step: str, **values: Any) -> Any:
        """Send a step of the form."""
        return self.client.post(self.address, {"step": step, "memo": "", **values})

    def confirm(self, **values: Any) -> Any:
        """Review, then confirm what was reviewed."""
        reviewed = self.send("review", **values)
        assert reviewed.status_code == 200, reviewed.content.decode()
        return self.send("confirm", fee_minor=fee_of(reviewed), **values)


def fee_of(page: Any) -> str:
    """Return the fee that a review shows."""
    found = re.search(r'name="fee_minor" value="(\d+)"', page.content.decode())
    assert found
    return found[1]


def words_of(page: Any) -> str:
    """Return what a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.content.decode())).split())

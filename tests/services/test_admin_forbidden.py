"""The page for what a role may not do, and the links that a role does not see."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from merchants.models import Account, Merchant
from people.models import User
from tests.services.test_admin import change_page, new_merchant, new_transfer
from tests.support.factories import unique
from transfers.models import Transfer


def client_of(*roles: str, permissions: tuple[str, ...] = ()) -> Client:
    user = User.objects.create_user(unique("staff"), is_staff=True)
    user.groups.set(Group.objects.filter(name__in=roles))
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def told(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 403
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split()))


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("freeze", "This needs the role operator , which may freeze, unfreeze and close merchants and accounts. You have the role viewer."),
        ("waive", "This needs the role fee manager , which may add fee schedule. You have the role viewer."),
    ],
)
def test_the_page_says_which_role_is_needed(action: str, words: str) -> None:
    merchant = Merchant.objects.get(id=new_merchant().id)
    page = told(client_of("viewer"), change_page(merchant, action))
    assert words in page
    assert "Nothing was done." in page
    assert "Merchants" in page  # the menu leads on


def test_all_forbidden_pages_say_something() -> None:
    source, _, made = new_transfer()
    account = Account.objects.get(merchant_id=source.id, kind="wallet")
    nobody, viewer = client_of(), client_of("viewer")
    assert "You have no role." in told(nobody, reverse("admin:merchants_merchant_changelist"))
    assert "needs the role fee manager or operator or viewer" in told(nobody, reverse("admin:account_csv", args=[account.id])).replace(
        " ,", ","
    )
    assert "fee manager" in told(nobody, reverse("admin:transfer_receipt", args=[made, account.id]))
    assert "fee manager" in told(viewer, reverse("admin:fee_append"))
    assert "No role can do this" in told(viewer, reverse("admin:transfers_transfer_add"))
    assert "This needs a permission that no role has" in told(viewer, reverse("admin:people_apikey_changelist"))
    assert Transfer.objects.filter(id=made).exists()


def test_links_that_a_role_cannot_use_are_not_shown() -> None:
    source, _, _ = new_transfer()
    merchant = Merchant.objects.get(id=source.id)
    shown = {name: client.get(change_page(merchant)).content.decode() for name, client in {
        "viewer": client_of("viewer"), "fee manager": client_of("fee manager"), "other": client_of(permissions=("view_merchant",)),
    }.items()}  # fmt: skip
    assert "A new fee version" in shown["fee manager"]
    assert "A new fee version" not in shown["viewer"]
    assert "All accounts" in shown["viewer"]
    for hidden in ("All accounts", "All holds", "Fee schedules", "/admin/merchants/account/", "/admin/transfers/transfer/0"):
        assert hidden not in shown["other"], hidden

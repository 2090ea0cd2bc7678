"""Every page of the admin opens, says nothing on the console, asks nobody outside, and fits a phone."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.urls import reverse
from playwright.sync_api import Page

from approvals.services.requests import ask
from fees.models import FeeSchedule
from ledger_project.database.fields import new_id
from merchants.models import Account, Currency, Merchant
from merchants.services import state_change
from people.models import User
from tests.services.test_admin import USD, change_page, new_merchant, post
from tests.services.test_rollups import settle
from tests.support.factories import unique
from transfers.domain.commands import Details, PlaceHold, TransferFunds
from transfers.models import Hold, IdempotencyRecord, Transfer
from transfers.posting.jobs import Key
from transfers.posting.synchronous import post_now


def every_page() -> dict[str, str]:
    """Return the address of a page of each sort, over a ledger that has something of everything."""
    source, target = new_merchant(1_234_567_89), new_merchant()
    made = post(TransferFunds(source, target, USD, 1000, Details(memo="invoice with a long memo " * 8)))
    hold, token = new_id(place=source.id), unique("key")
    post(PlaceHold(hold, source, target, USD, 100, 600, Details()))
    post_now([TransferFunds(source, target, USD, 1, Details())], keys=[Key("pages", token, b"p" * 32)])
    settle()
    objects = {
        "merchant": Merchant.objects.get(id=source.id),
        "account": Account.objects.get(merchant_id=source.id, kind="wallet"),
        "transfer": Transfer.objects.get(id=made),
        "hold": Hold.objects.get(id=hold),
        "key": IdempotencyRecord.objects.get(key=token),
        "fee schedule": FeeSchedule.objects.filter(merchant=None).first(),
        "currency": Currency.objects.get(code="USD"),
        "user": User.objects.first(),
        "role": Group.objects.first(),
    }
    with state_change():
        asked = ask(TransferFunds(source, target, USD, 700, Details()), principal="key:nobody", request_id="pages")
    objects |= {"approval": asked}
    found = {name: change_page(obj) for name, obj in objects.items()}
    for model in admin.site._registry:
        found[f"list of {model._meta.verbose_name_plural}"] = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    entry = LogEntry.objects.first()
    found |= {} if entry is None else {"log entry": change_page(entry)}
    found |= {
        "statements": f"{reverse('admin:account_statements')}?merchant={source.id}&from=2026-02-30",
        "dashboard": reverse("admin:index"),
        "find": reverse("admin:ledger_find") + "?q=a",
        "fee draft": reverse("admin:fee_append"),
        "comparison": f"{reverse('admin:fee_compare')}?one={objects['fee schedule'].pk}&other={objects['fee schedule'].pk}",
        "freeze": change_page(objects["merchant"], "freeze"),
        "approve": change_page(asked, "approve"),
        "reject": change_page(asked, "reject"),
        "new policy": reverse("admin:approvals_approvalpolicy_add"),
        "close": change_page(objects["merchant"], "close"),
        "waive": change_page(objects["merchant"], "waive"),
        "reverse": change_page(objects["transfer"], "reverse"),
        "void": change_page(objects["hold"], "void"),
        "capture": change_page(objects["hold"], "capture"),
        "deposit": change_page(objects["account"], "deposit"),
        "withdraw": change_page(objects["account"], "withdraw"),
        "new transfer": reverse("admin:transfers_transfer_make_action"),
        "registration": reverse("admin:merchants_merchant_register_action"),
        "new currency": reverse("admin:merchants_currency_add"),
        "new user": reverse("admin:people_user_add"),
        "password": reverse("admin:password_change"),
    }
    return found


def test_every_page_opens_and_fits(root: Page) -> None:
    """On a desk in light colours, and then on a phone in dark ones. The phone opens some pages anew: that takes most of the time."""
    wide = {}
    for number, (name, address) in enumerate(every_page().items()):
        for scheme, width in (("light", 1280), ("dark", 400)):
            root.set_viewport_size({"width": width, "height": 900})
            root.emulate_media(color_scheme=scheme)
            if width == 1280 or number % 5 == 0:
                response = root.goto(address)
                assert response is not None
                assert response.status == 200, (name, response.status)
            needed = root.evaluate("document.documentElement.scrollWidth")
            if needed > width:
                wide[name, width] = needed
    assert wide == {}

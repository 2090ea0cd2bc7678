"""The money form: add, send, withdraw.

Its key stands in its address, so a reload and the back button keep it. A form is filled in,
reviewed and confirmed; only the confirmation moves money. A form that was carried out shows what
it did, and makes nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import push_url

from console.amounts import shown
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.errors import IdempotencyKeyReused, LedgerError
from portal.balances import Wallet, day, etag_of, wallet_of
from portal.form_keys import key_of_form, new_form
from portal.members import Member, member_of
from portal.middleware import is_by_script
from portal.money_form import Cost, MoneyForm, cost_of, field_of, refusal_words
from portal.movements import Done, carry_out, done_before, is_request
from portal.notices import Notice, failure
from transfers.selectors.counterparties import list_counterparties_now
from transfers.selectors.deposit_requests import list_waiting_requests
from transfers.services.form_movements import Movement, MovementRequest

TITLES = {Movement.ADD: "Add money", Movement.SEND: "Send", Movement.WITHDRAW: "Withdraw"}
_CHANGED_COST = "The fee has changed since you looked at it. Nothing was sent: look at the new one and confirm it."
_TOO_OLD = "This form was too old to be sent. Nothing was done: look at it and send it again."
_BEFORE = "This form did that before; nothing more happened now."
_OTHER_CONTENT = "This form was carried out before, with other content. Nothing was done now."


@dataclass(slots=True)
class _Page:
    """One showing of the form."""

    request: HttpRequest
    member: Member
    wallet: Wallet
    movement: Movement
    token: str
    form: MoneyForm
    notices: list[Notice] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The address of the form, with its key."""
        return self.address_of(self.token)

    def address_of(self, token: str) -> str:
        """Return the address of this kind of form with another key."""
        return f"{reverse(f'portal:{self.movement.value}', args=[self.wallet.merchant.name, self.wallet.code])}?form={token}"

    def show(self, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
        """Return the page; with its address, where the form has got a new key meanwhile.

        A script gets 200: it shows the page whatever the status is, and a browser writes every
        other one on its console as an error.
        """
        if is_by_script(self.request):
            status = 200
        values = {
            "section": "wallets",
            "member": self.member,
            "wallet": self.wallet,
            "etag": etag_of([self.wallet]),
            "movement": self.movement.value,
            "title": TITLES[self.movement],
            "tabs": [(one.value, TITLES[one]) for one in Movement],
            "address": self.address,
            "is_request": is_request(self.movement),
            "form": self.form,
            "notices": self.notices,
        }
        response = render(self.request, template, values | context, status=status)
        if self.request.GET.get("form") != self.token:
            push_url(response, self.address)
        return response

    def ask(self, *, status: int = 200) -> HttpResponse:
        """Show the fields."""
        wallet = self.wallet
        known = list_counterparties_now(wallet.identity.id) if self.movement is Movement.SEND else []
        waiting = list_waiting_requests(wallet.merchant.id, wallet.code) if is_request(self.movement) else []
        asked = [(shown(one.amount_minor, wallet.currency), day(one.created_at), one.memo or "") for one in waiting]
        return self.show("portal/money_fields.html", status=status, known=known, asked=asked)

    def review(self, wanted: MovementRequest, cost: Cost, *, status: int = 200) -> HttpResponse:
        """Show what was understood, and ask for the confirmation."""
        return self.show("portal/money_review.html", status=status, wanted=wanted, cost=cost)

    def carried_out(self, done: Done, *, status: int = 200) -> HttpResponse:
        """Show what the form did before, and offer a new form."""
        other = self.form.understood() if self.form.is_bound and self.form.is_valid() else None
        return self.show(
            "portal/money_done.html", status=status, done=done, other=other, new_address=self.address_of(new_form(self.request))
        )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def money(request: HttpRequest, merchant_name: str, currency: str, movement: Movement) -> HttpResponse:
    """Ask for a movement, review it, and carry it out once."""
    member = member_of(request, merchant_name)
    member.require(Scope.TRANSFERS_WRITE)
    wallet = wallet_of(member.merchant, currency)
    token = request.GET.get("form", "")
    key = key_of_form(request, token)
    values = request.POST if request.method == "POST" else None
    form = MoneyForm(values, wallet=wallet.identity, movement=movement)
    page = _Page(request, member, wallet, movement, token if key else new_form(request), form)
    if key is None and values is None:
        return redirect(page.address)
    if key is None:
        page.notices.append(failure(_TOO_OLD, code="form_expired"))
        return page.ask(status=422)
    if values is None:
        done = done_before(key, actor=member.actor)
        return page.ask() if done is None else page.carried_out(done)
    return _sent(page, key)


def _sent(page: _Page, key: str) -> HttpResponse:
    """Answer a form that was sent: to be filled in once more, reviewed, or carried out."""
    step, form = page.request.POST.get("step"), page.form
    if step == "edit":
        return page.ask()
    if not form.is_valid():
        return page.ask(status=422)
    wanted = form.understood()
    try:
        if step == "confirm":
            return _confirmed(page, key, wanted)
        done = done_before(key, actor=page.member.actor)
        if done is not None:
            return page.carried_out(done, status=409)
        return page.review(wanted, cost_of(wanted, page.wallet))
    except LedgerError as error:
        words = refusal_words(error)
        page.notices.append(failure(words, error))
        named = field_of(error)
        if named in form.fields:
            form.add_error(named, words)
        return page.ask(status=422)


def _confirmed(page: _Page, key: str, wanted: MovementRequest) -> HttpResponse:
    actor = page.member.actor
    before = done_before(key, actor=actor)
    if before is None:
        cost = cost_of(wanted, page.wallet)
        if page.request.POST.get("fee_minor") != cost.fee_minor:
            page.notices.append(failure(_CHANGED_COST, code="fee_changed"))
            return page.review(wanted, cost, status=422)
    try:
        done = carry_out(wanted, actor=actor, key=key)
    except IdempotencyKeyReused as error:
        # Read again: another sending of this form may have been faster.
        before = done_before(key, actor=actor)
        if before is None:
            raise
        page.notices.append(failure(_OTHER_CONTENT, error))
        return page.carried_out(before, status=409)
    messages.success(page.request, done.words if before is None else f"{done.words} {_BEFORE}")
    return redirect(page.wallet.address)


@require_POST
@login_required
def quote(request: HttpRequest, merchant_name: str, currency: str, movement: Movement) -> HttpResponse:
    """Say what the typed amount costs, as a part of the page. Nothing is posted."""
    member = member_of(request, merchant_name)
    member.require(Scope.TRANSFERS_WRITE)
    wallet = wallet_of(member.merchant, currency)
    typed = {"amount": request.POST.get("amount", ""), "recipient": "", "memo": ""}
    form = MoneyForm(typed, wallet=wallet.identity, movement=movement)
    form.fields.pop("recipient", None)
    words, is_bad = "", False
    if typed["amount"].strip():
        words, is_bad = _quoted(form, wallet, movement, request.POST.get("recipient", "").strip())
    return render(request, "portal/_quote.html", {"words": words, "is_bad": is_bad})


def _quoted(form: MoneyForm, wallet: Wallet, movement: Movement, recipient: str) -> tuple[str, bool]:
    if not form.is_valid():
        return " ".join(map(str, form.errors.get("amount", []))), True
    try:
        cost = cost_of(MovementRequest(movement, wallet.identity, form.cleaned_data["amount"], recipient), wallet)
    except LedgerError as error:
        return str(error), True
    return cost.words, cost.is_short

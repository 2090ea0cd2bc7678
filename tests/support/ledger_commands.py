"""The commands of the state machine: what each says, how it is sent to the services, and what the model makes of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fees.models import FeeSchedule
from fees.services import append_schedule
from ledger_project.kernel.actors import ANONYMOUS
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.errors import InvalidRequest, SameAccount
from ledger_project.kernel.exact_json import dumps
from merchants.selectors import find_currency_now, identify_now
from tests.support.factories import unique
from tests.support.ledger_model import Model, Sent, Tariff, Wallet
from transfers.domain.commands import Details
from transfers.domain.outcome import Outcome
from transfers.posting.jobs import Answer, Key, Result
from transfers.selectors import get_balances_now
from transfers.serializers.accounts import account_json
from transfers.serializers.holds import hold_json
from transfers.serializers.transfers import posted_transfer_json
from transfers.services import cash, holds, registration, reversals, transfers
from transfers.services.holds import HoldRequest
from transfers.services.registration import RegistrationRequest
from transfers.services.transfers import TransferRequest

CURRENCIES = {"JPY": 0, "USD": 2, "KWD": 3, "BTC": 8, "ETH": 18}
PRINCIPAL = "state-machine"


@dataclass
class Ask:
    """A command: what it says (equal for equal requests), how it is sent, and what the model makes of it, given the answer."""

    says: tuple[Any, ...]
    send: Callable[[Key | None], Coroutine[Any, Any, Result]]
    expect: Callable[[dict[str, Any]], None]
    invalid: type[InvalidRequest] | None = None
    request: TransferRequest | None = None


def render(outcome: Outcome) -> Answer:
    """Write an answer with the service's own representations."""
    if outcome.refusal is not None:
        return Answer(409, outcome.refusal.code.encode())
    body = {
        "transfer": outcome.transfer and posted_transfer_json(outcome.transfer),
        "hold": outcome.hold and hold_json(outcome.hold),
        "account": outcome.account and account_json(outcome.account),
    }
    return Answer(200, dumps(body))


def posted_id(body: dict[str, Any]) -> str | None:
    return (body.get("transfer") or {}).get("id")


def old(known: dict[Any, Any], which: int, likely: Callable[[Any], bool]) -> str:
    """The id of something that was made before: mostly of what a command can succeed on, at times of anything, seldom of nothing."""
    fitting = [one for one, it in known.items() if likely(it)] if which % 5 else list(known)
    return fitting[-1 - which % min(len(fitting), 8)] if fitting and which != 13 else str(UUID(int=which))


class Commands:
    """Who the merchants are, and every command that they may send."""

    def __init__(self) -> None:
        self.model = Model()
        self.names = [unique("sm") for _ in range(6)]

    def name(self, who: int) -> str:
        return self.names[who]

    def merchant_id(self, name: str) -> UUID:
        merchant = identify_now(names=[name]).merchant(name)
        assert merchant is not None, name
        return merchant.id

    def wallet_id(self, name: str, currency: str) -> UUID:
        _, (row,) = get_balances_now(self.merchant_id(name), currency=find_currency_now(currency), at=None)
        assert row.account_id is not None, (name, currency)
        return row.account_id

    def wallet(self, which: int) -> Wallet:
        wallets = list(self.model.wallets)
        return wallets[which % len(wallets)]

    def amount(self, wallet: Wallet, size: tuple[str, int]) -> int:
        """An amount that is small, a share of what there is, all of it, a little more, or far more."""
        word, number = size
        balance = self.model.balance(wallet)
        amounts = {"small": number, "share": balance * number // 2000, "all": balance, "over": balance + number, "huge": number * 10**24}
        return max(1, min(amounts[word], 10**30))

    def charge(self, who: int, tariff: Tariff, currency: str | None = None, **terms: Any) -> None:
        """Append a fee schedule to a merchant, and tell the model."""
        start = datetime.now(UTC) - timedelta(seconds=1)
        draft = FeeSchedule(
            merchant_id=self.merchant_id(self.name(who)), currency_id=currency, effective_from=start, note="state machine", **terms
        )
        append_schedule(draft, by=None)
        self.model.tariffs[self.name(who), currency] = tariff

    # --- the commands -------------------------------------------------------------------------------------------------------

    def registering(self, who: int, currency: str | None, opening: int) -> Ask:
        name = self.name(who)
        opening = opening if currency else 0
        exponent = CURRENCIES[currency] if currency else 0
        text = str(opening).rjust(exponent + 1, "0")
        balance = f"{text[:-exponent]}.{text[-exponent:]}" if exponent else text
        request = RegistrationRequest(name, currency, balance)
        return Ask(
            ("register", name, currency, opening),
            lambda key: registration.register_merchant(request, actor=ANONYMOUS, key=key, render=render),
            lambda body: self.model.register((body.get("transfer") or {}).get("id"), name, currency, opening),
        )

    def opening(self, who: int, currency: str) -> Ask:
        name = self.name(who)
        return Ask(
            ("open", name, currency),
            lambda key: registration.open_account(name, currency, actor=ANONYMOUS, key=key, render=render),
            lambda _body: self.model.open_account(name, currency),
        )

    def crossing(self, kind: str, which: int, size: tuple[str, int], reference: str | None) -> Ask | None:
        wallet = self.wallet(which)
        amount = self.amount(wallet, size)
        account_id = self.wallet_id(*wallet)
        service = cash.deposit if kind == "deposit" else cash.withdraw
        details = Details(external_reference=reference, principal=PRINCIPAL)

        def expect(body: dict[str, Any]) -> None:
            self.model.cross_border(posted_id(body), wallet, kind, amount, reference)
            if body:
                assert body["account"]["available_minor"] == self.model.balance(wallet)
                assert body["account"]["held_minor"] == self.model.held[wallet]

        return Ask(
            (kind, wallet, amount, reference),
            lambda key: service(account_id, AmountInput(minor=amount), details, actor=ANONYMOUS, key=key, render=render),
            expect,
        )

    def transferring(self, which: int, target: int, size: tuple[str, int], reference: str | None) -> Ask:
        source = self.wallet(which)
        amount = self.amount(source, size)
        to = self.name(target), source[1]
        request = TransferRequest(
            AmountInput(minor=amount), Details(external_reference=reference, principal=PRINCIPAL), source[0], to[0], source[1]
        )

        def expect(body: dict[str, Any]) -> None:
            fee = self.model.transfer(posted_id(body), source, to, amount, reference)
            if body:
                assert body["transfer"]["fee_minor"] == fee

        return Ask(
            ("transfer", source, to, amount, reference),
            lambda key: transfers.execute_transfer(request, actor=ANONYMOUS, key=key, render=render),
            expect,
            invalid=SameAccount if source == to else None,
            request=request,
        )

    def holding(self, which: int, target: int, size: tuple[str, int], expires_in_s: int) -> Ask:
        source = self.wallet(which)
        amount = self.amount(source, size)
        to = self.name(target), source[1]
        request = HoldRequest(source[0], to[0], source[1], AmountInput(minor=amount), expires_in_s, Details(principal=PRINCIPAL))

        def expect(body: dict[str, Any]) -> None:
            reserved = self.model.hold(body.get("hold", {}).get("id"), source, to, amount, expires_in_s == 0)
            if body:
                assert body["hold"]["reserved_minor"] == reserved
                self.model.sent[posted_id(body)] = Sent("hold", None, None, amount)

        return Ask(
            ("hold", source, to, amount, expires_in_s),
            lambda key: holds.place_hold(request, actor=ANONYMOUS, key=key, render=render),
            expect,
            invalid=SameAccount if source == to else None,
        )

    def capturing(self, which: int, share: int | None) -> Ask:
        hold_id = old(self.model.holds, which, lambda hold: hold.status == "open" and not hold.lapsed)
        known = self.model.holds.get(hold_id)
        amount = None if share is None or known is None else max(1, known.amount * share // 100)

        def expect(body: dict[str, Any]) -> None:
            fee = self.model.capture(posted_id(body), hold_id, amount)
            if body:
                assert body["transfer"]["fee_minor"] == fee

        return Ask(
            ("capture", hold_id, amount),
            lambda key: holds.capture_hold(
                UUID(hold_id), AmountInput(minor=amount), Details(principal=PRINCIPAL), actor=ANONYMOUS, key=key, render=render
            ),
            expect,
        )

    def voiding(self, which: int) -> Ask:
        hold_id = old(self.model.holds, which, lambda hold: hold.status == "open" and not hold.lapsed)
        return Ask(
            ("void", hold_id),
            lambda key: holds.void_hold(UUID(hold_id), Details(principal=PRINCIPAL), actor=ANONYMOUS, key=key, render=render),
            lambda _body: self.model.void(hold_id),
        )

    def reversing(self, which: int, share: int | None, refund: bool) -> Ask:
        original_id = old(self.model.sent, which, lambda sent: sent.source is not None and sent.returned < sent.amount)
        known = self.model.sent.get(original_id)
        amount = None if share is None or known is None else max(1, known.amount * share // 100)
        return Ask(
            ("reverse", original_id, amount, refund),
            lambda key: reversals.reverse_transfer(
                UUID(original_id),
                AmountInput(minor=amount),
                Details(principal=PRINCIPAL),
                refund_fee=refund,
                actor=ANONYMOUS,
                key=key,
                render=render,
            ),
            lambda body: self.model.reverse(posted_id(body), original_id, amount, refund),
        )

"""Sends commands to the services and to the model, and compares what both say. Used by the state machine."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from django.db import connection

from ledger_project.kernel.actors import ANONYMOUS
from ledger_project.kernel.exact_json import dumps
from merchants.selectors import find_currency_now, identify_now
from tests.support.ledger_commands import PRINCIPAL, Ask, Commands, render
from tests.support.ledger_model import Line, Refused, Sent, Wallet
from transfers.domain.commands import Details, SettleFees
from transfers.posting import engine
from transfers.posting.jobs import Answer, Envelope, Item, Job, Key, Result
from transfers.posting.synchronous import post_now
from transfers.selectors import get_balances_now
from transfers.selectors.statements import Period, find_wallet_account, get_period, period_lines
from transfers.services import registration
from transfers.services.batches import BatchItem, BatchItemInvalid, execute_batch
from transfers.services.hold_expiry import sweep_due_holds
from transfers.services.registration import RegistrationRequest
from transfers.services.transfers import build_transfer, check_addressing

T = TypeVar("T")
PAGE = 25
REUSED = Answer(409, b"idempotency_key_reused")
HEADS = """
SELECT m.name, a.currency_id, a.kind, coalesce(e.sequence, 0), coalesce(e.balance_after_minor, 0)
FROM merchants_merchant m JOIN merchants_account a ON a.merchant_id = m.id
LEFT JOIN LATERAL (
    SELECT sequence, balance_after_minor FROM transfers_ledgerentry WHERE account_id = a.id ORDER BY sequence DESC LIMIT 1
) e ON true
WHERE m.id = ANY(%s)
"""
outcomes: Counter[tuple[str, str]] = Counter()  # of first requests, by command


@dataclass
class Remembered:
    """What was asked under a key, what was answered, and how to ask it again."""

    says: object
    answer: Answer
    again: Callable[[], None]


def render_all(results: Sequence[Result]) -> Answer:
    return Answer(200, dumps([[r.answer.status_code, r.answer.body.decode(), r.replayed] for r in results]))


def render_failure(index: int, result: Result) -> Answer:
    return Answer(409, dumps({"index": index, "code": result.answer.body.decode()}))


def service_key(key: str, says: object) -> Key:
    return Key(PRINCIPAL, key, hashlib.sha256(repr(says).encode()).digest())


class Driver(Commands):
    """The service and the model, side by side."""

    def __init__(self, loop: asyncio.AbstractEventLoop, treasury: str) -> None:
        super().__init__()
        self.loop = loop
        self.keys: dict[str, Remembered] = {}
        self.checked: dict[Wallet, int] = {}
        if identify_now(names=[treasury]).merchant(treasury) is None:
            self.wait(registration.register_merchant(RegistrationRequest(treasury, None, "0"), actor=ANONYMOUS, key=None, render=render))
        self.treasury = identify_now(names=[treasury]).merchant(treasury)
        self.treasury_before = self.treasury_now()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def treasury_now(self) -> dict[str, int]:
        assert self.treasury is not None
        return {row.currency.code: row.available_minor for row in get_balances_now(self.treasury.id, currency=None, at=None)[1]}

    # --- one command --------------------------------------------------------------------------------------------------------

    def key(self, choice: int | None) -> str:
        """A fresh key mostly; for 5 and 7 one that was used before, most likely with another body."""
        used = list(self.keys)
        if choice not in {5, 7} or not used:
            return secrets.token_hex(8)
        return used[-1] if choice == 5 else used[len(used) // 2]

    def post(self, asked: Ask, key: str) -> None:
        """Send a command under a key and settle what it should have come to. What is invalid leaves its key free."""
        if asked.invalid is not None:
            with pytest.raises(asked.invalid):
                self.wait(asked.send(service_key(key, asked.says)))
            return
        result = self.wait(asked.send(service_key(key, asked.says)))
        self.settle(asked, key, result.answer, replayed=result.replayed)

    def settle(self, asked: Ask, key: str, answer: Answer, *, replayed: bool) -> None:
        """Compare an answer with the first one under its key, or with what the model makes of the command."""
        first = self.keys.get(key)
        if first is not None:
            assert (answer, replayed) == ((first.answer, True) if first.says == asked.says else (REUSED, False)), asked.says
            return
        assert not replayed, asked.says
        posted = answer.status_code == 200
        codes = self.expected(asked, json.loads(answer.body) if posted else {})
        assert posted == (not codes), f"{asked.says}: {answer.body!r}, not {codes}"
        assert posted or answer.body.decode() in codes, f"{asked.says}: {answer.body!r}, not {codes}"
        outcomes[asked.says[0], "posted" if posted else answer.body.decode()] += 1
        self.keys[key] = Remembered(asked.says, answer, lambda: self.post(asked, key))

    @staticmethod
    def expected(asked: Ask, body: dict[str, Any]) -> set[str]:
        """Let the model carry out a command; return the codes of its refusal, if it is one."""
        try:
            asked.expect(body)
        except Refused as refused:
            return refused.codes
        return set()

    def replay(self, which: int) -> None:
        if self.keys:
            list(self.keys.values())[which % len(self.keys)].again()

    # --- many commands ------------------------------------------------------------------------------------------------------

    def at_once(self, asks: list[Ask]) -> None:
        """Submit transfers at the same moment, the first of them twice: the engine posts them together, in order."""
        valid = [(asked, self.key(None)) for asked in asks if asked.invalid is None]
        valid += valid[:1]

        jobs = [self.job(asked, key) for asked, key in valid]

        async def submit_all() -> list[Result]:
            return await asyncio.gather(*[engine.submit(job) for job in jobs])

        for (asked, key), result in zip(valid, self.wait(submit_all()), strict=True):
            self.settle(asked, key, result.answer, replayed=result.replayed)

    def job(self, asked: Ask, key: str) -> Job:
        request = asked.request
        assert request is not None
        check_addressing(request)
        identities = identify_now(names=[request.from_merchant or "", request.to_merchant or ""])
        command = build_transfer(request, identities, find_currency_now(request.currency or ""), actor=ANONYMOUS)
        return Job([Item(command, render, service_key(key, asked.says))])

    def batch(self, asks: list[tuple[Ask, int]], *, atomic: bool) -> None:
        """Send a batch; the choice 9 gives an item its predecessor's key."""
        items: list[tuple[Ask, str]] = []
        for asked, choice in asks:
            items.append((asked, items[-1][1] if choice == 9 and items else self.key(choice)))
        key, says = secrets.token_hex(8), ("batch", atomic, [(asked.says, key) for asked, key in items])

        async def send() -> Result:
            envelope = Envelope(render_all, render_failure, service_key(key, says), atomic)
            sent = [BatchItem(asked.request, service_key(item_key, asked.says)) for asked, item_key in items]
            return await execute_batch(sent, envelope=envelope, render=render, actor=ANONYMOUS, guard=lambda command: command)

        def again() -> None:
            result = self.wait(send())
            assert (result.answer, result.replayed) == (self.keys[key].answer, True)

        if atomic and any(asked.invalid for asked, _ in items):
            with pytest.raises(BatchItemInvalid):
                self.wait(send())
            return
        answer = self.wait(send()).answer
        if self.settle_atomic(items, answer) if atomic else self.settle_each(items, answer):
            self.keys[key] = Remembered(says, answer, again)

    def settle_each(self, items: list[tuple[Ask, str]], answer: Answer) -> bool:
        for (asked, key), (status, body, replayed) in zip(items, json.loads(answer.body), strict=True):
            if asked.invalid is None:
                self.settle(asked, key, Answer(status, body.encode()), replayed=replayed)
            else:
                assert body == asked.invalid.code
        return True

    def settle_atomic(self, items: list[tuple[Ask, str]], answer: Answer) -> bool:
        """All of it was posted, or nothing of it. Returns whether the batch's own key remembers the answer."""
        if answer.status_code == 200:
            return self.settle_each(items, answer)
        failed = json.loads(answer.body)
        before = self.model.snapshot()
        index, codes = self.known_failure(items) or self.first_refusal(items)
        self.model.restore(before)
        assert failed["index"] == index, failed
        assert failed["code"] in codes, failed
        return bool(failed["code"] != "idempotency_key_reused")

    def known_failure(self, items: list[tuple[Ask, str]]) -> tuple[int, set[str]] | None:
        """An item whose key says already that it fails: it was refused before, or stands for another request."""
        seen: dict[str, object] = {}
        for index, (asked, key) in enumerate(items):
            first = self.keys.get(key)
            if (first.says if first else seen.setdefault(key, asked.says)) != asked.says:
                return index, {"idempotency_key_reused"}
            if first is not None and first.answer.status_code != 200:
                return index, {first.answer.body.decode()}
        return None

    def first_refusal(self, items: list[tuple[Ask, str]]) -> tuple[int, set[str]]:
        done = set(self.keys)
        for index, (asked, key) in enumerate(items):
            if key not in done:
                if codes := self.expected(asked, {}):
                    return index, codes
                done.add(key)
        raise AssertionError("the whole batch was refused, and nothing is wrong with it")

    def expire(self) -> None:
        list(sweep_due_holds())
        self.model.expire()

    def settle_fees(self, which: int) -> None:
        wallet = self.wallet(which)
        merchant, currency = identify_now(names=[wallet[0]]).merchant(wallet[0]), find_currency_now(wallet[1])
        (result,) = post_now([SettleFees(merchant, self.treasury, currency, Details(principal=PRINCIPAL))])
        swept = self.model.settle_fees(wallet)
        transfer = result.outcome.transfer if result.outcome else None
        assert (transfer.amount_minor if transfer else 0) == swept
        if transfer is not None:
            self.model.sent[str(transfer.id)] = Sent("fee_settlement", None, None, swept)

    # --- comparing ----------------------------------------------------------------------------------------------------------

    def compare(self) -> None:
        """All accounts of all kinds have the model's balances; each wallet that moved has its lines, page by page."""
        moved = [wallet for wallet, lines in self.model.wallets.items() if len(lines) != self.checked.get(wallet)]
        heads = self.heads()
        for wallet, lines in self.model.wallets.items():
            assert heads[(*wallet, "wallet")] == (len(lines), self.model.balance(wallet)), wallet
        for kind, expected in (("held", self.model.held), ("fees", self.model.fees), ("external", self.model.outside)):
            assert {key[:2]: b for key, (_, b) in heads.items() if key[2] == kind and b} == {w: b for w, b in expected.items() if b}, kind
        now = self.treasury_now()
        assert {c: b - self.treasury_before.get(c, 0) for c, b in now.items() if b != self.treasury_before.get(c, 0)} == {
            c: b for c, b in self.model.treasury.items() if b
        }
        for wallet in moved:
            self.check_statement(wallet)
            _, (row,) = get_balances_now(self.merchant_id(wallet[0]), currency=find_currency_now(wallet[1]), at=None)
            assert (row.available_minor, row.held_minor) == (self.model.balance(wallet), self.model.held[wallet])
            self.checked[wallet] = len(self.model.wallets[wallet])

    def heads(self) -> dict[tuple[str, str, str], tuple[int, int]]:
        with connection.cursor() as cursor:
            cursor.execute(HEADS, [[self.merchant_id(name) for name in self.model.names]])
            return {(name, currency, kind): (sequence, int(balance)) for name, currency, kind, sequence, balance in cursor.fetchall()}

    def check_statement(self, wallet: Wallet) -> None:
        account = find_wallet_account(self.wallet_id(*wallet))
        assert account is not None
        period = get_period(account, start=None, end=None)
        lines = self.model.wallets[wallet]
        self.check_lines(period, lines)
        times = [line.at for line in lines if line.at]
        assert times == sorted(times), f"time ran backwards in {wallet}"

    def check_lines(self, period: Period, lines: list[Line]) -> None:
        """The lines of all pages, oldest first, are the model's; opening + lines = closing. The model learns their times."""
        entries, before = [], None
        while page := period_lines(period, before=before, limit=PAGE):
            entries += page
            before = page[-1].sequence
        entries.reverse()
        signed = [entry.amount_minor if entry.direction == "CREDIT" else -entry.amount_minor for entry in entries]
        found = [(entry.type, amount, entry.balance_after_minor) for entry, amount in zip(entries, signed, strict=True)]
        assert found == [(line.type, line.amount, line.balance) for line in lines]
        assert [entry.sequence for entry in entries] == list(range(period.after + 1, period.until + 1))
        assert period.opening_minor + sum(signed) == period.closing_minor
        for entry, line in zip(entries, lines, strict=True):
            assert line.at in {None, entry.created_at}, "an entry changed its time"
            line.at = entry.created_at

    def look_back(self, which: int, first: int, last: int) -> None:
        """A statement of some period, and the balance as of its first moment, are what they were then."""
        wallet = self.wallet(which)
        lines = self.model.wallets[wallet]
        if not lines:
            return
        start, end = (lines[i % len(lines)].at for i in sorted((first, last)))
        account = find_wallet_account(self.wallet_id(*wallet))
        start, end = min(start, end), max(start, end)
        period = get_period(account, start=start, end=end)
        self.check_lines(period, [line for line in lines if line.at is not None and start <= line.at < end])
        before = [line.balance for line in lines if line.at is not None and line.at < start]
        assert period.opening_minor == (before[-1] if before else 0)
        _, (row,) = get_balances_now(account.merchant_id, currency=find_currency_now(wallet[1]), at=start)
        assert row.available_minor == self.model.balance_at(wallet, start)

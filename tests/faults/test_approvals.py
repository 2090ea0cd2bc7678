"""An approver that is killed at any moment has done all of it or nothing, and whoever approves again finishes it: once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from uuid import UUID

from approvals.domain.operations import ConfirmDeposit, Operation, SetOverdraft
from approvals.models import Approval
from approvals.services.requests import ask
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.amount_input import AmountInput
from merchants.domain import AccountKind, MerchantIdentity
from merchants.models import Account
from merchants.services import state_change
from tests.environment import ROOT
from tests.services.test_admin import USD, available, new_merchant
from tests.support.factories import unique
from tests.support.servers import database_url
from transfers.domain.commands import Deposit, Details, Withdraw
from transfers.models import DepositRequest, Event, Transfer
from transfers.services.deposit_requests import NewDepositRequest, request_deposit

KILLS = 10
FEW = 4
"""How many are done at most before a kill."""

LONGEST_S = 0.03
"""About as long as approving one takes."""


@contextmanager
def approver(principal: str) -> Iterator[tuple[IO[str], IO[str]]]:
    """What starts processes that approve: a line of ids is written to it, and it says what they did."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.approver", principal],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "ledger_project.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdin, process.stdout
    finally:
        process.kill()
        process.communicate()


def operations(merchant: MerchantIdentity, wallet: UUID, number: int) -> list[Operation]:
    """One of each sort: a posting, a posting that takes, a confirmation of a request, a change without money."""
    asked = request_deposit(NewDepositRequest(merchant.name, "USD", AmountInput("3.00")), actor=Actor("user:member", merchant.id), key=None)
    return [
        Deposit(merchant, USD, 500, Details(memo=f"in {number}")),
        Withdraw(merchant, USD, 100, Details(memo=f"out {number}")),
        ConfirmDeposit(asked.id, unique("bank"), merchant, USD, 300),
        SetOverdraft(wallet, merchant, USD, 1_000 + number, f"limit {number}"),
    ]


def asked_for(merchant: MerchantIdentity, count: int) -> list[Approval]:
    """Have as many wait of each sort."""
    wallet = Account.objects.get(merchant_id=merchant.id, kind=AccountKind.WALLET, currency="USD").id
    made = []
    for number in range(count):
        for operation in operations(merchant, wallet, number):
            with state_change():
                made.append(ask(operation, principal="key:asker", request_id=str(new_id())))
    return made


def test_an_approver_that_is_killed_at_any_moment_moves_money_exactly_once() -> None:
    merchant, chance = new_merchant(100_000), random.Random(7)
    approvals, decider = asked_for(merchant, KILLS), f"key:{unique('decider')}"
    left = [str(approval.id) for approval in approvals]
    with approver(decider) as (orders, said):
        for _ in range(KILLS):
            orders.write(f"{' '.join(left)}\n")
            pid, done = int(said.readline()), chance.randrange(FEW)
            assert [said.readline() for _ in range(done)] == ["approved\n"] * done
            time.sleep(chance.uniform(0, LONGEST_S))
            os.kill(pid, signal.SIGKILL)
            while said.readline() != "ended\n":
                done += 1
            del left[:done]  # the next one begins with what was cut off, or was done and not said
        assert left
        orders.write(f"{' '.join(str(one.id) for one in approvals)}\n")
        told = [said.readline() for _ in range(len(approvals) + 2)]
    assert told[1:] == ["approved\n"] * len(approvals) + ["ended\n"]
    assert available(merchant) == 100_000 + KILLS * (500 - 100 + 300)
    for approval in approvals:
        approval.refresh_from_db()
        assert (approval.status, approval.decided_by) == ("approved", decider)
        assert Event.objects.filter(type="approval.approved", data__approval__id=str(approval.id)).count() == 1
    posted = [approval.transfer_id for approval in approvals if approval.action != "overdraft"]
    assert len(set(posted)) == 3 * KILLS == Transfer.objects.filter(id__in=posted).count()
    wallet = Account.objects.get(merchant_id=merchant.id, kind=AccountKind.WALLET, currency="USD")
    assert Transfer.objects.filter(source=wallet).count() + Transfer.objects.filter(target=wallet).count() == 3 * KILLS + 1  # the opening
    assert set(DepositRequest.objects.filter(merchant_id=merchant.id).values_list("status", flat=True)) == {"confirmed"}

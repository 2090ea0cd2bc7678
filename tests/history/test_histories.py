"""What several callers of two workers were told, laid in one history: some order of single steps must explain all of it.

Each account by itself, and all of them together (strict serializability), with reads of balances and refusals as witnesses.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from tests.faults.load import merchants
from tests.history.checker import Operation, check, check_each
from tests.support.servers import Service

OPENING_MINOR = 1_000
"""Little enough that many transfers are refused."""


@dataclass
class Recorder:
    """Clients that move money and read balances, and what they were told."""

    base_url: str
    names: list[str]
    dice: random.Random
    history: list[Operation] = field(default_factory=list)
    stopping: bool = False

    async def client(self, number: int, steps: int) -> None:
        """Do so many things, one after the other. What gets no answer is not repeated: nobody knows whether it happened."""
        async with httpx.AsyncClient(base_url=self.base_url, timeout=30) as http:
            for _ in range(steps):
                if self.stopping:
                    return
                try:
                    await (self.read(http, number) if self.dice.random() < 0.4 else self.move(http, number))
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)

    async def read(self, http: httpx.AsyncClient, number: int) -> None:
        name = self.dice.choice(self.names)
        call = time.monotonic()
        answer = await http.get(f"/merchants/{name}/balance", params={"currency": "USD"})
        if answer.status_code == 200:
            value = answer.json()["balances"][0]["balance_minor"]
            self.history.append(Operation(number, call, time.monotonic(), seen={name: value}))

    async def move(self, http: httpx.AsyncClient, number: int) -> None:
        source, target = self.dice.sample(self.names, 2)
        amount, fee = self.dice.randint(1, 6) * 100, 0
        fee = amount // 100  # the first migration's schedule: 1 %
        body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount_minor": amount}
        effects = {source: -amount - fee, target: amount}
        call = time.monotonic()
        try:
            answer = await http.post("/transfers", json=body, headers={"Idempotency-Key": secrets.token_hex(12)})
        except httpx.HTTPError:
            self.history.append(Operation(number, call, None, effects))
            raise
        end = time.monotonic()
        told = answer.json()
        if answer.status_code == 201:
            assert (told["amount_minor"], told["fee_minor"]) == (amount, fee)
            self.history.append(Operation(number, call, end, effects))
        elif answer.status_code == 409:
            assert told["code"] == "insufficient_funds"
            had, needed = told["available_minor"], told["required_minor"]
            self.history.append(Operation(number, call, end, seen={source: had}, needs={source: needed}))
        else:
            assert answer.status_code == 503, answer.text
            self.history.append(Operation(number, call, None, effects))

    def judge(self) -> None:
        opening = dict.fromkeys(self.names, OPENING_MINOR)
        for account, violation in check_each(self.history, opening).items():
            raise AssertionError(f"{account}: {violation}")
        violation = check(self.history, opening)
        assert violation is None, violation


async def recorder(service: Service, accounts: int) -> Recorder:
    names = list(await merchants(service.base_url, count=accounts, balance=f"{OPENING_MINOR / 100:.2f}"))
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    return Recorder(service.base_url, names, random.Random(seed))


async def test_what_concurrent_callers_are_told_has_one_order(service: Service) -> None:
    recording = await recorder(service, accounts=3)
    await asyncio.gather(*[recording.client(number, 60) for number in range(8)])
    told = recording.history
    assert len(told) == 8 * 60
    assert sum(1 for operation in told if operation.needs) > 20, "hardly anything was refused: a weak witness"
    assert sum(1 for operation in told if operation.effects) > 50
    recording.judge()


async def test_it_has_one_order_also_when_a_worker_is_killed(serve: Callable[..., Service]) -> None:
    """Those whose answers got lost happened once, at some moment, or never."""
    service = serve(workers=2)
    recording = await recorder(service, accounts=3)
    clients = [asyncio.create_task(recording.client(number, 80)) for number in range(6)]
    for mark in (100, 250):
        async with asyncio.timeout(60):
            while len(recording.history) < mark:
                await asyncio.sleep(0.005)
        os.kill(service.worker_pids()[0], signal.SIGKILL)
    await asyncio.gather(*clients)
    assert len(recording.history) > 300
    recording.judge()

"""A load that goes on until it is told to stop, and the proof that nothing was lost or doubled under it.

Every command carries its key as its memo, so what the database holds can be laid beside what was answered.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from tests.support.invariants import check_invariants
from tests.support.keep_alive import Answer, KeepAlive

PASSING = frozenset({429, 500, 502, 503})
"""Answers after which nobody knows, or nothing happened: the request is repeated with the same key."""

RECENT = 64
"""Transfers and holds that later commands may refer to."""


@dataclass(slots=True)
class Command:
    """A request, repeated as it is until it has its answer."""

    path: str
    body: dict[str, Any]
    key: str = field(default_factory=lambda: secrets.token_hex(12))
    attempts: int = 0
    answer: Answer | None = None
    transfers: list[dict[str, Any]] = field(default_factory=list)
    """What was acknowledged as posted by the answer."""


def _acknowledged(answer: Answer) -> list[dict[str, Any]]:
    if answer.status_code >= 400:
        return []
    told = answer.json()
    if "results" in told:
        return [result["transfer"] for result in told["results"] if "transfer" in result]
    if "transfer" in told:
        return [told["transfer"]]
    return [told] if "kind" in told else []


class Load:
    """Many clients that send random commands between some merchants and repeat with the same key what got no answer."""

    def __init__(self, base_url: str, names: list[str], *, clients: int = 16, seed: int = 11, mixed: bool = False) -> None:
        self.base_url = base_url
        self.names = names
        self.clients = clients
        self.mixed = mixed
        self.dice = random.Random(seed)
        self.commands: list[Command] = []
        self.acknowledged = 0
        self.wallets: dict[str, str] = {}
        self.answers: Counter[int | str] = Counter()
        self.under_way: dict[int, tuple[float, str]] = {}
        self._newest_answered = 0.0
        self._recent: list[str] = []
        self._holds: list[str] = []
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def newest(self) -> str:
        """The id of a transfer that was acknowledged lately."""
        return self._recent[-1]

    # --- running --------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Have the clients begin (again)."""
        self._stopping = False
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self.clients)]

    async def stop(self) -> None:
        """Have each client end the request that it is waiting for, and begin no other. Commands may be left without an answer."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def reach(self, acknowledged: int, *, within_s: float = 120) -> None:
        """Wait until so many transfers are acknowledged in all."""
        async with asyncio.timeout(within_s):
            while self.acknowledged < acknowledged:
                await asyncio.sleep(0.005)

    async def recovered(self, since: float, *, within_s: float = 60) -> float:
        """Wait for a transfer that was asked for after this moment (monotonic) to be acknowledged; return the seconds it took."""
        async with asyncio.timeout(within_s):
            while self._newest_answered <= since:
                await asyncio.sleep(0.002)
        return time.monotonic() - since

    async def settle(self, *, within_s: float = 120) -> None:
        """Repeat, with the same keys, whatever has no answer, until all have."""
        async with asyncio.timeout(within_s):
            waiting = [command for command in self.commands if command.answer is None]

            async def lane() -> None:
                async with KeepAlive(self.base_url) as client:
                    while waiting:
                        command = waiting.pop()
                        while command.answer is None:
                            await self._attempt(client, command)

            await asyncio.gather(*[lane() for _ in range(self.clients)])

    async def _client(self) -> None:
        async with KeepAlive(self.base_url) as client:
            while not self._stopping:
                command = self.invent()
                while command.answer is None and not self._stopping:
                    await self._attempt(client, command)

    async def _attempt(self, client: KeepAlive, command: Command) -> None:
        command.attempts += 1
        asked_at = time.monotonic()
        self.under_way[id(command)] = (asked_at, command.path)
        try:
            answer = await client.post(command.path, command.body, key=command.key)
        except OSError as error:
            self.answers[type(error).__name__] += 1
            await asyncio.sleep(0.05)  # the service is down: there is no event to wait for
            return
        finally:
            del self.under_way[id(command)]
        self.answers[answer.status_code] += 1
        if answer.status_code in PASSING or (answer.status_code == 409 and answer.json()["code"] == "idempotency_in_progress"):
            await asyncio.sleep(0.05)
            return
        command.answer, command.transfers = answer, _acknowledged(answer)
        if command.transfers:
            self._newest_answered = max(self._newest_answered, asked_at)
        self._remember(command)

    def _remember(self, command: Command) -> None:
        assert command.answer is not None
        self.acknowledged += len(command.transfers)
        if command.answer.status_code != 201:
            return
        told = command.answer.json()
        if command.path == "/holds":
            self._holds = [*self._holds[-RECENT:], told["id"]]
        elif told.get("kind") in {"transfer", "capture"}:
            self._recent = [*self._recent[-RECENT:], told["id"]]

    # --- commands -------------------------------------------------------------------------------------------------------------

    def invent(self) -> Command:
        """Return a command that somebody else will send; it is accounted for like all others, and repeated when all settle."""
        command = self._next()
        self.commands.append(command)
        return command

    def _next(self) -> Command:
        if not self.mixed:
            return self._transfer()
        makers: list[Callable[[], Command | None]] = [self._transfer, self._batch, self._move, self._hold, self._end_hold, self._reverse]
        (maker,) = self.dice.choices(makers, weights=[50, 10, 15, 10, 10, 5])
        return maker() or self._transfer()

    def _pair(self) -> dict[str, Any]:
        source, target = self.dice.sample(self.names, 2)
        return {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount_minor": self.dice.randint(1, 500)}

    def _transfer(self) -> Command:
        command = Command("/transfers", self._pair())
        command.body["memo"] = command.key
        return command

    def _batch(self) -> Command:
        items = []
        for _ in range(self.dice.randint(2, 8)):
            item_key = secrets.token_hex(12)
            items.append({**self._pair(), "idempotency_key": item_key, "memo": item_key})
        return Command("/transfers/batch", {"transfers": items, "atomic": self.dice.random() < 0.3})

    def _move(self) -> Command | None:
        if not self.wallets:
            return None
        way = self.dice.choice(["deposit", "withdraw"])
        account = self.dice.choice(list(self.wallets.values()))
        command = Command(f"/accounts/{account}/{way}", {"amount_minor": self.dice.randint(1, 500)})
        command.body["memo"] = command.key
        return command

    def _hold(self) -> Command:
        command = Command("/holds", self._pair())
        command.body["memo"] = command.key
        return command

    def _end_hold(self) -> Command | None:
        if not self._holds:
            return None
        held = self._holds.pop(self.dice.randrange(len(self._holds)))
        return Command(f"/holds/{held}/{self.dice.choice(['capture', 'capture', 'void'])}", {})

    def _reverse(self) -> Command | None:
        if not self._recent:
            return None
        command = Command(f"/transfers/{self.dice.choice(self._recent)}/reverse", {"amount_minor": 1})
        command.body["memo"] = command.key
        return command

    # --- proof ----------------------------------------------------------------------------------------------------------------

    async def prove(self, raw: psycopg.Connection[Any], *, replays: int = 10) -> None:
        """Every acknowledged transfer is there exactly once, nothing refused or unacknowledged is there twice, all invariants hold,
        and what is repeated gets the same bytes."""
        losses = lay_beside(raw, self.commands)
        assert losses == Losses(), losses
        with raw.cursor() as cursor:
            check_invariants(cursor)
        answered = [command for command in self.commands if command.answer is not None]
        async with KeepAlive(self.base_url) as client:
            for command in self.dice.sample(answered, min(replays, len(answered))):
                assert command.answer is not None
                again = await client.post(command.path, command.body, key=command.key)
                assert (again.status_code, again.content) == (command.answer.status_code, command.answer.content), command


@dataclass(frozen=True, slots=True)
class Losses:
    """What must be empty: ids of transfers, and keys."""

    lost: tuple[str, ...] = ()
    """Acknowledged, and not there."""
    told_twice: tuple[str, ...] = ()
    """One transfer, acknowledged to two commands."""
    doubled: tuple[str, ...] = ()
    """One command, posted twice."""
    unwanted: tuple[str, ...] = ()
    """Refused, and yet posted."""


def lay_beside(raw: psycopg.Connection[Any], commands: list[Command]) -> Losses:
    """Compare what was answered with what is stored."""
    acknowledged = Counter(transfer["id"] for command in commands for transfer in command.transfers)
    rows = raw.execute("SELECT id::text FROM transfers_transfer WHERE id = ANY(%s::uuid[])", [list(acknowledged)]).fetchall()
    stored = {row[0] for row in rows}
    keys = [key for command in commands for key in _memos(command)]
    counts = dict(
        raw.execute(
            "SELECT memo, count(*) FROM transfers_transfer WHERE memo = ANY(%s) AND kind NOT IN ('hold', 'hold_release', 'capture') "
            "GROUP BY memo",
            [keys],
        ).fetchall()
    )
    told = {transfer["memo"] for command in commands for transfer in command.transfers if transfer["kind"] != "capture"}
    unanswered = {key for command in commands if command.answer is None for key in _memos(command)}
    return Losses(
        lost=tuple(sorted(set(acknowledged) - stored)),
        told_twice=tuple(transfer for transfer, count in acknowledged.items() if count > 1),
        doubled=tuple(memo for memo, count in counts.items() if count > 1),
        unwanted=tuple(sorted(set(counts) - told - unanswered)),
    )


def _memos(command: Command) -> list[str]:
    if "transfers" in command.body:
        return [item["memo"] for item in command.body["transfers"]]
    return [command.body["memo"]] if "memo" in command.body else []


async def merchants(base_url: str, count: int = 8, balance: str = "1000") -> dict[str, str]:
    """Register merchants with some dollars; return the wallet of each by its name."""
    wallets = {}
    async with httpx.AsyncClient(base_url=base_url, timeout=30) as client:
        for _ in range(count):
            name = f"load-{secrets.token_hex(6)}"
            body = {"merchant_name": name, "currency": "USD", "initial_balance": balance}
            answer = await client.post("/merchants", json=body, headers={"Idempotency-Key": secrets.token_hex(12)})
            assert answer.status_code == 201, answer.text
            wallets[name] = answer.json()["balances"][0]["account_id"]
    return wallets

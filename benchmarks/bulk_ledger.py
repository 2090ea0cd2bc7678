"""A large ledger for measurements: decided by the real ``plan``, written by COPY with the guards asleep, so that a million entries take
a minute. Only for databases that are made for it; ``reconcile`` then proves that what was written is a ledger."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from fees.selectors import load_schedules
from ledger_project.database.fields import new_id
from ledger_project.kernel.exact_json import dumps_text
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, MerchantIdentity, Status
from transfers.domain.commands import AccountKey, Command, Deposit, Details, TransferFunds
from transfers.domain.facts import AccountState, Book
from transfers.domain.hashing import GENESIS, seal
from transfers.domain.plan import Group, Plan, plan

CURRENCIES = (CurrencyUnit("USD", 2), CurrencyUnit("EUR", 2), CurrencyUnit("BTC", 8))
CHUNK = 5_000


def fill(raw: psycopg.Connection[Any], *, entries: int, merchants: int = 1_000, seed: int = 1) -> int:
    """Write about so many entries into an empty ledger; return how many. ``raw`` is a superuser's connection."""
    dice = random.Random(seed)
    people = [MerchantIdentity(new_id(), f"bulk_{number:06}") for number in range(merchants)]
    states = {s.key: s for merchant in people for currency in CURRENCIES for s in _accounts(merchant, currency)}
    schedules = load_schedules(merchant_ids=[], currencies=[])
    moment = datetime.now(UTC) - timedelta(days=90)
    step = timedelta(days=89) / max(1, entries // 4 // CHUNK + 2)
    written = 0
    with raw.transaction():
        raw.execute("SET LOCAL session_replication_role = replica")
        _copy(raw, "merchants_merchant (id, name, status, metadata)", ((m.id, m.name, "active", "{}") for m in people))
        _copy(
            raw,
            "merchants_account (id, merchant_id, currency_id, kind, status, overdraft_limit_minor)",
            ((s.id, k.merchant_id, k.currency, k.kind.value, "active", 0) for k, s in states.items()),
        )
        commands = itertools.chain(_openings(people), _movements(people, dice))
        while written < entries:
            moment += step
            planned = plan(
                [Group(list(itertools.islice(commands, CHUNK)))], Book(moment, dice.getrandbits(62), states, schedules=schedules)
            )
            _write(raw, planned)
            written += len(planned.entries)
    raw.execute("ANALYZE")
    return written


def _accounts(merchant: MerchantIdentity, currency: CurrencyUnit) -> list[AccountState]:
    return [
        AccountState(
            new_id(place=merchant.id), AccountKey(merchant.id.int, currency.code, kind), merchant.name, Status.ACTIVE, 0, None,
            sequence=0, balance_minor=0, last_hash=GENESIS, last_at=None, exists=True,
        )
        for kind in AccountKind
    ]  # fmt: skip


def _openings(people: Sequence[MerchantIdentity]) -> Iterator[Command]:
    for merchant in people:
        for currency in CURRENCIES:
            yield Deposit(merchant, currency, 10**10, Details(principal="bulk"))


def _movements(people: Sequence[MerchantIdentity], dice: random.Random) -> Iterator[Command]:
    while True:
        source, target = dice.sample(people, 2)
        yield TransferFunds(source, target, dice.choice(CURRENCIES), dice.randint(100, 1_000_000), Details(principal="bulk"))


def _write(raw: psycopg.Connection[Any], planned: Plan) -> None:
    _copy(
        raw,
        "transfers_transfer (id, kind, source_id, target_id, currency_id, amount_minor, fee_minor, total_debit_minor, fee_schedule_id, "
        "metadata, principal, request_id, created_at)",
        (
            (
                t.id, t.kind.value, t.source_account_id, t.target_account_id, t.currency.code, t.amount_minor, t.fee_minor,
                t.total_debit_minor, t.schedule_id, dumps_text(t.details.metadata), t.details.principal, "", t.created_at,
            )
            for t in planned.transfers
        ),
    )  # fmt: skip
    columns = "account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, created_at, hash"
    _copy(
        raw,
        f"transfers_ledgerentry ({columns})",
        (
            (
                e.account.id, e.sequence, e.transfer.id, e.direction.value, e.type.value, e.amount_minor, e.balance_after_minor,
                e.transfer.created_at, digest,
            )
            for e, digest in zip(planned.entries, seal(planned.entries), strict=True)
        ),
    )  # fmt: skip


def _copy(raw: psycopg.Connection[Any], target: str, rows: Any) -> None:
    with raw.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as copy:
        for row in rows:
            copy.write_row([str(value) if isinstance(value, UUID) else value for value in row])

"""Builders: what a test needs, made through the API or the engine, with names of its own."""

from __future__ import annotations

import itertools
import secrets
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx

from fees.domain import Payer, Rounding, Schedule
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, MerchantIdentity, Status
from tests.support.log_secrets import PLANTED
from transfers.domain.commands import AccountKey, Command
from transfers.domain.facts import AccountState, Book
from transfers.domain.hashing import GENESIS
from transfers.domain.outcome import Outcome
from transfers.domain.plan import Group, Plan, plan

_RUN = secrets.token_hex(3)
_numbers = itertools.count(1)


def unique(prefix: str = "m") -> str:
    """Return a name that no other test uses."""
    return f"{prefix}-{_RUN}-{next(_numbers)}"


def key() -> dict[str, str]:
    """Return headers with a fresh idempotency key."""
    return {"Idempotency-Key": PLANTED + secrets.token_hex(12)}


async def merchant(api: httpx.AsyncClient, balance: str | None = None, currency: str = "USD", **extra: Any) -> str:
    """Register a merchant and return its name."""
    name = unique()
    body: dict[str, Any] = {"merchant_name": name, **extra}
    if balance is not None:
        body |= {"currency": currency, "initial_balance": balance}
    response = await api.post("/merchants", json=body)
    assert response.status_code == 201, response.text
    return name


async def balance_minor(api: httpx.AsyncClient, name: str, currency: str = "USD", member: str = "available_minor") -> int:
    """Return what a merchant has."""
    response = await api.get(f"/merchants/{name}/balance", params={"currency": currency})
    assert response.status_code == 200, response.text
    amount: int = response.json()["balances"][0][member]
    return amount


async def wallet(api: httpx.AsyncClient, name: str, currency: str = "USD") -> str:
    """Return the id of a merchant's wallet."""
    response = await api.get(f"/merchants/{name}/balance", params={"currency": currency})
    account_id: str = response.json()["balances"][0]["account_id"]
    return account_id


def account_in(within: Book, merchant_: MerchantIdentity, kind: AccountKind = AccountKind.WALLET) -> AccountState:
    """Return a merchant's account in USD."""
    return within.accounts[AccountKey(merchant_.id.int, "USD", kind)]


def plan_one(within: Book, command: Command) -> tuple[Outcome, Plan]:
    """Plan one command; return its outcome and the plan. It names all accounts that it touches, and makes no money."""
    assert set(command.accounts()) <= set(within.accounts), "a command names every account that it may touch"
    before = sum(account.balance_minor for account in within.accounts.values())
    made = plan([Group([command])], within)
    assert sum(account.balance_minor for account in within.accounts.values()) == before
    ((outcome,),) = made.outcomes
    assert outcome is not None
    return outcome, made


def decide(within: Book, command: Command) -> Outcome:
    """Return the outcome of one command."""
    return plan_one(within, command)[0]


async def transfer(
    api: httpx.AsyncClient,
    source: str,
    target: str,
    amount_minor: int,
    *,
    currency: str = "USD",
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> httpx.Response:
    """Ask for a transfer."""
    body = {"from_merchant": source, "to_merchant": target, "currency": currency, "amount_minor": amount_minor, **extra}
    return await api.post("/transfers", json=body, headers=headers or key())


# --- plain values for the pure domain ---------------------------------------------------------------------------------------

USD = CurrencyUnit("USD", 2)
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def schedule(**changes: Any) -> Schedule:
    """Return a fee schedule: 1%, half-even, the sender pays, unless changed."""
    values: dict[str, Any] = {
        "id": UUID(int=1),
        "version": 1,
        "merchant_id": None,
        "currency": None,
        "kind": None,
        "rate": Decimal("0.01"),
        "flat_minor": 0,
        "minimum_minor": None,
        "maximum_minor": None,
        "tier_mode": None,
        "tiers": (),
        "rounding": Rounding.HALF_EVEN,
        "payer": Payer.SENDER,
        "effective_from": datetime(2000, 1, 1, tzinfo=UTC),
    }
    return Schedule(**(values | changes))


def identity(name: str) -> MerchantIdentity:
    """Return a merchant."""
    return MerchantIdentity(uuid4(), name)


def state(merchant_: MerchantIdentity, kind: AccountKind = AccountKind.WALLET, balance_minor: int = 0, **changes: Any) -> AccountState:
    """Return an account that exists and holds so much."""
    values: dict[str, Any] = {
        "id": uuid4(),
        "key": AccountKey(merchant_.id.int, "USD", kind),
        "merchant_name": merchant_.name,
        "status": Status.ACTIVE,
        "overdraft_minor": 0,
        "created_at": NOW,
        "sequence": 7,
        "balance_minor": balance_minor,
        "last_hash": GENESIS,
        "last_at": NOW,
        "exists": True,
    }
    return AccountState(**(values | changes))


def book(*states: AccountState, **changes: Any) -> Book:
    """Return a book of these accounts, charging by the default schedule."""
    values: dict[str, Any] = {"now": NOW, "entropy": 42, "accounts": {s.key: s for s in states}, "schedules": [schedule()]}
    return Book(**(values | changes))


def full_book(merchants: list[MerchantIdentity], balances: list[int], **changes: Any) -> Book:
    """Return a book with all four accounts of each merchant; the wallets hold these balances."""
    states = [
        state(merchant_, kind, balance if kind is AccountKind.WALLET else 0)
        for merchant_, balance in zip(merchants, balances, strict=True)
        for kind in AccountKind
    ]
    return book(*states, **changes)
